/* What the writing and the asking side of the SQLite view share, and their tests: its SQL.
 *
 * Orders stand in the order of their first event, so that inserting appends. A stub (only the
 * version is known) has no document and no placed_at, so that no comparison finds it.
 *
 * Thread:  constants.
 * Memory:  static.
 * Errors:  none.
 * Units:   times in Unix milliseconds; status and kind are the enums' numbers. */
#pragma once
#include "base/sqlite/db.h"
#include "query/sqlite/view_sqlite.h"

/* "tbvw" */
#define TB_VIEW_APPLICATION_ID 0x74627677
/* A checkpoint's syncs hold up the store's commits on the same disk, for as long as it is large:
 * with 120 pages the p99 of an order at full load is 9 ms, with 250 it is 10, with 4,000 it is 15.
 */
#define TB_VIEW_WAL_PAGES 120

extern const char *const tb_view_sqlite_list_sql;
extern const char *const tb_view_sqlite_list_customer_sql;
extern const char *const tb_view_sqlite_stats_sql;
extern const char *const tb_view_sqlite_get_sql;
extern const char *const tb_view_sqlite_offset_sql;

#define HEADER_ABSENT UINT32_MAX /* the length of a header's value that is none */

struct tb_view_sqlite {
    struct tb_view view;
    struct tb_db *db;      /* owned */
    struct tb_txn txn;     /* open from a plan's first load to the flush */
    struct tb_buf scratch; /* a document or a record's headers on their way into a row */
    struct tb_stmt insert, update, load, set_offset, offset;
    struct tb_stmt insert_dead, mend_dead, drop_dead, dead_status, any_dead, expire_dead_letters;
    struct tb_stmt scan_letters, letter;
};

/* A stored document as an order; its texts in the arena. */
TB_CHECKED enum tb_code tb_view_sqlite_decode_order(struct tb_str doc, struct tb_arena *arena,
                                                    struct tb_order *ret_order,
                                                    struct tb_error *err);

/* view_sqlite_dead.c; the write is part of the plan's transaction. */
TB_CHECKED enum tb_code tb_view_sqlite_prepare_dead_letters(struct tb_view_sqlite *view,
                                                            struct tb_error *err);
void tb_view_sqlite_finalize_dead_letters(struct tb_view_sqlite *view);
/* The plan's dead letters, and what became of those that were sent again. */
TB_CHECKED enum tb_code tb_view_sqlite_write_dead_letters(struct tb_view_sqlite *view,
                                                          const struct tb_plan *plan,
                                                          struct tb_error *err);
enum tb_code tb_view_sqlite_expire_dead_letters(struct tb_view *base, int64_t before_ms,
                                                int64_t limit, int64_t *ret_removed,
                                                struct tb_error *err);
enum tb_code tb_view_sqlite_drop_dead_letter(struct tb_view *base,
                                             struct tb_dead_letter_position place, int64_t at_ms,
                                             struct tb_error *err);

/* view_sqlite_letters.c */
extern const char *const tb_view_sqlite_dead_letters_sql;
extern const char *const tb_view_sqlite_open_dead_letters_sql;
extern const char *const tb_view_sqlite_order_dead_letters_sql;
extern const char *const tb_view_sqlite_dead_letter_sql;
extern const char *const tb_view_sqlite_redrivable_sql;
enum tb_code
tb_view_sqlite_redrivable(struct tb_view *base, struct tb_redrive_scan *scan, size_t max,
                          bool (*each)(void *ctx, const struct tb_dead_letter *letter), void *ctx,
                          struct tb_error *err);

struct tb_view_sqlite_reader {
    struct tb_view_reader reader;
    struct tb_db *db; /* owned */
    struct tb_stmt get, list, list_customer, scan, stats, offset, dead_letter_count;
    struct tb_stmt letters, open_letters, order_letters, letter;
};
enum tb_code tb_view_sqlite_list_dead_letters(struct tb_view_reader *base,
                                              const struct tb_dead_letter_filter *filter,
                                              bool (*each)(void *ctx,
                                                           const struct tb_dead_letter *letter),
                                              void *ctx, bool *ret_more, struct tb_error *err);
enum tb_code tb_view_sqlite_get_dead_letter(struct tb_view_reader *base,
                                            struct tb_dead_letter_position place,
                                            struct tb_arena *arena,
                                            struct tb_dead_letter *ret_letter,
                                            struct tb_error *err);

/* view_sqlite_stats.c */
enum tb_code tb_view_sqlite_stats(struct tb_view_reader *reader,
                                  const struct tb_stats_filter *filter, struct tb_arena *arena,
                                  struct tb_stats *ret_stats, struct tb_error *err);

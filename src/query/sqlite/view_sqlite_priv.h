/* What the writing and the reading side of the SQLite view share, also with their tests.
 *
 * Orders are stored in the order of their first event, so that inserting appends. A stub (only its
 * version is known) has no document and no placed_at, so that no query finds it.
 *
 * Units:   times in Unix milliseconds; status and kind are the enums' numbers. */
#pragma once
#include "base/sqlite/db.h"
#include "query/sqlite/view_sqlite.h"
#include <stdatomic.h>

/* "tbvw" */
#define TB_VIEW_APPLICATION_ID 0x74627677
/* A checkpoint's syncs delay the store's commits on the same disk for as long as it is large: with
 * 120 pages the p99 of an order at full load is 9 ms, with 250 it is 10, with 4,000 it is 15. */
#define TB_VIEW_WAL_PAGES 120

/* The length of a packed header's value that is absent. */
#define TB_PACKED_HEADER_ABSENT UINT32_MAX

extern const char *const tb_view_sqlite_list_sql;
extern const char *const tb_view_sqlite_list_customer_sql;
extern const char *const tb_view_sqlite_stats_sql;
extern const char *const tb_view_sqlite_get_sql;
extern const char *const tb_view_sqlite_offset_sql;
extern const char *const tb_view_sqlite_dead_letters_sql;
extern const char *const tb_view_sqlite_open_dead_letters_sql;
extern const char *const tb_view_sqlite_order_dead_letters_sql;
extern const char *const tb_view_sqlite_dead_letter_sql;
extern const char *const tb_view_sqlite_redrivable_sql;

/* A statement and its SQL text, for tb_view_sqlite_declare. */
struct tb_view_statement {
    struct tb_stmt *stmt;
    const char *sql;
};
void tb_view_sqlite_declare(struct tb_db *db, const struct tb_view_statement *list, size_t count);
void tb_view_sqlite_finalize(struct tb_stmt *first, const struct tb_stmt *end);

struct tb_view_sqlite {
    struct tb_view view;
    struct tb_db *db;      /* owned */
    struct tb_buf scratch; /* the document or the packed headers of the row being written */
    int64_t next_offset;   /* of partition 0, as this connection has left it; -1: not known */
    struct {
        struct tb_stmt insert, update, load, set_offset, offset, put_store_sequence;
        struct tb_stmt insert_dead_letter, set_replayed, overtake, drop;
        struct tb_stmt dead_letter_status, expire;
        struct tb_stmt redrivable, dead_letter;
    } stmts;
};
struct tb_sqlite_reader {
    struct tb_view_reader reader;
    struct tb_sqlite_reader *_Atomic next; /* owned; NULL: no switch is due */
    struct tb_db *db;                      /* owned */
    struct {
        struct tb_stmt get, list, list_customer, scan, stats, offset, dead_letter_count;
        struct tb_stmt dead_letters, open_dead_letters, order_dead_letters, dead_letter;
    } stmts;
};

/* The same reader, once a switch that is due has replaced its file and statements. Each query
 * calls this first. */
struct tb_sqlite_reader *tb_view_sqlite_current(struct tb_view_reader *base);
/* As tb_view_ops.offset, with a prepared tb_view_sqlite_offset_sql. */
TB_CHECKED enum tb_code tb_view_sqlite_read_offset(struct tb_stmt *offset, int32_t partition,
                                                   int64_t *ret_next, struct tb_error *err);
/* Decodes a stored document; its texts are in the arena. */
TB_CHECKED enum tb_code tb_view_sqlite_decode_order(struct tb_str doc, struct tb_arena *arena,
                                                    struct tb_order *ret_order,
                                                    struct tb_error *err);

/* dead_letter_write.c */
void tb_view_sqlite_declare_dead_letters(struct tb_view_sqlite *view);
/* Writes the plan's dead letters and the status of replayed ones, in the plan's transaction. */
TB_CHECKED enum tb_code tb_view_sqlite_write_dead_letters(struct tb_view_sqlite *view,
                                                          const struct tb_plan *plan,
                                                          struct tb_error *err);
enum tb_code tb_view_sqlite_expire_dead_letters(struct tb_view *base, int64_t before_ms,
                                                int64_t limit, int64_t *ret_removed,
                                                struct tb_error *err);
enum tb_code tb_view_sqlite_drop_dead_letter(struct tb_view *base,
                                             struct tb_dead_letter_position position,
                                             int64_t at_ms, struct tb_error *err);

/* dead_letter_read.c */
enum tb_code tb_view_sqlite_redrivable(struct tb_view *base, struct tb_redrive_scan *scan,
                                       size_t max, tb_dead_letter_fn *each, void *ctx,
                                       struct tb_error *err);
enum tb_code tb_view_sqlite_list_dead_letters(struct tb_view_reader *base,
                                              const struct tb_dead_letter_filter *filter,
                                              tb_dead_letter_fn *each, void *ctx, bool *ret_more,
                                              struct tb_error *err);
enum tb_code tb_view_sqlite_get_dead_letter(struct tb_view_reader *base,
                                            struct tb_dead_letter_position position,
                                            struct tb_arena *arena,
                                            struct tb_dead_letter *ret_letter,
                                            struct tb_error *err);

/* stats.c */
enum tb_code tb_view_sqlite_stats(struct tb_view_reader *reader,
                                  const struct tb_stats_filter *filter, struct tb_arena *arena,
                                  struct tb_stats *ret_stats, struct tb_error *err);

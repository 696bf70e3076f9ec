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
#include "base/db.h"
#include "query/view_sqlite.h"

/* "tbvw" */
#define TB_VIEW_APPLICATION_ID 0x74627677
/* A checkpoint's syncs hold up the store's commits on the same disk, for as long as it is large:
 * with 250 pages the p99 of an order at full load is 10 ms, with 4,000 it is 15. */
#define TB_VIEW_WAL_PAGES 250

extern const char *const tb_view_sqlite_list_sql;
extern const char *const tb_view_sqlite_list_customer_sql;
extern const char *const tb_view_sqlite_stats_sql;
extern const char *const tb_view_sqlite_get_sql;
extern const char *const tb_view_sqlite_offset_sql;

struct tb_view_sqlite {
    struct tb_view view;
    struct tb_db *db;      /* owned */
    struct tb_txn txn;     /* open from a plan's first load to the flush */
    struct tb_buf scratch; /* a document or a record's headers on their way into a row */
    struct tb_stmt insert, update, load, set_offset, offset, insert_dead, any_dead, expire_dead;
};

/* view_sqlite_dead.c; the write is part of the plan's transaction. */
enum tb_code tb_view_sqlite_prepare_dead(struct tb_view_sqlite *view, struct tb_error *err);
enum tb_code tb_view_sqlite_write_dead(struct tb_view_sqlite *view, const struct tb_plan *plan,
                                       const struct tb_dead_letter *letter, struct tb_error *err);
enum tb_code tb_view_sqlite_expire_dead(struct tb_view *base, int64_t before_ms, int64_t limit,
                                        int64_t *ret_removed, struct tb_error *err);

struct tb_view_sqlite_reader {
    struct tb_view_reader reader;
    struct tb_db *db; /* owned */
    struct tb_stmt get, list, list_customer, stats, offset, dead_count;
};

/* view_sqlite_stats.c */
enum tb_code tb_view_sqlite_stats(struct tb_view_reader *reader,
                                  const struct tb_stats_filter *filter, struct tb_arena *arena,
                                  struct tb_stats *ret_stats, struct tb_error *err);

#include "query/projection/stats_fold.h"
#include "query/sqlite/view_sqlite_priv.h"

/* The rows are added up here: for GROUP BY SQLite would first sort them, which costs more than
 * reading them. The index has all these columns, so the table is not read. */
const char *const tb_view_sqlite_stats_sql =
    "SELECT business_date, node, status, currency, kind, total_minor"
    " FROM orders INDEXED BY orders_by_time WHERE placed_at >= :from AND placed_at < :to";

static const char *key_of(struct tb_stmt *stmt, enum tb_group_by group_by, char *ret_text,
                          size_t size)
{
    switch (group_by) {
    case TB_GROUP_DAY:
        return tb_stmt_copy_text(stmt, 0, ret_text, size);
    case TB_GROUP_NODE:
        return tb_stmt_copy_text(stmt, 1, ret_text, size);
    case TB_GROUP_STATUS:
        return tb_order_status_name((enum tb_order_status)tb_stmt_int64(stmt, 2));
    case TB_GROUP_NONE:
        break;
    }
    return "";
}

static enum tb_code add_order(struct tb_stats_fold *fold, struct tb_stmt *stmt,
                              enum tb_group_by group_by, struct tb_error *err)
{
    char key_text[sizeof fold->last->key], currency[sizeof fold->last->currency];
    const char *key = key_of(stmt, group_by, key_text, sizeof key_text);

    tb_stmt_copy_text(stmt, 3, currency, sizeof currency);
    return tb_stats_fold_add(fold, key, currency, (enum tb_order_kind)tb_stmt_int64(stmt, 4),
                             (enum tb_order_status)tb_stmt_int64(stmt, 2), /* count= */ 1,
                             tb_stmt_int64(stmt, 5), err);
}

enum tb_code tb_view_sqlite_stats(struct tb_view_reader *base,
                                  const struct tb_stats_filter *filter, struct tb_arena *arena,
                                  struct tb_stats *ret_stats, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &tb_view_sqlite_current(base)->stmts.stats;
    struct tb_stats_fold fold = {.arena = arena};
    bool row = false;

    tb_stmt_bind_int64(stmt, ":from", filter->has_from ? filter->from_ms : INT64_MIN);
    tb_stmt_bind_int64(stmt, ":to", filter->has_to ? filter->to_ms : INT64_MAX);
    for (;;) {
        TB_TRY(tb_stmt_step(stmt, &row, err));
        if (!row)
            return tb_stats_fold_finish(&fold, filter->group_by, ret_stats, err);
        TB_TRY(add_order(&fold, stmt, filter->group_by, err));
    }
}

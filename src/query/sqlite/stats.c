#include "query/projection/stats_fold.h"
#include "query/sqlite/view_sqlite_priv.h"

/* The rows are added up here: for GROUP BY SQLite would first sort them, which costs more than
 * reading them. The index has all these columns, so the table is not read. */
const char *const tb_view_sqlite_stats_sql =
    "SELECT business_date, node, status, currency, kind, total_minor"
    " FROM orders INDEXED BY orders_by_time WHERE placed_at >= :from AND placed_at < :to"
    " AND business_date >= :from_date AND business_date < :to_date";

/* Of a business date no order was placed as far as this from the start of the date: time zones and
 * starts of the day are less than two days together. */
#define DATE_MARGIN_MS (INT64_C(3) * 24 * 60 * 60 * 1000)

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

/* The index is by time, so dates are times, too, as far as that goes. */
static void bind_range(struct tb_stmt *stmt, const struct tb_stats_filter *filter)
{
    struct tb_str from_date = tb_str_of(filter->from_date), to_date = tb_str_of(filter->to_date);
    int64_t from_ms = filter->has_from ? filter->from_ms : INT64_MIN;
    int64_t to_ms = filter->has_to ? filter->to_ms : INT64_MAX;

    if (from_date.len > 0 && tb_date_start_ms(from_date) - DATE_MARGIN_MS > from_ms)
        from_ms = tb_date_start_ms(from_date) - DATE_MARGIN_MS;
    if (to_date.len > 0 && tb_date_start_ms(to_date) + DATE_MARGIN_MS < to_ms)
        to_ms = tb_date_start_ms(to_date) + DATE_MARGIN_MS;
    tb_stmt_bind_int64(stmt, ":from", from_ms);
    tb_stmt_bind_int64(stmt, ":to", to_ms);
    tb_stmt_bind_text(stmt, ":from_date", from_date);
    tb_stmt_bind_text(stmt, ":to_date", to_date.len > 0 ? to_date : TB_STR("~"));
}

enum tb_code tb_view_sqlite_stats(struct tb_view_reader *base,
                                  const struct tb_stats_filter *filter, struct tb_arena *arena,
                                  struct tb_stats *ret_stats, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &tb_view_sqlite_current(base)->stmts.stats;
    struct tb_stats_fold fold = {.arena = arena};
    bool row = false;

    bind_range(stmt, filter);
    for (;;) {
        TB_TRY(tb_stmt_step(stmt, &row, err));
        if (!row)
            return tb_stats_fold_finish(&fold, filter->group_by, ret_stats, err);
        TB_TRY(add_order(&fold, stmt, filter->group_by, err));
    }
}

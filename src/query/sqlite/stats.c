#include "query/sqlite/view_sqlite_priv.h"
#include <stdlib.h>

/* Rows are added up here: sorting them for a GROUP BY would cost more than reading them, and
 * SQLite's sum() knows nothing of returns and cancelled orders. */
const char *const tb_view_sqlite_stats_sql =
    "SELECT business_date, node, status, currency, kind, total_minor"
    " FROM orders INDEXED BY orders_by_time WHERE placed_at >= :from AND placed_at < :to";

/* Groups by (key, currency): open addressing over rows, at most half full. */
struct groups {
    struct tb_arena *arena;
    struct tb_stats_row **slots;
    size_t mask, count;
    struct tb_stats_row *last; /* orders of one day stand together */
};

static const char *text_column(struct tb_stmt *stmt, int column, char *ret_text, size_t size)
{
    struct tb_str text = tb_stmt_text(stmt, column);

    if (text.len >= size)
        text.len = size - 1;
    if (text.len > 0)
        memcpy(ret_text, text.ptr, text.len);
    ret_text[text.len] = '\0';
    return ret_text;
}

static uint32_t hash_of(const char *key, const char *currency)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *key != '\0'; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    for (; *currency != '\0'; currency++)
        hash = (hash ^ (unsigned char)*currency) * 16777619u;
    return hash;
}

static bool is_group(const struct tb_stats_row *row, const char *key, const char *currency)
{
    return strcmp(row->key, key) == 0 && strcmp(row->currency, currency) == 0;
}

static size_t slot_of(const struct groups *groups, const char *key, const char *currency)
{
    size_t at = hash_of(key, currency) & groups->mask;

    while (groups->slots[at] && !is_group(groups->slots[at], key, currency))
        at = (at + 1) & groups->mask;
    return at;
}

static bool grow(struct groups *groups)
{
    size_t old_size = groups->slots ? groups->mask + 1 : 0;
    size_t size = old_size ? old_size * 2 : 64;
    struct tb_stats_row **old = groups->slots;

    groups->slots = tb_arena_array(groups->arena, size, sizeof(struct tb_stats_row *));
    if (!groups->slots)
        return false;
    groups->mask = size - 1;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i])
            groups->slots[slot_of(groups, old[i]->key, old[i]->currency)] = old[i];
    }
    return true;
}

/* NULL when out of memory. */
static struct tb_stats_row *group_of(struct groups *groups, const char *key, const char *currency)
{
    size_t at;

    if (groups->last && is_group(groups->last, key, currency))
        return groups->last;
    if ((!groups->slots || groups->count > groups->mask / 2) && !grow(groups))
        return NULL;
    at = slot_of(groups, key, currency);
    if (!groups->slots[at]) {
        struct tb_stats_row *row = tb_arena_alloc(groups->arena, sizeof *row);

        if (!row)
            return NULL;
        memcpy(row->key, key, strlen(key) + 1);
        memcpy(row->currency, currency, strlen(currency) + 1);
        groups->slots[at] = row;
        groups->count++;
    }
    groups->last = groups->slots[at];
    return groups->last;
}

static enum tb_code add_money(struct tb_stats_row *row, int64_t minor, struct tb_error *err)
{
    if (__builtin_add_overflow(row->total_minor, minor, &row->total_minor))
        return tb_error_set(err, TB_INTERNAL, "the sum of %s leaves 64 bits", row->currency);
    return TB_OK;
}

static const char *key_of(struct tb_stmt *stmt, enum tb_group_by group_by, char *ret_text,
                          size_t size)
{
    switch (group_by) {
    case TB_GROUP_DAY:
        return text_column(stmt, 0, ret_text, size);
    case TB_GROUP_NODE:
        return text_column(stmt, 1, ret_text, size);
    case TB_GROUP_STATUS:
        return tb_order_status_name((enum tb_order_status)tb_stmt_int64(stmt, 2));
    case TB_GROUP_NONE:
        break;
    }
    return "";
}

static enum tb_code add_order(struct groups *groups, struct tb_stmt *stmt,
                              enum tb_group_by group_by, struct tb_error *err)
{
    char key_text[sizeof groups->last->key], currency[sizeof groups->last->currency];
    const char *key = key_of(stmt, group_by, key_text, sizeof key_text);
    struct tb_stats_row *row =
        group_of(groups, key, text_column(stmt, 3, currency, sizeof currency));

    if (!row)
        return tb_error_set(err, TB_INTERNAL, "out of memory adding up");
    if (tb_stmt_int64(stmt, 4) == TB_SALE)
        row->orders++;
    else
        row->returns++;
    if (tb_stmt_int64(stmt, 2) == TB_CANCELLED) {
        row->cancelled++;
        return TB_OK;
    }
    return add_money(row, tb_stmt_int64(stmt, 5), err);
}

static enum tb_code add_orders(struct groups *groups, struct tb_stmt *stmt,
                               enum tb_group_by group_by, struct tb_error *err)
{
    bool row = false;

    for (;;) {
        TB_TRY(tb_stmt_step(stmt, &row, err));
        if (!row)
            return TB_OK;
        TB_TRY(add_order(groups, stmt, group_by, err));
    }
}

static int by_key_and_currency(const void *a, const void *b)
{
    const struct tb_stats_row *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order != 0 ? order : strcmp(x->currency, y->currency);
}

/* The groups as a sorted list. */
static enum tb_code list_groups(const struct groups *groups, struct tb_stats_row **ret_list,
                                struct tb_error *err)
{
    size_t count = 0, size = groups->slots ? groups->mask + 1 : 0;
    struct tb_stats_row *list =
        tb_arena_array(groups->arena, groups->count ? groups->count : 1, sizeof *list);

    if (!list)
        return tb_error_set(err, TB_INTERNAL, "out of memory adding up");
    for (size_t i = 0; i < size; i++) {
        if (groups->slots[i])
            list[count++] = *groups->slots[i];
    }
    qsort(list, count, sizeof *list, by_key_and_currency);
    *ret_list = list;
    return TB_OK;
}

static enum tb_code add_groups(struct groups *totals, const struct tb_stats_row *list,
                               size_t count, struct tb_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct tb_stats_row *total = group_of(totals, "", list[i].currency);

        if (!total)
            return tb_error_set(err, TB_INTERNAL, "out of memory adding up");
        total->orders += list[i].orders;
        total->returns += list[i].returns;
        total->cancelled += list[i].cancelled;
        TB_TRY(add_money(total, list[i].total_minor, err));
    }
    return TB_OK;
}

enum tb_code tb_view_sqlite_stats(struct tb_view_reader *base,
                                  const struct tb_stats_filter *filter, struct tb_arena *arena,
                                  struct tb_stats *ret_stats, struct tb_error *err)
{
    struct tb_stmt *stmt = &((struct tb_view_sqlite_reader *)base)->stats;
    struct groups groups = {.arena = arena}, totals = {.arena = arena};
    struct tb_stats stats = {0};
    enum tb_code code;

    tb_stmt_bind_int64(stmt, ":from", filter->has_from ? filter->from_ms : INT64_MIN);
    tb_stmt_bind_int64(stmt, ":to", filter->has_to ? filter->to_ms : INT64_MAX);
    code = add_orders(&groups, stmt, filter->group_by, err);
    tb_stmt_reset(stmt);
    if (code != TB_OK)
        return code;

    TB_TRY(list_groups(&groups, &stats.groups, err));
    TB_TRY(add_groups(&totals, stats.groups, groups.count, err));
    TB_TRY(list_groups(&totals, &stats.totals, err));
    stats.total_count = totals.count;
    if (filter->group_by != TB_GROUP_NONE)
        stats.group_count = groups.count;
    *ret_stats = stats;
    return TB_OK;
}

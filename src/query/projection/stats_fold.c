#include "query/projection/stats_fold.h"
#include "base/hash.h"
#include <stdlib.h>

static uint32_t hash_of(const char *key, const char *currency)
{
    return tb_fnv1a(tb_fnv1a(TB_FNV1A_START, key, strlen(key)), currency, strlen(currency));
}

static bool is_row_of(const struct tb_stats_row *row, const char *key, const char *currency)
{
    return strcmp(row->key, key) == 0 && strcmp(row->currency, currency) == 0;
}

static size_t slot_of(const struct tb_stats_fold *fold, const char *key, const char *currency)
{
    size_t at = hash_of(key, currency) & fold->mask;

    while (fold->slots[at] && !is_row_of(fold->slots[at], key, currency))
        at = (at + 1) & fold->mask;
    return at;
}

static bool grow(struct tb_stats_fold *fold)
{
    size_t old_size = fold->slots ? fold->mask + 1 : 0;
    size_t size = old_size ? old_size * 2 : 64;
    struct tb_stats_row **old = fold->slots;

    fold->slots = tb_arena_array(fold->arena, size, sizeof(struct tb_stats_row *));
    if (!fold->slots)
        return false;
    fold->mask = size - 1;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i])
            fold->slots[slot_of(fold, old[i]->key, old[i]->currency)] = old[i];
    }
    return true;
}

/* NULL when out of memory. */
static struct tb_stats_row *find_or_add(struct tb_stats_fold *fold, const char *key,
                                        const char *currency)
{
    struct tb_stats_row **slot;

    if (fold->last && is_row_of(fold->last, key, currency))
        return fold->last;
    if ((!fold->slots || fold->count > fold->mask / 2) && !grow(fold))
        return NULL;
    slot = &fold->slots[slot_of(fold, key, currency)];
    if (!*slot) {
        struct tb_stats_row *row = tb_arena_alloc(fold->arena, sizeof *row);

        if (!row)
            return NULL;
        memcpy(row->key, key, strlen(key) + 1);
        memcpy(row->currency, currency, strlen(currency) + 1);
        *slot = row;
        fold->count++;
    }
    fold->last = *slot;
    return *slot;
}

static enum tb_code add(struct tb_stats_fold *fold, const char *key, const char *currency,
                        int64_t orders, int64_t returns, int64_t cancelled, tb_sum total_minor,
                        struct tb_error *err)
{
    struct tb_stats_row *row = find_or_add(fold, key, currency);

    if (!row)
        return tb_error_set(err, TB_INTERNAL, "out of memory adding up");
    row->orders += orders;
    row->returns += returns;
    row->cancelled += cancelled;
    row->total_minor += total_minor;
    return TB_OK;
}

enum tb_code tb_stats_fold_add(struct tb_stats_fold *fold, const char *key, const char *currency,
                               enum tb_order_kind kind, enum tb_order_status status, int64_t count,
                               tb_sum total_minor, struct tb_error *err)
{
    bool cancelled = status == TB_CANCELLED;

    return add(fold, key, currency, kind == TB_SALE ? count : 0, kind == TB_RETURN ? count : 0,
               cancelled ? count : 0, cancelled ? 0 : total_minor, err);
}

enum tb_code tb_stats_fold_add_row(struct tb_stats_fold *fold, const struct tb_stats_row *row,
                                   struct tb_error *err)
{
    return add(fold, row->key, row->currency, row->orders, row->returns, row->cancelled,
               row->total_minor, err);
}

static int by_key_and_currency(const void *a, const void *b)
{
    const struct tb_stats_row *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order != 0 ? order : strcmp(x->currency, y->currency);
}

static enum tb_code list_rows(const struct tb_stats_fold *fold, struct tb_stats_row **ret_rows,
                              struct tb_error *err)
{
    size_t count = 0, size = fold->slots ? fold->mask + 1 : 0;
    struct tb_stats_row *rows = tb_arena_array(fold->arena, fold->count + 1, sizeof *rows);

    if (!rows)
        return tb_error_set(err, TB_INTERNAL, "out of memory adding up");
    for (size_t i = 0; i < size; i++) {
        if (fold->slots[i])
            rows[count++] = *fold->slots[i];
    }
    qsort(rows, count, sizeof *rows, by_key_and_currency);
    *ret_rows = rows;
    return TB_OK;
}

enum tb_code tb_stats_fold_finish(struct tb_stats_fold *fold, enum tb_group_by group_by,
                                  struct tb_stats *ret_stats, struct tb_error *err)
{
    struct tb_stats_fold totals = {.arena = fold->arena};
    struct tb_stats stats = {0};

    TB_TRY(list_rows(fold, &stats.groups, err));
    for (size_t i = 0; i < fold->count; i++) {
        const struct tb_stats_row *row = &stats.groups[i];

        TB_TRY(add(&totals, "", row->currency, row->orders, row->returns, row->cancelled,
                   row->total_minor, err));
    }
    TB_TRY(list_rows(&totals, &stats.totals, err));
    stats.total_count = totals.count;
    stats.group_count = group_by == TB_GROUP_NONE ? 0 : fold->count;
    *ret_stats = stats;
    return TB_OK;
}

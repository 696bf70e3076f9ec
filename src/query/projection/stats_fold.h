/* Adds up orders for the statistics query of a view (tb_stats in view.h): one row for each pair of
 * group key and currency.
 *
 * A sale counts in `orders`, a return in `returns`. A cancelled order counts in `cancelled` as
 * well, and its amount is left out of the total.
 *
 * Memory:  rows live in the given arena. A struct with only `arena` set is empty.
 * Errors:  TB_INTERNAL: out of memory. Do not use the struct again. */
#pragma once
#include "query/projection/view.h"

struct tb_stats_fold {
    struct tb_arena *arena;
    struct tb_stats_row **slots; /* hash table by key and currency, at most half full */
    size_t mask, count;
    struct tb_stats_row *last; /* used last: the next order is often of the same group */
};
/* Adds `count` orders, all with this key, currency, kind and status; total_minor is the sum of
 * their amounts. key: the name of the group, "" without groups. */
TB_CHECKED enum tb_code tb_stats_fold_add(struct tb_stats_fold *fold, const char *key,
                                          const char *currency, enum tb_order_kind kind,
                                          enum tb_order_status status, int64_t count,
                                          tb_sum total_minor, struct tb_error *err);
/* Adds a row of a rollup. */
TB_CHECKED enum tb_code tb_stats_fold_add_row(struct tb_stats_fold *fold,
                                              const struct tb_stats_row *row,
                                              struct tb_error *err);
/* Sorts the rows and adds up the totals per currency. With TB_GROUP_NONE ret_stats has only
 * totals. */
TB_CHECKED enum tb_code tb_stats_fold_finish(struct tb_stats_fold *fold, enum tb_group_by group_by,
                                             struct tb_stats *ret_stats, struct tb_error *err);

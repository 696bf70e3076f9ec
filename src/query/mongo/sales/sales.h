/* The documents of sales_by_day and sales_totals.
 *
 * sales_by_day has one for each node, business date and currency. sales_totals has what they are
 * together over all nodes, so that an answer for a year looks at some thousand documents, however
 * many nodes there are: one for each business date, currency and partition of the log. Both are
 * written with each plan, and in the same way (day.h).
 *
 * Errors:  as driver/client.h. TB_BUSY also: a program with a higher fence has changed the day.
 *          TB_CORRUPT: a stored day cannot be read. */
#pragma once
#include "base/time/day_ends.h"
#include "query/mongo/driver/meta.h"
#include "query/mongo/sales/day.h"
#include "query/projection/view.h"

TB_CHECKED enum tb_code tb_mongo_day_encode(const struct tb_sales_day *day, bson_t *doc,
                                            struct tb_error *err);
/* Fills changes and parts. False: a field is missing or wrong, or there is no memory. */
TB_CHECKED bool tb_mongo_day_decode(const bson_t *doc, struct tb_arena *arena,
                                    struct tb_sales_day *day);
/* Behind every business date. */
#define TB_MONGO_DATE_END "~"
/* Adds up the days that the filter selects by their dates; it has no times. *ret_has_statuses
 * false: orders are to be grouped by status, and a day does not know how. */
TB_CHECKED enum tb_code tb_mongo_add_sales(const struct tb_mongo_client *client,
                                           const char *collection,
                                           const struct tb_stats_filter *filter,
                                           struct tb_arena *arena, struct tb_stats *ret_stats,
                                           bool *ret_has_statuses, struct tb_error *err);
/* When the days of the plan's nodes end; sorted by name. Whether an order is late is judged by the
 * day of its node, wherever the central stands. A node that is not listed has told nothing: then
 * the central's own day decides (write.c). */
struct tb_sales_day_ends {
    const struct tb_node_day_ends *nodes;
    size_t count;
};
/* Adds all that the plan changes, each record once. day_ends NULL: to sales_totals. undo: instead
 * takes out what the plan changed for this order, which could not be written. TB_BUSY: because of
 * the fence *ret_highest, if that is set. */
TB_CHECKED enum tb_code tb_mongo_write_sales(const struct tb_mongo_client *client,
                                             const char *collection, const struct tb_plan *plan,
                                             const struct tb_sales_day_ends *day_ends,
                                             const struct tb_sales_fence *fence,
                                             const struct tb_planned_order *undo,
                                             int64_t *ret_highest, struct tb_error *err);

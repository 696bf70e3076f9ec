/* The documents of sales_by_day.
 *
 * Errors:  as driver/client.h. TB_BUSY also: another program with a higher fence changed the day.
 *          TB_INVALID: a sum would leave 64 bits. */
#pragma once
#include "query/mongo/driver/meta.h"
#include "query/mongo/sales/day.h"

TB_CHECKED enum tb_code tb_mongo_day_encode(const struct tb_sales_day *day, bson_t *doc,
                                            struct tb_error *err);
/* Fills changes and parts. False: the document is not as written, or there is no memory. */
TB_CHECKED bool tb_mongo_day_decode(const bson_t *doc, struct tb_arena *arena,
                                    struct tb_sales_day *day);
/* Adds all that the plan changes. TB_INVALID: because of *ret_refused. */
TB_CHECKED enum tb_code tb_mongo_write_sales(const struct tb_mongo_client *client,
                                             const char *collection, const struct tb_plan *plan,
                                             int64_t fence,
                                             const struct tb_planned_order **ret_refused,
                                             struct tb_error *err);
/* Takes out what the plan changed for one order, which could not be written. */
TB_CHECKED enum tb_code tb_mongo_undo_sales(const struct tb_mongo_client *client,
                                            const char *collection, const struct tb_plan *plan,
                                            int64_t fence, const struct tb_planned_order *planned,
                                            struct tb_error *err);

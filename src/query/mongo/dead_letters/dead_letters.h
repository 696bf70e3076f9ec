/* The documents of dead_letters.
 *
 * Memory:  texts are copied into the arena given; each borrows for the call.
 * Errors:  as driver/client.h; TB_CORRUPT: a document is not as it was written. */
#pragma once
#include "query/mongo/driver/meta.h"
#include "query/projection/plan.h"

/* What became of the plan's records: each is written once, whoever writes it. */
TB_CHECKED enum tb_code tb_mongo_write_dead_letters(const struct tb_mongo_client *client,
                                                    const char *collection,
                                                    const struct tb_plan *plan,
                                                    struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_expire_dead_letters(const struct tb_mongo_client *client,
                                                     int64_t before_ms, int64_t limit,
                                                     int64_t *ret_removed, struct tb_error *err);
TB_CHECKED enum tb_code
tb_mongo_list_dead_letters(const struct tb_mongo_client *client,
                           const struct tb_dead_letter_filter *filter,
                           bool (*each)(void *ctx, const struct tb_dead_letter *dead_letter),
                           void *ctx, bool *ret_more, struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_read_dead_letter(const struct tb_mongo_client *client,
                                                  struct tb_dead_letter_position position,
                                                  struct tb_arena *arena,
                                                  struct tb_dead_letter *ret_dead_letter,
                                                  struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_count_open_dead_letters(const struct tb_mongo_client *client,
                                                         int64_t *ret_count, struct tb_error *err);
/* As tb_view_ops.redrivable; orders: the collection that says how far each order is. */
TB_CHECKED enum tb_code
tb_mongo_redrivable(const struct tb_mongo_client *client, const char *orders,
                    struct tb_redrive_scan *scan, size_t max,
                    bool (*each)(void *ctx, const struct tb_dead_letter *dead_letter), void *ctx,
                    struct tb_error *err);

/* bson.c: the document of a dead letter that is new. */
void tb_mongo_put_first_death(struct tb_bson_writer out, const char *id,
                              const struct tb_mongo_client *client, const struct tb_plan *plan,
                              const struct tb_plan_dead_letter *dead);
/* An update: the record was sent again and died again. */
void tb_mongo_put_next_death(struct tb_bson_writer out, const struct tb_mongo_client *client,
                             const struct tb_plan *plan, const struct tb_plan_dead_letter *dead);
/* An update: the record was sent again, and was applied or not needed any more. */
void tb_mongo_put_replayed(struct tb_bson_writer out, const struct tb_plan *plan, int64_t offset);
TB_CHECKED enum tb_code tb_mongo_dead_letter_decode(const bson_t *doc, struct tb_arena *arena,
                                                    struct tb_dead_letter *ret_dead_letter,
                                                    struct tb_error *err);
/* read.c: adds to the filter: behind that one. by_order: all are of one order, and
 * sorted by position alone. */
void tb_mongo_put_after(bson_t *filter, int64_t dead_at_ms,
                        struct tb_dead_letter_position position, bool by_order);

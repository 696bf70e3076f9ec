/* The documents of the collection dead_letters.
 *
 * Memory:  texts are copied into the given arena; the callback `each` may use the texts only
 *          during the call.
 * Errors:  as driver/client.h; TB_CORRUPT: a document has a missing or wrong field. */
#pragma once
#include "query/mongo/driver/meta.h"
#include "query/projection/view.h"

/* Writes the outcome of each of the plan's dead letters and replays. A second write of the same
 * outcome, also by another program, changes nothing. */
TB_CHECKED enum tb_code tb_mongo_write_dead_letters(const struct tb_mongo_client *client,
                                                    const char *collection,
                                                    const struct tb_plan *plan,
                                                    struct tb_error *err);
/* Closes the open dead letters that the plan's snapshots overtake. */
TB_CHECKED enum tb_code tb_mongo_overtake_dead_letters(const struct tb_mongo_client *client,
                                                       const char *collection,
                                                       const struct tb_plan *plan,
                                                       struct tb_error *err);
/* As in tb_view_ops. orders: the collection with each order's version. */
TB_CHECKED enum tb_code tb_mongo_expire_dead_letters(const struct tb_mongo_client *client,
                                                     int64_t before_ms, int64_t limit,
                                                     int64_t *ret_removed, struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_redrivable(const struct tb_mongo_client *client,
                                            const char *orders, struct tb_redrive_scan *scan,
                                            size_t max, tb_dead_letter_fn *each, void *ctx,
                                            struct tb_error *err);
/* As in tb_view_reader_ops. */
TB_CHECKED enum tb_code tb_mongo_list_dead_letters(const struct tb_mongo_client *client,
                                                   const struct tb_dead_letter_filter *filter,
                                                   tb_dead_letter_fn *each, void *ctx,
                                                   bool *ret_more, struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_read_dead_letter(const struct tb_mongo_client *client,
                                                  struct tb_dead_letter_position position,
                                                  struct tb_arena *arena,
                                                  struct tb_dead_letter *ret_dead_letter,
                                                  struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_count_open_dead_letters(const struct tb_mongo_client *client,
                                                         int64_t *ret_count, struct tb_error *err);

/* bson.c: writes the document of a record that became a dead letter for the first time. */
void tb_mongo_put_first_death(struct tb_bson_writer out, const char *id,
                              const struct tb_mongo_client *client, const struct tb_plan *plan,
                              const struct tb_plan_dead_letter *dead);
/* Writes an update: the replay failed, so the record is a dead letter again. */
void tb_mongo_put_next_death(struct tb_bson_writer out, const struct tb_mongo_client *client,
                             const struct tb_plan *plan, const struct tb_plan_dead_letter *dead);
/* Writes an update: the replay was applied, or was a duplicate. */
void tb_mongo_put_replayed(struct tb_bson_writer out, const struct tb_plan *plan, int64_t offset);
TB_CHECKED enum tb_code tb_mongo_dead_letter_decode(const bson_t *doc, struct tb_arena *arena,
                                                    struct tb_dead_letter *ret_dead_letter,
                                                    struct tb_error *err);
/* read.c: restricts the filter to the dead letters after the one at this time and position.
 * by_order: the filter selects one order; these are sorted by position alone. */
void tb_mongo_put_after(bson_t *filter, int64_t dead_at_ms,
                        struct tb_dead_letter_position position, bool by_order);

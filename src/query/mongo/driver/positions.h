/* The documents of the collection `positions`: where the view stands in each partition of a topic.
 *
 * _id "<topic>/<partition>": generation, next, and lastOffset, lastEventId and lastAt of the last
 * record before it; began and why: when and why the generation began. `feeds`: what the topic
 * fills, "orders" or "nodes". Offsets are the log's own; generation and offset together are one
 * number everywhere else (bridge/log/place.h).
 *
 * Errors:  as client.h; TB_CORRUPT: a field is missing or wrong. */
#pragma once
#include "bridge/log/placed_reader.h"
#include "query/mongo/driver/client.h"

/* next -1: none is stored. *ret_unused: the lowest generation that no topic of the same use has in
 * this partition. */
TB_CHECKED enum tb_code tb_mongo_read_place(const struct tb_mongo_client *client,
                                            const struct tb_mongo_positions *positions,
                                            int32_t partition, struct tb_log_place *ret_place,
                                            int64_t *ret_unused, struct tb_error *err);
/* Replaces `before`, whose next may be -1. why: a generation begins; NULL: none does. *ret_done
 * false: something else is stored. */
TB_CHECKED enum tb_code tb_mongo_write_place(const struct tb_mongo_client *client,
                                             const struct tb_mongo_positions *positions,
                                             int32_t partition, const struct tb_log_place *before,
                                             const struct tb_log_place *place, const char *why,
                                             bool *ret_done, struct tb_error *err);
/* For tb_log_places: *ret_taken_over is not set. ctx: struct tb_mongo_positions. */
TB_CHECKED enum tb_code tb_mongo_begin_place(const struct tb_mongo_positions *positions,
                                             int32_t partition, const struct tb_log_place *before,
                                             const struct tb_log_place *place, const char *why,
                                             struct tb_error *err);
/* Writes the place behind a batch that the view has, unless the view stands further. TB_NOT_FOUND:
 * the view does not stand where it stood when *before was read, but behind; *before: what was
 * stored before. */
TB_CHECKED enum tb_code tb_mongo_advance_place(const struct tb_mongo_client *client,
                                               const struct tb_mongo_positions *positions,
                                               int32_t partition,
                                               const struct tb_log_place *before,
                                               const struct tb_log_place *place,
                                               struct tb_error *err);

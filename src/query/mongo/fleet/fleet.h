/* What MongoDB stores about each node: its last heartbeat, and whether people have retired it
 * (`nodes`), and which of its events have arrived (`sequences`, written with each plan).
 *
 * Thread:  any.
 * Errors:  as driver/client.h. TB_BUSY also: other centrals keep changing the same documents.
 *          TB_CORRUPT: a document of `nodes` cannot be read. */
#pragma once
#include "bridge/log/placed_reader.h"
#include "query/fleet/nodes.h"
#include "query/mongo/driver/mongo.h"

typedef void tb_mongo_retired_fn(void *ctx, const char *node);
/* Applies the heartbeats in the order of their offsets, each once, even if several centrals have
 * read it. on_retired: told of a node that is retired, and of which this is the first heartbeat
 * since; NULL: nobody wants to know. */
TB_CHECKED enum tb_code tb_mongo_save_heartbeats(struct tb_mongo *mongo,
                                                 const struct tb_heartbeat_record *list,
                                                 size_t count, tb_mongo_retired_fn *on_retired,
                                                 void *ctx, struct tb_error *err);
/* People retire the node, or put it back as if they never had: retired NULL. If it is so already,
 * nothing changes, also not when it was retired and by whom. retired->at_ms: now. TB_NOT_FOUND:
 * nothing has ever come from the node. */
TB_CHECKED enum tb_code tb_mongo_retire_node(struct tb_mongo *mongo, const char *node,
                                             const struct tb_node_retirement *retired,
                                             struct tb_error *err);
/* Where `nodes` stands in the topic of heartbeats; positions outlive the places. */
void tb_mongo_nodes_places(struct tb_mongo_positions *positions, struct tb_log_places *ret_places);
/* The heartbeats before the place are saved. If `nodes` was put back meanwhile, the place stays;
 * the reader notices that. */
TB_CHECKED enum tb_code tb_mongo_pass_heartbeats(const struct tb_mongo_positions *positions,
                                                 int32_t partition,
                                                 const struct tb_log_place *place,
                                                 struct tb_error *err);
/* Lists every node that has sent a heartbeat or an event, sorted by name; in the arena. It reads
 * two small documents of each; holes and late orders are in the details. */
TB_CHECKED enum tb_code tb_mongo_list_nodes(struct tb_mongo *mongo, int64_t now_ms,
                                            struct tb_arena *arena,
                                            struct tb_node_report_list *ret_list,
                                            struct tb_error *err);
/* Replaces reports, sorted by name, by ones that also have holes and late orders. */
TB_CHECKED enum tb_code tb_mongo_detail_nodes(struct tb_mongo *mongo, int64_t now_ms,
                                              struct tb_arena *arena, struct tb_node_report *nodes,
                                              size_t count, struct tb_error *err);

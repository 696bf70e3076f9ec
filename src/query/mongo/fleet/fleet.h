/* What MongoDB stores about each node: its heartbeats (`nodes`), and which of its events arrived
 * (`sequences`, written with each plan).
 *
 * Thread:  any; a call acquires a client of its own.
 * Errors:  as driver/client.h. TB_BUSY also: other centrals go on changing the same documents. */
#pragma once
#include "query/fleet/nodes.h"
#include "query/mongo/driver/mongo.h"

/* Applies each heartbeat once, whichever central brings it, in the order of their offsets. */
TB_CHECKED enum tb_code tb_mongo_save_heartbeats(struct tb_mongo *mongo,
                                                 const struct tb_heartbeat_record *list,
                                                 size_t count, struct tb_error *err);
/* Every node that sent a heartbeat or an event, by name; in the arena. */
TB_CHECKED enum tb_code tb_mongo_list_nodes(struct tb_mongo *mongo, int64_t now_ms,
                                            struct tb_arena *arena,
                                            struct tb_node_report_list *ret_list,
                                            struct tb_error *err);

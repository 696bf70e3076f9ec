/* The documents of `nodes`: the last heartbeat of each node, with its offset in the topic. */
#pragma once
#include "query/fleet/nodes.h"
#include "query/mongo/driver/bson.h"

void tb_mongo_put_node(struct tb_bson_writer out, const struct tb_node *node, int64_t offset);
/* False: a field is missing or wrong. */
TB_CHECKED bool tb_mongo_node_decode(const bson_t *doc, struct tb_node *ret_node,
                                     int64_t *ret_offset);

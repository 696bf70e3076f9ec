/* The MongoDB view: bulk upserts guarded by the order's version, unordered, idempotent.
 *
 * Collections and fields are INTERFACES' ("MongoDB"). A replayed batch and a zombie's batch change
 * nothing: every write is guarded by what it replaces. The log's committed offsets say where to
 * go on; the view holds none.
 *
 * Thread:  a pool is shared; a view and a reader have one owner each and take a client per call.
 * Memory:  opaque; freed by the ops' free, the pool last.
 * Errors:  TB_UNAVAILABLE: no server, or it did not say that it is done: the same plan again is
 *          harmless. TB_INVALID: an order that the server will never take.
 * Units:   as view.h. */
#pragma once
#include "query/view.h"

struct tb_mongo;
struct tb_mongo_options {
    const char *uri;      /* TLS, authentication and pool size by its options */
    const char *database; /* "tillbox" */
    int bulk_size;        /* operations in one bulk; at least 1 */
};
/* Parses the URI and sets time-outs that it leaves open; does not connect. */
TB_CHECKED enum tb_code tb_mongo_new(const struct tb_mongo_options *options,
                                     struct tb_mongo **ret_mongo, struct tb_error *err);
void tb_mongo_free(struct tb_mongo *mongo);
/* Collections, indexes and the names that are served: made or checked. Says in ret_warning ("" if
 * none) when the server is a standalone one, whose writes are not replicated. */
TB_CHECKED enum tb_code tb_mongo_prepare(struct tb_mongo *mongo, char ret_warning[240],
                                         struct tb_error *err);
TB_CHECKED enum tb_code tb_view_mongo_open(struct tb_mongo *mongo, struct tb_view **ret_view,
                                           struct tb_error *err);
TB_CHECKED enum tb_code tb_view_mongo_reader(struct tb_mongo *mongo,
                                             struct tb_view_reader **ret_reader,
                                             struct tb_error *err);

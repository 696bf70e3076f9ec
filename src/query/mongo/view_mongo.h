/* The MongoDB view: bulk writes guarded by the order's version, unordered, idempotent.
 *
 * Collections and fields are INTERFACES' ("MongoDB"). The log's committed offsets say where to go
 * on; the view holds none. `meta` names the collections that are served: writers and readers look
 * there each time, and a plan is for those that it was made for (TB_CONFLICT; rebuild_mongo.h).
 * A commit writes in this order, and is done when all of it is confirmed
 * by a majority and journaled:
 *  1. sales_by_day. Each day says by partition which records it holds (sales.h), and is replaced
 *     only while its `changes` is what was read. So an order that is written is counted, and a
 *     record that is counted is never counted again: a crash in between, a batch cut otherwise,
 *     a zombie or a second central change nothing. What a record changes follows from the log
 *     alone, so whoever comes first writes the same figures. Whoever reads a partition has taken
 *     the next number of `meta` ("fence"), and the log has confirmed after that that it reads it
 *     still: nobody who had the partition before changes a day that it has changed.
 *  2. orders: an insert, or a replacement guarded by {_id, version: {$lt: n}}. A duplicate key is
 *     read back: version n or later is "already applied". An order that the server refuses for
 *     good is taken out of its day again; whoever refuses one, refuses it to all.
 *  3. dead_letters, by topic, partition and offset: what is there stays, but for what became of
 *     its record when it was sent again, which is noted once, by that record's offset. Whoever
 *     reads the record keeps the letter: no other program fills the collection.
 *  4. sequences: which numbers of a node came (nodes.h); sets that only grow.
 * A server that did not answer is not asked again by readers for TB_MONGO_DOWN_MS: whoever asks
 * meanwhile is told so at once, and waits for no time-out.
 * Orders are loaded with read concern majority, so that nothing that may yet be rolled back is
 * taken for done. A commit may end TB_UNKNOWN: the same plan, or a new one, is harmless.
 *
 * Thread:  a tb_mongo is shared; a view and a reader have one owner each, take a client per call.
 * Memory:  opaque; freed by the ops' free, the tb_mongo last.
 * Errors:  TB_UNAVAILABLE, TB_UNKNOWN, TB_BUSY, TB_FULL as view.h; TB_INVALID: an order that the
 *          server will never take (view->refused_index), or a wrong URI.
 * Units:   as view.h. */
#pragma once
#include "query/fleet/nodes.h"
#include "query/projection/view.h"

#define TB_MONGO_DOWN_MS 1000

struct tb_mongo;
struct tb_mongo_options {
    const char *uri;       /* TLS, authentication and pool size by its options */
    const char *database;  /* "tillbox" */
    const char *topic;     /* of the events: names the dead letters */
    int bulk_size;         /* operations in one bulk; at least 1 */
    int day_start_minutes; /* when a day is over, in the process's zone */
    const struct tb_clock *clock;
};
/* Parses the URI and sets time-outs and concerns that it leaves open; does not connect.
 * TB_INVALID also for a URI whose writes nobody confirms (w=0, journal=false). */
TB_CHECKED enum tb_code tb_mongo_new(const struct tb_mongo_options *options,
                                     struct tb_mongo **ret_mongo, struct tb_error *err);
void tb_mongo_free(struct tb_mongo *mongo);
/* Indexes and the names that are served: made or checked. Says in ret_warning ("" if none) when
 * the server is a standalone one, whose writes are not replicated. */
TB_CHECKED enum tb_code tb_mongo_prepare(struct tb_mongo *mongo, char ret_warning[240],
                                         struct tb_error *err);
TB_CHECKED enum tb_code tb_view_mongo_open(struct tb_mongo *mongo, struct tb_view **ret_view,
                                           struct tb_error *err);
TB_CHECKED enum tb_code tb_view_mongo_reader(struct tb_mongo *mongo,
                                             struct tb_view_reader **ret_reader,
                                             struct tb_error *err);

/* As tb_view_ops.drop_dead_letter, for whoever has no view. */
TB_CHECKED enum tb_code tb_mongo_drop_dead_letter(struct tb_mongo *mongo,
                                                  struct tb_dead_letter_position place,
                                                  int64_t at_ms, struct tb_error *err);

/* Notes heartbeats, each once, whoever brings it, in the order of their offsets. */
TB_CHECKED enum tb_code tb_mongo_save_heartbeats(struct tb_mongo *mongo,
                                                 const struct tb_heartbeat_record *list,
                                                 size_t count, struct tb_error *err);
/* Every node that sent a heartbeat or an event, by name; in the arena. */
TB_CHECKED enum tb_code tb_mongo_list_nodes(struct tb_mongo *mongo, int64_t now_ms,
                                            struct tb_arena *arena,
                                            struct tb_node_report_list *ret_list,
                                            struct tb_error *err);

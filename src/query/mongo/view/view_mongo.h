/* The MongoDB view: bulk writes guarded by the order's version, unordered, idempotent.
 *
 * The log's committed offsets say where reading continues; the view holds none. The document
 * `served` of the collection `meta` names the collections that are served (driver/meta.h). Writers
 * and readers read it before each use, because a rebuild may swap them (rebuild_mongo.h). A plan
 * is for the collections that it was made for; with others its commit is TB_CONFLICT.
 *
 * A commit writes in this order, and is done when a majority has confirmed and journaled all of
 * it:
 *  1. sales_by_day. Each day says by partition which records it contains (sales/day.h), and is
 *     replaced only while its `changes` is what was read. So every order that is written is
 *     counted, and no record is counted twice: not after a crash in between, not in a batch that
 *     begins elsewhere, and not by a zombie or a second central. What a record changes follows
 *     from the log alone, so all writers write the same sums. The reader of a partition has
 *     acquired the next fence, and after that the log has confirmed that the partition is still
 *     its own: so no earlier reader changes a day that it has changed.
 *  2. orders: an insert, or a replacement guarded by {_id, version: {$lt: n}}. After a duplicate
 *     key the version is read: n or later means "already applied". An order that the server will
 *     never take is taken out of its day again; it is refused to all writers alike.
 *  3. dead_letters, by topic, partition and offset. A document that is there stays, but for what
 *     became of its record when it was sent again, which is written once, by that record's offset.
 *     Each central writes the dead letters of the records that it reads; no other program does.
 *  4. sequences: which numbers of each node have arrived (fleet/sequences.h). These sets only
 * grow.
 *
 * Orders are loaded with read concern majority: what may still be rolled back is not taken for
 * done. After TB_UNKNOWN the same plan, or a new one, may be committed: nothing is applied twice.
 *
 * Thread:  a view and a reader have one owner each; a call acquires a client of the shared pool.
 * Memory:  opaque; freed by the ops' free, the tb_mongo after them.
 * Errors:  TB_UNAVAILABLE, TB_UNKNOWN, TB_BUSY, TB_FULL as view.h; TB_INVALID: the server will
 *          never take the order view->refused_index.
 * Units:   as view.h. */
#pragma once
#include "query/mongo/driver/mongo.h"
#include "query/projection/view.h"

/* Creates indexes and the names of the served collections, or checks them. ret_warning ("": none):
 * the server is a standalone one, whose writes are not replicated. */
TB_CHECKED enum tb_code tb_mongo_prepare(struct tb_mongo *mongo, char ret_warning[240],
                                         struct tb_error *err);
TB_CHECKED enum tb_code tb_view_mongo_open(struct tb_mongo *mongo, struct tb_view **ret_view,
                                           struct tb_error *err);
TB_CHECKED enum tb_code tb_view_mongo_open_reader(struct tb_mongo *mongo,
                                                  struct tb_view_reader **ret_reader,
                                                  struct tb_error *err);

/* The MongoDB view. The server may execute the writes of a bulk in any order. It replaces an order
 * only by a higher version, so writing the same again changes nothing.
 *
 * The collection `positions` says where the view stands (driver/positions.h); the group's
 * committed offsets are for other people's tools. The document `served` of the collection `meta`
 * names the served collections (driver/meta.h). Writers and readers read it before each use,
 * because a rebuild may swap the collections (rebuild_mongo.h). A plan is made for certain
 * collections; if others are served at its commit: TB_CONFLICT. If the database was dropped,
 * replaced or put back since the place was loaded: TB_NOT_FOUND, and the batch must be read again
 * from where the view stands.
 *
 * A commit writes in this order, and ends when a majority has confirmed and journaled all of it:
 *  1. sales_by_day, and then sales_totals in the same way. For each partition, a day stores which
 * records it contains (sales/day.h). It is replaced only if its `changes` still has the value that
 * was read. So every order that is written is counted, and no record is counted twice, even if a
 * crash interrupts the commit, if the records come again in other batches, or if an earlier reader
 * of the partition or a second central writes them too. What a record changes follows from the log
 * alone, so all writers write the same sums. A new reader of a partition acquires a fence: a
 * number that is higher than the fences of all earlier readers. Then the log confirms that the
 * partition is still its own. A day stores the highest fence of its writers and refuses lower
 * ones. So no earlier reader can change a day that this reader has changed.
 *  2. orders: an insert, or a replacement guarded by {_id, version: {$lt: n}}. After a duplicate
 *     key the version is read: n or later means that the order was written before. An order that
 *     the server will never take is taken out of its day again: the server refuses it from every
 *     writer, so no writer counts it. So is one that a unique index which is not ours refuses.
 *  3. dead_letters, by topic, partition and offset. A commit inserts the dead letters of its
 *     records. It changes an existing document only by the outcome of a replay of that record.
 *     The replay's offset guards that, so each outcome is written once. Besides commits, dropping
 *     and expiry (dead_letters/drop.c) and a rebuild (rebuild/mongo/cleanup.c) change
 *     the collection.
 *  4. sequences: which numbers of each node have arrived (fleet/documents.h). These sets only
 *     grow.
 *  5. positions: only from the place that was read before the first write. So a view that is put
 *     back meanwhile never says that it has a batch of which it has lost a part.
 *
 * Orders are loaded with read concern majority: a write that may be rolled back is not seen. After
 * TB_UNKNOWN the same plan, or a new one, may be committed: nothing is applied twice.
 *
 * Thread:  a view and a reader have one owner each; a call acquires a client of the shared pool.
 * Memory:  the ops' free frees a view or a reader; free the tb_mongo after them.
 * Errors:  TB_UNAVAILABLE, TB_UNKNOWN, TB_BUSY, TB_FULL as view.h; TB_INVALID: the server will
 *          never take the order view->refused_index. */
#pragma once
#include "bridge/log/placed_reader.h"
#include "query/mongo/driver/mongo.h"
#include "query/projection/view.h"

/* Creates the indexes and the document `served`, or checks that they are there. ret_warning: a
 * text if the server is standalone, so that nothing is replicated; else "". */
TB_CHECKED enum tb_code tb_mongo_prepare(struct tb_mongo *mongo, char ret_warning[240],
                                         struct tb_error *err);
/* Remembers how many partitions the topic has, and returns all counts that it ever had since the
 * view began, the last TB_PLAN_COUNTS_MAX of them. */
TB_CHECKED enum tb_code tb_mongo_note_partitions(struct tb_mongo *mongo, int32_t partitions,
                                                 struct tb_plan_partitions *ret_partitions,
                                                 struct tb_error *err);
TB_CHECKED enum tb_code tb_view_mongo_open(struct tb_mongo *mongo, struct tb_view **ret_view,
                                           struct tb_error *err);
/* Where the view stands in the log; the places live as long as the view. Of a database that was
 * dropped or replaced, load makes indexes and documents anew. */
void tb_view_mongo_places(struct tb_view *view, struct tb_log_places *ret_places);
/* The generation of each partition's log, from 1; that of one not read yet is 1, too. */
TB_CHECKED enum tb_code tb_mongo_read_generations(struct tb_mongo *mongo, int32_t partitions,
                                                  int64_t *ret_generations, struct tb_error *err);
TB_CHECKED enum tb_code tb_view_mongo_open_reader(struct tb_mongo *mongo,
                                                  struct tb_view_reader **ret_reader,
                                                  struct tb_error *err);

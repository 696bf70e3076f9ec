/* Rebuilds the MongoDB view: fills a new generation of collections beside the served one and then
 * swaps the two. Several centrals serve and write one database, and none of them can ask the
 * others to wait.
 *
 * The documents in `meta`, each changed by one guarded update at a time:
 *   served     the served collections (the swap is one update of it), the previous generation, and
 *              at times a write barrier (its field `hold`): the token of its owner, and for each
 *              partition the offset from which on the served view is not written
 *   rebuild    the job: which process runs it, a beat that the process increments, the progress
 *   offsets_N  how far generation N is filled, for each partition
 *
 * Writers (view/write.c) read `served` before each plan and before its commit. A plan is made for
 * one generation: if another one is served by then, it is made again. While a barrier is set, no
 * record at or behind its offsets is written.
 *
 * The swap. (1) The barrier is set, with no offsets: a writer that reads `served` from now on
 * writes nothing. (2) The ends of the log are read, and become the barrier's offsets. (3) The new
 * view is filled up to them. (4) One update, guarded by the barrier's token, names the new
 * collections and removes the barrier.
 * No read goes back: whatever the old view has at (4) was written either by a writer that had read
 * `served` before (1), so its records were in the log before (2), or by one that obeyed the
 * barrier. In both cases the records are before the ends, and so in the new view. No event is
 * lost: a slow writer that writes the old view after (4) writes what the new one already has; what
 * it reads from the log next, it plans for the new view. Nothing of that rests on clocks or
 * time-outs.
 *
 * The comparison uses the same barrier: the old view is filled up to the ends too, which the
 * group's committed offsets show, and then both views stand still. That makes the writers wait. So
 * all orders are compared before; behind the barrier only the few that differed then, or were
 * written since; and the totals are added up after it.
 *
 * The writers wait five seconds at most: they remove a barrier that they have seen for so long,
 * whether its owner has ended, hangs or is slow; an update that relied on it then does not find
 * its token. The owner gives it up after the same time, and tries again after a pause.
 *
 * If a process ends in the middle: before (4) the served view is unchanged. If the beat of a job
 * stops, any central takes the job over, at most three times without progress, and continues at
 * offsets_N. Writes are guarded by versions, so two processes that run the same job do no harm.
 * Numbers of generations are never used again.
 *
 * Dead letters and heartbeats are common to all generations; sequences are not, since they say
 * which events the view has. Dead letters that only the rebuild finds are in a collection of its
 * own until its view is served. The rebuild uses only what every MongoDB has: no transactions, no
 * change streams.
 *
 * Thread:  new and free while nothing else runs; the backend's calls from the rebuild's owner,
 *          claim from the thread that calls start; get_generations from any.
 * Memory:  borrows what its options point to. */
#pragma once
#include "query/mongo/driver/mongo.h"
#include "query/rebuild/rebuild.h"

struct tb_rebuild_mongo_options {
    struct tb_mongo *mongo;
    const char *owner; /* this process, as shown to the others */
    const char *build; /* of this program; a view that another build began is not continued */
    int32_t partitions;
    const struct tb_clock *clock;
    const struct tb_random *random;
    /* A reader of the whole log, outside any group. */
    enum tb_code (*open_reader)(void *ctx, struct tb_log_reader **ret_reader,
                                struct tb_error *err);
    /* Reads begin and end of each partition now: every record that any reader has seen is before
     * the end. */
    enum tb_code (*ends)(void *ctx, struct tb_log_range *ret_ranges, struct tb_error *err);
    /* Reads the offsets that the centrals' group has committed; -1: none. */
    enum tb_code (*committed)(void *ctx, int64_t *ret_next, struct tb_error *err);
    void *ctx;
};
struct tb_rebuild_mongo;
TB_CHECKED enum tb_code tb_rebuild_mongo_new(const struct tb_rebuild_mongo_options *options,
                                             struct tb_rebuild_mongo **ret_mongo,
                                             struct tb_error *err);
void tb_rebuild_mongo_free(struct tb_rebuild_mongo *mongo);      /* NULL is fine */
extern const struct tb_rebuild_backend tb_rebuild_mongo_backend; /* its ctx is the above */

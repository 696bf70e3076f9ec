/* Rebuilding the MongoDB view: a further generation of collections is filled beside the served
 * ones, and then swapped in. Several centrals serve and write one database, and none can ask the
 * others to wait.
 *
 * Documents in `meta`, each changed by one guarded update:
 *   served     the collections that are served (the swap is one update of it), the generation
 *              before, and at times a write barrier (its field `hold`): the token of its owner,
 *              and for each partition the offset from which on the served view is not written
 *   rebuild    the job: which process runs it, a beat that rises while that process lives, and
 *              the progress
 *   offsets_N  how far generation N is filled, for each partition
 *
 * Writers (view/write.c) read `served` before a plan and before its commit. A plan is for the
 * generation that it was made for: if another one is served by then, it is made again. With a
 * barrier no record behind its offsets is written.
 *
 * The swap. (1) The barrier is set, with no offsets at all: whoever reads `served` from here on
 * waits. (2) The ends of the log are read, and become the barrier's offsets. (3) The new view is
 * filled up to them. (4) One update, guarded by the barrier's token, names the new collections and
 * removes the barrier.
 * No read goes back: what the old view has at (4) was written by a writer that had read `served`
 * before (1), so its records were in the log before (2), or by one that kept to the barrier.
 * Either way they are before the ends, and so in the new view. No event is lost: a slow writer
 * that writes the old view after (4) writes what the new one has; what it reads from the log next
 * it plans for the new one. Nothing of that rests on clocks or time-outs.
 *
 * The comparison uses the same barrier: the old view is filled up to the ends too, which the
 * group's committed offsets show, and both views stand still. That makes the writers wait. So all
 * orders are compared before, and behind the barrier only the few that differed then, or were
 * written since.
 *
 * When a process ends in the middle: before (4) the served view is unchanged. A barrier whose beat
 * does not rise is removed by the writers that it stops, and an update that relied on it finds no
 * token. A job whose beat does not rise is taken over by any central, at most three times without
 * progress, and continues where offsets_N says. Writes are guarded by versions, so two processes
 * that run one job, or a zombie, do no harm. Numbers of generations are never used again.
 *
 * Dead letters, heartbeats and sequences are common to all generations; dead letters that only the
 * rebuild finds are in a collection of its own until its view is served. Only what every MongoDB
 * has is used: no transactions, no change streams.
 *
 * Thread:  new and free while nothing else runs; the backend's calls from the rebuild's owner,
 *          claim from the thread that calls start; get_generations from any.
 * Memory:  borrows what its options point to.
 * Errors:  as rebuild.h.
 * Units:   Unix milliseconds. */
#pragma once
#include "query/mongo/driver/mongo.h"
#include "query/rebuild/rebuild.h"

struct tb_rebuild_mongo_options {
    struct tb_mongo *mongo;
    const char *owner; /* this process, as shown to the others */
    const char *build; /* this program: an unfinished view of another one is filled anew */
    int32_t partitions;
    const struct tb_clock *clock;
    const struct tb_random *random;
    /* A reader of the whole log, outside any group. */
    enum tb_code (*open_reader)(void *ctx, struct tb_log_reader **ret_reader,
                                struct tb_error *err);
    /* Begin and end of each partition, read during the call: every record that any reader has seen
     * is before the end. */
    enum tb_code (*ends)(void *ctx, struct tb_log_range *ret_ranges, struct tb_error *err);
    /* The offsets that the centrals' group has committed; -1: none. */
    enum tb_code (*committed)(void *ctx, int64_t *ret_next, struct tb_error *err);
    void *ctx;
};
struct tb_rebuild_mongo;
TB_CHECKED enum tb_code tb_rebuild_mongo_new(const struct tb_rebuild_mongo_options *options,
                                             struct tb_rebuild_mongo **ret_mongo,
                                             struct tb_error *err);
void tb_rebuild_mongo_free(struct tb_rebuild_mongo *mongo);      /* NULL is fine */
extern const struct tb_rebuild_backend tb_rebuild_mongo_backend; /* its ctx is the above */

/* As find_job read them last. */
void tb_rebuild_mongo_get_generations(const struct tb_rebuild_mongo *mongo,
                                      struct tb_rebuild_generations *ret_generations);

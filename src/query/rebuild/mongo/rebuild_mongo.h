/* Rebuilding the MongoDB view: collections of a further generation beside the served ones, and the
 * move. Several centrals serve and write one database, and none can ask the others to wait.
 *
 * Documents in `meta`, each changed by one guarded update:
 *   served     which collections are served (the swap is one update of it), the generation before,
 *              and at times a hold: who moves the view, and from which offset of each partition on
 *              nobody is to write the served one
 *   rebuild    the job: who is at it, a beat that rises while it lives, how far it is
 *   offsets_N  what generation N has of each partition, while it is filled
 *
 * Writers (view_mongo_write.c) read `served` before a plan and before its commit. A plan is for
 * the generation that it was made for: if another one is served by then, it is planned again. With
 * a hold they go no further than its offsets.
 *
 * The swap. (1) The hold is set, with no offset at all: whoever reads `served` from here on waits.
 * (2) The ends of the log are asked for, and become the hold's offsets. (3) The new view is filled
 * up to them. (4) One update, guarded by the hold's token, names the new collections and lifts it.
 * No read goes back: what the old view has at (4) was written by somebody who had read `served`
 * before (1), so his records were in the log before (2), or by one who kept to the hold. Either
 * way it is in front of the ends, and so in the new view. No event is lost: who is slow and writes
 * the old view after (4) writes what the new one has; what he reads from the log next he plans for
 * the new one. Nothing of that rests on clocks or time-outs.
 *
 * To compare, the same hold: the old view comes to the ends too, which the group's committed
 * offsets tell, and both stand still. That keeps writers waiting: so all orders are looked at
 * before, and with the hold only the few that differed then, or were written since.
 *
 * Who ends in the middle. Before (4) the served view is what it was. A hold whose beat stands
 * still is lifted by those it stops, and an update that relied on it finds no token. A job whose
 * beat stands still is taken over by any central, TAKEOVERS_MAX times without getting further, and
 * goes on where offsets_N says: writes are guarded by versions, so that two at once, or a zombie,
 * do no harm. Numbers of generations are never used again.
 *
 * Dead letters, heartbeats and sequences are of all generations; letters that only the rebuild
 * finds are its own until it is served. Only what every MongoDB has is used: no transactions, no
 * change streams.
 *
 * Thread:  new and free while nothing else runs; the backend's calls from the rebuild's owner,
 *          claim from start's; views from any.
 * Memory:  borrows what its options point to.
 * Errors:  as rebuild.h.
 * Units:   Unix milliseconds. */
#pragma once
#include "query/mongo/driver/mongo.h"
#include "query/rebuild/rebuild.h"

struct tb_rebuild_mongo_options {
    struct tb_mongo *mongo;
    const char *owner; /* what others are told who is at it */
    const char *build; /* which program this is: another one's unfinished view is begun anew */
    int32_t partitions;
    const struct tb_clock *clock;
    const struct tb_random *random;
    /* A reader of the whole log, of no group. */
    enum tb_code (*open_reader)(void *ctx, struct tb_log_reader **ret_reader,
                                struct tb_error *err);
    /* Begin and end of each partition at this moment: whatever anybody has read is in front. */
    enum tb_code (*ends)(void *ctx, struct tb_log_range *ret_ranges, struct tb_error *err);
    /* What the centrals' group has committed of each partition; -1: nothing. */
    enum tb_code (*committed)(void *ctx, int64_t *ret_next, struct tb_error *err);
    void *ctx;
};
struct tb_rebuild_mongo;
TB_CHECKED enum tb_code tb_rebuild_mongo_new(const struct tb_rebuild_mongo_options *options,
                                             struct tb_rebuild_mongo **ret_mongo,
                                             struct tb_error *err);
void tb_rebuild_mongo_free(struct tb_rebuild_mongo *mongo);      /* NULL is fine */
extern const struct tb_rebuild_backend tb_rebuild_mongo_backend; /* its ctx is the above */

/* As of the last look. */
void tb_rebuild_mongo_views(const struct tb_rebuild_mongo *mongo,
                            struct tb_rebuild_generations *ret_views);

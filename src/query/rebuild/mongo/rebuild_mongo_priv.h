/* The parts of rebuilding the MongoDB view: the job that all centrals see (rebuild_mongo_job.c),
 * the hold and the swap (rebuild_mongo_hold.c), collections that nobody needs any more and letters
 * that become everybody's (rebuild_mongo_tidy.c), and the backend (rebuild_mongo.c).
 *
 * Thread:  the rebuild's owner, but for what says otherwise.
 * Memory:  as rebuild_mongo.h.
 * Errors:  TB_CONFLICT: somebody else was faster; others as view_mongo.h.
 * Units:   milliseconds. */
#pragma once
#include "query/mongo/driver/bulk.h"
#include "query/mongo/view/view_priv.h"
#include "query/rebuild/mongo/rebuild_mongo.h"
#include "query/rebuild/rebuild_priv.h"
#include <pthread.h>

#define TB_BUILD_SIZE 32

/* The document `rebuild`. */
struct tb_mongo_job {
    bool running;
    char token[TB_UUID_SIZE]; /* whose; "": there is no document */
    int64_t beat;
    int64_t generation; /* that is filled; 0: none yet */
    int64_t last;       /* the highest that ever was */
    int64_t takeovers;
    char build[TB_BUILD_SIZE]; /* of who began to fill it */
    struct tb_rebuild_progress progress;
};

struct tb_rebuild_mongo {
    struct tb_rebuild_mongo_options options;
    struct tb_uuid_gen uuids;
    _Atomic int64_t served, previous, moved_at_ms; /* as of the last look, for others */
    struct tb_mongo_job *seen;                     /* owned: of the last look */
    char watched[TB_UUID_SIZE]; /* somebody else's job, its beat, and since when that stands */
    int64_t watched_beat, watched_since_ms;

    pthread_mutex_t lock;     /* of token: claim sets it, while no job is under way */
    char token[TB_UUID_SIZE]; /* of the job that is ours */
    int64_t beat;
    int64_t taken_events; /* how far it was when it was taken over; -1: it was not */
    bool lost;            /* to another process */

    struct tb_mongo_collections target; /* that is filled; generation 0: none is open */
    struct tb_mongo_collections serving;
    struct tb_view *view;
    struct tb_view_reader *watch, *look; /* of the served one, and of the one that is filled */
    struct tb_log_reader *reader;
    struct tb_mongo_write_barrier barrier;                            /* ours; not held: none */
    int64_t held_at_ms;                                               /* monotonic */
    int64_t begin[TB_LOG_PARTITIONS_MAX], end[TB_LOG_PARTITIONS_MAX]; /* of the log, then */
    int64_t merged[TB_LOG_PARTITIONS_MAX]; /* letters in front of it are everybody's */
};

/* rebuild_mongo_job.c */
TB_CHECKED enum tb_code tb_mongo_job_read(const struct tb_mongo_client *client,
                                          struct tb_mongo_job *ret_job, struct tb_error *err);
bool tb_mongo_job_is_ours(struct tb_rebuild_mongo *self, const char *token);
/* Any thread. */
TB_CHECKED enum tb_code tb_mongo_job_claim(struct tb_rebuild_mongo *self,
                                           const struct tb_rebuild_job *job,
                                           struct tb_rebuild_progress *ret_others,
                                           struct tb_error *err);
/* The job that `seen` shows and that stands still. TB_CONFLICT: it moves after all. */
TB_CHECKED enum tb_code tb_mongo_job_take_over(struct tb_rebuild_mongo *self,
                                               const struct tb_mongo_client *client,
                                               struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_job_save_progress(struct tb_rebuild_mongo *self,
                                                   const struct tb_mongo_client *client,
                                                   const struct tb_rebuild_progress *progress,
                                                   struct tb_error *err);
void tb_mongo_job_put_progress(struct tb_bson_writer out,
                               const struct tb_rebuild_progress *progress);
/* A generation is begun by this program, or ended (0). */
TB_CHECKED enum tb_code tb_mongo_job_set_generation(struct tb_rebuild_mongo *self,
                                                    const struct tb_mongo_client *client,
                                                    int64_t generation, int64_t last,
                                                    struct tb_error *err);

/* rebuild_mongo_hold.c. TB_BUSY: not now, or not any more. */
TB_CHECKED enum tb_code tb_mongo_write_barrier(struct tb_rebuild_mongo *self,
                                               struct tb_error *err);
/* So that nobody takes it for left. That it was lifted is found out by whoever relies on it. */
void tb_mongo_barrier_refresh(struct tb_rebuild_mongo *self, const struct tb_mongo_client *client);
void tb_mongo_barrier_remove(struct tb_rebuild_mongo *self);
TB_CHECKED enum tb_code tb_mongo_barrier_check(struct tb_rebuild_mongo *self,
                                               struct tb_error *err);
/* What the group has committed the served view has: from there it could be filled on, once it is
 * the one from before. */
TB_CHECKED enum tb_code tb_mongo_save_served_offsets(struct tb_rebuild_mongo *self,
                                                     struct tb_error *err);
/* The view that was filled is served, and nothing is held any more. */
TB_CHECKED enum tb_code tb_mongo_swap_served(struct tb_rebuild_mongo *self, struct tb_error *err);

/* rebuild_mongo_tidy.c */
/* Letters that only the new view has become everybody's: those behind `merged`, which moves to
 * where the view is. */
TB_CHECKED enum tb_code tb_mongo_merge_dead_letters(struct tb_rebuild_mongo *self,
                                                    struct tb_error *err);
/* The view from before, if its time is over. */
TB_CHECKED enum tb_code tb_mongo_expire_previous(struct tb_rebuild_mongo *self,
                                                 struct tb_error *err);
/* Collections of generations that are neither served, kept nor filled. */
TB_CHECKED enum tb_code tb_mongo_drop_unused(struct tb_rebuild_mongo *self, struct tb_error *err);

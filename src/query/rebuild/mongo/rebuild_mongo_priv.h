/* The parts of rebuilding the MongoDB view: the job's document (job.c), jobs of other processes
 * (find_job.c), the write barrier and the swap (write_barrier.c), removal of what is no longer
 * needed (cleanup.c), and the backend (rebuild_mongo.c).
 *
 * Thread:  the rebuild's owner, except as noted.
 * Errors:  as view_mongo.h. TB_CONFLICT: another process was faster. */
#pragma once
#include "query/mongo/driver/bulk.h"
#include "query/mongo/view/view.h"
#include "query/rebuild/mongo/rebuild_mongo.h"
#include "query/rebuild/rebuild_priv.h"
#include <pthread.h>

#define TB_BUILD_SIZE 32

/* The document `rebuild` of `meta`. */
struct tb_mongo_job {
    bool running;
    char token[TB_UUID_SIZE];  /* of the process that claimed it; "": there is no document */
    int64_t beat;              /* that process increments it every second */
    int64_t generation;        /* the one that is being filled; 0: none yet */
    int64_t last;              /* the highest number that any generation has had */
    int64_t takeovers;         /* since the job last made progress */
    bool cancelled;            /* whoever runs the job ends it */
    char build[TB_BUILD_SIZE]; /* of the program that began to fill the generation */
    struct tb_rebuild_progress progress;
};

/* Days of sales_by_day that differed in the last scan, by their ids. More of them are left out: so
 * many differences are enough. */
#define TB_SALES_DIFFERING_MAX 100
#define TB_SALES_ID_SIZE 64 /* "<node>/<business date>/<currency>" */
struct tb_mongo_sales_scan {
    char after[TB_SALES_ID_SIZE]; /* where the next page begins */
    char ids[TB_SALES_DIFFERING_MAX][TB_SALES_ID_SIZE];
    size_t count;
};

struct tb_rebuild_mongo {
    struct tb_rebuild_mongo_options options;
    struct tb_uuid_gen uuids;
    _Atomic int64_t served, previous, moved_at_ms; /* as read last; any thread may read them */
    struct tb_mongo_job *stored;                   /* owned: the document as it was read last */
    struct tb_mongo_beat others;                   /* of another process's job */

    pthread_mutex_t lock;     /* of token: another thread may claim while no job is running */
    char token[TB_UUID_SIZE]; /* of our own job */
    int64_t beat;
    int64_t events_at_takeover; /* the job's progress then; -1: it was not taken over */
    bool lost;                  /* another process has taken over our job */

    struct tb_mongo_collections target;  /* being filled; generation 0: none is open */
    struct tb_mongo_collections serving; /* served when the target was opened */
    struct tb_view *view;                /* of the target */
    struct tb_view_reader *served_reader, *target_reader;
    struct tb_log_reader *reader;
    struct tb_mongo_sales_scan sales;
    struct tb_mongo_write_barrier barrier; /* our own; its limit: the ends of the log */
    int64_t merged[TB_LOG_PARTITIONS_MAX]; /* dead letters before this offset are merged */
};

/* job.c */
TB_CHECKED enum tb_code tb_mongo_job_read(const struct tb_mongo_client *client,
                                          struct tb_mongo_job *ret_job, struct tb_error *err);
void tb_mongo_job_put_progress(struct tb_bson_writer out,
                               const struct tb_rebuild_progress *progress);
bool tb_mongo_job_is_ours(struct tb_rebuild_mongo *self, const char *token);
/* As tb_rebuild_backend.claim; any thread. */
TB_CHECKED enum tb_code tb_mongo_job_claim(void *ctx, const struct tb_rebuild_job *job,
                                           struct tb_rebuild_progress *ret_others,
                                           struct tb_error *err);
/* As tb_rebuild_backend.cancel. */
TB_CHECKED enum tb_code tb_mongo_job_cancel(void *ctx, struct tb_rebuild_progress *ret_others,
                                            struct tb_error *err);
/* Takes over the stored job, whose process has ended. TB_CONFLICT: it has not. */
TB_CHECKED enum tb_code tb_mongo_job_take_over(struct tb_rebuild_mongo *self,
                                               const struct tb_mongo_client *client,
                                               struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_job_save_progress(struct tb_rebuild_mongo *self,
                                                   const struct tb_mongo_client *client,
                                                   const struct tb_rebuild_progress *progress,
                                                   struct tb_error *err);
/* Stores which generation is being filled from now on; 0: none. */
TB_CHECKED enum tb_code tb_mongo_job_set_generation(struct tb_rebuild_mongo *self,
                                                    const struct tb_mongo_client *client,
                                                    int64_t generation, int64_t last,
                                                    struct tb_error *err);

/* find_job.c: as tb_rebuild_backend.find_job. */
TB_CHECKED enum tb_code tb_mongo_find_job(void *ctx, enum tb_rebuild_found *ret_found,
                                          struct tb_rebuild_progress *ret_progress,
                                          struct tb_error *err);

/* write_barrier.c. TB_BUSY: another barrier was set, or another process has removed ours. */
TB_CHECKED enum tb_code tb_mongo_barrier_set(struct tb_rebuild_mongo *self, struct tb_error *err);
void tb_mongo_barrier_remove(struct tb_rebuild_mongo *self);
TB_CHECKED enum tb_code tb_mongo_barrier_check(struct tb_rebuild_mongo *self,
                                               struct tb_error *err);
/* Saves the group's committed offsets as those of the served view, so that a rollback can continue
 * there. */
TB_CHECKED enum tb_code tb_mongo_save_served_offsets(struct tb_rebuild_mongo *self,
                                                     struct tb_error *err);
/* In one update, makes the filled view the served one and removes the barrier. */
TB_CHECKED enum tb_code tb_mongo_swap_served(struct tb_rebuild_mongo *self, struct tb_error *err);

/* compare_arrived.c: lists of which events of each node both views do not say the same. */
TB_CHECKED enum tb_code tb_mongo_compare_arrived(struct tb_rebuild_mongo *self,
                                                 struct tb_compare *compare, struct tb_error *err);
/* compare_sales.c: as tb_rebuild_backend.scan_rest; and lists of the days that have differed those
 * that still do. */
TB_CHECKED enum tb_code tb_mongo_scan_sales(void *ctx, bool anew, bool *ret_done,
                                            struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_compare_sales(struct tb_rebuild_mongo *self,
                                               struct tb_compare *compare, struct tb_error *err);

/* cleanup.c */
/* Copies the new view's dead letters to the common collection, except those that are there. */
TB_CHECKED enum tb_code tb_mongo_merge_dead_letters(struct tb_rebuild_mongo *self,
                                                    struct tb_error *err);
/* Forgets the previous view after TB_REBUILD_KEEP_MS; tb_mongo_drop_unused then drops it. */
TB_CHECKED enum tb_code tb_mongo_expire_previous(struct tb_rebuild_mongo *self,
                                                 struct tb_error *err);
/* Drops the collections of generations that are neither served, previous nor being filled. */
TB_CHECKED enum tb_code tb_mongo_drop_unused(struct tb_rebuild_mongo *self, struct tb_error *err);

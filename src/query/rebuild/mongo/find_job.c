#include "query/rebuild/mongo/rebuild_mongo_priv.h"
#include <stdio.h>

/* A job may crash every process that runs it. It fails after so many takeovers without progress.
 */
#define TAKEOVERS_MAX 3

/* The job's process ended in the middle, or after the swap but before it published the end. */
static enum tb_code take_over(struct tb_rebuild_mongo *self, const struct tb_mongo_client *client,
                              int64_t served, enum tb_rebuild_found *ret_found,
                              struct tb_error *err)
{
    struct tb_rebuild_progress *progress = &self->stored->progress;

    TB_TRY(tb_mongo_job_take_over(self, client, err));
    if (self->stored->generation != 0 && self->stored->generation == served) {
        progress->state = progress->job.rollback ? TB_REBUILD_ROLLED_BACK : TB_REBUILD_DONE;
        progress->problem[0] = '\0';
    } else if (self->stored->takeovers >= TAKEOVERS_MAX) {
        progress->state = TB_REBUILD_FAILED;
        snprintf(progress->problem, sizeof progress->problem,
                 "%d processes ended while they were at it", TAKEOVERS_MAX + 1);
    } else {
        *ret_found = TB_REBUILD_FOUND_UNFINISHED;
        return TB_OK;
    }
    progress->seconds_left = progress->per_second = 0;
    return tb_mongo_job_save_progress(self, client, progress, err);
}

enum tb_code tb_mongo_find_job(void *ctx, enum tb_rebuild_found *ret_found,
                               struct tb_rebuild_progress *ret_progress, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    TB_TRY(tb_mongo_read_served(&client, &served, err));
    atomic_store(&self->served, served.collections.generation);
    atomic_store(&self->previous, served.previous);
    atomic_store(&self->moved_at_ms, served.moved_at_ms);
    TB_TRY(tb_mongo_job_read(&client, self->stored, err));
    if (self->stored->token[0] == '\0' ||
        (!self->stored->running && tb_mongo_job_is_ours(self, self->stored->token)))
        return TB_OK; /* there is no job, or it is our own last one, which the rebuild knows */
    *ret_found = TB_REBUILD_FOUND_REPORT;
    if (self->stored->running &&
        tb_mongo_beat_is_stale(&self->others, self->stored->token, self->stored->beat,
                               tb_clock_mono_ms(self->options.clock)))
        TB_TRY(take_over(self, &client, served.collections.generation, ret_found, err));
    *ret_progress = self->stored->progress;
    ret_progress->cancelling =
        tb_rebuild_is_running(ret_progress->state) && self->stored->cancelled;
    return TB_OK;
}

#include "query/rebuild/rebuild_priv.h"
#include <stdlib.h>

/* Another process takes a job over if its owner publishes nothing for some seconds. */
#define PUBLISH_EVERY_MS 1000

/* Call with the lock. From here on users see that the job has begun. */
static void set_pending(struct tb_rebuild *rebuild, const struct tb_rebuild_job *job, bool anew)
{
    rebuild->progress = (struct tb_rebuild_progress){.job = *job, .seconds_left = -1};
    rebuild->progress.state = TB_REBUILD_BUILDING;
    rebuild->pending = rebuild->known = true;
    rebuild->pending_anew = anew;
}

/* TB_OK: every other start fails until end_start. If another process runs a job, this is still
 * TB_OK; the backend's claim refuses then. */
static enum tb_code begin_start(struct tb_rebuild *rebuild, const struct tb_rebuild_job *job,
                                struct tb_error *err)
{
    struct tb_rebuild_generations generations;
    enum tb_code code = TB_OK;

    pthread_mutex_lock(&rebuild->lock);
    tb_rebuild_get_generations(rebuild, &generations);
    if (rebuild->requesting ||
        (rebuild->progress.owner[0] == '\0' && tb_rebuild_is_running(rebuild->progress.state)))
        code = tb_error_set(err, TB_CONFLICT, "a rebuild is under way");
    else if (job->rollback && generations.previous == 0)
        code = tb_error_set(err, TB_CONFLICT, "there is no old view to go back to");
    else
        rebuild->requesting = true;
    pthread_mutex_unlock(&rebuild->lock);
    return code;
}

/* job: the job that begins; NULL: claim has failed, and if another process runs a job, users see
 * that one. */
static void end_start(struct tb_rebuild *rebuild, const struct tb_rebuild_job *job,
                      const struct tb_rebuild_progress *others)
{
    pthread_mutex_lock(&rebuild->lock);
    rebuild->requesting = false;
    if (job)
        set_pending(rebuild, job, /* anew= */ true);
    else if (others->owner[0] != '\0')
        rebuild->progress = *others;
    pthread_mutex_unlock(&rebuild->lock);
    if (job)
        tb_mailbox_wake(&rebuild->wakeup);
}

enum tb_code tb_rebuild_start(struct tb_rebuild *rebuild, const struct tb_rebuild_job *job,
                              struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    struct tb_rebuild_progress *others = calloc(1, sizeof *others);
    enum tb_code code;

    if (!others)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    code = begin_start(rebuild, job, err);
    if (code == TB_OK) {
        code = options->backend->claim(options->backend_ctx, job, others, err);
        end_start(rebuild, code == TB_OK ? job : NULL, others);
    }
    free(others);
    return code;
}

static enum tb_code begin_cancel(struct tb_rebuild *rebuild, struct tb_error *err)
{
    enum tb_code code = TB_OK;

    pthread_mutex_lock(&rebuild->lock);
    if (rebuild->requesting)
        code = tb_error_set(err, TB_BUSY, "another request about the rebuild is under way");
    else if (!rebuild->options.backend->is_distant &&
             !tb_rebuild_is_running(rebuild->progress.state))
        code = tb_error_set(err, TB_CONFLICT, "no rebuild is under way");
    else
        rebuild->requesting = true; /* until end_cancel no other job begins here */
    pthread_mutex_unlock(&rebuild->lock);
    return code;
}

static void set_cancelling(struct tb_rebuild *rebuild)
{
    pthread_mutex_lock(&rebuild->lock);
    rebuild->progress.cancelling = tb_rebuild_is_running(rebuild->progress.state);
    pthread_mutex_unlock(&rebuild->lock);
}

/* others: the job that is cancelled, as another process runs it; NULL: cancel has failed. Users
 * see that one unless a job runs here. */
static void end_cancel(struct tb_rebuild *rebuild, const struct tb_rebuild_progress *others)
{
    struct tb_rebuild_progress *progress = &rebuild->progress;

    pthread_mutex_lock(&rebuild->lock);
    rebuild->requesting = false;
    if (others && others->owner[0] != '\0' &&
        (progress->owner[0] != '\0' || !tb_rebuild_is_running(progress->state)))
        *progress = *others;
    pthread_mutex_unlock(&rebuild->lock);
    if (others)
        set_cancelling(rebuild);
}

enum tb_code tb_rebuild_cancel(struct tb_rebuild *rebuild, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    struct tb_rebuild_progress *others = calloc(1, sizeof *others);
    enum tb_code code;

    if (!others)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    code = begin_cancel(rebuild, err);
    if (code == TB_OK) {
        code = options->backend->cancel(options->backend_ctx, others, err);
        end_cancel(rebuild, code == TB_OK ? others : NULL);
        tb_mailbox_wake(&rebuild->wakeup);
    }
    free(others);
    return code;
}

bool tb_rebuild_is_cancelled(struct tb_rebuild *rebuild)
{
    bool cancelled;

    pthread_mutex_lock(&rebuild->lock);
    cancelled = rebuild->progress.cancelling;
    pthread_mutex_unlock(&rebuild->lock);
    return cancelled;
}

/* Call with the lock. A job that was requested during find_job is run instead of the one that was
 * found. */
static void take_found(struct tb_rebuild *rebuild, enum tb_rebuild_found found)
{
    rebuild->known = true;
    if (rebuild->pending || rebuild->requesting)
        return;
    if (found == TB_REBUILD_FOUND_REPORT)
        rebuild->progress = rebuild->copy;
    else if (found == TB_REBUILD_FOUND_UNFINISHED)
        set_pending(rebuild, &rebuild->copy.job, /* anew= */ false);
    rebuild->progress.cancelling = rebuild->copy.cancelling;
}

enum tb_code tb_rebuild_find_job(struct tb_rebuild *rebuild, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    const int64_t every_ms = options->backend->find_job_every_ms;
    enum tb_rebuild_found found = TB_REBUILD_FOUND_NOTHING;

    rebuild->copy = (struct tb_rebuild_progress){.seconds_left = -1};
    TB_TRY(options->backend->find_job(options->backend_ctx, &found, &rebuild->copy, err));
    rebuild->find_job_at_ms =
        every_ms > 0 ? tb_clock_mono_ms(options->clock) + every_ms : INT64_MAX;
    pthread_mutex_lock(&rebuild->lock);
    take_found(rebuild, found);
    pthread_mutex_unlock(&rebuild->lock);
    return TB_OK;
}

bool tb_rebuild_publish(struct tb_rebuild *rebuild)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    int64_t now_ms = tb_clock_mono_ms(options->clock);
    bool ended = !tb_rebuild_is_running(rebuild->state), cancelled = false;
    struct tb_error err = {0};
    enum tb_code code;

    if (now_ms < rebuild->publish_at_ms || (ended && !rebuild->end_unpublished))
        return true;
    (void)tb_rebuild_get_progress(rebuild, &rebuild->copy);
    code = options->backend->publish(options->backend_ctx, &rebuild->copy, &cancelled, &err);
    rebuild->publish_at_ms = now_ms + PUBLISH_EVERY_MS;
    if (cancelled)
        set_cancelling(rebuild);
    if (ended && (code == TB_OK || code == TB_CONFLICT))
        rebuild->end_unpublished = false;
    return ended || code != TB_CONFLICT;
}

bool tb_rebuild_find_job_due(const struct tb_rebuild *rebuild)
{
    return !tb_rebuild_is_running(rebuild->state) && !rebuild->end_unpublished &&
           tb_clock_mono_ms(rebuild->options.clock) >= rebuild->find_job_at_ms;
}

bool tb_rebuild_take_pending(struct tb_rebuild *rebuild)
{
    bool pending;

    pthread_mutex_lock(&rebuild->lock);
    pending = rebuild->pending;
    rebuild->pending = false;
    if (pending) {
        rebuild->job = rebuild->progress.job;
        rebuild->anew = rebuild->pending_anew;
    }
    pthread_mutex_unlock(&rebuild->lock);
    return pending;
}

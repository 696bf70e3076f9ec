#include "query/rebuild/rebuild_priv.h"
#include <stdio.h>
#include <stdlib.h>

/* CATCHING_UP ends when at most this many events are left. They are read while the served view is
 * pinned. */
#define CLOSE_EVENTS 1000
/* Wait before swap is called again after TB_BUSY. */
#define SWAP_AGAIN_MS 20
/* Wait before find_job is called again after a failure. */
#define FIND_JOB_AGAIN_MS 1000
/* Wait after an error that may pass. */
#define AGAIN_MS 1000
#define CLEANUP_EVERY_MS (60 * 60 * 1000)
/* A damaged new view is begun anew this often; then the job fails. */
#define RESTARTS_MAX 2

enum tb_code tb_rebuild_new(const struct tb_rebuild_options *options,
                            struct tb_rebuild **ret_rebuild, struct tb_error *err)
{
    struct tb_rebuild *rebuild = calloc(1, sizeof *rebuild);

    if (!rebuild)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    rebuild->options = *options;
    tb_mailbox_init(&rebuild->wakeup, 0);
    TB_ASSERT(pthread_mutex_init(&rebuild->lock, NULL) == 0);
    rebuild->cleanup_at_ms = tb_clock_mono_ms(options->clock);
    if (!options->backend->is_distant && tb_rebuild_find_job(rebuild, err) != TB_OK) {
        tb_rebuild_free(rebuild);
        return err->code;
    }
    *ret_rebuild = rebuild;
    return TB_OK;
}

void tb_rebuild_free(struct tb_rebuild *rebuild)
{
    if (!rebuild)
        return;
    tb_rebuild_close(rebuild, TB_REBUILD_KEEP);
    tb_recheck_set_release(&rebuild->recheck_next);
    tb_recheck_set_release(&rebuild->recheck_now);
    pthread_mutex_destroy(&rebuild->lock);
    tb_mailbox_release(&rebuild->wakeup);
    free(rebuild);
}

static int64_t fail(struct tb_rebuild *rebuild, const char *why)
{
    tb_rebuild_close(rebuild, TB_REBUILD_DISCARD);
    tb_rebuild_enter(rebuild, TB_REBUILD_FAILED, why);
    return 0;
}

/* An earlier process may have made something for the job, even if this one has opened nothing. */
static int64_t cancel(struct tb_rebuild *rebuild)
{
    rebuild->opened = true;
    tb_rebuild_close(rebuild, TB_REBUILD_DISCARD);
    tb_rebuild_enter(rebuild, TB_REBUILD_CANCELLED, "it was cancelled");
    return 0;
}

/* A damaged new view is begun anew. A rollback has no new view, so it fails. */
static int64_t fail_or_restart(struct tb_rebuild *rebuild, const struct tb_error *why)
{
    if (why->code != TB_CORRUPT || rebuild->job.rollback || rebuild->restarts == RESTARTS_MAX)
        return fail(rebuild, why->text);
    rebuild->restarts++;
    tb_rebuild_close(rebuild, TB_REBUILD_DISCARD);
    tb_rebuild_enter(rebuild, TB_REBUILD_BUILDING, why->text);
    rebuild->anew = true;
    return 0;
}

static bool may_pass(const struct tb_rebuild *rebuild, const struct tb_error *why)
{
    return rebuild->options.backend->is_distant &&
           (why->code == TB_UNAVAILABLE || why->code == TB_BUSY || why->code == TB_UNKNOWN);
}

/* Returns how long to wait before the next step. */
static int64_t handle_error(struct tb_rebuild *rebuild, const struct tb_error *why)
{
    if (!may_pass(rebuild, why))
        return fail_or_restart(rebuild, why);
    if (rebuild->pinned)
        tb_rebuild_give_up_hold(rebuild, why->text);
    else
        tb_rebuild_set_problem(rebuild, why->text);
    tb_rebuild_unpin(rebuild);
    return AGAIN_MS;
}

/* If an error may pass, what was opened is closed, and the next step opens it again. */
static int64_t open(struct tb_rebuild *rebuild)
{
    struct tb_error err = {0};

    if (tb_rebuild_open(rebuild, rebuild->anew, &err) == TB_OK)
        return 0;
    if (may_pass(rebuild, &err))
        tb_rebuild_close(rebuild, TB_REBUILD_KEEP);
    return handle_error(rebuild, &err);
}

static int64_t begin(struct tb_rebuild *rebuild)
{
    rebuild->restarts = 0;
    tb_rebuild_forget_holds(rebuild);
    tb_rebuild_enter(rebuild, TB_REBUILD_BUILDING, "");
    return tb_rebuild_is_cancelled(rebuild) ? 0 : open(rebuild);
}

static int64_t idle(struct tb_rebuild *rebuild)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    int64_t now_ms = tb_clock_mono_ms(options->clock), due_ms;
    struct tb_error err = {0};

    if (now_ms >= rebuild->cleanup_at_ms) {
        (void)options->backend->cleanup(options->backend_ctx, &err); /* tried again in an hour */
        rebuild->cleanup_at_ms = now_ms + CLEANUP_EVERY_MS;
    }
    due_ms = rebuild->cleanup_at_ms;
    if (rebuild->end_unpublished)
        due_ms = rebuild->publish_at_ms;
    else if (rebuild->find_job_at_ms < due_ms)
        due_ms = rebuild->find_job_at_ms;
    return due_ms > now_ms ? due_ms - now_ms : 0;
}

static int64_t build(struct tb_rebuild *rebuild)
{
    struct tb_error err = {0};
    int64_t left = 0, wait_ms = 0;

    if (tb_rebuild_fill_allowed(rebuild, &left, &wait_ms, &err) != TB_OK)
        return handle_error(rebuild, &err);
    if (rebuild->state == TB_REBUILD_BUILDING) {
        if (rebuild->progress.events >= rebuild->goal)
            tb_rebuild_enter(rebuild, TB_REBUILD_CATCHING_UP, rebuild->step_error.text);
    } else if (left <= CLOSE_EVENTS) {
        tb_rebuild_enter(rebuild,
                         rebuild->job.rollback ? TB_REBUILD_SWAPPING : TB_REBUILD_COMPARING,
                         rebuild->step_error.text);
    }
    return wait_ms;
}

static int64_t end_compare(struct tb_rebuild *rebuild)
{
    int64_t differences = rebuild->compare->difference_count;
    char why[200];

    tb_rebuild_unpin(rebuild);
    tb_rebuild_forget_holds(rebuild);
    if (differences > 0 && !rebuild->job.accept) {
        snprintf(why, sizeof why,
                 "%lld differences between the rebuilt view and the served one, which stays; "
                 "accept to have them all the same: it is filled anew then",
                 (long long)differences);
        return fail(rebuild, why);
    }
    tb_rebuild_enter(rebuild, TB_REBUILD_SWAPPING, "");
    return 0;
}

static int64_t compare(struct tb_rebuild *rebuild)
{
    struct tb_error err = {0};
    int64_t wait_ms = 0;
    bool done = false;
    enum tb_code code = tb_rebuild_compare(rebuild, &done, &wait_ms, &err);

    if (code != TB_OK)
        return handle_error(rebuild, &err);
    return done ? end_compare(rebuild) : wait_ms;
}

static int64_t swap(struct tb_rebuild *rebuild)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    bool rollback = rebuild->job.rollback;
    struct tb_error err = {0};
    int64_t left = 0, wait_ms = 0;
    enum tb_code code = tb_rebuild_fill_allowed(rebuild, &left, &wait_ms, &err);

    if (code == TB_OK && left > CLOSE_EVENTS)
        return wait_ms;
    if (code == TB_OK && tb_rebuild_hold_due_ms(rebuild) > 0)
        return wait_ms > SWAP_AGAIN_MS ? wait_ms : SWAP_AGAIN_MS;
    tb_rebuild_begin_hold(rebuild);
    if (code == TB_OK)
        code = options->backend->swap(options->backend_ctx, rebuild, &err);
    if (code == TB_BUSY) {
        tb_rebuild_give_up_hold(rebuild, err.text);
        return SWAP_AGAIN_MS;
    }
    if (code != TB_OK)
        return handle_error(rebuild, &err);
    tb_rebuild_close(rebuild, TB_REBUILD_SWAPPED);
    tb_rebuild_enter(rebuild, rollback ? TB_REBUILD_ROLLED_BACK : TB_REBUILD_DONE, "");
    return 0;
}

static int64_t work(struct tb_rebuild *rebuild)
{
    const struct tb_rebuild_options *options = &rebuild->options;

    if (options->backend->has_room && !options->backend->has_room(options->backend_ctx))
        return fail(rebuild, "the disk reserve is reached: what is left is for orders");
    if (!rebuild->consumer)
        return open(rebuild);
    switch (rebuild->state) {
    case TB_REBUILD_COMPARING:
        return compare(rebuild);
    case TB_REBUILD_SWAPPING:
        return swap(rebuild);
    default:
        return build(rebuild);
    }
}

int64_t tb_rebuild_step(struct tb_rebuild *rebuild)
{
    struct tb_error err = {0};
    int64_t wait_ms;

    if (tb_rebuild_find_job_due(rebuild) && tb_rebuild_find_job(rebuild, &err) != TB_OK)
        return FIND_JOB_AGAIN_MS;
    if (tb_rebuild_take_pending(rebuild))
        return begin(rebuild);
    if (!tb_rebuild_publish(rebuild))
        return fail(rebuild, "another process goes on with it");
    if (!tb_rebuild_is_running(rebuild->state))
        return idle(rebuild);
    wait_ms = tb_rebuild_is_cancelled(rebuild) ? cancel(rebuild) : work(rebuild);
    if (!tb_rebuild_is_running(rebuild->state))
        (void)tb_rebuild_publish(rebuild); /* a failure is tried again when idle */
    return wait_ms;
}

void tb_rebuild_run(struct tb_rebuild *rebuild)
{
    while (!atomic_load(&rebuild->stopping)) {
        int64_t wait_ms = tb_rebuild_step(rebuild);

        if (wait_ms > 0 && !atomic_load(&rebuild->stopping))
            tb_mailbox_wait(&rebuild->wakeup, wait_ms);
    }
}

void tb_rebuild_stop(struct tb_rebuild *rebuild)
{
    atomic_store(&rebuild->stopping, true);
    tb_mailbox_wake(&rebuild->wakeup);
}

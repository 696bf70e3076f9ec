#include "query/rebuild/rebuild_priv.h"
#include <stdio.h>
#include <stdlib.h>

/* So few are left: the rest is read while the served view stands still. */
#define CLOSE_EVENTS 1000
/* Not allowed to swap yet. */
#define PAUSE_MS 20
/* What an earlier process left could not be told. */
#define ASK_AGAIN_MS 1000
/* After trouble that passes. */
#define AGAIN_MS 1000
#define TIDY_EVERY_MS (60 * 60 * 1000)
/* A view that turns out to be damaged, or to lack events, is begun anew so often. */
#define RESTARTS_MAX 2

enum tb_code tb_rebuild_new(const struct tb_rebuild_options *options,
                            struct tb_rebuild **ret_rebuild, struct tb_error *err)
{
    struct tb_rebuild *rebuild = calloc(1, sizeof *rebuild);

    if (!rebuild)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    rebuild->options = *options;
    tb_mailbox_init(&rebuild->door, 0);
    TB_ASSERT(pthread_mutex_init(&rebuild->lock, NULL) == 0);
    rebuild->tidy_at_ms = tb_clock_mono_ms(options->clock);
    *ret_rebuild = rebuild;
    return TB_OK;
}

void tb_rebuild_free(struct tb_rebuild *rebuild)
{
    if (!rebuild)
        return;
    tb_rebuild_close(rebuild, TB_REBUILD_KEEP);
    tb_recheck_set_release(&rebuild->suspects);
    tb_recheck_set_release(&rebuild->last_suspects);
    pthread_mutex_destroy(&rebuild->lock);
    tb_mailbox_release(&rebuild->door);
    free(rebuild);
}

static int64_t fail(struct tb_rebuild *rebuild, const char *why)
{
    tb_rebuild_close(rebuild, TB_REBUILD_DISCARD);
    tb_rebuild_enter(rebuild, TB_REBUILD_FAILED, why);
    return 0;
}

/* The new view is begun anew where that may help. */
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

static bool passes(const struct tb_rebuild *rebuild, const struct tb_error *why)
{
    return rebuild->options.edition->is_distant &&
           (why->code == TB_UNAVAILABLE || why->code == TB_BUSY || why->code == TB_UNKNOWN);
}

/* Returns how long to wait before the same is tried again, or something else is done. */
static int64_t take_trouble(struct tb_rebuild *rebuild, const struct tb_error *why)
{
    if (!passes(rebuild, why))
        return fail_or_restart(rebuild, why);
    tb_rebuild_unpin(rebuild);
    tb_rebuild_set_problem(rebuild, why->text);
    return AGAIN_MS;
}

/* What is not opened whole is closed again. */
static int64_t open(struct tb_rebuild *rebuild)
{
    struct tb_error err = {0};

    if (tb_rebuild_open(rebuild, rebuild->anew, &err) == TB_OK)
        return 0;
    if (passes(rebuild, &err))
        tb_rebuild_close(rebuild, TB_REBUILD_KEEP);
    return take_trouble(rebuild, &err);
}

static int64_t begin(struct tb_rebuild *rebuild, bool anew)
{
    rebuild->restarts = 0;
    rebuild->anew = anew;
    tb_rebuild_enter(rebuild, TB_REBUILD_BUILDING, "");
    return open(rebuild);
}

static int64_t idle(struct tb_rebuild *rebuild)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    int64_t now_ms = tb_clock_mono_ms(options->clock), due_ms;
    struct tb_error err = {0};

    if (now_ms >= rebuild->tidy_at_ms) {
        (void)options->edition->tidy(options->edition_ctx, &err); /* else the next time */
        rebuild->tidy_at_ms = now_ms + TIDY_EVERY_MS;
    }
    due_ms = rebuild->tidy_at_ms;
    if (rebuild->untold)
        due_ms = rebuild->note_at_ms;
    else if (options->edition->look_every_ms > 0 && rebuild->look_at_ms < due_ms)
        due_ms = rebuild->look_at_ms;
    return due_ms > now_ms ? due_ms - now_ms : 0;
}

static int64_t build(struct tb_rebuild *rebuild)
{
    struct tb_error err = {0};
    int64_t left = 0, wait_ms = 0;

    if (tb_rebuild_fill_allowed(rebuild, &left, &wait_ms, &err) != TB_OK)
        return take_trouble(rebuild, &err);
    if (rebuild->state == TB_REBUILD_BUILDING) {
        if (rebuild->figures.events >= rebuild->goal)
            tb_rebuild_enter(rebuild, TB_REBUILD_CATCHING_UP, rebuild->trouble.text);
    } else if (left <= CLOSE_EVENTS) {
        tb_rebuild_enter(rebuild,
                         rebuild->job.rollback ? TB_REBUILD_SWAPPING : TB_REBUILD_COMPARING,
                         rebuild->trouble.text);
    }
    return wait_ms;
}

static int64_t end_compare(struct tb_rebuild *rebuild)
{
    int64_t differences = rebuild->compare->differences;
    char why[200];

    tb_rebuild_unpin(rebuild);
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
        return take_trouble(rebuild, &err);
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
    if (code == TB_OK)
        code = options->edition->swap(options->edition_ctx, rebuild, &err);
    if (code == TB_BUSY) {
        tb_rebuild_set_problem(rebuild, err.text);
        return PAUSE_MS;
    }
    if (code != TB_OK)
        return take_trouble(rebuild, &err);
    tb_rebuild_close(rebuild, TB_REBUILD_SWAPPED);
    tb_rebuild_enter(rebuild, rollback ? TB_REBUILD_ROLLED_BACK : TB_REBUILD_DONE, "");
    return 0;
}

static int64_t work(struct tb_rebuild *rebuild)
{
    const struct tb_rebuild_options *options = &rebuild->options;

    if (!options->edition->has_room(options->edition_ctx))
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
    bool left = false;

    if (tb_rebuild_find_job_due(rebuild) && tb_rebuild_find_job(rebuild, &left, &err) != TB_OK)
        return ASK_AGAIN_MS;
    if (left)
        return begin(rebuild, /* anew= */ false);
    if (tb_rebuild_take_pending(rebuild))
        return begin(rebuild, /* anew= */ true);
    if (!tb_rebuild_publish(rebuild))
        return fail(rebuild, "another process goes on with it");
    if (!tb_rebuild_is_running(rebuild->state))
        return idle(rebuild);
    wait_ms = work(rebuild);
    if (!tb_rebuild_is_running(rebuild->state))
        (void)tb_rebuild_publish(rebuild); /* else again when idle */
    return wait_ms;
}

void tb_rebuild_run(struct tb_rebuild *rebuild)
{
    while (!atomic_load(&rebuild->stopping)) {
        int64_t wait_ms = tb_rebuild_step(rebuild);

        if (wait_ms > 0 && !atomic_load(&rebuild->stopping))
            tb_mailbox_wait(&rebuild->door, wait_ms);
    }
}

void tb_rebuild_stop(struct tb_rebuild *rebuild)
{
    atomic_store(&rebuild->stopping, true);
    tb_mailbox_wake(&rebuild->door);
}

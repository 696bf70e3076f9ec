#include "query/rebuild/rebuild_priv.h"
#include <stdlib.h>

/* Others who look see it move. */
#define NOTE_EVERY_MS 1000

/* With the lock held: it is shown as begun from here on. */
static void put_job(struct tb_rebuild *rebuild, const struct tb_rebuild_job *job)
{
    rebuild->figures = (struct tb_rebuild_progress){.job = *job, .seconds_left = -1};
    rebuild->figures.state = TB_REBUILD_BUILDING;
    rebuild->pending = true;
}

/* From here on no other start gets so far. */
static enum tb_code begin_start(struct tb_rebuild *rebuild, const struct tb_rebuild_job *job,
                                struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    enum tb_code code = TB_OK;

    pthread_mutex_lock(&rebuild->lock);
    if (rebuild->starting ||
        (rebuild->figures.owner[0] == '\0' && tb_rebuild_is_running(rebuild->figures.state)))
        code = tb_error_set(err, TB_CONFLICT, "a rebuild is under way"); /* others': see claim */
    else if (job->rollback && !options->edition->can_roll_back(options->edition_ctx))
        code = tb_error_set(err, TB_CONFLICT, "there is no old view to go back to");
    else
        rebuild->starting = true;
    pthread_mutex_unlock(&rebuild->lock);
    return code;
}

/* job: NULL, or it is begun. What others are at is shown from here on. */
static void end_start(struct tb_rebuild *rebuild, const struct tb_rebuild_job *job,
                      const struct tb_rebuild_progress *others)
{
    pthread_mutex_lock(&rebuild->lock);
    rebuild->starting = false;
    if (job)
        put_job(rebuild, job);
    else if (others->owner[0] != '\0')
        rebuild->figures = *others;
    pthread_mutex_unlock(&rebuild->lock);
    if (job)
        tb_mailbox_wake(&rebuild->door);
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
        if (options->edition->claim)
            code = options->edition->claim(options->edition_ctx, job, others, err);
        end_start(rebuild, code == TB_OK ? job : NULL, others);
    }
    free(others);
    return code;
}

/* With the lock held. A person who was faster begins anew. True: there is a job to go on with. */
static bool take_found(struct tb_rebuild *rebuild, enum tb_rebuild_found found)
{
    const struct tb_rebuild_job job = rebuild->copy.job;

    if (rebuild->pending || rebuild->starting || found == TB_REBUILD_FOUND_NOTHING)
        return false;
    if (found == TB_REBUILD_FOUND_REPORT) {
        rebuild->figures = rebuild->copy;
        return false;
    }
    put_job(rebuild, &job);
    rebuild->pending = false;
    rebuild->job = job;
    return true;
}

enum tb_code tb_rebuild_find_job(struct tb_rebuild *rebuild, bool *ret_left, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    enum tb_rebuild_found found = TB_REBUILD_FOUND_NOTHING;

    rebuild->copy = (struct tb_rebuild_progress){.seconds_left = -1};
    TB_TRY(options->edition->look(options->edition_ctx, &found, &rebuild->copy, err));
    rebuild->asked = true;
    rebuild->look_at_ms = tb_clock_mono_ms(options->clock) + options->edition->look_every_ms;
    pthread_mutex_lock(&rebuild->lock);
    *ret_left = take_found(rebuild, found);
    pthread_mutex_unlock(&rebuild->lock);
    return TB_OK;
}

bool tb_rebuild_publish(struct tb_rebuild *rebuild)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    int64_t now_ms = tb_clock_mono_ms(options->clock);
    bool ended = !tb_rebuild_is_running(rebuild->state);
    struct tb_error err = {0};
    enum tb_code code;

    if (!options->edition->note || now_ms < rebuild->note_at_ms || (ended && !rebuild->untold))
        return true;
    tb_rebuild_get_progress(rebuild, &rebuild->copy);
    code = options->edition->note(options->edition_ctx, &rebuild->copy, &err);
    rebuild->note_at_ms = now_ms + NOTE_EVERY_MS;
    if (ended && (code == TB_OK || code == TB_CONFLICT))
        rebuild->untold = false;
    return ended || code != TB_CONFLICT;
}

bool tb_rebuild_find_job_due(const struct tb_rebuild *rebuild)
{
    const struct tb_rebuild_options *options = &rebuild->options;

    if (!rebuild->asked)
        return true;
    return options->edition->look_every_ms > 0 && !tb_rebuild_is_running(rebuild->state) &&
           !rebuild->untold && tb_clock_mono_ms(options->clock) >= rebuild->look_at_ms;
}

bool tb_rebuild_take_pending(struct tb_rebuild *rebuild)
{
    bool pending;

    pthread_mutex_lock(&rebuild->lock);
    pending = rebuild->pending;
    rebuild->pending = false;
    if (pending)
        rebuild->job = rebuild->figures.job;
    pthread_mutex_unlock(&rebuild->lock);
    return pending;
}

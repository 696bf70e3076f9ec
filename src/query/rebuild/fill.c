#include "query/rebuild/rebuild_priv.h"
#include <stdlib.h>

/* While nobody writes the served view: at the rate of a small machine, a fraction of a second. */
#define REACH_EVENTS_MAX 5000
/* A step reads something, or is in trouble, or all is read, unless the log is slow. */
#define REACH_STEPS_MAX (REACH_EVENTS_MAX + TB_LOG_PARTITIONS_MAX)
#define REACH_MS 5000

static void on_failed(void *ctx, const struct tb_error *err)
{
    ((struct tb_rebuild *)ctx)->trouble = *err;
}

static void on_applied(void *ctx, const struct tb_plan *plan)
{
    tb_rebuild_add_to_recheck(ctx, plan);
}

static enum tb_code open_consumer(struct tb_rebuild *rebuild, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    const struct tb_consumer_options consumer = {
        .reader = &rebuild->until.reader,
        .view = rebuild->view,
        .clock = &rebuild->until.clock, /* letters die when they died, not now */
        .random = options->random,
        .rules = options->rules,
        .dead_letter_keep_ms = -1, /* that is done once it is served */
        .topic = options->topic,
        .partitions = options->partitions,
        .applied = on_applied,
        .failed = on_failed,
        .ctx = rebuild,
    };

    return tb_consumer_new(&consumer, &rebuild->consumer, err);
}

/* What the new view has of a partition; what has nothing stands where reading began. */
static enum tb_code position(struct tb_rebuild *rebuild, int32_t partition, int64_t *ret_next,
                             struct tb_error *err)
{
    int64_t next = -1;

    TB_TRY(rebuild->view->ops->offset(rebuild->view, partition, &next, err));
    *ret_next = next < 0 ? rebuild->first[partition] : next;
    return TB_OK;
}

/* A rollback counts from where the old view stood. */
static enum tb_code note_first(struct tb_rebuild *rebuild, struct tb_error *err)
{
    const int32_t partitions = rebuild->options.partitions;
    int64_t next[TB_LOG_PARTITIONS_MAX] = {0};

    for (int32_t p = 0; p < partitions; p++) {
        struct tb_log_range range = {0};

        TB_TRY(rebuild->reader->ops->range(rebuild->reader, p, &range, err));
        rebuild->first[p] = range.begin;
        if (rebuild->job.rollback)
            TB_TRY(position(rebuild, p, &rebuild->first[p], err));
    }
    rebuild->goal = 0;
    TB_TRY(rebuild->options.edition->served(rebuild->options.edition_ctx, next, err));
    for (int32_t p = 0; p < partitions; p++)
        rebuild->goal += next[p] > rebuild->first[p] ? next[p] - rebuild->first[p] : 0;
    return TB_OK;
}

enum tb_code tb_rebuild_open(struct tb_rebuild *rebuild, bool anew, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;

    rebuild->opened = true;
    TB_TRY(options->edition->open(options->edition_ctx, &rebuild->job, anew, &rebuild->view,
                                  &rebuild->reader, err));
    tb_bounded_reader_init(&rebuild->until, rebuild->reader, options->partitions, options->clock);
    rebuild->rate_ms = tb_clock_mono_ms(options->clock);
    rebuild->rate_events = 0;
    TB_TRY(note_first(rebuild, err));
    return open_consumer(rebuild, err);
}

void tb_rebuild_unpin(struct tb_rebuild *rebuild)
{
    const struct tb_rebuild_options *options = &rebuild->options;

    if (rebuild->held)
        options->edition->let_go(options->edition_ctx);
    rebuild->held = false;
    free(rebuild->compare);
    rebuild->compare = NULL;
    if (!rebuild->sifted)
        tb_rebuild_reset_recheck(rebuild);
}

void tb_rebuild_close(struct tb_rebuild *rebuild, enum tb_rebuild_end end)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    struct tb_error err = {0};

    tb_rebuild_unpin(rebuild);
    tb_rebuild_reset_recheck(rebuild);
    tb_consumer_free(rebuild->consumer);
    rebuild->consumer = NULL;
    /* What could not be removed is removed by tidy, or by the next process. */
    if (rebuild->opened)
        (void)options->edition->close(options->edition_ctx, end, &err);
    rebuild->opened = false;
    rebuild->view = NULL;
    rebuild->reader = NULL;
}

static enum tb_code count(struct tb_rebuild *rebuild, const int64_t *next, int64_t *ret_left,
                          struct tb_error *err)
{
    int64_t events = 0, left = 0;

    for (int32_t p = 0; p < rebuild->options.partitions; p++) {
        int64_t at = 0;

        TB_TRY(position(rebuild, p, &at, err));
        events += at > rebuild->first[p] ? at - rebuild->first[p] : 0;
        left += next[p] > at ? next[p] - at : 0;
    }
    tb_rebuild_set_progress(rebuild, events, left);
    *ret_left = left;
    return TB_OK;
}

/* Damage does not go away, and a full disk is for orders. */
static bool is_for_good(const struct tb_error *err)
{
    return err->code == TB_CORRUPT || err->code == TB_FULL;
}

static enum tb_code step(struct tb_rebuild *rebuild, int64_t *ret_wait_ms, struct tb_error *err)
{
    /* Beside a comparison there is always something to do. */
    const int64_t poll_ms = rebuild->compare ? 0 : rebuild->options.edition->poll_ms;

    rebuild->trouble = (struct tb_error){0};
    *ret_wait_ms = tb_consumer_step(rebuild->consumer, poll_ms);
    if (is_for_good(&rebuild->trouble)) {
        *err = rebuild->trouble;
        return err->code;
    }
    return TB_OK;
}

static void read_until(struct tb_rebuild *rebuild, const int64_t *next)
{
    for (int32_t p = 0; p < rebuild->options.partitions; p++)
        rebuild->until.until[p] = next[p];
}

enum tb_code tb_rebuild_fill(struct tb_rebuild *rebuild, const int64_t *next, int64_t *ret_left,
                             int64_t *ret_wait_ms, struct tb_error *err)
{
    read_until(rebuild, next);
    TB_TRY(step(rebuild, ret_wait_ms, err));
    tb_rebuild_set_problem(rebuild, rebuild->trouble.text);
    return count(rebuild, next, ret_left, err);
}

enum tb_code tb_rebuild_fill_allowed(struct tb_rebuild *rebuild, int64_t *ret_left,
                                     int64_t *ret_wait_ms, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    int64_t next[TB_LOG_PARTITIONS_MAX] = {0};

    TB_TRY(options->edition->served(options->edition_ctx, next, err));
    return tb_rebuild_fill(rebuild, next, ret_left, ret_wait_ms, err);
}

enum tb_code tb_rebuild_catch_up(struct tb_rebuild *rebuild, const int64_t *next,
                                 struct tb_error *err)
{
    const struct tb_clock *clock = rebuild->options.clock;
    int64_t until_ms = tb_clock_mono_ms(clock) + REACH_MS, left = 0, wait_ms = 0;

    TB_TRY(count(rebuild, next, &left, err));
    if (left > REACH_EVENTS_MAX)
        return tb_error_set(err, TB_BUSY, "%lld events came meanwhile", (long long)left);
    read_until(rebuild, next);
    for (int steps = 0; left > 0; steps++) {
        TB_TRY(step(rebuild, &wait_ms, err));
        if (rebuild->trouble.code != TB_OK || steps == REACH_STEPS_MAX ||
            tb_clock_mono_ms(clock) >= until_ms)
            return tb_error_set(err, TB_BUSY, "%s", rebuild->trouble.text);
        TB_TRY(count(rebuild, next, &left, err));
    }
    return TB_OK;
}

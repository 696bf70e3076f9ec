#include "query/rebuild/rebuild_priv.h"

/* Events that tb_rebuild_catch_up may read while the writers of the served view wait: that takes a
 * fraction of a second on a small machine. */
#define REACH_EVENTS_MAX 5000
/* A step normally reads at least one record. With more steps than this the log is too slow. */
#define REACH_STEPS_MAX (REACH_EVENTS_MAX + TB_LOG_PARTITIONS_MAX)
#define REACH_MS (TB_REBUILD_HOLD_MS / 2) /* the rest of the time is for what the swap writes */
/* If close could not remove what is no longer needed, cleanup is called so soon. */
#define CLEANUP_AGAIN_MS 60000

static void on_failed(void *ctx, const struct tb_error *err)
{
    ((struct tb_rebuild *)ctx)->step_error = *err;
}

/* Orders that are written during a round may differ again: adds them to the next round. */
static void on_applied(void *ctx, const struct tb_plan *plan)
{
    struct tb_rebuild *rebuild = ctx;

    for (size_t i = 0; rebuild->rechecking && i < plan->order_count; i++) {
        if (plan->orders[i]->changed)
            tb_recheck_set_add(&rebuild->recheck_next, plan->orders[i]->order.order_id);
    }
}

static enum tb_code open_consumer(struct tb_rebuild *rebuild, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    const struct tb_consumer_options consumer = {
        .reader = &rebuild->bounded.reader,
        .view = rebuild->view,
        .clock = &rebuild->bounded.clock, /* dead letters get the time of their record */
        .random = options->random,
        .rules = options->rules,
        .dead_letter_keep_ms = -1, /* only the served view expires them */
        .topic = options->topic,
        .partitions = options->partitions,
        .on_applied = on_applied,
        .on_failure = on_failed,
        .ctx = rebuild,
    };

    return tb_consumer_new(&consumer, &rebuild->consumer, err);
}

/* Before which offset of a partition the new view has all records. The view knows only where its
 * last record was; what is behind that, up to where the reader stands, are markers of
 * transactions, which have offsets but which no reader returns. */
static enum tb_code position(struct tb_rebuild *rebuild, int32_t partition, int64_t *ret_next,
                             struct tb_error *err)
{
    int64_t next = -1;

    TB_TRY(rebuild->view->ops->offset(rebuild->view, partition, &next, err));
    *ret_next = next < 0 ? rebuild->first[partition] : next;
    if (rebuild->bounded.applied[partition] > *ret_next)
        *ret_next = rebuild->bounded.applied[partition];
    return TB_OK;
}

/* Sets first and goal, from which the progress is counted. A rollback begins at the offsets that
 * the previous view has. */
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
    TB_TRY(rebuild->options.backend->served_offsets(rebuild->options.backend_ctx, next, err));
    for (int32_t p = 0; p < partitions; p++)
        rebuild->goal += next[p] > rebuild->first[p] ? next[p] - rebuild->first[p] : 0;
    return TB_OK;
}

enum tb_code tb_rebuild_open(struct tb_rebuild *rebuild, bool anew, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;

    rebuild->opened = true;
    TB_TRY(options->backend->open(options->backend_ctx, &rebuild->job, anew, &rebuild->view,
                                  &rebuild->reader, err));
    tb_bounded_reader_init(&rebuild->bounded, rebuild->reader, options->partitions,
                           options->clock);
    rebuild->rate_ms = tb_clock_mono_ms(options->clock);
    rebuild->rate_events = 0;
    TB_TRY(note_first(rebuild, err));
    return open_consumer(rebuild, err);
}

void tb_rebuild_unpin(struct tb_rebuild *rebuild)
{
    const struct tb_rebuild_options *options = &rebuild->options;

    if (rebuild->pinned)
        options->backend->unpin(options->backend_ctx);
    rebuild->pinned = false;
    tb_compare_free(rebuild->compare);
    rebuild->compare = NULL;
    if (!rebuild->rechecked)
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
    if (rebuild->opened && options->backend->close(options->backend_ctx, end, &err) != TB_OK)
        rebuild->cleanup_at_ms = tb_clock_mono_ms(options->clock) + CLEANUP_AGAIN_MS;
    rebuild->opened = false;
    rebuild->view = NULL;
    rebuild->reader = NULL;
}

/* Shows how many events are read and how many are left. */
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

static enum tb_code step(struct tb_rebuild *rebuild, const int64_t *next, int64_t *ret_wait_ms,
                         struct tb_error *err)
{
    /* During a comparison the step must not wait for records: they may not come soon. */
    const int64_t poll_ms = rebuild->compare ? 0 : rebuild->options.backend->poll_ms;

    for (int32_t p = 0; p < rebuild->options.partitions; p++)
        rebuild->bounded.limit[p] = next[p];
    rebuild->step_error = (struct tb_error){0};
    *ret_wait_ms = tb_consumer_step(rebuild->consumer, poll_ms);
    /* A damaged view stays damaged, and the rest of a full disk is reserved for orders. */
    if (rebuild->step_error.code == TB_CORRUPT || rebuild->step_error.code == TB_FULL) {
        *err = rebuild->step_error;
        return err->code;
    }
    return TB_OK;
}

enum tb_code tb_rebuild_fill(struct tb_rebuild *rebuild, const int64_t *next, int64_t *ret_left,
                             int64_t *ret_wait_ms, struct tb_error *err)
{
    TB_TRY(step(rebuild, next, ret_wait_ms, err));
    tb_rebuild_set_problem(rebuild, rebuild->step_error.code != TB_OK ? rebuild->step_error.text
                                                                      : rebuild->hold_problem);
    return count(rebuild, next, ret_left, err);
}

enum tb_code tb_rebuild_fill_allowed(struct tb_rebuild *rebuild, int64_t *ret_left,
                                     int64_t *ret_wait_ms, struct tb_error *err)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    int64_t next[TB_LOG_PARTITIONS_MAX] = {0};

    TB_TRY(options->backend->served_offsets(options->backend_ctx, next, err));
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
    for (int steps = 0; left > 0; steps++) {
        TB_TRY(step(rebuild, next, &wait_ms, err));
        if (rebuild->step_error.code != TB_OK || steps == REACH_STEPS_MAX ||
            tb_clock_mono_ms(clock) >= until_ms)
            return tb_error_set(err, TB_BUSY, "%s", rebuild->step_error.text);
        TB_TRY(count(rebuild, next, &left, err));
    }
    return TB_OK;
}

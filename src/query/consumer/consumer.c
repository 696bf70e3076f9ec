#include "query/consumer/consumer_priv.h"
#include <stdlib.h>

#define RETRY_BASE_MS 100
/* Once log or view are back, nothing waits longer than this. */
#define RETRY_CAP_MS 5000
#define EXPIRE_EVERY_MS (60 * 60 * 1000)
/* Removing so many takes so little time that waiting events are not delayed. */
#define EXPIRE_AT_ONCE 1000
/* Until dead letters that could not be removed are tried again. */
#define EXPIRE_AGAIN_MS 60000
#define STEP_MS 1000

#define TO(state) (1u << TB_CONSUMER_##state)
/* The moves that the header draws. */
static const unsigned moves[TB_CONSUMER_STATE_COUNT] = {
    [TB_CONSUMER_OPENING] = TO(POSITIONING),
    [TB_CONSUMER_POSITIONING] = TO(READING),
    [TB_CONSUMER_READING] = TO(APPLYING) | TO(POSITIONING),
    [TB_CONSUMER_APPLYING] =
        TO(READING) | TO(POSITIONING) | TO(DEFERRED) | TO(PAUSED) | TO(STOPPED),
    [TB_CONSUMER_DEFERRED] = TO(READING) | TO(APPLYING) | TO(PAUSED),
    [TB_CONSUMER_PAUSED] = TO(RETRYING),
    [TB_CONSUMER_RETRYING] = TO(READING) | TO(PAUSED) | TO(DEFERRED) | TO(STOPPED),
};

void tb_consumer_enter(struct tb_consumer *consumer, enum tb_consumer_state state)
{
    TB_ASSERT(consumer->state == state || moves[consumer->state] & 1u << state);
    consumer->state = state;
}

static enum tb_code new_dlt_writer(struct tb_consumer *consumer, struct tb_error *err)
{
    const struct tb_dlt_writer_options options = {
        .writer = consumer->options.dead_letters,
        .topic = consumer->options.topic,
        .group = consumer->options.group,
    };

    return options.writer ? tb_dlt_writer_new(&options, &consumer->dlt_writer, err) : TB_OK;
}

enum tb_code tb_consumer_new(const struct tb_consumer_options *options,
                             struct tb_consumer **ret_consumer, struct tb_error *err)
{
    struct tb_consumer *consumer = calloc(1, sizeof *consumer);

    if (!consumer)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    consumer->options = *options;
    if (consumer->options.partitions == 0)
        consumer->options.partitions = 1;
    atomic_init(&consumer->wakes, options->reader);
    consumer->stats.end_to_end_us.spec = &tb_histogram_time;
    consumer->backoff = (struct tb_backoff){.base_ms = RETRY_BASE_MS, .cap_ms = RETRY_CAP_MS};
    consumer->expire_at_ms = consumer->redrive.due_ms = tb_clock_mono_ms(options->clock);
    consumer->checkpoint_at_ms = consumer->expire_at_ms + TB_CONSUMER_FIRST_CHECKPOINT_MS;
    tb_mailbox_init(&consumer->pause, 0);
    tb_consumer_init_calls(consumer);
    if (new_dlt_writer(consumer, err) != TB_OK) {
        tb_consumer_free(consumer);
        return err->code;
    }
    *ret_consumer = consumer;
    return TB_OK;
}

void tb_consumer_free(struct tb_consumer *consumer)
{
    if (!consumer)
        return;
    tb_consumer_close_calls(consumer);
    tb_thread_calls_release(&consumer->calls);
    tb_dlt_writer_free(consumer->dlt_writer);
    tb_plan_release(&consumer->plan);
    tb_arena_release(&consumer->copy_arena);
    tb_arena_release(&consumer->refusal_texts);
    tb_mailbox_release(&consumer->pause);
    free(consumer);
}

static enum tb_code open_reader(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_consumer_options *options = &consumer->options;

    if (consumer->state != TB_CONSUMER_OPENING)
        return TB_OK;
    if (!options->reader)
        TB_TRY(options->open(options->ctx, &options->reader, err));
    atomic_store(&consumer->wakes, options->reader);
    tb_consumer_enter(consumer, TB_CONSUMER_POSITIONING);
    return TB_OK;
}

static enum tb_code position(struct tb_consumer *consumer, int32_t partition, struct tb_error *err)
{
    struct tb_view *view = consumer->options.view;
    struct tb_log_reader *reader = consumer->options.reader;
    struct tb_log_range range = {0};
    int64_t next = -1;

    TB_TRY(view->ops->offset(view, partition, &next, err));
    if (next < 0) {
        TB_TRY(reader->ops->range(reader, partition, &range, err));
        next = range.begin;
    }
    return reader->ops->seek(reader, partition, next, err);
}

static enum tb_code position_all(struct tb_consumer *consumer, struct tb_error *err)
{
    if (consumer->state != TB_CONSUMER_POSITIONING)
        return TB_OK;
    for (int32_t p = 0; consumer->options.view->ops->offset && p < consumer->options.partitions;
         p++)
        TB_TRY(position(consumer, p, err));
    tb_consumer_enter(consumer, TB_CONSUMER_READING);
    return TB_OK;
}

static int64_t record_time_ms(const struct tb_consumer *consumer)
{
    return consumer->record_time_ms + tb_clock_mono_ms(consumer->options.clock) -
           consumer->record_seen_ms;
}

static void note_record_time(struct tb_consumer *consumer)
{
    for (size_t i = 0; i < consumer->batch.count; i++) {
        int64_t ms = consumer->batch.records[i].timestamp_ms;

        if (ms <= record_time_ms(consumer) && consumer->record_time_ms > 0)
            continue;
        if (consumer->record_time_ms == 0) /* only now can dead letters be known to be old */
            consumer->expire_at_ms = tb_clock_mono_ms(consumer->options.clock);
        consumer->record_time_ms = ms;
        consumer->record_seen_ms = tb_clock_mono_ms(consumer->options.clock);
    }
}

/* A centre has no uptime: other processes of its group run when it does not. Its wall clock alone
 * must not delete what is young, nor can the log's alone. */
static int64_t retention_now_ms(const struct tb_consumer *consumer)
{
    const struct tb_consumer_options *options = &consumer->options;
    int64_t wall_ms = tb_clock_wall_ms(options->clock), log_ms = record_time_ms(consumer);

    if (options->uptime)
        return tb_uptime_ms(options->uptime, options->clock);
    if (consumer->record_time_ms == 0)
        return 0; /* nothing is that old */
    return wall_ms < log_ms ? wall_ms : log_ms;
}

static bool expires(const struct tb_consumer *consumer)
{
    return consumer->options.dead_letter_keep_ms >= 0 &&
           consumer->options.view->ops->expire_dead_letters;
}

static enum tb_code expire_some(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_view *view = consumer->options.view;
    const struct tb_clock *clock = consumer->options.clock;
    int64_t before_ms = retention_now_ms(consumer) - consumer->options.dead_letter_keep_ms;
    int64_t removed = 0;

    TB_TRY(view->ops->expire_dead_letters(view, before_ms, EXPIRE_AT_ONCE, &removed, err));
    if (removed < EXPIRE_AT_ONCE) /* else the next step removes more */
        consumer->expire_at_ms = tb_clock_mono_ms(clock) + EXPIRE_EVERY_MS;
    return TB_OK;
}

static enum tb_code expire_dead_letters(struct tb_consumer *consumer, struct tb_error *err)
{
    int64_t now_ms = tb_clock_mono_ms(consumer->options.clock);

    if (!expires(consumer) || now_ms < consumer->expire_at_ms ||
        expire_some(consumer, err) == TB_OK)
        return TB_OK;
    if (tb_consumer_can_pause(consumer))
        consumer->expire_at_ms = now_ms + EXPIRE_AGAIN_MS;
    return err->code;
}

/* Removes or redrives dead letters. With a reader of a group, reading goes on after a failure. */
static enum tb_code run_upkeep(struct tb_consumer *consumer,
                               enum tb_code (*upkeep)(struct tb_consumer *, struct tb_error *),
                               struct tb_error *err)
{
    if (upkeep(consumer, err) == TB_OK || !tb_consumer_can_pause(consumer))
        return err->code;
    *err = (struct tb_error){0};
    return TB_OK;
}

/* How long a poll may wait for records: until the next timed work is due. While failing it does
 * not wait at all, because even an empty poll shows that the log works again. */
static int64_t poll_wait(const struct tb_consumer *consumer, int64_t wait_ms)
{
    int64_t due_ms = tb_consumer_redrive_due_ms(consumer), left_ms;

    if (tb_consumer_is_failing(consumer))
        return 0;
    if (expires(consumer) && consumer->expire_at_ms < due_ms)
        due_ms = consumer->expire_at_ms;
    if (consumer->options.on_durable && consumer->checkpoint_at_ms < due_ms)
        due_ms = consumer->checkpoint_at_ms;
    if (consumer->keeps_up && consumer->keep_up_at_ms < due_ms)
        due_ms = consumer->keep_up_at_ms;
    if (due_ms == INT64_MAX)
        return wait_ms;
    left_ms = due_ms - tb_clock_mono_ms(consumer->options.clock);
    if (left_ms < 0)
        left_ms = 0;
    return wait_ms < 0 || left_ms < wait_ms ? left_ms : wait_ms;
}

/* Everything that was returned is applied. Behind the last record there may be markers of
 * transactions: with the group's offset behind them, too, other people's tools see no lag. */
static void commit_positions(struct tb_consumer *consumer)
{
    struct tb_log_reader *reader = consumer->options.reader;
    struct tb_error ignored = {0};

    if (!reader->ops->position || consumer->has_offset)
        return;
    for (int32_t p = 0; p < consumer->options.partitions; p++) {
        int64_t next = reader->ops->position(reader, p);

        if (next >= 0)
            (void)!reader->ops->commit(reader, p, next, &ignored);
    }
}

static enum tb_code next_batch(struct tb_consumer *consumer, int64_t wait_ms, struct tb_error *err)
{
    struct tb_log_reader *reader = consumer->options.reader;

    tb_consumer_release_batch(consumer);
    if (consumer->state == TB_CONSUMER_RETRYING)
        TB_TRY(reader->ops->pause(reader, false, err));
    tb_consumer_enter(consumer, TB_CONSUMER_READING);
    TB_TRY(reader->ops->poll(reader, TB_LOG_BATCH_MAX, poll_wait(consumer, wait_ms),
                             &consumer->batch, err));
    note_record_time(consumer);
    if (tb_consumer_has_records_left(consumer))
        tb_consumer_enter(consumer, TB_CONSUMER_APPLYING);
    else
        commit_positions(consumer);
    return TB_OK;
}

static enum tb_code apply_batch(struct tb_consumer *consumer, struct tb_error *err)
{
    while (tb_consumer_has_records_left(consumer)) {
        TB_TRY(tb_consumer_apply(consumer, err));
        TB_TRY(tb_consumer_commit_offset(consumer, err));
    }
    if (consumer->state == TB_CONSUMER_APPLYING)
        tb_consumer_enter(consumer, TB_CONSUMER_READING);
    return TB_OK;
}

static enum tb_code work(struct tb_consumer *consumer, int64_t wait_ms, struct tb_error *err)
{
    TB_TRY(open_reader(consumer, err));
    TB_TRY(position_all(consumer, err));
    TB_TRY(tb_consumer_commit_offset(consumer, err)); /* if that has failed */
    TB_TRY(run_upkeep(consumer, expire_dead_letters, err));
    TB_TRY(run_upkeep(consumer, tb_consumer_redrive, err));
    TB_TRY(tb_consumer_checkpoint(consumer, err));
    tb_consumer_keep_up(consumer);
    if (!tb_consumer_has_records_left(consumer))
        TB_TRY(next_batch(consumer, wait_ms, err));
    return apply_batch(consumer, err);
}

int64_t tb_consumer_step(struct tb_consumer *consumer, int64_t wait_ms)
{
    struct tb_error err = {0};

    tb_consumer_run_calls(consumer);
    if (consumer->state == TB_CONSUMER_STOPPED)
        return tb_consumer_step_stopped(consumer, wait_ms);
    if (consumer->state == TB_CONSUMER_PAUSED || consumer->state == TB_CONSUMER_RETRYING) {
        int64_t pause_ms = tb_consumer_step_paused(consumer, wait_ms);

        if (consumer->state == TB_CONSUMER_PAUSED)
            return pause_ms;
    }
    if (work(consumer, wait_ms, &err) != TB_OK)
        return tb_consumer_fail(consumer, &err);
    tb_consumer_note_success(consumer);
    return 0;
}

void tb_consumer_run(struct tb_consumer *consumer)
{
    const struct tb_consumer_options *options = &consumer->options;

    while (!atomic_load(&consumer->stopping)) {
        int64_t pause_ms = tb_consumer_step(consumer, options->on_step ? STEP_MS : -1);

        if (options->on_step)
            options->on_step(options->ctx);
        if (pause_ms > 0 && !atomic_load(&consumer->stopping))
            tb_mailbox_wait(&consumer->pause, pause_ms);
    }
    tb_consumer_close_calls(consumer);
}

void tb_consumer_wake(struct tb_consumer *consumer)
{
    struct tb_log_reader *reader;

    tb_mailbox_wake(&consumer->pause);
    reader = atomic_load(&consumer->wakes);
    if (reader)
        reader->ops->wake(reader);
}

void tb_consumer_stop(struct tb_consumer *consumer)
{
    atomic_store(&consumer->stopping, true);
    tb_consumer_wake(consumer);
}

/* An offset that is not committed to the log yet is committed with a later one. */
void tb_consumer_switch_view(struct tb_consumer *consumer, struct tb_view *view)
{
    TB_ASSERT(view->ops->offset && !tb_consumer_can_pause(consumer));
    consumer->has_offset = false;
    tb_consumer_release_batch(consumer);
    if (consumer->state != TB_CONSUMER_OPENING)
        tb_consumer_enter(consumer, TB_CONSUMER_POSITIONING);
    consumer->options.view = view;
    consumer->synced = false;
    consumer->expire_at_ms = tb_clock_mono_ms(consumer->options.clock);
    consumer->redrive.scan = (struct tb_redrive_scan){0};
}

const struct tb_consumer_stats *tb_consumer_stats(const struct tb_consumer *consumer)
{
    return &consumer->stats;
}

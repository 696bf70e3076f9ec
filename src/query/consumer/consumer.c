#include "query/consumer/consumer_priv.h"
#include <stdlib.h>

#define RETRY_BASE_MS 100
/* Nobody waits longer than this after log or view are back. */
#define RETRY_CAP_MS 5000
/* A reader that must be served is, while the log fails, at least so often. */
#define SERVE_MS 500
/* An order that the view refuses is tried again after so long. */
#define REFUSED_MS 1000
/* While a view is moved, which takes a moment. */
#define HELD_MS 20
#define EXPIRE_EVERY_MS (60 * 60 * 1000)
/* Short enough not to be felt by the events that wait behind it. */
#define EXPIRE_AT_ONCE 1000
/* What could not be removed is removed a little later: that holds nobody up. */
#define EXPIRE_AGAIN_MS 60000
#define STEP_MS 1000

static enum tb_code new_letters(struct tb_consumer *consumer, struct tb_error *err)
{
    const struct tb_dlt_writer_options options = {
        .writer = consumer->options.dead_letters,
        .topic = consumer->options.topic,
        .group = consumer->options.group,
    };

    if (!options.writer)
        return TB_OK;
    return tb_dlt_writer_new(&options, &consumer->letters, err);
}

enum tb_code tb_consumer_new(const struct tb_consumer_options *options,
                             struct tb_consumer **ret_consumer, struct tb_error *err)
{
    struct tb_consumer *consumer = calloc(1, sizeof *consumer);

    if (!consumer)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    consumer->options = *options;
    if (consumer->options.partitions == 0)
        consumer->options.partitions = TB_LOG_PARTITIONS;
    atomic_init(&consumer->wakes, options->reader);
    consumer->stats.end_to_end_us.spec = &tb_histogram_time;
    consumer->backoff = (struct tb_backoff){.base_ms = RETRY_BASE_MS, .cap_ms = RETRY_CAP_MS};
    consumer->expire_at_ms = consumer->follow.due_ms = tb_clock_mono_ms(options->clock);
    (void)tb_retention_clock_now_ms(&consumer->calendar, options->clock,
                                    options->dead_letter_keep_ms);
    consumer->secure_at_ms = consumer->expire_at_ms + TB_CONSUMER_CHECKPOINT_MS;
    tb_mailbox_init(&consumer->pause, 0);
    tb_consumer_init_calls(consumer);
    if (new_letters(consumer, err) != TB_OK) {
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
    tb_thread_calls_release(&consumer->errands);
    tb_dlt_writer_free(consumer->letters);
    tb_plan_release(&consumer->plan);
    for (size_t i = 0; i < TB_CONSUMER_GROUP_MAX; i++)
        tb_plan_release(&consumer->given[i]);
    tb_arena_release(&consumer->kept);
    tb_arena_release(&consumer->refusal_texts);
    tb_mailbox_release(&consumer->pause);
    free(consumer);
}

/* Is the reader to be served, whatever else goes wrong? */
static bool serves(const struct tb_consumer *consumer)
{
    const struct tb_log_reader *reader = consumer->options.reader;

    return reader && reader->ops->pause;
}

static bool is_failing(const struct tb_consumer *consumer)
{
    return atomic_load_explicit(&consumer->stats.failing, memory_order_relaxed);
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
    if (consumer->positioned || !consumer->options.view->ops->offset)
        return TB_OK;
    for (int32_t partition = 0; partition < consumer->options.partitions; partition++)
        TB_TRY(position(consumer, partition, err));
    consumer->positioned = true;
    return TB_OK;
}

static bool expires(const struct tb_consumer *consumer)
{
    return consumer->options.dead_letter_keep_ms >= 0 &&
           consumer->options.view->ops->expire_dead_letters != NULL;
}

static enum tb_code expire_some(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_view *view = consumer->options.view;
    const struct tb_clock *clock = consumer->options.clock;
    int64_t keep_ms = consumer->options.dead_letter_keep_ms, removed = 0;
    int64_t now_ms = tb_retention_clock_now_ms(&consumer->calendar, clock, keep_ms);

    TB_TRY(view->ops->expire_dead_letters(view, now_ms - keep_ms, EXPIRE_AT_ONCE, &removed, err));
    if (removed < EXPIRE_AT_ONCE) /* else there may be more: at the next step */
        consumer->expire_at_ms = tb_clock_mono_ms(clock) + EXPIRE_EVERY_MS;
    return TB_OK;
}

static enum tb_code expire_dead_letters(struct tb_consumer *consumer, struct tb_error *err)
{
    int64_t now_ms = tb_clock_mono_ms(consumer->options.clock);

    if (!expires(consumer) || now_ms < consumer->expire_at_ms)
        return TB_OK;
    if (expire_some(consumer, err) == TB_OK || !serves(consumer))
        return err->code;
    consumer->expire_at_ms = now_ms + EXPIRE_AGAIN_MS;
    *err = (struct tb_error){0};
    return TB_OK;
}

/* As expire_dead_letters: a look that fails is no reason not to read. */
static enum tb_code follow(struct tb_consumer *consumer, struct tb_error *err)
{
    if (tb_consumer_redrive(consumer, err) == TB_OK || !serves(consumer))
        return err->code;
    *err = (struct tb_error){0};
    return TB_OK;
}

/* How long to wait for records: not beyond what is to be done next, and while failing not at all,
 * since an answer without records tells that the log works again. */
static int64_t bounded_wait(const struct tb_consumer *consumer, int64_t wait_ms)
{
    int64_t due_ms = tb_consumer_redrive_due_ms(consumer), left_ms;

    if (is_failing(consumer))
        return 0;
    if (expires(consumer) && consumer->expire_at_ms < due_ms)
        due_ms = consumer->expire_at_ms;
    if (consumer->options.durable && consumer->secure_at_ms < due_ms)
        due_ms = consumer->secure_at_ms;
    if (due_ms == INT64_MAX)
        return wait_ms;
    left_ms = due_ms - tb_clock_mono_ms(consumer->options.clock);
    if (left_ms < 0)
        left_ms = 0;
    return wait_ms < 0 || left_ms < wait_ms ? left_ms : wait_ms;
}

static enum tb_code open_reader(struct tb_consumer *consumer, struct tb_error *err)
{
    if (consumer->options.reader)
        return TB_OK;
    TB_TRY(consumer->options.open(consumer->options.ctx, &consumer->options.reader, err));
    atomic_store(&consumer->wakes, consumer->options.reader);
    return TB_OK;
}

static enum tb_code resume(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_log_reader *reader = consumer->options.reader;

    if (!consumer->paused)
        return TB_OK;
    TB_TRY(reader->ops->pause(reader, false, err));
    consumer->paused = false;
    return TB_OK;
}

static enum tb_code next_batch(struct tb_consumer *consumer, int64_t wait_ms, struct tb_error *err)
{
    struct tb_log_reader *reader = consumer->options.reader;

    tb_consumer_release_batch(consumer);
    TB_TRY(resume(consumer, err));
    return reader->ops->poll(reader, TB_LOG_BATCH_MAX, bounded_wait(consumer, wait_ms),
                             &consumer->batch, err);
}

/* Every part of the batch to the view. */
static enum tb_code apply_batch(struct tb_consumer *consumer, struct tb_error *err)
{
    while (consumer->done < consumer->batch.count) {
        TB_TRY(tb_consumer_apply(consumer, err));
        if (!tb_consumer_can_join_group(consumer))
            TB_TRY(tb_consumer_flush(consumer, err));
    }
    return TB_OK;
}

/* What of the other partitions is there already joins, so that all become visible together. */
static enum tb_code join_others(struct tb_consumer *consumer, struct tb_error *err)
{
    while (consumer->given_count > 0) {
        enum tb_code code = next_batch(consumer, 0, err);

        if (code != TB_OK) { /* no trouble of what was read before */
            struct tb_error why = *err;

            TB_TRY(tb_consumer_flush(consumer, err));
            *err = why;
            return code;
        }
        if (consumer->batch.count == 0)
            return tb_consumer_flush(consumer, err);
        TB_TRY(apply_batch(consumer, err));
    }
    return TB_OK;
}

static enum tb_code work(struct tb_consumer *consumer, int64_t wait_ms, struct tb_error *err)
{
    TB_TRY(open_reader(consumer, err));
    TB_TRY(position_all(consumer, err));
    TB_TRY(tb_consumer_flush(consumer, err)); /* what the log is still to be told */
    TB_TRY(expire_dead_letters(consumer, err));
    TB_TRY(follow(consumer, err));
    TB_TRY(tb_consumer_checkpoint(consumer, err));
    if (consumer->done == consumer->batch.count)
        TB_TRY(next_batch(consumer, wait_ms, err));
    TB_TRY(apply_batch(consumer, err));
    return join_others(consumer, err);
}

static void set_failing(struct tb_consumer *consumer, bool failing, const struct tb_error *err)
{
    if (is_failing(consumer) == failing)
        return;
    atomic_store_explicit(&consumer->stats.failing, failing, memory_order_relaxed);
    if (consumer->options.trouble)
        consumer->options.trouble(consumer->options.ctx, err);
}

/* A partition that cannot be read fails whenever its turn comes, and others are read in between:
 * only a whole round of turns, or nothing left to read, says that all is well. */
static void note_success(struct tb_consumer *consumer)
{
    static const struct tb_error none = {.code = TB_OK};

    if (!is_failing(consumer))
        return;
    consumer->steps_well++;
    if (consumer->batch.count > 0 &&
        consumer->steps_well <= (unsigned)consumer->options.partitions)
        return;
    set_failing(consumer, false, &none);
    tb_backoff_reset(&consumer->backoff);
}

/* The reader goes on being served while what it handed out has to wait. False: it is not paused,
 * and nobody is thrown out of anything for waiting. */
static bool pause_reader(struct tb_consumer *consumer, int64_t wait_ms)
{
    struct tb_log_reader *reader = consumer->options.reader;
    struct tb_error err = {0};
    bool waits = consumer->done < consumer->batch.count;

    if (!serves(consumer) || !waits || !tb_consumer_copy_batch(consumer))
        return false;
    if (!consumer->paused && reader->ops->pause(reader, true, &err) != TB_OK)
        return false;
    consumer->paused = true;
    consumer->retry_at_ms = tb_clock_mono_ms(consumer->options.clock) + wait_ms;
    return true;
}

/* What is held up is read again in its turn; other partitions may go on. Only a whole round of
 * turns without progress waits. */
static int64_t turn_back(struct tb_consumer *consumer)
{
    struct tb_log_reader *reader = consumer->options.reader;
    const struct tb_log_batch *batch = &consumer->batch;
    struct tb_error err = {0};

    if (consumer->is_kept ||
        reader->ops->seek(reader, batch->partition, batch->records[consumer->done].offset, &err) !=
            TB_OK)
        return pause_reader(consumer, HELD_MS) ? 0 : HELD_MS;
    tb_consumer_release_batch(consumer);
    if (++consumer->turned_back < consumer->options.partitions)
        return 0;
    consumer->turned_back = 0;
    return HELD_MS;
}

/* Returns how long to pause. An order that the view refuses is no trouble of the view; that it is
 * held is none at all. */
static int64_t fail(struct tb_consumer *consumer, const struct tb_error *err)
{
    bool stopped = atomic_load(&consumer->stats.stopped);
    int64_t wait_ms = REFUSED_MS;

    tb_consumer_undo(consumer);
    if (consumer->held)
        return turn_back(consumer);
    consumer->steps_well = 0;
    if (consumer->options.failed)
        consumer->options.failed(consumer->options.ctx, err);
    if (stopped && consumer->options.trouble) {
        atomic_store(&consumer->stats.failing, true);
        consumer->options.trouble(consumer->options.ctx, err);
    } else if (consumer->tries == 0 || err->code != TB_INVALID) {
        set_failing(consumer, true, err);
        wait_ms = tb_backoff_next_ms(&consumer->backoff, consumer->options.random);
    }
    if (pause_reader(consumer, wait_ms))
        return 0;
    if (serves(consumer) && wait_ms > SERVE_MS)
        return SERVE_MS;
    return wait_ms;
}

/* Serves a paused reader for at most wait_ms; a batch that went to another reader is given up.
 * True: it is time to try again, else *ret_pause_ms is how long to pause. */
static bool serve(struct tb_consumer *consumer, int64_t wait_ms, int64_t *ret_pause_ms)
{
    struct tb_log_reader *reader = consumer->options.reader;
    const struct tb_clock *clock = consumer->options.clock;
    bool stopped = atomic_load(&consumer->stats.stopped);
    int64_t left_ms = consumer->retry_at_ms - tb_clock_mono_ms(clock);
    struct tb_log_batch none = {0};
    struct tb_error err = {0};
    enum tb_code code;

    left_ms = stopped ? SERVE_MS : left_ms > 0 ? left_ms : 0;
    if (wait_ms < 0 || wait_ms > left_ms)
        wait_ms = left_ms;
    code = reader->ops->poll(reader, /* max= */ 0, wait_ms, &none, &err);
    TB_ASSERT(none.count == 0);
    if (consumer->batch.count > 0 && reader->ops->is_assigned &&
        !reader->ops->is_assigned(reader, consumer->batch.partition))
        tb_consumer_release_batch(consumer);
    /* A log that fails does not wait. */
    *ret_pause_ms = code == TB_OK ? 0 : wait_ms < SERVE_MS ? wait_ms : SERVE_MS;
    return !stopped && tb_clock_mono_ms(clock) >= consumer->retry_at_ms;
}

int64_t tb_consumer_step(struct tb_consumer *consumer, int64_t wait_ms)
{
    struct tb_error err = {0};
    int64_t pause_ms = 0;

    tb_consumer_run_calls(consumer);
    if (consumer->paused && !serve(consumer, wait_ms, &pause_ms))
        return pause_ms;
    consumer->held = false;
    if (work(consumer, wait_ms, &err) != TB_OK)
        return fail(consumer, &err);
    if (consumer->batch.count > 0)
        consumer->turned_back = 0;
    note_success(consumer);
    return 0;
}

void tb_consumer_run(struct tb_consumer *consumer)
{
    const struct tb_consumer_options *options = &consumer->options;

    while (!atomic_load(&consumer->stopping)) {
        int64_t pause_ms = tb_consumer_step(consumer, options->stepped ? STEP_MS : -1);

        if (options->stepped)
            options->stepped(options->ctx);
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

const struct tb_consumer_stats *tb_consumer_stats(const struct tb_consumer *consumer)
{
    return &consumer->stats;
}

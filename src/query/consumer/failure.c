#include "query/consumer/consumer_priv.h"

/* A reader that belongs to a group is polled at least so often, even while the log fails. */
#define POLL_EVERY_MS 500
/* Until an order that the view refuses is tried again. */
#define REFUSED_MS 1000
/* Until a batch that the view defers is tried again: a view is swapped in a moment. */
#define DEFERRED_MS 20

static void set_failing(struct tb_consumer *consumer, bool failing, const struct tb_error *err)
{
    if (tb_consumer_is_failing(consumer) == failing)
        return;
    atomic_store_explicit(&consumer->stats.failing, failing, memory_order_relaxed);
    if (consumer->options.on_outage)
        consumer->options.on_outage(consumer->options.ctx, err);
}

/* The reader takes partitions in turn, and one that cannot be read fails only in its own turn. So
 * the outage ends only after more steps without a failure than there are partitions, or after an
 * empty poll. */
void tb_consumer_note_success(struct tb_consumer *consumer)
{
    static const struct tb_error none = {.code = TB_OK};

    if (consumer->batch.count > 0)
        consumer->deferrals = 0;
    if (!tb_consumer_is_failing(consumer))
        return;
    consumer->steps_well++;
    if (consumer->batch.count > 0 &&
        consumer->steps_well <= (unsigned)consumer->options.partitions)
        return;
    set_failing(consumer, false, &none);
    tb_backoff_reset(&consumer->backoff);
}

/* Copies the rest of the batch, to outlive the reader's next poll. False: out of memory. */
static bool copy_batch(struct tb_consumer *consumer)
{
    size_t count = consumer->batch.count - consumer->done;
    struct tb_record *records;
    bool ok;

    if (consumer->is_copy)
        return true;
    records = tb_arena_array(&consumer->copy_arena, count, sizeof *records);
    ok = records != NULL;
    for (size_t i = 0; ok && i < count; i++)
        ok = tb_record_copy(&consumer->copy_arena, &consumer->batch.records[consumer->done + i],
                            &records[i]);
    if (!ok) {
        tb_arena_release(&consumer->copy_arena);
        return false;
    }
    tb_consumer_drop_plan(consumer); /* it points into the records that the next poll frees */
    consumer->batch.records = records;
    consumer->batch.count = count;
    consumer->done = 0;
    consumer->is_copy = true;
    return true;
}

/* Pauses the reader, with a copy of the rest of the batch, until it is tried again in wait_ms.
 * False: not paused, because the batch is done, memory or pausing failed, or the reader has no
 * group that expects polls. */
static bool pause_reader(struct tb_consumer *consumer, int64_t wait_ms)
{
    struct tb_log_reader *reader = consumer->options.reader;
    struct tb_error err = {0};

    if (!tb_consumer_can_pause(consumer) || !tb_consumer_has_records_left(consumer) ||
        !copy_batch(consumer) || reader->ops->pause(reader, true, &err) != TB_OK)
        return false;
    tb_consumer_enter(consumer, TB_CONSUMER_PAUSED);
    consumer->retry_at_ms = tb_clock_mono_ms(consumer->options.clock) + wait_ms;
    return true;
}

/* Seeks the reader back to the deferred records, so that other partitions are read meanwhile.
 * Waits only if as many batches in a row were deferred as there are partitions. */
static int64_t defer(struct tb_consumer *consumer)
{
    struct tb_log_reader *reader = consumer->options.reader;
    const struct tb_log_batch *batch = &consumer->batch;
    struct tb_error err = {0};

    if (consumer->is_copy ||
        reader->ops->seek(reader, batch->partition, batch->records[consumer->done].offset, &err) !=
            TB_OK) {
        if (pause_reader(consumer, DEFERRED_MS))
            return 0;
        /* The reader is not paused: pausing a paused one succeeds, so this is not RETRYING's. */
        tb_consumer_enter(consumer, TB_CONSUMER_APPLYING);
        return DEFERRED_MS;
    }
    tb_consumer_release_batch(consumer);
    tb_consumer_enter(consumer, TB_CONSUMER_READING);
    if (++consumer->deferrals < consumer->options.partitions)
        return 0;
    consumer->deferrals = 0;
    return DEFERRED_MS;
}

static int64_t stop(struct tb_consumer *consumer, const struct tb_error *err)
{
    tb_consumer_release_batch(consumer);
    atomic_store(&consumer->stats.failing, true);
    atomic_store(&consumer->stats.stopped, true);
    if (consumer->options.on_outage)
        consumer->options.on_outage(consumer->options.ctx, err);
    return 0;
}

/* The refusal of a single order is no outage of the view, so it is not reported as one. */
int64_t tb_consumer_fail(struct tb_consumer *consumer, const struct tb_error *err)
{
    int64_t wait_ms = REFUSED_MS;

    if (consumer->state == TB_CONSUMER_DEFERRED)
        return defer(consumer);
    consumer->steps_well = 0;
    if (consumer->options.on_failure)
        consumer->options.on_failure(consumer->options.ctx, err);
    if (consumer->state == TB_CONSUMER_STOPPED)
        return stop(consumer, err);
    if (consumer->tries == 0 || err->code != TB_INVALID) {
        set_failing(consumer, true, err);
        wait_ms = tb_backoff_next_ms(&consumer->backoff, consumer->options.random);
    }
    if (pause_reader(consumer, wait_ms))
        return 0;
    return tb_consumer_can_pause(consumer) && wait_ms > POLL_EVERY_MS ? POLL_EVERY_MS : wait_ms;
}

/* Polls a paused reader for at most wait_ms; returns how long to pause. A batch whose partition
 * went to another reader is abandoned. */
static int64_t poll_paused(struct tb_consumer *consumer, int64_t wait_ms)
{
    struct tb_log_reader *reader = consumer->options.reader;
    struct tb_log_batch none = {0};
    struct tb_error err = {0};
    enum tb_code code = reader->ops->poll(reader, /* max= */ 0, wait_ms, &none, &err);

    TB_ASSERT(none.count == 0);
    if (consumer->batch.count > 0 && reader->ops->is_assigned &&
        !reader->ops->is_assigned(reader, consumer->batch.partition))
        tb_consumer_release_batch(consumer);
    /* A poll that fails does not wait. */
    return code == TB_OK ? 0 : wait_ms < POLL_EVERY_MS ? wait_ms : POLL_EVERY_MS;
}

int64_t tb_consumer_step_paused(struct tb_consumer *consumer, int64_t wait_ms)
{
    const struct tb_clock *clock = consumer->options.clock;
    int64_t left_ms = consumer->retry_at_ms - tb_clock_mono_ms(clock), pause_ms;

    left_ms = left_ms > 0 ? left_ms : 0;
    pause_ms = poll_paused(consumer, wait_ms < 0 || wait_ms > left_ms ? left_ms : wait_ms);
    if (tb_clock_mono_ms(clock) >= consumer->retry_at_ms)
        tb_consumer_enter(consumer, TB_CONSUMER_RETRYING);
    return pause_ms;
}

/* Reads nothing more, but polls, so that the reader keeps its partitions. Pausing a paused reader
 * does nothing. */
int64_t tb_consumer_step_stopped(struct tb_consumer *consumer, int64_t wait_ms)
{
    struct tb_log_reader *reader = consumer->options.reader;
    struct tb_error err = {0};

    if (!tb_consumer_can_pause(consumer) || reader->ops->pause(reader, true, &err) != TB_OK)
        return POLL_EVERY_MS;
    return poll_paused(consumer, wait_ms < 0 || wait_ms > POLL_EVERY_MS ? POLL_EVERY_MS : wait_ms);
}

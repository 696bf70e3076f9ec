#include "query/consumer/consumer_priv.h"

/* Two wall clocks differ by this, or one clock at two moments. */
static void observe_end_to_end(struct tb_consumer_stats *stats, int64_t difference_ms)
{
    if (difference_ms < 0 || difference_ms > TB_END_TO_END_MAX_MS)
        tb_counter_add(&stats->end_to_end_unknown, 1);
    else
        tb_histogram_observe(&stats->end_to_end_us, difference_ms * 1000);
}

static void count(struct tb_consumer *consumer, const struct tb_plan *plan)
{
    int64_t now_ms = tb_clock_wall_ms(consumer->options.clock);

    for (int result = 0; result < TB_EVENT_RESULT_COUNT; result++)
        tb_counter_add(&consumer->stats.events[result], plan->results[result]);
    for (size_t i = 0; i < plan->results[TB_APPLIED]; i++)
        observe_end_to_end(&consumer->stats, now_ms - plan->occurred_at_ms[i]);
    atomic_store_explicit(&consumer->stats.applied_at_ms, now_ms, memory_order_relaxed);
}

static void note_dead_letters(struct tb_consumer *consumer, const struct tb_plan *plan)
{
    tb_consumer_note_dead_letters(consumer, plan);
    if (!consumer->dlt_writer)
        return;
    tb_senders_note(&consumer->senders, plan, tb_clock_mono_ms(consumer->options.clock));
    tb_dlt_writer_reset(consumer->dlt_writer);
}

void tb_consumer_note_applied(struct tb_consumer *consumer)
{
    const struct tb_plan *plan = &consumer->plan;

    count(consumer, plan);
    if (consumer->options.on_applied)
        consumer->options.on_applied(consumer->options.ctx, plan);
    note_dead_letters(consumer, plan);
    consumer->has_offset = true;
    consumer->offset = (struct tb_dead_letter_position){plan->partition, plan->next_offset};
    consumer->done += consumer->part;
    consumer->tries = 0;
    tb_consumer_drop_plan(consumer);
}

enum tb_code tb_consumer_commit_offset(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_log_reader *reader = consumer->options.reader;

    if (!consumer->has_offset)
        return TB_OK;
    TB_TRY(reader->ops->commit(reader, consumer->offset.partition, consumer->offset.offset, err));
    consumer->has_offset = false;
    return TB_OK;
}

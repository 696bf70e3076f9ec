#include "query/consumer/consumer_priv.h"

/* Where a commit costs more than what is in it (SQLite), the plans of all partitions share one.
 * Dead letters on their way to a topic are noted with their own plan: such plans do not. */
bool tb_consumer_can_join_group(const struct tb_consumer *consumer)
{
    return consumer->options.view->ops->flush && !consumer->letters &&
           consumer->given_count < TB_CONSUMER_GROUP_MAX &&
           consumer->given_records < TB_CONSUMER_GROUP_RECORDS;
}

static void count(struct tb_consumer *consumer, const struct tb_plan *plan)
{
    int64_t now_ms = tb_clock_wall_ms(consumer->options.clock);

    for (int result = 0; result < TB_EVENT_RESULT_COUNT; result++)
        tb_counter_add(&consumer->stats.events[result], plan->results[result]);
    for (size_t i = 0; i < plan->results[TB_APPLIED]; i++)
        tb_histogram_observe(&consumer->stats.end_to_end_us,
                             (now_ms - plan->occurred_at_ms[i]) * 1000);
    atomic_store_explicit(&consumer->stats.applied_at_ms, now_ms, memory_order_relaxed);
}

/* What died again after a replay is no sign of a release that cannot read its events. */
static void note_letters(struct tb_consumer *consumer, const struct tb_plan *plan)
{
    int64_t now_ms = tb_clock_mono_ms(consumer->options.clock);

    tb_consumer_note_dead_letters(consumer, plan);
    if (!consumer->letters)
        return;
    for (size_t i = 0; i < plan->dead_letter_count; i++) {
        if (tb_plan_dead_letter_is_new(&plan->dead_letters[i]))
            consumer->letter_at_ms[consumer->letter_count++ % TB_DEAD_LETTERS_PER_MINUTE] = now_ms;
    }
    tb_dlt_writer_reset(consumer->letters);
}

static enum tb_code flush_view(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_view *view = consumer->options.view;

    consumer->secured = false; /* even if it fails: it may be done */
    if (view->ops->flush)
        TB_TRY(view->ops->flush(view, err));
    consumer->flushed = true;
    for (size_t i = 0; i < consumer->given_count; i++) {
        count(consumer, &consumer->given[i]);
        if (consumer->options.applied)
            consumer->options.applied(consumer->options.ctx, &consumer->given[i]);
        note_letters(consumer, &consumer->given[i]);
    }
    return TB_OK;
}

static enum tb_code tell_log(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_log_reader *reader = consumer->options.reader;

    for (; consumer->told_count < consumer->given_count; consumer->told_count++) {
        const struct tb_plan *plan = &consumer->given[consumer->told_count];

        TB_TRY(reader->ops->commit(reader, plan->partition, plan->next_offset, err));
    }
    return TB_OK;
}

void tb_consumer_clear_group(struct tb_consumer *consumer)
{
    for (size_t i = 0; i < consumer->given_count; i++)
        tb_plan_clear(&consumer->given[i]);
    consumer->given_count = consumer->given_records = consumer->told_count = 0;
    consumer->flushed = false;
}

enum tb_code tb_consumer_flush(struct tb_consumer *consumer, struct tb_error *err)
{
    if (consumer->given_count == 0)
        return TB_OK;
    if (!consumer->flushed)
        TB_TRY(flush_view(consumer, err));
    TB_TRY(tell_log(consumer, err));
    tb_consumer_clear_group(consumer);
    return TB_OK;
}

void tb_consumer_undo(struct tb_consumer *consumer)
{
    struct tb_view *view = consumer->options.view;

    if (!view->ops->undo || consumer->flushed)
        return;
    view->ops->undo(view);
    if (consumer->given_count == 0)
        return;
    tb_consumer_clear_group(consumer);
    tb_consumer_release_batch(consumer);
    consumer->positioned = false; /* the view's offsets say where to read on */
}

#include "query/consumer/consumer_priv.h"

static void enter(struct tb_consumer_group *group, enum tb_consumer_group_state state)
{
    static const bool moves[][TB_CONSUMER_GROUP_STATE_COUNT] = {
        [TB_CONSUMER_GROUP_EMPTY] = {[TB_CONSUMER_GROUP_OPEN] = true},
        [TB_CONSUMER_GROUP_OPEN] = {[TB_CONSUMER_GROUP_EMPTY] = true,
                                    [TB_CONSUMER_GROUP_OPEN] = true,
                                    [TB_CONSUMER_GROUP_FLUSHED] = true},
        [TB_CONSUMER_GROUP_FLUSHED] = {[TB_CONSUMER_GROUP_EMPTY] = true},
    };

    TB_ASSERT(moves[group->state][state]);
    group->state = state;
}

/* In SQLite a commit costs more than a plan's writes, so the plans of all partitions share one
 * commit. With a dead-letter topic no plan shares: the writer handles one plan at a time. */
bool tb_consumer_can_join_group(const struct tb_consumer *consumer)
{
    return consumer->options.view->ops->flush && !consumer->dlt_writer &&
           consumer->group.count < TB_CONSUMER_GROUP_MAX &&
           consumer->group.record_count < TB_CONSUMER_GROUP_RECORDS;
}

void tb_consumer_add_to_group(struct tb_consumer *consumer)
{
    struct tb_consumer_group *group = &consumer->group;
    struct tb_plan *slot = &group->plans[group->count++], empty = *slot;

    enter(group, TB_CONSUMER_GROUP_OPEN);
    *slot = consumer->plan;
    consumer->plan = empty;
    group->record_count += consumer->part;
    consumer->done += consumer->part;
    consumer->part = 0;
    consumer->tries = 0;
}

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

static enum tb_code flush_view(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_consumer_group *group = &consumer->group;
    struct tb_view *view = consumer->options.view;

    consumer->synced = false; /* a flush that fails may still have happened */
    consumer->keeps_up = view->ops->keep_up != NULL;
    if (view->ops->flush)
        TB_TRY(view->ops->flush(view, err));
    enter(group, TB_CONSUMER_GROUP_FLUSHED);
    for (size_t i = 0; i < group->count; i++) {
        count(consumer, &group->plans[i]);
        if (consumer->options.on_applied)
            consumer->options.on_applied(consumer->options.ctx, &group->plans[i]);
        note_dead_letters(consumer, &group->plans[i]);
    }
    return TB_OK;
}

void tb_consumer_clear_group(struct tb_consumer *consumer)
{
    struct tb_consumer_group *group = &consumer->group;

    if (group->state == TB_CONSUMER_GROUP_EMPTY)
        return;
    enter(group, TB_CONSUMER_GROUP_EMPTY);
    for (size_t i = 0; i < group->count; i++)
        tb_plan_clear(&group->plans[i]);
    group->count = group->record_count = group->committed_count = 0;
}

enum tb_code tb_consumer_flush(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_consumer_group *group = &consumer->group;
    struct tb_log_reader *reader = consumer->options.reader;

    if (group->state == TB_CONSUMER_GROUP_OPEN)
        TB_TRY(flush_view(consumer, err));
    for (; group->committed_count < group->count; group->committed_count++) {
        const struct tb_plan *plan = &group->plans[group->committed_count];

        TB_TRY(reader->ops->commit(reader, plan->partition, plan->next_offset, err));
    }
    tb_consumer_clear_group(consumer);
    return TB_OK;
}

/* Afterwards reading starts again at the offsets that the view has. */
void tb_consumer_undo(struct tb_consumer *consumer)
{
    struct tb_view *view = consumer->options.view;

    if (!view->ops->undo || consumer->group.state == TB_CONSUMER_GROUP_FLUSHED)
        return;
    view->ops->undo(view);
    if (consumer->group.state == TB_CONSUMER_GROUP_EMPTY)
        return;
    tb_consumer_clear_group(consumer);
    tb_consumer_release_batch(consumer);
    tb_consumer_enter(consumer, TB_CONSUMER_POSITIONING);
}

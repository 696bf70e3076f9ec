#include "query/consumer/consumer_priv.h"

/* Bytes of values that are planned together: parsed they take about ten times as much. A full
 * batch of ordinary orders fits; a batch of orders with 1,000 lines each is planned in several
 * parts. */
#define PLAN_BYTES_MAX ((size_t)2 << 20)
/* A server may refuse an order at first and accept it later. */
#define APPLY_TRIES 3

/* The next records of the batch that are planned together. */
static struct tb_log_batch next_part(const struct tb_consumer *consumer)
{
    struct tb_log_batch part = {
        .partition = consumer->batch.partition,
        .records = consumer->batch.records + consumer->done,
    };
    size_t left = consumer->batch.count - consumer->done;
    size_t bytes = 0;

    do {
        bytes += part.records[part.count++].value.len;
    } while (part.count < left && bytes + part.records[part.count].value.len <= PLAN_BYTES_MAX);
    return part;
}

static enum tb_code load(void *ctx, const char *order_id, struct tb_arena *arena,
                         struct tb_planned_order *ret_order, struct tb_error *err)
{
    struct tb_view *view = ctx;

    return view->ops->load(view, order_id, arena, ret_order, err);
}

static enum tb_code prefetch(struct tb_consumer *consumer, const struct tb_log_batch *part,
                             struct tb_error *err)
{
    struct tb_view *view = consumer->options.view;
    char(*ids)[TB_UUID_SIZE];

    if (!view->ops->prefetch)
        return TB_OK;
    ids = tb_arena_array(&consumer->plan.arena, part->count, sizeof *ids);
    if (!ids)
        return tb_error_set(err, TB_INTERNAL, "out of memory reading a batch");
    return view->ops->prefetch(view, (const char(*)[TB_UUID_SIZE])ids,
                               tb_plan_order_ids(part, ids), err);
}

/* A centre's dead letters expire by the wall clock. One that died is not older than its record, so
 * a clock that is behind makes none seem old. A sender's clock says nothing. */
static void set_times(struct tb_consumer *consumer, const struct tb_log_batch *part)
{
    const struct tb_consumer_options *options = &consumer->options;
    struct tb_plan *plan = &consumer->plan;

    plan->planned_at_ms = tb_clock_wall_ms(options->clock);
    if (options->uptime) {
        plan->kept_from_ms = tb_uptime_ms(options->uptime, options->clock);
        return;
    }
    for (size_t i = 0; i < part->count; i++)
        if (!part->records[i].sender_time && part->records[i].timestamp_ms > plan->planned_at_ms)
            plan->planned_at_ms = part->records[i].timestamp_ms;
    plan->kept_from_ms = plan->planned_at_ms;
}

static bool is_parked(void *ctx, struct tb_str node)
{
    struct tb_consumer *consumer = ctx;

    return tb_sender_is_parked(&consumer->senders, node,
                               tb_clock_mono_ms(consumer->options.clock));
}

static enum tb_code make_plan(struct tb_consumer *consumer, const struct tb_log_batch *part,
                              struct tb_error *err)
{
    const struct tb_consumer_options *options = &consumer->options;
    struct tb_plan_rules rules = options->rules;
    enum tb_code code;

    rules.refusals = consumer->refusals;
    rules.refusal_count = consumer->refusal_count;
    rules.is_parked = consumer->dlt_writer ? is_parked : NULL;
    rules.parked_ctx = consumer;
    code = prefetch(consumer, part, err);
    if (code == TB_OK)
        code = tb_plan_batch(&consumer->plan, part, &rules, load, options->view, err);
    if (code != TB_OK) {
        tb_plan_clear(&consumer->plan);
        return code;
    }
    set_times(consumer, part);
    consumer->part = part->count;
    return TB_OK;
}

static enum tb_code stop_reading(struct tb_consumer *consumer,
                                 const struct tb_plan_dead_letter *letter, struct tb_error *err)
{
    tb_consumer_enter(consumer, TB_CONSUMER_STOPPED);
    return tb_error_set(
        err, TB_CONFLICT,
        "more than %d dead letters of several nodes within a minute, the last of node %.*s for "
        "%s: reading has stopped at offset %lld of partition %d and goes on when this process is "
        "started again",
        TB_DEAD_LETTERS_PER_MINUTE, (int)letter->node.len, letter->node.ptr, letter->reason,
        (long long)tb_log_offset(letter->record->offset), (int)letter->record->partition);
}

/* Cuts off the records that the view is not to be given now. */
static enum tb_code cut_part(struct tb_consumer *consumer, struct tb_log_batch *part,
                             struct tb_error *err)
{
    struct tb_view *view = consumer->options.view;
    int64_t limit = INT64_MAX;

    if (view->ops->plan_limit)
        TB_TRY(view->ops->plan_limit(view, part->partition, &limit, err));
    while (part->count > 0 && part->records[part->count - 1].offset >= limit)
        part->count--;
    if (part->count > 0)
        return TB_OK;
    tb_consumer_enter(consumer, TB_CONSUMER_DEFERRED);
    return tb_error_set(err, TB_BUSY, "the view is being moved");
}

void tb_consumer_drop_plan(struct tb_consumer *consumer)
{
    tb_plan_clear(&consumer->plan);
    consumer->part = 0;
}

/* Records from a sender's surplus dead letter on are planned anew, with the sender parked. Those
 * before it are planned first, without them. */
static enum tb_code plan_up_to(struct tb_consumer *consumer, struct tb_log_batch *part,
                               const struct tb_plan_dead_letter *surplus, bool alike,
                               struct tb_error *err)
{
    size_t before = (size_t)(surplus->record - part->records);

    if (before == 0 && alike)
        return stop_reading(consumer, surplus, err);
    if (before == 0) {
        tb_sender_park(&consumer->senders, surplus->node,
                       tb_clock_mono_ms(consumer->options.clock));
        if (consumer->options.on_parked)
            consumer->options.on_parked(consumer->options.ctx, surplus);
    } else {
        part->count = before;
    }
    tb_consumer_drop_plan(consumer);
    return make_plan(consumer, part, err);
}

/* Plans the next records, or fewer, so that no sender has too many dead letters. */
static enum tb_code plan_part(struct tb_consumer *consumer, struct tb_error *err)
{
    int64_t now_ms = tb_clock_mono_ms(consumer->options.clock);
    struct tb_log_batch part = next_part(consumer);
    const struct tb_plan_dead_letter *surplus = NULL;
    bool alike = false;

    TB_TRY(cut_part(consumer, &part, err));
    TB_TRY(make_plan(consumer, &part, err));
    while (consumer->dlt_writer) {
        enum tb_code code =
            tb_senders_find_surplus(&consumer->senders, consumer->options.view, &consumer->plan,
                                    now_ms, &surplus, &alike, err);

        if (code == TB_OK && !surplus)
            break;
        if (code == TB_OK)
            code = plan_up_to(consumer, &part, surplus, alike, err);
        if (code != TB_OK) {
            tb_consumer_drop_plan(consumer);
            return code;
        }
    }
    return TB_OK;
}

/* The view refuses an order. After APPLY_TRIES refusals its last record is noted, so that the next
 * plan makes it a dead letter. TB_OK: plan again. */
static enum tb_code note_refusal(struct tb_consumer *consumer, struct tb_error *err)
{
    const struct tb_view *view = consumer->options.view;
    const struct tb_planned_order *refused;
    struct tb_str message;

    if (view->refused_index >= consumer->plan.order_count ||
        !consumer->plan.orders[view->refused_index]->changed)
        return tb_error_set(err, TB_INTERNAL, "the view refuses what nobody wrote");
    refused = consumer->plan.orders[view->refused_index];
    if (consumer->tried_offset != refused->last_offset)
        consumer->tries = 0;
    consumer->tried_offset = refused->last_offset;
    if (++consumer->tries < APPLY_TRIES)
        return err->code;

    message = tb_arena_copy(&consumer->refusal_texts, tb_str_of(err->text));
    if (!message.ptr || consumer->refusal_count == TB_LOG_BATCH_MAX)
        return tb_error_set(err, TB_INTERNAL, "out of memory for what the view refuses");
    consumer->refusals[consumer->refusal_count++] =
        (struct tb_plan_refusal){refused->last_offset, message.ptr};
    consumer->tries = 0;
    return TB_OK;
}

/* From here on the view refuses plans of the reader that had the partition before. If another
 * reader has the partition by now, the log does not confirm it (TB_BUSY): the batch is deferred,
 * and the next poll drops the partition. */
static enum tb_code acquire_fence(struct tb_consumer *consumer, struct tb_error *err)
{
    const struct tb_log_batch *batch = &consumer->batch;
    struct tb_log_reader *reader = consumer->options.reader;
    struct tb_view *view = consumer->options.view;
    enum tb_code code;

    if (!view->ops->acquire_fence ||
        consumer->fenced_assignment[batch->partition] == batch->assignment)
        return TB_OK;
    TB_TRY(view->ops->acquire_fence(view, batch->partition, err));
    code =
        reader->ops->confirm(reader, batch->partition, batch->records[consumer->done].offset, err);
    if (code == TB_BUSY)
        tb_consumer_enter(consumer, TB_CONSUMER_DEFERRED);
    if (code == TB_OK)
        consumer->fenced_assignment[batch->partition] = batch->assignment;
    return code;
}

/* After an error the plan stays: the next step commits the same one. */
static enum tb_code apply_part(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_view *view = consumer->options.view;
    enum tb_code code;

    TB_TRY(acquire_fence(consumer, err));
    for (;;) {
        if (consumer->part == 0)
            TB_TRY(plan_part(consumer, err));
        if (consumer->dlt_writer)
            TB_TRY(tb_dlt_writer_send(consumer->dlt_writer, &consumer->plan, err));
        consumer->synced = false; /* a commit that fails may still have happened */
        consumer->keeps_up = view->ops->keep_up != NULL;
        code = view->ops->commit(view, &consumer->plan, err);
        if (code == TB_OK) {
            tb_consumer_note_applied(consumer);
            return TB_OK;
        }
        if (code == TB_INVALID)
            TB_TRY(note_refusal(consumer, err));
        else if (code != TB_CONFLICT)
            break;
        tb_consumer_drop_plan(consumer);
        *err = (struct tb_error){0};
    }
    if (code == TB_BUSY) /* the view's days may have a higher fence than `fence` says */
        consumer->fenced_assignment[consumer->batch.partition] = 0;
    return code;
}

enum tb_code tb_consumer_apply(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_log_reader *reader = consumer->options.reader;
    enum tb_code code = apply_part(consumer, err);

    if (code != TB_NOT_FOUND || !reader->ops->reposition)
        return code;
    reader->ops->reposition(reader);
    memset(consumer->fenced_assignment, 0, sizeof consumer->fenced_assignment);
    tb_consumer_release_batch(consumer);
    *err = (struct tb_error){0};
    return TB_OK;
}

void tb_consumer_release_batch(struct tb_consumer *consumer)
{
    if (consumer->dlt_writer)
        tb_dlt_writer_reset(consumer->dlt_writer);
    tb_consumer_drop_plan(consumer);
    tb_arena_release(&consumer->copy_arena);
    tb_arena_clear(&consumer->refusal_texts);
    consumer->batch = (struct tb_log_batch){0};
    consumer->is_copy = false;
    consumer->done = 0;
    consumer->refusal_count = 0;
    consumer->tries = 0;
}

#include "query/consumer.h"
#include "base/backoff.h"
#include "base/mailbox.h"
#include <stdlib.h>

#define RETRY_BASE_MS 100
/* Nobody waits longer than this after log or view are back. */
#define RETRY_CAP_MS 5000
#define EXPIRE_EVERY_MS (60 * 60 * 1000)
/* Short enough not to be felt by the events that wait behind it. */
#define EXPIRE_AT_ONCE 1000
/* Values planned at once: parsed they take about ten times as much. A full batch of ordinary
 * orders fits; of orders with 1,000 lines each, a batch is planned in several parts. */
#define PLAN_BYTES_MAX ((size_t)2 << 20)

struct tb_consumer {
    struct tb_consumer_options options;
    struct tb_consumer_stats stats;
    struct tb_backoff backoff;
    struct tb_mailbox pause; /* no mail: what a pause is cut short by */
    _Atomic bool stopping;
    bool positioned;           /* every partition stands where the view wants it */
    struct tb_log_batch batch; /* the reader's, until its next poll */
    size_t done;               /* records of the batch that the view has */
    struct tb_plan plan;       /* of the part behind them */
    size_t part;               /* records in the plan; 0: not planned yet */
    unsigned steps_well;       /* since the last failure */
    bool owed;                 /* the log has not been told what the view has */
    int64_t owed_next;
    int64_t expire_at_ms; /* monotonic */
};

enum tb_code tb_consumer_new(const struct tb_consumer_options *options,
                             struct tb_consumer **ret_consumer, struct tb_error *err)
{
    struct tb_consumer *consumer = calloc(1, sizeof *consumer);

    if (!consumer)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    consumer->options = *options;
    consumer->stats.end_to_end_us.spec = &tb_histogram_time;
    consumer->backoff = (struct tb_backoff){.base_ms = RETRY_BASE_MS, .cap_ms = RETRY_CAP_MS};
    consumer->expire_at_ms = tb_clock_mono_ms(options->clock);
    tb_mailbox_init(&consumer->pause, 0);
    *ret_consumer = consumer;
    return TB_OK;
}

void tb_consumer_free(struct tb_consumer *consumer)
{
    if (!consumer)
        return;
    tb_plan_release(&consumer->plan);
    tb_mailbox_release(&consumer->pause);
    free(consumer);
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
    if (consumer->positioned)
        return TB_OK;
    for (int32_t partition = 0; partition < TB_LOG_PARTITIONS; partition++)
        TB_TRY(position(consumer, partition, err));
    consumer->positioned = true;
    return TB_OK;
}

static bool expires(const struct tb_consumer *consumer)
{
    return consumer->options.dead_letter_keep_ms >= 0 &&
           consumer->options.view->ops->expire_dead != NULL;
}

static enum tb_code expire_dead(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_view *view = consumer->options.view;
    const struct tb_clock *clock = consumer->options.clock;
    int64_t now_ms = tb_clock_mono_ms(clock);
    int64_t removed = 0;

    if (!expires(consumer) || now_ms < consumer->expire_at_ms)
        return TB_OK;
    TB_TRY(view->ops->expire_dead(view,
                                  tb_clock_wall_ms(clock) - consumer->options.dead_letter_keep_ms,
                                  EXPIRE_AT_ONCE, &removed, err));
    if (removed < EXPIRE_AT_ONCE) /* else there may be more: at the next step */
        consumer->expire_at_ms = now_ms + EXPIRE_EVERY_MS;
    return TB_OK;
}

/* How long to wait for records: not beyond the next expiry, and while failing not at all, since
 * an answer without records tells that the log works again. */
static int64_t bounded_wait(const struct tb_consumer *consumer, int64_t wait_ms)
{
    int64_t left_ms = consumer->expire_at_ms - tb_clock_mono_ms(consumer->options.clock);

    if (is_failing(consumer))
        return 0;
    if (!expires(consumer))
        return wait_ms;
    if (left_ms < 0)
        left_ms = 0;
    return wait_ms < 0 || left_ms < wait_ms ? left_ms : wait_ms;
}

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
                         struct tb_planned *ret_order, struct tb_error *err)
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

static enum tb_code make_plan(struct tb_consumer *consumer, struct tb_error *err)
{
    const struct tb_consumer_options *options = &consumer->options;
    struct tb_log_batch part = next_part(consumer);
    enum tb_code code;

    code = prefetch(consumer, &part, err);
    if (code == TB_OK)
        code = tb_plan_batch(&consumer->plan, &part, &options->rules, load, options->view, err);
    if (code != TB_OK) {
        tb_plan_clear(&consumer->plan);
        return code;
    }
    consumer->plan.planned_at_ms = tb_clock_wall_ms(options->clock);
    consumer->part = part.count;
    return TB_OK;
}

static void count(struct tb_consumer *consumer)
{
    const struct tb_plan *plan = &consumer->plan;
    int64_t now_ms = tb_clock_wall_ms(consumer->options.clock);

    for (int result = 0; result < TB_EVENT_RESULT_COUNT; result++)
        tb_counter_add(&consumer->stats.events[result], plan->results[result]);
    for (size_t i = 0; i < plan->results[TB_APPLIED]; i++)
        tb_histogram_observe(&consumer->stats.end_to_end_us,
                             (now_ms - plan->occurred_at_ms[i]) * 1000);
    atomic_store_explicit(&consumer->stats.applied_at_ms, now_ms, memory_order_relaxed);
}

/* A plan that the view does not take is kept and tried again: it is the same plan until then. */
static enum tb_code apply_part(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_view *view = consumer->options.view;

    if (consumer->part == 0)
        TB_TRY(make_plan(consumer, err));
    TB_TRY(view->ops->commit(view, &consumer->plan, err));

    count(consumer);
    if (consumer->options.applied)
        consumer->options.applied(consumer->options.ctx, &consumer->plan);
    consumer->owed = true;
    consumer->owed_next = consumer->plan.next_offset;
    consumer->done += consumer->part;
    consumer->part = 0;
    tb_plan_clear(&consumer->plan);
    return TB_OK;
}

static enum tb_code tell_log(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_log_reader *reader = consumer->options.reader;

    if (!consumer->owed)
        return TB_OK;
    TB_TRY(reader->ops->commit(reader, consumer->batch.partition, consumer->owed_next, err));
    consumer->owed = false;
    return TB_OK;
}

static enum tb_code work(struct tb_consumer *consumer, int64_t wait_ms, struct tb_error *err)
{
    struct tb_log_reader *reader = consumer->options.reader;

    TB_TRY(position_all(consumer, err));
    TB_TRY(tell_log(consumer, err));
    TB_TRY(expire_dead(consumer, err));
    if (consumer->done == consumer->batch.count) {
        consumer->batch = (struct tb_log_batch){0};
        consumer->done = 0;
        TB_TRY(reader->ops->poll(reader, TB_LOG_BATCH_MAX, bounded_wait(consumer, wait_ms),
                                 &consumer->batch, err));
    }
    while (consumer->done < consumer->batch.count) {
        TB_TRY(apply_part(consumer, err));
        TB_TRY(tell_log(consumer, err));
    }
    return TB_OK;
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
    if (consumer->batch.count > 0 && consumer->steps_well <= TB_LOG_PARTITIONS)
        return;
    set_failing(consumer, false, &none);
    tb_backoff_reset(&consumer->backoff);
}

int64_t tb_consumer_step(struct tb_consumer *consumer, int64_t wait_ms)
{
    struct tb_error err = {0};

    if (work(consumer, wait_ms, &err) != TB_OK) {
        consumer->steps_well = 0;
        set_failing(consumer, true, &err);
        return tb_backoff_next_ms(&consumer->backoff, consumer->options.random);
    }
    note_success(consumer);
    return 0;
}

void tb_consumer_run(struct tb_consumer *consumer)
{
    while (!atomic_load(&consumer->stopping)) {
        int64_t pause_ms = tb_consumer_step(consumer, /* wait_ms= */ -1);

        if (pause_ms > 0 && !atomic_load(&consumer->stopping))
            tb_mailbox_wait(&consumer->pause, pause_ms);
    }
}

void tb_consumer_stop(struct tb_consumer *consumer)
{
    struct tb_log_reader *reader = consumer->options.reader;

    atomic_store(&consumer->stopping, true);
    tb_mailbox_wake(&consumer->pause);
    reader->ops->wake(reader);
}

const struct tb_consumer_stats *tb_consumer_stats(const struct tb_consumer *consumer)
{
    return &consumer->stats;
}

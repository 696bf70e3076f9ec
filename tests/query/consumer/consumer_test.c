/* Goal: the view ends as the fold of the log, and an outage is reported once, whatever fails.
 * Method: the consumer reads a fake log into a view in memory; every call of either fails in turn,
 * and the consumer is started anew at any point. */
#include "query/consumer/consumer.h"
#include "query/doubles/fake_log.h"
#include "query/doubles/history.h"
#include "query/doubles/mem_view.h"
#include <stdlib.h>

static struct fixture {
    struct fake_clock clock;
    struct fake_random fake;
    struct fake_log log;
    struct mem_view mem;
    struct history history;
    struct tb_arena arena;
    struct tb_consumer *consumer;
    struct tb_consumer_options options;
    size_t failed, recovered; /* changes of state told */
    size_t plans;             /* applied */
    size_t durable_calls;
    int64_t durable[TEST_PARTITIONS]; /* as told */
    enum tb_code last_outage;
} f;

/* When a plan is reported, its orders are in the view. */
static void applied(void *ctx, const struct tb_plan *plan)
{
    (void)ctx;
    f.plans++;
    ck_assert_int_ge(f.mem.next[plan->partition], plan->next_offset);
    for (size_t i = 0; i < plan->order_count; i++) {
        struct mem_row *row = mem_view_row(&f.mem, plan->orders[i]->order.order_id);

        ck_assert_int_eq(row ? row->version : 0, plan->orders[i]->order.version);
    }
}

static void on_outage(void *ctx, const struct tb_error *err)
{
    (void)ctx;
    f.last_outage = err->code;
    if (err->code == TB_OK)
        f.recovered++;
    else
        f.failed++;
    ck_assert_uint_le(f.failed - f.recovered, 1); /* in turn, failed first */
}

static void start_consumer(void)
{
    struct tb_error err = {0};

    ck_ok(tb_consumer_new(&f.options, &f.consumer, &err));
}

static void setup(void)
{
    memset(&f, 0, sizeof f);
    fake_clock_init(&f.clock, HISTORY_START_MS);
    fake_random_init(&f.fake, 23);
    fake_log_init(&f.log, &f.fake);
    mem_view_init(&f.mem);
    f.options = (struct tb_consumer_options){
        .reader = &f.log.reader,
        .view = &f.mem.view,
        .clock = &f.clock.clock,
        .random = &f.fake.random,
        .partitions = TEST_PARTITIONS,
        .rules = {.currency = "EUR"},
        .dead_letter_keep_ms = -1,
        .on_applied = applied,
        .on_outage = on_outage,
    };
    start_consumer();
}

static void teardown(void)
{
    tb_consumer_free(f.consumer);
    fake_log_release(&f.log);
    mem_view_release(&f.mem);
    history_release(&f.history);
    tb_arena_release(&f.arena);
}

static void fill(const struct history_options *options)
{
    history_release(&f.history);
    history_make(&f.history, &f.fake, options);
    for (size_t i = 0; i < f.history.record_count; i++)
        fake_log_add(&f.log, &f.history.records[i]);
}

/* A process that died and is there again: what was in memory is gone. */
static void restart(void)
{
    tb_consumer_free(f.consumer);
    fake_log_reopen(&f.log);
    f.failed = f.recovered = 0; /* a new process tells anew */
    start_consumer();
}

static bool drained(void)
{
    for (int p = 0; p < TEST_PARTITIONS; p++) {
        if (f.log.counts[p] > 0 && f.mem.next[p] != (int64_t)f.log.counts[p])
            return false;
    }
    return !tb_consumer_stats(f.consumer)->failing;
}

static void drain(void)
{
    for (int steps = 0; !drained(); steps++) {
        ck_assert_int_lt(steps, 5000);
        (void)tb_consumer_step(f.consumer, 0);
    }
}

static void check_log_was_told(void)
{
    for (int p = 0; p < TEST_PARTITIONS; p++)
        ck_assert_int_eq(f.log.committed[p], f.log.counts[p] ? (int64_t)f.log.counts[p] : -1);
}

static uint64_t counted(enum tb_event_result result)
{
    return tb_counter_get(&tb_consumer_stats(f.consumer)->events[result]);
}

static size_t late_records(void)
{
    size_t late = 0;

    for (size_t i = 0; i < f.history.order_count; i++)
        late += f.history.orders[i].late;
    return late;
}

static size_t events_applied(void)
{
    size_t applied_count = 0;

    for (size_t i = 0; i < f.history.order_count; i++)
        applied_count += (size_t)history_reachable(&f.history.orders[i]);
    return applied_count;
}

START_TEST(the_log_is_read_to_its_end_and_counted)
{
    const struct tb_consumer_stats *stats = tb_consumer_stats(f.consumer);
    uint64_t observed = 0;

    fake_clock_advance(&f.clock, TB_END_TO_END_MAX_MS);
    fill(&(struct history_options){100, 20, 5});
    f.log.batch_max = 30;
    drain();
    mem_view_check(&f.mem, &f.history);
    ck_assert_uint_eq(counted(TB_APPLIED), events_applied());
    ck_assert_uint_eq(counted(TB_GAP), late_records());
    ck_assert_uint_eq(counted(TB_APPLIED) + counted(TB_DUPLICATE) + counted(TB_GAP),
                      f.history.record_count);
    for (size_t i = 0; i <= TB_HISTOGRAM_BUCKETS_MAX; i++)
        observed += tb_counter_get(&stats->end_to_end_us.buckets[i]);
    ck_assert_uint_gt(observed, 0);
    ck_assert_uint_eq(observed + tb_counter_get(&stats->end_to_end_unknown), counted(TB_APPLIED));
    ck_assert_int_eq(stats->applied_at_ms, f.clock.wall_ms);
    ck_assert_uint_eq(f.failed, 0);
}
END_TEST

/* A clock that was set makes no latency: the events are counted apart. */
START_TEST(a_step_of_the_clock_is_no_latency)
{
    static const int64_t steps_ms[] = {-1, TB_END_TO_END_MAX_MS + 3600000};
    const struct tb_consumer_stats *stats = tb_consumer_stats(f.consumer);

    fake_clock_advance(&f.clock, steps_ms[_i]);
    fill(&(struct history_options){1, 0, 0});
    drain();
    ck_assert_uint_gt(counted(TB_APPLIED), 0);
    ck_assert_uint_eq(tb_counter_get(&stats->end_to_end_unknown), counted(TB_APPLIED));
    ck_assert_uint_eq(tb_counter_get(&stats->end_to_end_us.sum), 0);
    for (size_t i = 0; i <= TB_HISTOGRAM_BUCKETS_MAX; i++)
        ck_assert_uint_eq(tb_counter_get(&stats->end_to_end_us.buckets[i]), 0);
}
END_TEST

/* For every call of log and view: that call fails. The view's fails before or after its work. */
enum failing { LOG_FAILS, VIEW_FAILS, VIEW_UNKNOWN, FAILING_COUNT };
START_TEST(one_failure_anywhere_changes_nothing)
{
    static const struct history_options small = {6, 20, 5};
    enum failing failing = (enum failing)_i;
    bool covered = false;

    for (uint64_t at = 1; !covered; at++) {
        teardown();
        setup();
        fake_random_init(&f.fake, 99);
        fill(&small);
        f.log.batch_max = 4;
        f.mem.fail_after = failing == VIEW_UNKNOWN;
        *(failing == LOG_FAILS ? &f.log.fail_at : &f.mem.fail_at) = at;
        drain();
        mem_view_check(&f.mem, &f.history);
        check_log_was_told();
        ck_assert_uint_eq(f.mem.dead_letter_count, late_records());
        ck_assert_uint_eq(counted(TB_APPLIED), events_applied());
        ck_assert_uint_eq(f.failed, f.recovered);
        ck_assert_uint_le(f.failed, 1);
        covered = (failing == LOG_FAILS ? f.log.calls : f.mem.calls) < at;
        ck_assert(!covered || at > 10);
    }
}
END_TEST

/* The process dies after any step, with a failure in progress or without. */
START_TEST(a_restart_anywhere_changes_nothing)
{
    fake_random_init(&f.fake, test_seed(0xdead) + (uint64_t)_i);
    fill(&(struct history_options){40, 20, 5});
    f.log.batch_max = 10;
    for (int lives = 0; lives < 30; lives++) {
        f.log.fail_at =
            fake_random_below(&f.fake, 3) ? 0 : f.log.calls + 1 + fake_random_below(&f.fake, 10);
        f.mem.fail_at =
            fake_random_below(&f.fake, 3) ? 0 : f.mem.calls + 1 + fake_random_below(&f.fake, 10);
        f.mem.fail_after = fake_random_below(&f.fake, 2) == 0;
        for (uint64_t steps = fake_random_below(&f.fake, 8); steps > 0; steps--)
            (void)tb_consumer_step(f.consumer, 0);
        restart();
    }
    drain();
    mem_view_check(&f.mem, &f.history);
}
END_TEST

START_TEST(it_starts_at_the_views_offset_or_the_beginning)
{
    int p, starts = 0;

    fill(&(struct history_options){60, 0, 0});
    drain();
    restart();
    (void)tb_consumer_step(f.consumer, 0);
    for (p = 0; p < TEST_PARTITIONS; p++)
        ck_assert_int_eq(f.log.position[p], f.mem.next[p] < 0 ? 0 : f.mem.next[p]);
    for (p = 0; p < TEST_PARTITIONS; p++) { /* a view made anew, a log that has forgotten some */
        f.mem.next[p] = -1;
        f.log.begin[p] = f.log.counts[p] > 2 ? 2 : 0;
    }
    restart();
    f.log.batch_max = 1;
    (void)tb_consumer_step(f.consumer, 0);
    for (p = 0; p < TEST_PARTITIONS; p++)
        starts += f.log.position[p] == f.log.begin[p] || f.log.position[p] == f.log.begin[p] + 1;
    ck_assert_int_eq(starts, TEST_PARTITIONS);
}
END_TEST

START_TEST(an_outage_and_its_end_are_reported_once)
{
    int64_t longest = 0;

    (void)tb_consumer_step(f.consumer, 1000);
    fill(&(struct history_options){5, 0, 0});
    f.log.down = true;
    for (int i = 0; i < 30; i++) {
        int64_t pause = tb_consumer_step(f.consumer, 1000);

        /* While it fails it asks without waiting: the answer tells whether it still does. */
        ck_assert_int_eq(f.log.last_wait_ms, i == 0 ? 1000 : 0);

        ck_assert_int_ge(pause, 0);
        ck_assert_int_le(pause, 5000);
        longest = pause > longest ? pause : longest;
    }
    ck_assert_int_gt(longest, 2000); /* it has backed off */
    ck_assert_uint_eq(f.failed, 1);
    ck_assert_int_eq(f.last_outage, TB_UNAVAILABLE);
    ck_assert(tb_consumer_stats(f.consumer)->failing);
    f.log.down = false;
    drain();
    ck_assert_uint_eq(f.recovered, 1);
    ck_assert_int_eq(f.last_outage, TB_OK);
    ck_assert_uint_eq(counted(TB_APPLIED), events_applied()); /* none counted as anything else */
    f.log.fail_at = f.log.calls + 1;
    ck_assert_int_le(tb_consumer_step(f.consumer, 0), 100); /* and the back-off starts again */
    ck_assert_uint_eq(f.failed, 2);
}
END_TEST

/* An error of one partition is reported once, and the other partitions are read. */
START_TEST(a_broken_partition_does_not_block_the_others)
{
    int broken = -1;

    fill(&(struct history_options){60, 0, 0});
    for (int p = 0; p < TEST_PARTITIONS; p++) {
        if (f.log.counts[p] > 0)
            broken = p;
    }
    ck_assert_int_ge(broken, 0);
    f.log.corrupt[broken] = true;
    f.log.batch_max = 2;
    for (int i = 0; i < 2000; i++)
        (void)tb_consumer_step(f.consumer, 0);
    for (int p = 0; p < TEST_PARTITIONS; p++) {
        if (p != broken && f.log.counts[p] > 0)
            ck_assert_int_eq(f.mem.next[p], (int64_t)f.log.counts[p]);
    }
    ck_assert_int_eq(f.mem.next[broken], -1);
    ck_assert_uint_eq(f.failed, 1);
    ck_assert_uint_eq(f.recovered, 0);
    f.log.corrupt[broken] = false;
    drain();
    mem_view_check(&f.mem, &f.history);
    ck_assert_uint_eq(f.recovered, 1);
}
END_TEST

/* Memory stays bounded: a batch of large values is planned and committed in parts. */
START_TEST(large_values_are_planned_in_parts)
{
    size_t size = (size_t)1 << 20;
    char *value = malloc(size);
    struct tb_record record = {.value = {value, size}};

    memset(value, '[', size); /* a letter each: that is not the point */
    for (int i = 0; i < 7; i++)
        fake_log_add(&f.log, &record);
    (void)tb_consumer_step(f.consumer, 0);
    ck_assert_uint_eq(f.plans, 4);
    ck_assert_uint_eq(f.mem.dead_letter_count, 7);
    ck_assert(drained());
    free(value);
}
END_TEST

/* Without any timed work it waits until it is woken. */
START_TEST(an_idle_consumer_waits_as_long_as_it_may)
{
    (void)tb_consumer_step(f.consumer, -1);
    ck_assert_int_eq(f.log.last_wait_ms, -1);
    (void)tb_consumer_step(f.consumer, 250);
    ck_assert_int_eq(f.log.last_wait_ms, 250);
    tb_consumer_stop(f.consumer);
    ck_assert_uint_eq(f.log.wakes, 1);
    tb_consumer_run(f.consumer); /* was stopped before: returns */
}
END_TEST

START_TEST(dead_letters_are_expired_every_hour)
{
    const struct tb_uptime uptime = tb_uptime_start(5000, &f.clock.clock);

    tb_consumer_free(f.consumer);
    f.options.dead_letter_keep_ms = 1000;
    f.options.uptime = &uptime;
    start_consumer();
    f.mem.expire_full = 2; /* there are more than fit into one go */
    for (int i = 0; i < 5; i++)
        (void)tb_consumer_step(f.consumer, -1);
    ck_assert_uint_eq(f.mem.expire_calls, 3);
    ck_assert_int_eq(f.mem.expired_before_ms, 5000 - 1000); /* whatever the wall clock says */
    ck_assert_int_eq(f.log.last_wait_ms, 3600000);
    fake_clock_advance(&f.clock, 3599000);
    (void)tb_consumer_step(f.consumer, -1);
    ck_assert_uint_eq(f.mem.expire_calls, 3);
    ck_assert_int_eq(f.log.last_wait_ms, 1000);
    fake_clock_advance(&f.clock, 1000);
    (void)tb_consumer_step(f.consumer, -1);
    ck_assert_uint_eq(f.mem.expire_calls, 4);
}
END_TEST

/* Without an uptime the wall clock counts, but only up to the newest record's time: a clock that
 * is years ahead, since the start or later, expires nothing. */
START_TEST(a_clock_ahead_of_the_log_expires_nothing)
{
    static const int64_t year_ms = INT64_C(1000) * 3600 * 24 * 365;
    int64_t newest_ms = 0;

    tb_consumer_free(f.consumer);
    f.options.dead_letter_keep_ms = 1000;
    fake_clock_advance(&f.clock, 10 * year_ms);
    start_consumer();
    (void)tb_consumer_step(f.consumer, 0);
    ck_assert_int_lt(f.mem.expired_before_ms, 0);
    fill(&(struct history_options){8, 0, 0});
    for (size_t i = 0; i < f.history.record_count; i++)
        if (f.history.records[i].timestamp_ms > newest_ms)
            newest_ms = f.history.records[i].timestamp_ms;
    drain();
    fake_clock_advance(&f.clock, 3600000);
    (void)tb_consumer_step(f.consumer, 0);
    ck_assert_int_eq(f.mem.expired_before_ms, newest_ms + 3600000 - 1000);
    f.clock.wall_ms = HISTORY_START_MS;
    f.clock.mono_us += INT64_C(3600000000);
    (void)tb_consumer_step(f.consumer, 0);
    ck_assert_int_eq(f.mem.expired_before_ms, HISTORY_START_MS - 1000);
}
END_TEST

static void on_durable(void *ctx, int32_t partition, int64_t next)
{
    (void)ctx;
    f.durable_calls++;
    f.durable[partition] = next;
    /* The view was made durable first, and has not moved since. */
    ck_assert_int_eq(next, f.mem.synced[partition] < 0 ? 0 : f.mem.synced[partition]);
}

/* Every hour, the first time a minute after the start. After a failed sync it tries again in a
 * minute. */
START_TEST(durable_offsets_are_reported_every_hour)
{
    tb_consumer_free(f.consumer);
    mem_view_init(&f.mem);
    f.options.on_durable = on_durable;
    fill(&(struct history_options){8, 30, 5});
    start_consumer();
    drain();
    (void)tb_consumer_step(f.consumer, -1);
    ck_assert_uint_eq(f.durable_calls, 0);
    ck_assert_int_eq(f.log.last_wait_ms, 60000);
    fake_clock_advance(&f.clock, 60000);
    f.mem.fail_at = f.mem.calls + 1;
    ck_assert_int_gt(tb_consumer_step(f.consumer, -1), 0);
    (void)tb_consumer_step(f.consumer, -1);
    ck_assert_uint_eq(f.durable_calls, 0);
    fake_clock_advance(&f.clock, 60000);
    (void)tb_consumer_step(f.consumer, -1);
    ck_assert_uint_eq(f.durable_calls, TEST_PARTITIONS);
    ck_assert_uint_eq(f.mem.syncs, 1);
    fake_clock_advance(&f.clock, 3600000);
    (void)tb_consumer_step(f.consumer, -1);
    ck_assert_uint_eq(f.durable_calls, 2 * TEST_PARTITIONS);
    ck_assert_uint_eq(f.mem.syncs, 1); /* nothing has changed since */
    for (int p = 0; p < TEST_PARTITIONS; p++)
        ck_assert_int_eq(f.durable[p], (int64_t)f.log.counts[p]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/consumer");
    TCase *tc = tcase_create("consumer");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_log_is_read_to_its_end_and_counted);
    tcase_add_loop_test(tc, a_step_of_the_clock_is_no_latency, 0, 2);
    tcase_add_loop_test(tc, one_failure_anywhere_changes_nothing, 0, FAILING_COUNT);
    tcase_add_loop_test(tc, a_restart_anywhere_changes_nothing, 0, 12);
    tcase_add_test(tc, it_starts_at_the_views_offset_or_the_beginning);
    tcase_add_test(tc, an_outage_and_its_end_are_reported_once);
    tcase_add_test(tc, a_broken_partition_does_not_block_the_others);
    tcase_add_test(tc, large_values_are_planned_in_parts);
    tcase_add_test(tc, an_idle_consumer_waits_as_long_as_it_may);
    tcase_add_test(tc, dead_letters_are_expired_every_hour);
    tcase_add_test(tc, a_clock_ahead_of_the_log_expires_nothing);
    tcase_add_test(tc, durable_offsets_are_reported_every_hour);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

/* Goal: once everything is repaired, the view is the fold of the events, and redrives cost a
 * bounded amount, whatever records are damaged, dropped, replayed too early, lost or interrupted.
 * Method: random faults, replays and restarts against the SQLite view. */
#include "bridge/log/headers.h"
#include "query/consumer/consumer.h"
#include "query/dead_letters/dlt_writer.h"
#include "query/dead_letters/replay.h"
#include "query/dead_letters/replay_cases.h"
#include "query/doubles/fake_log.h"
#include "query/doubles/history.h"
#include "query/sqlite/view_sqlite.h"
#include <stdio.h>
#include <stdlib.h>

static struct fixture {
    char dir[128];
    struct tb_view *view;
    struct tb_view_reader *reader;
} f;

static void setup(void)
{
    struct tb_error err = {0};
    char path[160];

    tmpdir_make(f.dir);
    snprintf(path, sizeof path, "%s/view.db", f.dir);
    ck_ok(tb_view_sqlite_open(path, &f.view, &err));
    ck_ok(tb_view_sqlite_reader(path, &f.reader, &err));
}

static void teardown(void)
{
    f.reader->ops->free(f.reader);
    f.view->ops->free(f.view);
    tmpdir_remove(f.dir);
}

START_TEST(after_replays_the_view_has_every_order)
{
    replay_case_run(f.view, f.reader, test_seed(0xdea0) + (uint64_t)_i, 40);
}
END_TEST

/* The record has the same key, partition, headers and event, a header with the dead letter's id,
 * and no headers of earlier dead letters. */
START_TEST(a_replayed_record_is_unchanged)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    const struct tb_header headers[] = {{TB_STR("ce_id"), TB_STR("id")},
                                        {TB_STR("tillbox-mended"), TB_STR("x-1-2")},
                                        {TB_STR("tillbox-followed"), TB_STR("1")},
                                        {TB_STR("kafka_dlt-original-topic"), TB_STR("x")},
                                        {TB_STR("none"), {0}}};
    struct tb_dead_letter letter = {.position = {3, 17},
                                    .key = TB_STR("k"),
                                    .value = TB_STR("v"),
                                    .headers = headers,
                                    .header_count = 5};
    struct tb_record record;
    struct tb_error err = {0};

    ck_ok(tb_replay_record(&letter, "order-events", (struct tb_str){0}, true, &arena, &record,
                           &err));
    ck_assert(record.fixed_partition && record.partition == 3);
    ck_assert(tb_str_eq(record.key, letter.key) && tb_str_eq(record.value, letter.value));
    ck_assert_uint_eq(record.header_count, 4);
    ck_assert(tb_str_eq(record.headers[0].value, TB_STR("id")));
    ck_assert(tb_str_eq(record.headers[1].name, TB_STR("none")));
    ck_assert_ptr_null(record.headers[1].value.ptr);
    ck_assert(tb_str_eq(tb_record_header(&record, "tillbox-mended"), TB_STR("order-events-3-17")));
    ck_assert_ptr_nonnull(tb_record_header(&record, "tillbox-followed").ptr);
    ck_ok(tb_replay_record(&letter, "order-events", TB_STR("w"), false, &arena, &record, &err));
    ck_assert(tb_str_eq(record.value, TB_STR("w")));
    ck_assert_ptr_null(tb_record_header(&record, "tillbox-followed").ptr);
    letter.value = (struct tb_str){0};
    ck_assert_int_eq(
        tb_replay_record(&letter, "order-events", letter.value, false, &arena, &record, &err),
        TB_CONFLICT);
}
END_TEST

START_TEST(a_record_with_too_many_headers_is_refused)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_header headers[TB_LOG_HEADERS_MAX];
    struct tb_dead_letter letter = {.value = TB_STR("v"), .headers = headers};
    struct tb_record record;
    struct tb_error err = {0};

    for (size_t i = 0; i < TB_LOG_HEADERS_MAX; i++)
        headers[i] = (struct tb_header){TB_STR("h"), TB_STR("")};
    letter.header_count = TB_LOG_HEADERS_MAX - 2;
    ck_ok(tb_replay_record(&letter, "t", (struct tb_str){0}, true, &arena, &record, &err));
    ck_assert_uint_eq(record.header_count, TB_LOG_HEADERS_MAX);
    letter.header_count++;
    ck_assert_int_eq(
        tb_replay_record(&letter, "t", (struct tb_str){0}, true, &arena, &record, &err),
        TB_INVALID);
}
END_TEST

/* The record has all the headers that a reader returns: ours are in the dead letter, too. */
START_TEST(a_dead_letter_keeps_its_own_headers)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    static char bytes[TB_LOG_HEADER_BYTES_MAX / TB_LOG_HEADERS_MAX - 1];
    struct tb_header headers[TB_LOG_HEADERS_MAX];
    const struct tb_record record = {.headers = headers, .header_count = TB_LOG_HEADERS_MAX};
    const struct tb_plan_dead_letter letter = {
        .record = &record, .reason = "tillbox.invalid", .message = TB_STR("why")};
    const struct tb_dlt_writer_options options = {.topic = "t", .group = "g"};
    struct tb_record written;
    struct tb_error err = {0};

    for (size_t i = 0; i < TB_LOG_HEADERS_MAX; i++)
        headers[i] = (struct tb_header){TB_STR("h"), {bytes, sizeof bytes}};
    ck_assert(tb_dlt_record(&options, &letter, TB_DLT_COMPLETE, &arena, &written));
    ck_ok(tb_headers_check(written.headers, written.header_count, &err));
    ck_assert(tb_str_eq(tb_record_header(&written, "kafka_dlt-exception-message"), TB_STR("why")));
    ck_assert_uint_gt(written.header_count, TB_LOG_HEADERS_MAX / 2);
}
END_TEST

/* A consumer on a log whose writer is the test's. */
static struct reading {
    struct fake_clock clock;
    struct fake_random random;
    struct fake_log log;
    struct tb_arena arena;
    struct tb_consumer *consumer;
    size_t sent; /* by itself */
    bool lost;   /* nothing that is sent arrives */
    char reported[4][40];
    uint64_t counts[4];
    size_t reported_count;
} r;

static bool resend(void *ctx, const struct tb_dead_letter *letter, const struct tb_record *record)
{
    struct tb_record copy;

    (void)ctx, (void)letter;
    r.sent++;
    if (r.lost)
        return true;
    ck_assert(tb_record_copy(&r.arena, record, &copy));
    fake_log_add(&r.log, &copy);
    return true;
}

static void unknown(void *ctx, const char *type, uint64_t count)
{
    (void)ctx;
    ck_assert_uint_lt(r.reported_count, 4);
    snprintf(r.reported[r.reported_count], sizeof r.reported[0], "%s", type);
    r.counts[r.reported_count++] = count;
}

static void begin(void)
{
    const struct tb_consumer_options options = {
        .reader = &r.log.reader,
        .view = f.view,
        .clock = &r.clock.clock,
        .random = &r.random.random,
        .partitions = TEST_PARTITIONS,
        .rules = {.currency = "EUR"},
        .dead_letter_keep_ms = -1,
        .topic = "order-events",
        .redrive = resend,
        .on_unknown_type = unknown,
    };
    struct tb_error err = {0};

    memset(&r, 0, sizeof r);
    fake_clock_init(&r.clock, HISTORY_START_MS);
    fake_random_init(&r.random, 5);
    fake_log_init(&r.log, &r.random);
    ck_ok(tb_consumer_new(&options, &r.consumer, &err));
}

static void end(void)
{
    tb_consumer_free(r.consumer);
    fake_log_release(&r.log);
    tb_arena_release(&r.arena);
}

static void steps(int count)
{
    for (int i = 0; i < count; i++)
        (void)tb_consumer_step(r.consumer, 0);
}

/* Adds an order's events up to a version; the second one comes last. */
static void add_order(int64_t versions)
{
    struct tb_event event;
    struct tb_record record;

    history_place(&r.arena, &r.random, HISTORY_START_MS, &event);
    for (int64_t version = 1; version <= versions; version++) {
        event.version = version;
        event.address =
            (struct tb_address){TB_STR("Ring 1"), {0}, TB_STR("Bonn"), {0}, TB_STR("DE")};
        history_record(&r.arena, &event, version, &record);
        if (version != 2)
            fake_log_add(&r.log, &record);
        event.type = TB_EVENT_ADDRESS_CHANGED;
    }
    event.version = 2;
    history_record(&r.arena, &event, 2, &record);
    fake_log_add(&r.log, &record); /* after those that wait for it */
}

/* Dead letters are redriven in version order, each as soon as the one before is applied, so that a
 * long chain does not wait for the clock. */
START_TEST(waiting_events_are_redriven_at_once)
{
    struct tb_error err = {0};
    int64_t open = -1;

    begin();
    add_order(9);
    steps(1);
    ck_ok(f.reader->ops->count_dead_letters(f.reader, &open, &err));
    ck_assert_int_eq(open, 7);
    fake_clock_advance(&r.clock, 5000);
    steps(20);
    ck_ok(f.reader->ops->count_dead_letters(f.reader, &open, &err));
    ck_assert_int_eq(open, 0);
    ck_assert_uint_eq(r.sent, 7);
    end();
}
END_TEST

/* A redrive that does not come back is sent again, twice a minute at most. */
START_TEST(a_lost_redrive_is_sent_again_later)
{
    begin();
    add_order(3);
    steps(2);
    r.lost = true;
    for (int second = 0; second < 120; second++) {
        fake_clock_advance(&r.clock, 1000);
        steps(3);
    }
    ck_assert_uint_ge(r.sent, 3);
    ck_assert_uint_le(r.sent, 5);
    r.lost = false;
    fake_clock_advance(&r.clock, 30000);
    steps(5);
    ck_assert_uint_le(r.sent, 6);
    end();
}
END_TEST

/* Scans that find nothing do not make the consumer busy. */
START_TEST(an_idle_consumer_scans_every_five_seconds)
{
    begin();
    steps(1);
    (void)tb_consumer_step(r.consumer, -1);
    ck_assert_int_eq(r.log.last_wait_ms, 5000);
    fake_clock_advance(&r.clock, 4000);
    (void)tb_consumer_step(r.consumer, -1);
    ck_assert_int_eq(r.log.last_wait_ms, 1000);
    end();
}
END_TEST

/* Later events of an order wait for a dropped dead letter, until it is replayed after all. */
START_TEST(a_dropped_dead_letter_blocks_its_order)
{
    struct tb_error err = {0};
    struct tb_event event;
    struct tb_record record, intact;
    struct tb_dead_letter letter;
    int64_t open = -1;
    int32_t p;

    begin();
    history_place(&r.arena, &r.random, HISTORY_START_MS, &event);
    history_record(&r.arena, &event, 1, &record);
    p = tb_log_partition(record.key, TEST_PARTITIONS);
    record.value.len--; /* cut off */
    fake_log_add(&r.log, &record);
    record.value.len++;
    intact = record;
    event.type = TB_EVENT_SHIPPED;
    event.version = 2;
    history_record(&r.arena, &event, 2, &record);
    fake_log_add(&r.log, &record);
    steps(2);
    ck_ok(f.view->ops->drop_dead_letter(f.view, (struct tb_dead_letter_position){p, 0}, 0, &err));
    for (int i = 0; i < 10; i++) {
        fake_clock_advance(&r.clock, 30000);
        steps(2);
    }
    ck_assert_uint_eq(r.sent, 0);
    ck_ok(f.reader->ops->count_dead_letters(f.reader, &open, &err));
    ck_assert_int_eq(open, 1);
    ck_ok(f.reader->ops->get_dead_letter(f.reader, (struct tb_dead_letter_position){p, 0},
                                         &r.arena, &letter, &err));
    ck_ok(tb_replay_record(&letter, "order-events", intact.value, false, &r.arena, &record, &err));
    fake_log_add(&r.log, &record);
    steps(5);
    ck_ok(f.reader->ops->count_dead_letters(f.reader, &open, &err));
    ck_assert_int_eq(open, 0);
    end();
}
END_TEST

static void add_unknown(const char *type, int count)
{
    struct tb_header *header = tb_arena_alloc(&r.arena, sizeof *header);
    struct tb_record record = {.value = TB_STR("{}"), .headers = header, .header_count = 1};

    *header = (struct tb_header){TB_STR("ce_type"), tb_arena_copy(&r.arena, tb_str_of(type))};
    for (int i = 0; i < count; i++)
        fake_log_add(&r.log, &record);
}

START_TEST(an_unknown_type_is_reported_once_a_minute)
{
    begin();
    add_unknown("OrderThing.v1", 3);
    steps(2);
    ck_assert_uint_eq(r.reported_count, 1);
    ck_assert_str_eq(r.reported[0], "OrderThing.v1");
    ck_assert_uint_eq(r.counts[0], 3);
    for (int i = 0; i < 5; i++) {
        fake_clock_advance(&r.clock, 11000);
        add_unknown("OrderThing.v1", 2);
        steps(2);
    }
    ck_assert_uint_eq(r.reported_count, 1);
    fake_clock_advance(&r.clock, 5000);
    add_unknown("OrderThing.v1", 1);
    steps(2);
    ck_assert_uint_eq(r.reported_count, 2);
    ck_assert_uint_eq(r.counts[1], 11); /* with those that came since the last report */
    ck_assert_uint_eq(tb_counter_get(&tb_consumer_stats(r.consumer)->events[TB_UNKNOWN_TYPE]), 14);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/replay");
    TCase *tc = tcase_create("replay");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, after_replays_the_view_has_every_order, 0, 30);
    tcase_add_test(tc, a_replayed_record_is_unchanged);
    tcase_add_test(tc, a_record_with_too_many_headers_is_refused);
    tcase_add_test(tc, a_dead_letter_keeps_its_own_headers);
    tcase_add_test(tc, waiting_events_are_redriven_at_once);
    tcase_add_test(tc, a_lost_redrive_is_sent_again_later);
    tcase_add_test(tc, an_idle_consumer_scans_every_five_seconds);
    tcase_add_test(tc, a_dropped_dead_letter_blocks_its_order);
    tcase_add_test(tc, an_unknown_type_is_reported_once_a_minute);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

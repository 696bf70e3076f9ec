/* Promise: a heartbeat is sent as soon as the connection opens and then every half minute, with
 * the figures of that moment. Method: a real store, a writer that keeps its records, a fake clock.
 */
#include "base/json/json.h"
#include "base/time/timefmt.h"
#include "bridge/relay/heartbeat.h"
#include "store/fixture.h"
#include <stdio.h>

static struct fixture f;
static struct tb_outbox_reader *outbox;
static struct tb_heartbeat_sender beats;

/* What was sent last, and what comes of it. */
static struct {
    struct tb_log_writer base;
    int appends;
    char key[40], value[1000];
    enum tb_code append_code, poll_code, ack_code;
    bool silent;
    int64_t tag;
    bool pending;
} out;

static enum tb_code out_append(struct tb_log_writer *writer, const struct tb_record *record,
                               int64_t tag, struct tb_error *err)
{
    (void)writer;
    out.appends++;
    ck_assert(!out.pending);
    if (out.append_code != TB_OK)
        return tb_error_set(err, out.append_code, "no");
    snprintf(out.key, sizeof out.key, "%.*s", (int)record->key.len, record->key.ptr);
    snprintf(out.value, sizeof out.value, "%.*s", (int)record->value.len, record->value.ptr);
    out.tag = tag;
    out.pending = true;
    return TB_OK;
}

static enum tb_code out_poll(struct tb_log_writer *writer, int64_t wait_ms,
                             struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                             struct tb_error *err)
{
    (void)writer, (void)max;
    ck_assert_int_eq(wait_ms, 0);
    if (out.poll_code != TB_OK) {
        out.pending = false;
        return tb_error_set(err, out.poll_code, "lost");
    }
    *ret_count = 0;
    if (!out.pending || out.silent)
        return TB_OK;
    ret_acks[0] = (struct tb_log_ack){.tag = out.tag, .code = out.ack_code};
    *ret_count = 1;
    out.pending = false;
    return TB_OK;
}

static const struct tb_log_writer_ops out_ops = {out_append, out_poll, NULL};

static int64_t acknowledged_sequence, acknowledged_number;

static void on_acknowledged(void *ctx, const char *epoch, int64_t sequence, int64_t number)
{
    (void)ctx;
    ck_assert_str_eq(epoch, tb_store_epoch(f.store));
    acknowledged_sequence = sequence;
    acknowledged_number = number;
}

static void setup(void)
{
    struct tb_error err = {0};

    fixture_init(&f);
    fixture_open(&f);
    ck_ok(tb_outbox_reader_open(f.path, &outbox, &err));
    out.base.ops = &out_ops;
    beats = (struct tb_heartbeat_sender){.node = "till1",
                                         .version = "1.2.3",
                                         .cursor_name = TB_CURSOR_KAFKA,
                                         .outbox = outbox,
                                         .writer = &out.base,
                                         .clock = &f.clock.clock,
                                         .on_acknowledged = on_acknowledged};
    acknowledged_number = acknowledged_sequence = -1;
}

static void teardown(void)
{
    tb_heartbeat_sender_release(&beats);
    tb_outbox_reader_free(outbox);
    fixture_release(&f);
}

/* Steps through so many milliseconds as it is told to wait. */
static void pass(int64_t ms, bool connected)
{
    int64_t until_ms = f.clock.wall_ms + ms;

    while (f.clock.wall_ms < until_ms) {
        int64_t wait_ms = tb_heartbeat_sender_step(&beats, connected);

        ck_assert_int_gt(wait_ms, 0);
        ck_assert_int_le(wait_ms, TB_HEARTBEAT_MS);
        if (wait_ms > until_ms - f.clock.wall_ms)
            wait_ms = until_ms - f.clock.wall_ms;
        fake_clock_advance(&f.clock, wait_ms);
    }
}

START_TEST(at_once_and_every_half_minute)
{
    pass(120000, false);
    ck_assert_int_eq(out.appends, 0);
    (void)tb_heartbeat_sender_step(&beats, true);
    ck_assert_int_eq(out.appends, 1);
    pass(300000, true);
    ck_assert_int_eq(out.appends, 10);
    ck_assert_uint_ge(beats.sent, 9);
    pass(1000, false);
    (void)tb_heartbeat_sender_step(&beats, true);
    ck_assert_int_eq(out.appends, 11);
}
END_TEST

static int64_t number(const struct tb_json *root, const char *key)
{
    int64_t value = -1;

    ck_assert_msg(tb_json_int(tb_json_get(root, key), &value), "%s: %s", key, out.value);
    return value;
}

/* The values are those of the moment, in the form that the centre decodes. Without pending events
 * there is no age of the oldest. */
START_TEST(values_are_of_the_moment)
{
    struct tb_error err = {0};

    for (int placed = 0; placed < 3; placed++) {
        struct tb_json *root = NULL;
        bool pending = placed == 2;

        if (placed > 0)
            fixture_place(&f, NULL);
        if (placed == 1) {
            tb_writer_post_cursor(f.writer, TB_CURSOR_KAFKA, 1, 5);
            fake_clock_advance(&f.clock, 1000);
            (void)tb_writer_step(f.writer);
        }
        (void)tb_heartbeat_sender_step(&beats, false);
        (void)tb_heartbeat_sender_step(&beats, true);
        (void)tb_heartbeat_sender_step(&beats, false);
        ck_assert_str_eq(out.key, "till1");
        ck_ok(tb_json_parse(tb_str_of(out.value), 4, &root, &err));
        ck_assert(tb_str_eq(tb_json_string(tb_json_get(root, "node")), TB_STR("till1")));
        ck_assert(tb_str_eq(tb_json_string(tb_json_get(root, "epoch")),
                            tb_str_of(tb_store_epoch(f.store))));
        ck_assert(tb_str_eq(tb_json_string(tb_json_get(root, "version")), TB_STR("1.2.3")));
        ck_assert_int_eq(number(root, "lastSequence"), placed);
        ck_assert_int_eq(acknowledged_sequence, placed);
        ck_assert_int_eq(acknowledged_number, placed);
        ck_assert_int_eq(number(root, "deliveredSequence"), placed > 0);
        ck_assert_int_eq(number(root, "pending"), pending);
        ck_assert_int_eq(number(root, "clockMs"), f.clock.wall_ms);
        ck_assert_int_eq(tb_json_get(root, "oldestPendingAt") != NULL, pending);
        tb_json_free(root);
    }
}
END_TEST

/* The business day and its end are those of the node's zone and day start. */
START_TEST(the_day_is_the_nodes_own)
{
    struct tb_error err = {0};
    struct tb_json *root = NULL;

    ck_ok(tb_zone_set("America/Los_Angeles", &err));
    beats.day_start_minutes = 5 * 60;
    f.clock.wall_ms = 1767225600000; /* 2026-01-01T00:00Z */
    (void)tb_heartbeat_sender_step(&beats, true);
    ck_ok(tb_json_parse(tb_str_of(out.value), 4, &root, &err));
    ck_assert(tb_str_eq(tb_json_string(tb_json_get(root, "businessDate")), TB_STR("2025-12-31")));
    ck_assert(tb_str_eq(tb_json_string(tb_json_get(root, "dayEndsAt")),
                        TB_STR("2026-01-01T13:00:00.000Z")));
    tb_json_free(root);
}
END_TEST

/* A heartbeat that failed is replaced after TB_HEARTBEAT_RETRY_MS. */
START_TEST(failures_are_retried)
{
    if (_i == 0)
        out.append_code = TB_BUSY;
    else if (_i == 1)
        out.ack_code = TB_UNKNOWN;
    else
        out.poll_code = TB_UNAVAILABLE;
    pass(60000, true);
    ck_assert_int_ge(out.appends, 2);
    ck_assert_int_le(out.appends, 60000 / TB_HEARTBEAT_RETRY_MS + 1);
    ck_assert_uint_eq(beats.sent, 0);
    ck_assert_int_eq(acknowledged_number, -1);
    out.append_code = out.ack_code = out.poll_code = TB_OK;
    pass(2 * TB_HEARTBEAT_MS, true);
    ck_assert_uint_ge(beats.sent, 1);
}
END_TEST

/* While one heartbeat is unacknowledged, no other is sent. */
START_TEST(one_at_a_time)
{
    out.silent = true;
    pass(300000, true);
    ck_assert_int_eq(out.appends, 1);
    ck_assert(beats.outstanding);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heartbeat");
    TCase *tc = tcase_create("heartbeat");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, at_once_and_every_half_minute);
    tcase_add_test(tc, values_are_of_the_moment);
    tcase_add_test(tc, the_day_is_the_nodes_own);
    tcase_add_loop_test(tc, failures_are_retried, 0, 3);
    tcase_add_test(tc, one_at_a_time);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

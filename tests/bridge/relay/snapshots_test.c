/* Promise: before it sends any row, a relay sends every order that the store requests as a
 * snapshot; whatever the log answers, none is left out, and after a restart it goes on behind the
 * orders that the log has acknowledged. An order that the log refuses for good stops no other.
 *
 * Method: a real store, and a log that is full, loses records, and fails at random. */
#include "bridge/relay/relay.h"
#include "store/fixture.h"
#include "store/recovery.h"
#include <stdio.h>
#include <stdlib.h>

#define ORDERS 450 /* more than two pages */
#define CHANGES 20
#define NEVER_TAKEN 321 /* the number of the order that the log refuses */
#define PENDING_MAX 1000

static struct fixture f;
static struct tb_outbox_reader *outbox;
static struct tb_relay *relay;

static struct {
    struct tb_log_writer base;
    struct fake_random random;
    struct tb_log_ack pending[PENDING_MAX];
    size_t pending_count;
    bool is_order[PENDING_MAX]; /* of pending */
    bool has_order[ORDERS + 1]; /* by number: acknowledged */
    int64_t appended_orders, rows;
    unsigned busy, lose, poll_fails; /* chances in a thousand */
    bool refuses;
    int64_t next; /* as the relay has reported */
    int parked;
} script;

static bool happens(unsigned chance)
{
    return fake_random_below(&script.random, 1000) < chance;
}

static bool has_all(int64_t next)
{
    for (int64_t number = 1; number < next && number <= ORDERS; number++) {
        if (!script.has_order[number] && !(script.refuses && number == NEVER_TAKEN))
            return false;
    }
    return true;
}

static int64_t version_of(const struct tb_record *record)
{
    return strtoll(tb_record_header(record, "ce_orderversion").ptr, NULL, 10);
}

static void check_snapshot(const struct tb_record *record, int64_t number)
{
    struct tb_error err = {0};
    struct tb_json *json = NULL;
    char text[32];

    snprintf(text, sizeof text, "till1-%06d", (int)number);
    ck_ok(tb_json_parse(record->value, TB_JSON_DEPTH_MAX, &json, &err));
    ck_assert(tb_str_eq(tb_json_string(tb_json_get(json, "orderNumber")), tb_str_of(text)));
    ck_assert(tb_str_eq(tb_json_string(tb_json_get(json, "orderId")), record->key));
    ck_assert_int_eq(version_of(record), number <= CHANGES ? 2 : 1);
    ck_assert_ptr_null(tb_record_header(record, "ce_sequence").ptr);
    ck_assert_int_eq(strtoll(tb_record_header(record, "ce_storesequence").ptr, NULL, 10),
                     f.store->last_row);
    ck_assert_uint_eq(tb_record_header(record, "ce_epoch").len, 16);
    ck_assert_uint_eq(tb_record_header(record, "ce_id").len, 36);
    tb_json_free(json);
}

static enum tb_code script_append(struct tb_log_writer *writer, const struct tb_record *record,
                                  int64_t tag, struct tb_error *err)
{
    bool is_order = tb_str_eq(tb_record_header(record, "ce_type"), TB_STR("OrderSnapshot.v1"));
    enum tb_code code = TB_OK;

    (void)writer;
    if (is_order)
        check_snapshot(record, tag);
    else
        ck_assert(has_all(ORDERS + 1)); /* rows come behind */
    if (script.pending_count == PENDING_MAX || happens(script.busy))
        return tb_error_set(err, TB_BUSY, "full");
    if (happens(script.lose))
        code = TB_UNKNOWN;
    if (is_order && script.refuses && tag == NEVER_TAKEN)
        code = TB_INVALID;
    script.appended_orders += is_order;
    script.rows += !is_order && code == TB_OK;
    script.is_order[script.pending_count] = is_order;
    script.pending[script.pending_count++] = (struct tb_log_ack){.tag = tag, .code = code};
    return TB_OK;
}

static enum tb_code script_poll(struct tb_log_writer *writer, int64_t wait_ms,
                                struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                                struct tb_error *err)
{
    size_t n = script.pending_count < max ? script.pending_count : max;

    (void)writer;
    (void)wait_ms;
    if (happens(script.poll_fails)) {
        script.pending_count = 0;
        return tb_error_set(err, TB_UNAVAILABLE, "the log is gone");
    }
    for (size_t i = 0; i < n; i++) {
        ret_acks[i] = script.pending[i];
        /* As Kafka: a batch is refused with its one bad record. */
        if (ret_acks[i].code == TB_INVALID && n > 1)
            ret_acks[i] = (struct tb_log_ack){
                .tag = ret_acks[i].tag, .code = TB_UNKNOWN, .retry_alone = true};
        if (script.is_order[i] && ret_acks[i].code == TB_OK)
            script.has_order[ret_acks[i].tag] = true;
    }
    script.pending_count = 0;
    *ret_count = n;
    return TB_OK;
}

static const struct tb_log_writer_ops script_ops = {
    .append = script_append, .poll = script_poll, .free = NULL};

static void on_snapshots(void *ctx, const char *cursor_name, int64_t next)
{
    (void)ctx;
    ck_assert_str_eq(cursor_name, TB_CURSOR_INPROC);
    ck_assert_int_gt(next, script.next);
    ck_assert(has_all(next));
    script.next = next;
    tb_writer_post_snapshots(f.writer, cursor_name, next);
}

static void on_cursor(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms)
{
    (void)ctx;
    tb_writer_post_cursor(f.writer, cursor_name, row, at_ms);
}

static bool on_park(void *ctx, const char *cursor_name, const struct tb_parked_order *order,
                    const char *reason)
{
    (void)ctx;
    ck_assert(script.refuses);
    script.parked++;
    return tb_writer_post_parked(f.writer, cursor_name, order, reason, f.clock.wall_ms);
}

static void open_relay(void)
{
    struct tb_error err = {0};

    ck_ok(tb_outbox_reader_open(f.path, &outbox, &err));
    const struct tb_relay_options options = {.node = "till1",
                                             .cursor_name = TB_CURSOR_INPROC,
                                             .outbox = outbox,
                                             .writer = &script.base,
                                             .clock = &f.clock.clock,
                                             .random = &f.random.random,
                                             .park = on_park,
                                             .on_cursor = on_cursor,
                                             .on_snapshots = on_snapshots};
    ck_ok(tb_relay_new(&options, &relay, &err));
}

static void close_relay(void)
{
    tb_relay_free(relay);
    tb_outbox_reader_free(outbox);
}

static void step(void)
{
    fake_clock_advance(&f.clock, tb_relay_step(relay) + 100);
    (void)tb_writer_step(f.writer);
}

static void place_orders(void)
{
    static char ids[CHANGES][TB_UUID_SIZE];
    char other[TB_UUID_SIZE];

    for (int i = 0; i < ORDERS; i++)
        fixture_place(&f, i < CHANGES ? ids[i] : other);
    for (int i = 0; i < CHANGES; i++) {
        struct request r;

        request_change(&r, TB_CMD_ADDRESS, ids[i], NULL, 1);
        fixture_run(&f, &r);
        ck_assert_int_eq(r.job.answer.status, 200);
        request_release(&r);
    }
}

static void setup(void)
{
    struct tb_error err = {0};

    fixture_init(&f);
    fault_vfs_uninstall();
    fixture_open(&f);
    memset(&script, 0, sizeof script);
    script.base.ops = &script_ops;
    fake_random_init(&script.random, 1);
    place_orders();
    ck_ok(tb_store_request_snapshots(f.store, TB_CURSOR_INPROC, &err));
    open_relay();
}

static void teardown(void)
{
    close_relay();
    fixture_release(&f);
}

static int64_t snapshots_left(void)
{
    struct tb_outbox_snapshots left = {0};
    struct tb_error err = {0};

    ck_ok(tb_outbox_read_snapshots(outbox, TB_CURSOR_INPROC, &left, &err));
    return left.last - left.next + 1;
}

static void run_until_all_rows(void)
{
    for (int steps = 0; script.rows < ORDERS + CHANGES || snapshots_left() > 0; steps++) {
        ck_assert_int_lt(steps, 20000);
        step();
    }
    ck_assert(has_all(ORDERS + 1));
}

START_TEST(every_order_before_any_row)
{
    run_until_all_rows();
    ck_assert_int_eq(script.appended_orders, ORDERS);
    ck_assert_int_eq(script.next, ORDERS + 1);
}
END_TEST

/* The relay is opened anew now and then, as by restarts. */
START_TEST(whatever_the_log_answers)
{
    fake_random_init(&script.random, (uint64_t)_i + 1);
    script.busy = _i % 3 == 0 ? 100 : 2;
    script.lose = _i % 3 == 1 ? 5 : 1;
    script.poll_fails = _i % 3 == 2 ? 400 : 50;
    for (int steps = 0; snapshots_left() > 0; steps++) {
        ck_assert_int_lt(steps, 20000);
        step();
        if (!happens(50))
            continue;
        script.pending_count = 0;
        script.next = 0;
        close_relay();
        open_relay();
    }
    script.busy = script.lose = script.poll_fails = 0;
    run_until_all_rows();
}
END_TEST

/* Each page goes on where the last one ended, so that a till that restarts often still ends. */
START_TEST(a_restart_goes_on)
{
    while (script.next == 0)
        step();
    step();
    int64_t done = ORDERS - snapshots_left(), appended = script.appended_orders;
    ck_assert_int_gt(done, 0);
    ck_assert_int_lt(done, ORDERS);
    script.pending_count = 0;
    close_relay();
    open_relay();
    run_until_all_rows();
    ck_assert_int_le(script.appended_orders - appended, ORDERS - done);
}
END_TEST

START_TEST(a_refused_order_stops_no_other)
{
    struct tb_outbox_status status = {0};
    struct tb_error err = {0};

    script.refuses = true;
    while (script.rows < ORDERS + CHANGES - 1 || snapshots_left() > 0) /* its row is skipped */
        step();
    ck_assert(has_all(ORDERS + 1));
    ck_assert_int_eq(script.parked, 1);
    ck_ok(tb_outbox_read_status(outbox, TB_CURSOR_INPROC, &status, &err));
    ck_assert_int_eq(status.parked, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshots");
    TCase *tc = tcase_create("snapshots");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, every_order_before_any_row);
    tcase_add_loop_test(tc, whatever_the_log_answers, 0, 12);
    tcase_add_test(tc, a_restart_goes_on);
    tcase_add_test(tc, a_refused_order_stops_no_other);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

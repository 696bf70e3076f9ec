/* Promise: what a log has lost is in it again, each order's events in order, beside new orders and
 * whenever the process dies. Method: a real store and a real log of the node; Kafka is an array of
 * records that the test empties. */
#include "bridge/log/inproc/inproc.h"
#include "bridge/relay/relay.h"
#include "store/fixture.h"
#include "store/recovery.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PARTITIONS 6
#define RECORDS_MAX 20000
#define TOPIC "order-events"

static struct fixture f;
static struct tb_outbox_reader *outbox[2];
static struct tb_log_inproc *node_log;
static struct tb_log_writer *node_writer;
static struct tb_relay *relays[2]; /* to the node's own log, to Kafka */
static int64_t cursors[2];
static int64_t rows;
static char log_path[200];
static int64_t base; /* of the node's own log */

/* Kafka. */
struct record {
    char order[TB_UUID_SIZE], event_id[TB_UUID_SIZE];
    int64_t version;
    int32_t partition;
    bool snapshot;
};
static struct record records[RECORDS_MAX];
static size_t record_count;
static int64_t ends[PARTITIONS];
static struct tb_log_ack acks[TB_LOG_INFLIGHT_MAX];
static size_t ack_count;
static unsigned unknown; /* of a thousand answers so many are lost */
static bool is_slow;     /* no answer comes */

static void copy_text(char *to, struct tb_str text)
{
    ck_assert_uint_lt(text.len, TB_UUID_SIZE);
    memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
}

static int64_t last_version(const char *order)
{
    int64_t last = 0;

    for (size_t i = 0; i < record_count; i++)
        if (strcmp(records[i].order, order) == 0 && records[i].version > last)
            last = records[i].version;
    return last;
}

static enum tb_code kafka_append(struct tb_log_writer *writer, const struct tb_record *record,
                                 int64_t tag, struct tb_error *err)
{
    struct record *kept = &records[record_count];
    char version[24];

    (void)writer, (void)err;
    ck_assert_uint_lt(record_count, RECORDS_MAX);
    *kept = (struct record){.partition = tb_log_partition(record->key, PARTITIONS)};
    copy_text(kept->order, tb_record_header(record, "ce_subject"));
    copy_text(kept->event_id, tb_record_header(record, "ce_id"));
    copy_text(version, tb_record_header(record, "ce_orderversion"));
    kept->version = strtoll(version, NULL, 10);
    kept->snapshot = tb_str_eq(tb_record_header(record, "ce_type"), TB_STR("OrderSnapshot.v1"));
    ck_assert_msg(kept->snapshot || kept->version <= last_version(kept->order) + 1,
                  "version %d of %s follows %d", (int)kept->version, kept->order,
                  (int)last_version(kept->order));
    bool ok = fake_random_below(&f.random, 1000) >= unknown;
    acks[ack_count++] = (struct tb_log_ack){.tag = tag,
                                            .code = ok ? TB_OK : TB_UNKNOWN,
                                            .placed = ok,
                                            .partition = kept->partition,
                                            .offset = ends[kept->partition]++};
    record_count++;
    return TB_OK;
}

static enum tb_code kafka_poll(struct tb_log_writer *writer, int64_t wait_ms,
                               struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                               struct tb_error *err)
{
    (void)writer, (void)wait_ms, (void)err;
    if (is_slow)
        max = 0;
    *ret_count = ack_count < max ? ack_count : max;
    memcpy(ret_acks, acks, *ret_count * sizeof *acks);
    ack_count -= *ret_count;
    memmove(acks, acks + *ret_count, ack_count * sizeof *acks);
    return TB_OK;
}

static const struct tb_log_writer_ops kafka_ops = {.append = kafka_append, .poll = kafka_poll};
static struct tb_log_writer kafka = {&kafka_ops};

static void lose_all(void)
{
    record_count = 0;
    memset(ends, 0, sizeof ends);
}

/* Callbacks. */

static void on_cursor(void *ctx, const char *name, int64_t row, int64_t at_ms)
{
    (void)ctx;
    cursors[strcmp(name, TB_CURSOR_KAFKA) == 0] = row;
    tb_writer_post_cursor(f.writer, name, row, at_ms);
}

static void on_snapshots(void *ctx, const char *name, int64_t next)
{
    (void)ctx;
    tb_writer_post_snapshots(f.writer, name, next);
}

static enum tb_code open_log(void *ctx, struct tb_log_reader **ret_reader, struct tb_error *err)
{
    (void)ctx;
    return tb_log_inproc_reader(node_log, NULL, ret_reader, err);
}

static bool on_delivered(void *ctx, const char *name, const struct tb_delivered *delivered)
{
    (void)ctx;
    return tb_writer_post_delivered(f.writer, name, delivered);
}

static void on_unchecked(void *ctx, const char *name)
{
    (void)ctx;
    tb_writer_post_unchecked(f.writer, name);
}

static void on_resend(void *ctx, const char *name, const struct tb_resend *state,
                      enum tb_resend_event event, bool snapshots)
{
    (void)ctx;
    tb_writer_post_resend(f.writer, name, state, event, snapshots);
}

static struct tb_relay_resend_options resend = {.open_log = open_log,
                                                .on_delivered = on_delivered,
                                                .on_unchecked = on_unchecked,
                                                .on_resend = on_resend};

static void open_relay(int which)
{
    const struct tb_relay_options options = {
        .node = "till1",
        .cursor_name = which ? TB_CURSOR_KAFKA : TB_CURSOR_INPROC,
        .outbox = outbox[which],
        .writer = which ? &kafka : node_writer,
        .clock = &f.clock.clock,
        .random = &f.random.random,
        .on_cursor = on_cursor,
        .on_snapshots = on_snapshots,
        .resend = which ? &resend : NULL,
    };
    struct tb_error err = {0};

    ck_ok(tb_relay_new(&options, &relays[which], &err));
}

static void open_node_log(void)
{
    struct tb_error err = {0};

    const struct tb_log_origin origin = {.log_id = "test", .store_id = "test", .base = base};

    ck_ok(tb_log_inproc_open(log_path, &f.clock.clock, &node_log, &err));
    ck_ok(tb_log_inproc_set_origin(node_log, &origin, &err));
    ck_ok(tb_log_inproc_writer(node_log, &node_writer, &err));
    open_relay(0);
}

static void close_node_log(void)
{
    tb_relay_free(relays[0]);
    tb_log_writer_free(node_writer);
    tb_log_inproc_free(node_log);
}

static void setup(void)
{
    struct tb_error err = {0};

    resend.rate = 2000;
    fixture_init(&f);
    fault_vfs_uninstall();
    f.connected = true;
    fixture_open(&f);
    for (int i = 0; i < 2; i++)
        ck_ok(tb_outbox_reader_open(f.path, &outbox[i], &err));
    snprintf(log_path, sizeof log_path, "%s-log", f.path);
    open_node_log();
    open_relay(1);
}

static void teardown(void)
{
    tb_relay_free(relays[1]);
    close_node_log();
    for (int i = 0; i < 2; i++)
        tb_outbox_reader_free(outbox[i]);
    fixture_release(&f);
}

/* The process dies after it has stored what was posted. If it had not, it would find the loss
 * again, which is not tested here. */
static void restart_kafka(void)
{
    for (int i = 0; i < 3; i++) {
        fake_clock_advance(&f.clock, 100);
        (void)tb_writer_step(f.writer);
    }
    tb_relay_free(relays[1]);
    ack_count = 0;
    open_relay(1);
}

/* One round of each part; time passes. */
static void step(void)
{
    (void)tb_relay_step(relays[0]);
    (void)tb_relay_step(relays[1]);
    fake_clock_advance(&f.clock, 5);
    (void)tb_writer_step(f.writer);
}

static char last_order[TB_UUID_SIZE];

static void change(const char *order)
{
    struct request r;

    request_change(&r, TB_CMD_ADDRESS, order, NULL, 1);
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.answer.status, 200);
    request_release(&r);
    rows++;
}

static void sell(int orders)
{
    for (int i = 0; i < orders; i++) {
        fixture_place(&f, last_order);
        rows++;
        for (int c = 0; c < i % 3; c++)
            change(last_order);
    }
    tb_relay_wake(relays[0]);
    tb_relay_wake(relays[1]);
}

static int64_t count(const char *table)
{
    char sql[80];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    return fixture_query(&f, sql);
}

static bool is_quiet(void)
{
    return cursors[0] == rows && cursors[1] == rows && !tb_relay_is_resending(relays[1]) &&
           count("resend") == 0 && count("snapshots WHERE next <= last") == 0;
}

static void drain(void)
{
    for (int i = 0; !is_quiet(); i++) {
        ck_assert_int_lt(i, 4000);
        step();
    }
}

/* Each event is there, or a snapshot of its order that has it. */
static void check_all(bool snapshots)
{
    struct tb_outbox_reader *reader = NULL;
    struct tb_error err = {0};
    struct tb_outbox_row row = {0};
    bool more = true;

    ck_ok(tb_outbox_reader_open(f.path, &reader, &err));
    ck_ok(tb_outbox_read_after(reader, 0, 10000, &err));
    for (;;) {
        bool there = false;

        ck_ok(tb_outbox_next(reader, &row, &more, &err));
        if (!more)
            break;
        for (size_t i = 0; i < record_count && !there; i++)
            there = tb_str_eq(row.event_id, tb_str_of(records[i].event_id)) ||
                    (snapshots && records[i].snapshot && records[i].version >= row.version &&
                     tb_str_eq(row.order_id, tb_str_of(records[i].order)));
        ck_assert_msg(there, "row %d is not there", (int)row.row);
    }
    tb_outbox_end_read(reader);
    tb_outbox_reader_free(reader);
}

static void lose_and_resend(void)
{
    lose_all();
    tb_relay_begin_resend(relays[1], "the test has lost it", 0, false);
}

/* New orders and changes of old ones arrive meanwhile; the place of each last record is stored. */
START_TEST(all_is_sent_again)
{
    char old[TB_UUID_SIZE];

    resend.rate = 200;
    sell(60);
    memcpy(old, last_order, sizeof old);
    drain();
    for (int i = 0; i < 20; i++)
        step();
    ck_assert_int_gt(count("delivered"), 0);
    lose_and_resend();
    change(old);
    sell(2);
    for (int i = 0; i < 4; i++)
        step();
    ck_assert_int_eq(last_version(last_order), 1); /* new orders do not wait */
    ck_assert(tb_relay_is_resending(relays[1]));
    ck_assert_int_lt(cursors[1], rows);
    ck_assert_int_eq(count("resend"), 1);
    drain();
    for (int i = 0; i < 20; i++)
        step();
    check_all(false);
    for (int p = 0; p < PARTITIONS; p++) {
        char sql[160];

        snprintf(sql, sizeof sql, "SELECT offset FROM delivered WHERE partition = %d", p);
        ck_assert_int_eq(fixture_query(&f, sql), ends[p] - 1);
    }
}
END_TEST

/* At most so many a second. */
START_TEST(the_rate_is_kept)
{
    int64_t began_ms, took_ms;

    sell(120);
    drain();
    resend.rate = 100;
    began_ms = tb_clock_mono_ms(&f.clock.clock);
    lose_and_resend();
    drain();
    took_ms = tb_clock_mono_ms(&f.clock.clock) - began_ms;
    ck_assert_int_ge(took_ms, (rows - 20) * 10);
    ck_assert_int_le(took_ms, rows * 20);
    check_all(false);
}
END_TEST

/* Only what is behind a row, or from a time on. */
START_TEST(a_part_is_sent_again)
{
    int64_t before;
    struct request r;

    sell(40);
    drain();
    before = rows;
    fake_clock_advance(&f.clock, 60000);
    f.clock.wall_ms += 60000;
    sell(10);
    drain();
    size_t had = record_count;
    tb_relay_begin_resend(relays[1], "the test says so", before, false);
    drain();
    ck_assert_uint_eq(record_count, had + (size_t)(rows - before));
    request_place(&r, NULL, NULL, 1);
    r.job.type = TB_JOB_RESEND;
    snprintf(r.job.log, sizeof r.job.log, TB_CURSOR_KAFKA);
    r.job.since_ms = tb_clock_wall_ms(&f.clock.clock) + 1000;
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.code, TB_OK);
    request_release(&r);
    tb_relay_wake_for_resend(relays[1]);
    had = record_count;
    drain();
    ck_assert_uint_eq(record_count, had); /* nothing is so new */
}
END_TEST

/* [link] on_log_loss = alarm: nothing is sent before somebody asks. */
START_TEST(it_can_wait_for_a_person)
{
    struct request r;

    sell(20);
    drain();
    lose_all();
    tb_relay_begin_resend(relays[1], "the test has lost it", 0, true);
    for (int i = 0; i < 50; i++)
        step();
    restart_kafka();
    for (int i = 0; i < 50; i++)
        step();
    ck_assert_uint_eq(record_count, 0);
    ck_assert_int_eq(count("resend WHERE held"), 1);
    request_place(&r, NULL, NULL, 1);
    r.job.type = TB_JOB_RESEND;
    snprintf(r.job.log, sizeof r.job.log, TB_CURSOR_KAFKA);
    fixture_run(&f, &r);
    request_release(&r);
    tb_relay_wake_for_resend(relays[1]);
    drain();
    check_all(false);
}
END_TEST

/* The node's own log does not go back to the first event. */
START_TEST(what_the_log_lacks_comes_as_snapshots)
{
    sell(30);
    drain();
    close_node_log();
    ck_assert_int_eq(unlink(log_path), 0);
    base = 1000;
    open_node_log();
    sell(10);
    drain();
    lose_and_resend();
    drain();
    check_all(true);
    ck_assert_int_eq(fixture_query(&f, "SELECT last FROM snapshots WHERE cursor = 'kafka'"), 40);
}
END_TEST

/* The node's own log is lost while events are sent again from it. The new one does not have them,
 * whether its offsets are those of the old one or not. */
START_TEST(the_log_is_lost_meanwhile)
{
    struct tb_error err = {0};

    sell(60);
    drain();
    resend.rate = 100;
    lose_and_resend();
    while (count("resend WHERE next > 10") == 0)
        step();
    tb_relay_free(relays[1]);
    close_node_log();
    ck_assert_int_eq(unlink(log_path), 0);
    base = _i == 0 ? 0 : 1000;
    ck_ok(tb_store_set_log_id(f.store, "another", &err));
    ack_count = 0;
    open_node_log();
    open_relay(1);
    sell(60);
    drain();
    check_all(true);
}
END_TEST

/* So many records are where the store says that the log has acknowledged them. */
static int64_t count_delivered(void)
{
    int64_t offsets[PARTITIONS] = {0}, found = 0;
    char sql[200];

    for (size_t i = 0; i < record_count; i++) {
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM delivered WHERE partition = %d AND offset = %lld"
                 " AND event_id = '%s'",
                 records[i].partition, (long long)offsets[records[i].partition]++,
                 records[i].event_id);
        found += fixture_query(&f, sql);
    }
    return found;
}

/* Answers about rows come while orders wait to be sent as snapshots. */
START_TEST(rows_are_not_taken_for_orders)
{
    for (int i = 0; i < 30; i++)
        sell(1);
    drain();
    close_node_log();
    ck_assert_int_eq(unlink(log_path), 0);
    base = 1000;
    open_node_log();
    lose_and_resend();
    for (int i = 0; i < 5; i++)
        sell(1);
    fake_clock_advance(&f.clock, 1000);
    is_slow = true;
    for (int i = 0; i < 5; i++)
        step();
    ck_assert_uint_eq(ack_count, 5); /* of rows; the orders come after them */
    is_slow = false;
    drain();
    restart_kafka();
    check_all(true);
    ck_assert_int_gt(count("delivered"), 0);
    ck_assert_int_eq(count_delivered(), count("delivered"));
}
END_TEST

/* Somebody is to look first whether what was acknowledged before is still there. */
START_TEST(places_wait_while_they_are_held)
{
    tb_relay_hold_delivered(relays[1], true);
    sell(20);
    drain();
    restart_kafka();
    ck_assert_int_eq(count("delivered"), 0);
    tb_relay_hold_delivered(relays[1], true);
    sell(20);
    drain();
    tb_relay_hold_delivered(relays[1], false);
    for (int i = 0; i < 50; i++)
        step();
    ck_assert_int_eq(count("delivered"), PARTITIONS);
}
END_TEST

/* Whatever Kafka answers, whenever the process dies, and if it loses all once more. */
START_TEST(histories)
{
    fake_random_init(&f.random, test_seed((uint64_t)_i + 1));
    resend.rate = 400;
    sell(40);
    drain();
    for (int round = 0; round < 6; round++) {
        unknown = (unsigned)fake_random_below(&f.random, 60);
        if (fake_random_below(&f.random, 2))
            lose_and_resend();
        sell((int)fake_random_below(&f.random, 10));
        for (int i = (int)fake_random_below(&f.random, 60); i > 0; i--)
            step();
        if (fake_random_below(&f.random, 2))
            restart_kafka();
    }
    /* A process that dies before it has stored the loss finds it again; here the test does. */
    unknown = 0;
    lose_and_resend();
    drain();
    check_all(false);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("relay_resend");
    TCase *tc = tcase_create("resend");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, all_is_sent_again);
    tcase_add_test(tc, the_rate_is_kept);
    tcase_add_test(tc, a_part_is_sent_again);
    tcase_add_test(tc, it_can_wait_for_a_person);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, what_the_log_lacks_comes_as_snapshots);
    tcase_add_loop_test(tc, the_log_is_lost_meanwhile, 0, 2);
    tcase_add_test(tc, places_wait_while_they_are_held);
    tcase_add_test(tc, rows_are_not_taken_for_orders);
    tcase_add_loop_test(tc, histories, 0, 20);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

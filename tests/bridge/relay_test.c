/* Goal: every outbox row reaches the log, in order per order, and the cursor is never ahead.
 * Method: a real store, and a scripted log that answers late, out of order, not knowing, or not
 * at all, under seeds and a fake clock; then the real log, with threads. */
#include "bridge/log_inproc.h"
#include "bridge/log_tools.h"
#include "bridge/relay.h"
#include "store/fixture.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROWS_MAX 3000
#define WRITTEN_MAX 60000

static struct fixture f;
static struct tb_outbox_reader *outbox;
static struct tb_relay *relay;
static int64_t rows; /* in the outbox; they count from 1 */

/* What the store holds, and what the relay said of it. */
static struct {
    char key[TB_UUID_SIZE];
    int64_t version;
    bool acknowledged;
} row_of[ROWS_MAX];
static int64_t cursor;
static int troubles, recoveries;
static enum tb_code last_trouble;

/* The scripted log. It holds what it took unless it loses it; what it took is answered later. */
static struct {
    struct tb_log_writer base;
    struct fake_random random;
    int64_t pending[TB_LOG_BATCH_MAX];
    bool stored[TB_LOG_BATCH_MAX]; /* of pending */
    size_t pending_count;
    int64_t written[WRITTEN_MAX]; /* rows, in the log's order */
    size_t written_count;
    int appends, polls;
    /* chances in a thousand */
    unsigned busy, refuse, lose, unknown, hold_back, poll_fails;
    /* rows; 0: none */
    int64_t invalid_row; /* refused for good */
    bool answer_invalid; /* by the acknowledgement, not by append */
    int64_t lose_row, silent_row;
} script;

static bool happens(unsigned chance)
{
    return fake_random_below(&script.random, 1000) < chance;
}

static enum tb_code script_append(struct tb_log_writer *writer, const struct tb_record *record,
                                  int64_t tag, struct tb_error *err)
{
    (void)writer;
    script.appends++;
    ck_assert_int_ge(tag, 1);
    ck_assert_int_le(tag, rows);
    ck_assert(tb_str_eq(record->key, tb_str_of(row_of[tag].key)));
    if (script.pending_count == TB_LOG_BATCH_MAX || happens(script.busy))
        return tb_error_set(err, TB_BUSY, "full");
    if (happens(script.refuse))
        return tb_error_set(err, TB_UNAVAILABLE, "refused");
    if (tag == script.invalid_row && !script.answer_invalid)
        return tb_error_set(err, TB_INVALID, "never");
    bool lost = happens(script.lose) || tag == script.invalid_row || tag == script.lose_row;
    if (!lost) {
        ck_assert_uint_lt(script.written_count, WRITTEN_MAX);
        script.written[script.written_count++] = tag;
    }
    script.stored[script.pending_count] = !lost;
    script.pending[script.pending_count++] = tag;
    return TB_OK;
}

static enum tb_code script_poll(struct tb_log_writer *writer, int64_t wait_ms,
                                struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                                struct tb_error *err)
{
    size_t n = 0;

    (void)writer;
    (void)wait_ms;
    script.polls++;
    if (happens(script.poll_fails)) {
        script.pending_count = 0;
        return tb_error_set(err, TB_UNAVAILABLE, "the log is gone");
    }
    while (n < max && script.pending_count > 0 && !happens(script.hold_back)) {
        size_t i = script.hold_back ? fake_random_below(&script.random, script.pending_count) : 0;
        int64_t row = script.pending[i];
        if (row == script.silent_row)
            break;
        bool ok = script.stored[i] && !happens(script.unknown);
        enum tb_code no = row == script.invalid_row ? TB_INVALID : TB_UNKNOWN;

        row_of[row].acknowledged |= ok;
        ret_acks[n++] = (struct tb_log_ack){.tag = row, .code = ok ? TB_OK : no};
        script.pending_count--;
        for (; i < script.pending_count; i++) {
            script.pending[i] = script.pending[i + 1];
            script.stored[i] = script.stored[i + 1];
        }
    }
    *ret_count = n;
    return TB_OK;
}

static const struct tb_log_writer_ops script_ops = {
    .append = script_append, .poll = script_poll, .free = NULL};

static void calm(void)
{
    script.busy = script.refuse = script.lose = script.unknown = 0;
    script.hold_back = script.poll_fails = 0;
    script.invalid_row = script.lose_row = script.silent_row = 0;
}

static void moved(void *ctx, const char *name, int64_t row, int64_t at_ms)
{
    (void)ctx;
    ck_assert_str_eq(name, TB_CURSOR_INPROC);
    ck_assert_int_eq(at_ms, f.clock.wall_ms);
    ck_assert_int_gt(row, cursor);
    for (int64_t r = cursor + 1; r <= row; r++)
        ck_assert_msg(row_of[r].acknowledged, "the cursor passed row %d", (int)r);
    cursor = row;
}

static void trouble(void *ctx, const struct tb_error *err)
{
    (void)ctx;
    last_trouble = err->code;
    if (err->code == TB_OK)
        recoveries++;
    else
        troubles++;
}

static void open_relay(struct tb_log_writer *writer, bool held)
{
    const struct tb_relay_options options = {.node = "till1",
                                             .cursor_name = TB_CURSOR_INPROC,
                                             .outbox = outbox,
                                             .writer = writer,
                                             .clock = &f.clock.clock,
                                             .random = &f.random.random,
                                             .held = held,
                                             .moved = moved,
                                             .trouble = trouble};
    struct tb_error err = {0};

    ck_ok(tb_relay_new(&options, &relay, &err));
}

static void open_all(void)
{
    struct tb_error err = {0};

    fixture_open(&f);
    ck_ok(tb_outbox_reader_open(f.path, &outbox, &err));
    script.base.ops = &script_ops;
    fake_random_init(&script.random, 1);
    open_relay(&script.base, false);
}

/* Most tests need no faulty file system, which is slow with many rows. */
static void setup(void)
{
    fixture_init(&f);
    fault_vfs_uninstall();
    open_all();
}

static void setup_with_faults(void)
{
    fixture_init(&f);
    open_all();
}

static void teardown(void)
{
    tb_relay_free(relay);
    tb_outbox_reader_free(outbox);
    fixture_release(&f);
}

/* Runs up to 100 requests as one batch of the store; each is one outbox row. */
static void commit_requests(struct request *requests, int count)
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(tb_writer_post(f.writer, &requests[i].job), TB_OK);
    while (requests[count - 1].done == 0)
        (void)tb_writer_step(f.writer);
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(requests[i].job.answer.status / 100, 2);
        rows++;
        ck_assert_int_lt(rows, ROWS_MAX);
        memcpy(row_of[rows].key, requests[i].job.command.order_id, TB_UUID_SIZE);
        row_of[rows].version = requests[i].job.answer.version;
        request_release(&requests[i]);
    }
}

/* Adds rows: orders that are placed, and changes of the last few of them. */
static void add_rows(int count)
{
    static int orders;
    static struct request requests[100];

    while (count > 0) {
        int n = count < 100 ? count : 100;

        for (int i = 0; i < n; i++) {
            int few = orders < 6 ? orders : 6;
            bool place = few == 0 || fake_random_below(&f.random, 6) == 0;
            int order =
                place ? orders++ : orders - 1 - (int)fake_random_below(&f.random, (uint64_t)few);
            char id[TB_UUID_SIZE];

            snprintf(id, sizeof id, "01890000-0000-7000-8000-%012d", order);
            if (place)
                request_place(&requests[i], id, NULL, 1);
            else
                request_change(&requests[i], TB_CMD_ADDRESS, id, NULL, 1);
        }
        commit_requests(requests, n);
        count -= n;
    }
}

/* One step after which time passes as it asked for, or is cut short by a wake-up. */
static int64_t step(void)
{
    int64_t wait_ms = tb_relay_step(relay);

    ck_assert_int_ge(wait_ms, 0);
    ck_assert_int_le(wait_ms, 5000);
    if (wait_ms > 0)
        fake_clock_advance(&f.clock,
                           happens(100) ? (int64_t)fake_random_below(&script.random, 3) : wait_ms);
    return wait_ms;
}

static void drain(void)
{
    for (int i = 0; cursor < rows; i++) {
        ck_assert_int_lt(i, 20000);
        step();
    }
}

/* As a consumer sees it: whoever reads the log from its start and takes an order's events in the
 * order of their versions, passing over others, gets all of them. */
static void check_all_in_order(void)
{
    int64_t *next = calloc(ROWS_MAX, sizeof *next); /* by the row that placed the order */

    ck_assert_ptr_nonnull(next);
    for (size_t i = 0; i < script.written_count; i++) {
        int64_t row = script.written[i], first = 1;

        while (strcmp(row_of[first].key, row_of[row].key) != 0)
            first++;
        if (row_of[row].version == next[first] + 1)
            next[first]++;
    }
    for (int64_t row = 1; row <= rows; row++) {
        int64_t first = 1;

        while (strcmp(row_of[first].key, row_of[row].key) != 0)
            first++;
        ck_assert_int_ge(next[first], row_of[row].version);
    }
    free(next);
}

/* Whatever the log does: the cursor passes acknowledged rows only (moved checks it), everything
 * arrives, and in order per order; a crash that forgets the cursor changes nothing of it. */
START_TEST(everything_arrives)
{
    uint64_t seed = test_seed((uint64_t)_i + 1);

    fake_random_init(&script.random, seed);
    fake_random_init(&f.random, seed + 1000);
    for (int round = 0; round < 8; round++) {
        add_rows((int)fake_random_below(&script.random, 120));
        script.busy = (unsigned)fake_random_below(&script.random, 100);
        script.refuse = (unsigned)fake_random_below(&script.random, 20);
        script.lose = happens(500) ? (unsigned)fake_random_below(&script.random, 30) : 0;
        script.unknown = happens(500) ? (unsigned)fake_random_below(&script.random, 30) : 0;
        script.hold_back = (unsigned)fake_random_below(&script.random, 900);
        script.poll_fails = (unsigned)fake_random_below(&script.random, 100);
        for (int i = 0; i < 60; i++) {
            if (happens(50))
                tb_relay_hold(relay, true);
            else if (happens(200))
                tb_relay_hold(relay, false);
            bool held = tb_relay_state(relay) == TB_RELAY_HELD;
            int appends = script.appends;
            step();
            if (held && tb_relay_state(relay) == TB_RELAY_HELD)
                ck_assert_int_eq(script.appends, appends);
        }
        if (happens(300)) { /* a crash: what was in flight is lost or not, the cursor is old */
            tb_relay_free(relay);
            script.pending_count = 0;
            cursor = 0;
            open_relay(&script.base, false);
        }
    }
    tb_relay_hold(relay, false);
    calm();
    drain();
    check_all_in_order();
    for (int i = 0; tb_relay_state(relay) != TB_RELAY_RUNNING; i++) {
        ck_assert_int_lt(i, 100); /* the last back-off ends */
        step();
    }
}
END_TEST

/* A crash between acknowledgement and cursor move sends again; nothing is skipped. */
START_TEST(a_lost_cursor_sends_again)
{
    add_rows(10);
    step();
    ck_assert_int_eq(cursor, 10);
    tb_relay_free(relay);
    cursor = 0;
    open_relay(&script.base, false);
    step();
    ck_assert_int_eq(cursor, 10);
    ck_assert_uint_eq(script.written_count, 20);
}
END_TEST

/* The stored cursor is where the next run begins. */
START_TEST(a_stored_cursor_is_gone_on_from)
{
    add_rows(10);
    step();
    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, 7, 1);
    add_rows(2);
    tb_relay_free(relay);
    cursor = 7;
    open_relay(&script.base, false);
    drain();
    ck_assert_int_eq(cursor, 12);
    ck_assert_int_eq(script.written[10], 8);
    ck_assert_uint_eq(script.written_count, 15);
}
END_TEST

/* Held from the start or later: nothing is read or sent, however long; released it goes on. */
START_TEST(held_sends_nothing)
{
    add_rows(5);
    tb_relay_free(relay);
    open_relay(&script.base, true);
    for (int i = 0; i < 20; i++)
        ck_assert_int_gt(step(), 0);
    ck_assert_int_eq(script.appends, 0);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_HELD);
    int64_t since_ms = tb_relay_since_ms(relay);
    fake_clock_advance(&f.clock, 1000);
    tb_relay_hold(relay, false);
    drain();
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_RUNNING);
    ck_assert_int_gt(tb_relay_since_ms(relay), since_ms);
    tb_relay_hold(relay, true);
    step();
    add_rows(1);
    for (int i = 0; i < 20; i++)
        step();
    ck_assert_int_eq(script.appends, 5);
}
END_TEST

/* An answer that comes after a row was sent again could be of either sending: so sending again
 * waits for every answer. */
START_TEST(sending_again_waits_for_every_answer)
{
    add_rows(4);
    script.lose_row = 1;
    script.silent_row = 3;
    for (int i = 0; i < 20; i++)
        step();
    ck_assert_int_eq(script.appends, 4);
    ck_assert_int_eq(cursor, 0);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_FAILING);
    calm();
    drain();
    ck_assert_int_eq(script.appends, 8);
    check_all_in_order();
}
END_TEST

/* What is in flight when the relay is held still counts when it is answered. */
START_TEST(acknowledgements_count_while_held)
{
    add_rows(5);
    script.hold_back = 1000;
    step();
    tb_relay_hold(relay, true);
    step();
    ck_assert_int_eq(cursor, 0);
    calm();
    drain();
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_HELD);
    ck_assert_int_eq(script.appends, 5);
}
END_TEST

/* An outage is told of once and its end once; tries are spread out, never given up. */
START_TEST(an_outage_is_told_once)
{
    int64_t from_ms = f.clock.wall_ms;
    int tries;

    add_rows(3);
    if (_i)
        script.refuse = 1000;
    else
        script.poll_fails = 1000;
    while (f.clock.wall_ms < from_ms + 600000)
        step();
    tries = _i ? script.appends : script.polls;
    ck_assert_int_eq(troubles, 1);
    ck_assert_int_eq(last_trouble, TB_UNAVAILABLE);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_FAILING);
    ck_assert_int_gt(tries, 600000 / 5000);
    ck_assert_int_lt(tries, 600000 / 1000);
    calm();
    drain();
    step();
    ck_assert_int_eq(troubles, 1);
    ck_assert_int_eq(recoveries, 1);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_RUNNING);
    ck_assert_uint_eq(tb_relay_sent(relay), 3);
}
END_TEST

/* A row that the log refuses for good is an alarm that stays: it is never skipped. */
START_TEST(a_refused_row_is_not_skipped)
{
    add_rows(6);
    script.invalid_row = 4;
    script.answer_invalid = _i;
    for (int i = 0; i < 200; i++)
        step();
    ck_assert_int_eq(cursor, 3);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_FAILING);
    ck_assert_int_eq(last_trouble, TB_INVALID);
    ck_assert_int_eq(troubles, 1);
    calm();
    drain();
    check_all_in_order();
}
END_TEST

/* Orders that come close together share a commit of the log; one that comes alone does not wait.
 */
START_TEST(a_batch_lingers)
{
    add_rows(1);
    ck_assert_int_eq(tb_relay_step(relay), TB_RELAY_LINGER_MS);
    ck_assert_int_eq(cursor, 1);
    add_rows(1);
    tb_relay_wake(relay);
    ck_assert_int_eq(tb_relay_step(relay), TB_RELAY_LINGER_MS);
    add_rows(1);
    ck_assert_int_eq(script.appends, 1);
    fake_clock_advance(&f.clock, TB_RELAY_LINGER_MS);
    tb_relay_step(relay);
    ck_assert_int_eq(cursor, 3);
}
END_TEST

/* With a full batch waiting there is no linger. */
START_TEST(a_backlog_does_not_linger)
{
    add_rows(TB_LOG_BATCH_MAX * 2 + 10);
    ck_assert_int_eq(tb_relay_step(relay), 0);
    ck_assert_int_eq(cursor, TB_LOG_BATCH_MAX);
    ck_assert_int_eq(tb_relay_step(relay), 0);
    ck_assert_int_gt(tb_relay_step(relay), 0);
    ck_assert_int_eq(cursor, rows);
}
END_TEST

/* A log that takes nothing more, or answers nothing, is asked ever more rarely. */
START_TEST(a_silent_log_is_not_hammered)
{
    int steps = 0;
    int64_t until_ms = f.clock.wall_ms + 60000;

    add_rows(TB_LOG_BATCH_MAX + 10);
    script.hold_back = 1000;
    if (_i)
        script.busy = 1000;
    for (; f.clock.wall_ms < until_ms; steps++) {
        int64_t wait_ms = tb_relay_step(relay);
        fake_clock_advance(&f.clock, wait_ms);
        ck_assert_int_lt(steps, 1000);
    }
    ck_assert_int_eq(cursor, 0);
    calm();
    drain();
}
END_TEST

/* An idle minute: two looks a second, and no write to any file. */
START_TEST(idle_is_idle)
{
    int64_t changes;

    add_rows(3);
    drain();
    tb_relay_step(relay);
    fake_clock_advance(&f.clock, TB_RELAY_IDLE_MS);
    changes = fault_vfs_changes();
    for (int i = 0; i < 120; i++) {
        ck_assert_int_eq(tb_relay_step(relay), TB_RELAY_IDLE_MS);
        fake_clock_advance(&f.clock, TB_RELAY_IDLE_MS);
    }
    ck_assert_int_eq(fault_vfs_changes(), changes);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_RUNNING);
}
END_TEST

/* An outbox that cannot be read is trouble like any other: told, retried, over. */
START_TEST(an_unreadable_outbox_is_retried)
{
    add_rows(300);
    fault_vfs_fail(FAULT_READ, 1, /* SQLITE_IOERR_READ */ 266, true, 1);
    for (int i = 0; i < 10; i++)
        step();
    fault_vfs_heal();
    drain();
    check_all_in_order();
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_RUNNING);
}
END_TEST

static void check_header(const struct tb_record *record, size_t i, const char *name,
                         const char *value)
{
    ck_assert_uint_lt(i, record->header_count);
    ck_assert(tb_str_eq(record->headers[i].name, tb_str_of(name)));
    ck_assert_msg(tb_str_eq(record->headers[i].value, tb_str_of(value)), "%s is %.*s, not %s",
                  name, (int)record->headers[i].value.len, record->headers[i].value.ptr, value);
}

static void check_record(const struct tb_record *record, const char *id, const char *type,
                         const char *sequence, const char *version)
{
    char event_id[TB_UUID_SIZE];

    ck_assert(tb_str_eq(record->key, tb_str_of(id)));
    ck_assert_int_eq(record->value.ptr[0], '{');
    check_header(record, 0, "ce_specversion", "1.0");
    ck_assert(tb_uuid_parse(tb_record_header(record, "ce_id"), event_id));
    check_header(record, 2, "ce_source", "/nodes/till1");
    check_header(record, 3, "ce_type", type);
    check_header(record, 4, "ce_time", "2026-11-23T09:00:00.000Z");
    check_header(record, 5, "ce_subject", id);
    check_header(record, 6, "ce_sequence", sequence);
    check_header(record, 7, "ce_epoch", tb_store_epoch(f.store));
    check_header(record, 8, "ce_orderversion", version);
    check_header(record, 9, "content-type", "application/json");
}

/* What a reader of the log gets: INTERFACES, "Events", to the letter. */
START_TEST(records_are_cloud_events)
{
    const char *id = "01890000-0000-7000-8000-000000000001", *trace = "00-aa-bb-01";
    struct tb_error err = {0};
    struct tb_log_inproc *log = NULL;
    struct tb_log_writer *writer = NULL;
    struct tb_log_reader *reader = NULL;
    struct log_seen *seen = calloc(1, sizeof *seen);
    struct request r[2];
    char path[160];
    int64_t sequence = 0;

    snprintf(path, sizeof path, "%s/log.db", f.dir);
    ck_ok(tb_log_inproc_open(path, &f.clock.clock, &log, &err));
    ck_ok(tb_log_inproc_writer(log, "order-events", &writer, &err));
    ck_ok(tb_log_inproc_reader(log, "order-events", "view", &reader, &err));
    tb_relay_free(relay);
    open_relay(writer, false);
    request_place(&r[0], id, NULL, 1);
    r[0].job.traceparent = tb_str_of(trace);
    request_change(&r[1], TB_CMD_ADDRESS, id, NULL, 1);
    commit_requests(r, 2);
    row_of[1].acknowledged = row_of[2].acknowledged = true; /* the real log is asked below */
    tb_relay_step(relay);

    log_read(reader, seen, 2);
    check_record(&seen->records[0], id, "OrderPlaced.v2", "00000000000000000001", "1");
    check_header(&seen->records[0], 10, "traceparent", trace);
    check_record(&seen->records[1], id, "OrderAddressChanged.v1", "00000000000000000002", "2");
    ck_assert_uint_eq(seen->records[1].header_count, 10);
    ck_ok(tb_log_inproc_high_sequence(log, tb_store_epoch(f.store), &sequence, &err));
    ck_assert_int_eq(sequence, 2);

    /* An idle relay lets the log keep what its readers have committed, once. */
    ck_ok(reader->ops->commit(reader, seen->records[0].partition, 2, &err));
    int64_t changes = fault_vfs_changes();
    for (int i = 0; i < 3; i++) {
        fake_clock_advance(&f.clock, TB_RELAY_IDLE_MS);
        tb_relay_step(relay);
    }
    ck_assert_int_gt(fault_vfs_changes(), changes);
    changes = fault_vfs_changes();
    for (int i = 0; i < 120; i++) {
        fake_clock_advance(&f.clock, TB_RELAY_IDLE_MS);
        tb_relay_step(relay);
    }
    ck_assert_int_eq(fault_vfs_changes(), changes);

    reader->ops->free(reader);
    writer->ops->free(writer);
    tb_log_inproc_free(log);
    tb_arena_release(&seen->arena);
    free(seen);
}
END_TEST

static void *run_relay(void *arg)
{
    tb_relay_run(arg);
    return NULL;
}

/* No wake-up is lost, whenever it comes: each order is in the log before the next is placed, some
 * moments later or at once. The fallback look would bring them too, but far too late for this
 * test's time-out. */
START_TEST(a_wake_is_never_lost)
{
    enum { ORDERS = 300 };
    struct tb_error err = {0};
    struct tb_log_inproc *log = NULL;
    struct tb_log_writer *writer = NULL;
    struct tb_log_reader *reader = NULL;
    struct tb_relay_options options = {.node = "till1",
                                       .cursor_name = TB_CURSOR_INPROC,
                                       .outbox = outbox,
                                       .clock = &tb_clock_system,
                                       .random = &tb_random_system};
    pthread_t thread;
    char path[160];

    snprintf(path, sizeof path, "%s/log.db", f.dir);
    ck_ok(tb_log_inproc_open(path, &tb_clock_system, &log, &err));
    ck_ok(tb_log_inproc_writer(log, "order-events", &writer, &err));
    ck_ok(tb_log_inproc_reader(log, "order-events", "view", &reader, &err));
    tb_relay_free(relay);
    options.writer = writer;
    ck_ok(tb_relay_new(&options, &relay, &err));
    ck_assert_int_eq(pthread_create(&thread, NULL, run_relay, relay), 0);
    for (int i = 0; i < ORDERS; i++) {
        struct tb_log_batch batch;

        usleep((useconds_t)fake_random_below(&script.random, 2) * 4000);
        fixture_place(&f, NULL);
        tb_relay_wake(relay);
        ck_ok(reader->ops->poll(reader, 10, -1, &batch, &err));
        ck_assert_uint_eq(batch.count, 1);
    }
    tb_relay_stop(relay);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(tb_relay_sent(relay), ORDERS);
    reader->ops->free(reader);
    writer->ops->free(writer);
    tb_log_inproc_free(log);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("relay");
    TCase *tc = tcase_create("relay"), *faults = tcase_create("relay and files");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, everything_arrives, 0, 30);
    tcase_add_test(tc, a_lost_cursor_sends_again);
    tcase_add_test(tc, a_stored_cursor_is_gone_on_from);
    tcase_add_test(tc, held_sends_nothing);
    tcase_add_test(tc, sending_again_waits_for_every_answer);
    tcase_add_test(tc, acknowledgements_count_while_held);
    tcase_add_loop_test(tc, an_outage_is_told_once, 0, 2);
    tcase_add_loop_test(tc, a_refused_row_is_not_skipped, 0, 2);
    tcase_add_test(tc, a_batch_lingers);
    tcase_add_test(tc, a_backlog_does_not_linger);
    tcase_add_loop_test(tc, a_silent_log_is_not_hammered, 0, 2);
    tcase_add_test(tc, a_wake_is_never_lost);
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(faults, setup_with_faults, teardown);
    tcase_add_test(faults, idle_is_idle);
    tcase_add_test(faults, an_unreadable_outbox_is_retried);
    tcase_add_test(faults, records_are_cloud_events);
    suite_add_tcase(suite, faults);
    return test_main(suite);
}

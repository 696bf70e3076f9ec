/* Goal: a reader of the in-process log receives what the relay reads from the outbox, and soon.
 * Method: a real store and the real log. The clock is fake, except in the test with threads. */
#include "bridge/log/inproc/inproc.h"
#include "bridge/log/log_tools.h"
#include "bridge/relay/fixture.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* A record in the log has exactly the key, headers and value that readers rely on. */
START_TEST(records_are_cloud_events)
{
    const char *id = "01890000-0000-7000-8000-000000000001", *trace = "00-aa-bb-01";
    struct tb_error err = {0};
    struct relay_log on = {0};
    struct log_seen *seen = calloc(1, sizeof *seen);
    struct request r[2];
    int64_t sequence = 0;

    relay_log_open(&on, &f.clock.clock);
    tb_relay_free(relay);
    open_relay(on.writer, false);
    request_place(&r[0], id, NULL, 1);
    r[0].job.traceparent = tb_str_of(trace);
    request_change(&r[1], TB_CMD_ADDRESS, id, NULL, 1);
    commit_requests(r, 2);
    row_of[1].acknowledged = row_of[2].acknowledged = true; /* the real log is asked below */
    tb_relay_step(relay);

    log_read(on.reader, seen, 2);
    check_record(&seen->records[0], id, "OrderPlaced.v2", "00000000000000000001", "1");
    check_header(&seen->records[0], 10, "traceparent", trace);
    check_record(&seen->records[1], id, "OrderAddressChanged.v1", "00000000000000000002", "2");
    ck_assert_uint_eq(seen->records[1].header_count, 10);
    ck_ok(tb_log_inproc_high_sequence(on.log, tb_store_epoch(f.store), &sequence, &err));
    ck_assert_int_eq(sequence, 2);

    /* An idle relay lets the log keep what its readers have committed, once. */
    ck_ok(on.reader->ops->commit(on.reader, seen->records[0].partition, 2, &err));
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

    relay_log_close(&on);
    tb_arena_release(&seen->arena);
    free(seen);
}
END_TEST

static void *run_relay(void *arg)
{
    tb_relay_run(arg);
    return NULL;
}

/* No wake-up is lost, whenever it comes. The next order is placed only when the last one is in the
 * log, at once or some milliseconds later. Without wake-ups the relay would find the orders too,
 * after TB_RELAY_IDLE_MS each, but then this test would not end before its time-out. */
START_TEST(a_wake_is_never_lost)
{
    enum { ORDERS = 300 };
    struct tb_error err = {0};
    struct relay_log on = {0};
    struct tb_relay_options options = {.node = "till1",
                                       .cursor_name = TB_CURSOR_INPROC,
                                       .outbox = outbox,
                                       .clock = &tb_clock_system,
                                       .random = &tb_random_system};
    pthread_t thread;

    relay_log_open(&on, &tb_clock_system);
    tb_relay_free(relay);
    options.writer = on.writer;
    ck_ok(tb_relay_new(&options, &relay, &err));
    ck_assert_int_eq(pthread_create(&thread, NULL, run_relay, relay), 0);
    for (int i = 0; i < ORDERS; i++) {
        struct tb_log_batch batch;

        usleep((useconds_t)fake_random_below(&script.random, 2) * 4000);
        fixture_place(&f, NULL);
        tb_relay_wake(relay);
        ck_ok(on.reader->ops->poll(on.reader, 10, -1, &batch, &err));
        ck_assert_uint_eq(batch.count, 1);
    }
    tb_relay_stop(relay);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(tb_relay_sent(relay), ORDERS);
    relay_log_close(&on);
}
END_TEST
int main(void)
{
    Suite *suite = suite_create("relay_inproc");
    TCase *tc = tcase_create("threads"), *files = tcase_create("files");

    tcase_add_checked_fixture(tc, relay_setup, relay_teardown);
    tcase_add_test(tc, a_wake_is_never_lost);
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(files, relay_setup_with_faults, relay_teardown);
    tcase_add_test(files, records_are_cloud_events);
    suite_add_tcase(suite, files);
    return test_main(suite);
}

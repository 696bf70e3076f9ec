/* Goal: whatever the disk does, the view's rows, dead letters and offsets belong together, and
 * reading on from its offsets ends in the fold of the log.
 * Method: a consumer reads a small log into a view, and each call that changes a file is broken in
 * turn: the power goes, or the call fails and the consumer continues. */
#include "base/sqlite/db_priv.h"
#include "query/consumer/consumer.h"
#include "query/doubles/fake_log.h"
#include "query/doubles/history.h"
#include "query/sqlite/view_sqlite_priv.h"
#include "support/fault_vfs.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

/* Small enough that the scenario checkpoints several times. */
#define WAL_PAGES 8
/* Of the changes after a sync so many, which is more than the next checkpoint, one in STRIDE. */
#define CUTS_WITHIN 60
#define STRIDE 4

static struct fixture {
    char dir[128], path[160];
    struct fake_clock clock;
    struct fake_random fake;
    struct fake_log log;
    struct history history;
    struct tb_view *view; /* NULL: could not be opened */
    struct tb_consumer *consumer;
    int64_t durable[TEST_PARTITIONS]; /* as reported */
} f;

static void fresh_folder(void)
{
    tmpdir_make(f.dir);
    snprintf(f.path, sizeof f.path, "%s/view.db", f.dir);
}

static void setup(void)
{
    memset(&f, 0, sizeof f);
    fault_vfs_install();
    fresh_folder();
    fake_clock_init(&f.clock, HISTORY_START_MS);
    fake_random_init(&f.fake, 5);
    fake_log_init(&f.log, &f.fake);
    history_make(&f.history, &f.fake, &(struct history_options){8, 30, 5});
    for (size_t i = 0; i < f.history.record_count; i++)
        fake_log_add(&f.log, &f.history.records[i]);
    f.log.batch_max = 4;
}

static void teardown(void)
{
    fake_log_release(&f.log);
    history_release(&f.history);
    fault_vfs_uninstall();
    tmpdir_remove(f.dir);
}

/* Begins the same scenario again with an empty disk. */
static void start_over(void)
{
    fault_vfs_uninstall();
    tmpdir_remove(f.dir);
    fault_vfs_install();
    fresh_folder();
    fake_random_init(&f.fake, 6);
}

static void on_durable(void *ctx, int32_t partition, int64_t next)
{
    (void)ctx;
    f.durable[partition] = next;
}

static bool open_view(void)
{
    struct tb_consumer_options options = {
        .reader = &f.log.reader,
        .clock = &f.clock.clock,
        .random = &f.fake.random,
        .partitions = TEST_PARTITIONS,
        .rules = {.currency = "EUR"},
        .dead_letter_keep_ms = 1000,
        .on_durable = on_durable,
    };
    struct tb_error err = {0};

    if (tb_view_sqlite_open(f.path, &f.view, &err) != TB_OK)
        return false;
    tb_db_set_checkpoint_pages(((struct tb_view_sqlite *)f.view)->db, WAL_PAGES);
    options.view = f.view;
    fake_log_reopen(&f.log);
    ck_ok(tb_consumer_new(&options, &f.consumer, &err));
    return true;
}

static void close_view(void)
{
    tb_consumer_free(f.consumer);
    f.consumer = NULL;
    if (f.view)
        f.view->ops->free(f.view);
    f.view = NULL;
}

static bool drained(void)
{
    struct tb_error err = {0};

    for (int32_t p = 0; p < TEST_PARTITIONS; p++) {
        int64_t next = -1;

        if (f.view->ops->offset(f.view, p, &next, &err) != TB_OK ||
            (f.log.counts[p] > 0 && next != (int64_t)f.log.counts[p]))
            return false;
    }
    return true;
}

static void read_on(void)
{
    for (int steps = 0; f.consumer && !drained() && !fault_vfs_power_is_off(); steps++) {
        ck_assert_int_lt(steps, 3000);
        (void)tb_consumer_step(f.consumer, 0);
    }
}

static void scenario(void)
{
    if (open_view())
        read_on();
    close_view();
}

/* Computes the orders and dead letters after the first `count` records of a partition. */
static int64_t fold(int32_t partition, int64_t count, const char *order_id, int64_t *letters)
{
    int64_t version = 0;

    for (int64_t i = 0; i < count; i++) {
        const struct tb_record *record = &f.log.records[partition][i];
        struct tb_str told = tb_record_header(record, "ce_orderversion");
        int64_t next = told.ptr[0] - '0';

        if (!tb_str_eq(record->key, tb_str_of(order_id)))
            continue;
        ck_assert_uint_eq(told.len, 1);
        if (next == version + 1)
            version = next;
        else if (next > version)
            ++*letters;
    }
    return version;
}

static void check_order(struct tb_view_reader *reader, const struct history_order *order,
                        int64_t version)
{
    struct tb_buf doc = {0};
    struct tb_error err = {0};
    int64_t found = 0;
    enum tb_code code =
        reader->ops->get(reader, tb_str_of(order->order.order_id), &doc, &found, &err);

    ck_assert_int_eq(code, version == 0 ? TB_NOT_FOUND : TB_OK);
    ck_assert_int_eq(found, version);
    if (version > 0)
        ck_assert(tb_str_eq(tb_buf_str(&doc), order->docs[version]));
    tb_buf_release(&doc);
}

static void check_sound(void)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    struct tb_db *db = ((struct tb_view_sqlite *)f.view)->db;
    struct tb_error err = {0};
    bool row = false;

    ck_ok(tb_stmt_prepare(&stmt, db, "PRAGMA integrity_check", &err));
    ck_ok(tb_stmt_step(&stmt, &row, &err));
    ck_assert(row && tb_str_eq(tb_stmt_text(&stmt, 0), TB_STR("ok")));
}

/* Every order and letter is what the records in front of the offsets make of them: rows and
 * offsets have survived together or not at all. */
static void check_together(void)
{
    struct tb_view_reader *reader = NULL;
    struct tb_error err = {0};
    int64_t letters = 0, found = -1;

    check_sound();
    ck_ok(tb_view_sqlite_reader(f.path, &reader, &err));
    for (size_t i = 0; i < f.history.order_count; i++) {
        const struct history_order *order = &f.history.orders[i];
        int32_t p = tb_log_partition(tb_str_of(order->order.order_id), TEST_PARTITIONS);
        int64_t next = -1;

        ck_ok(reader->ops->offset(reader, p, &next, &err));
        check_order(reader, order, fold(p, next, order->order.order_id, &letters));
    }
    ck_ok(reader->ops->count_dead_letters(reader, &found, &err));
    ck_assert_int_eq(found, letters);
    reader->ops->free(reader);
}

static void check_survivors(void)
{
    ck_assert(open_view());
    check_together();
    read_on();
    ck_assert(drained());
    check_together();
    close_view();
}

static int64_t calls_of_a_run(unsigned kinds)
{
    int64_t before;

    start_over();
    before = fault_vfs_calls(kinds);
    scenario();
    return fault_vfs_calls(kinds) - before;
}

/* The log may remove records before a durable offset, so no power cut may undo them in the view.
 */
START_TEST(reported_durable_offsets_survive_a_power_loss)
{
    struct tb_error err = {0};
    int64_t next = -1, sum = 0;

    ck_assert(open_view());
    tb_db_set_checkpoint_pages(((struct tb_view_sqlite *)f.view)->db,
                               1000); /* it would sync as well */
    for (int i = 0; i < 5; i++)
        (void)tb_consumer_step(f.consumer, 0);
    fake_clock_advance(&f.clock, 3600000);
    (void)tb_consumer_step(f.consumer, 0);
    fault_vfs_cut_power_now(FAULT_CUT_DROP, test_seed(1));
    close_view();
    fault_vfs_reboot();
    ck_assert(open_view());
    for (int32_t p = 0; p < TEST_PARTITIONS; p++) {
        ck_ok(f.view->ops->offset(f.view, p, &next, &err));
        ck_assert_int_ge((next < 0 ? 0 : next), f.durable[p]);
        sum += f.durable[p];
    }
    ck_assert_int_gt(sum, 0);
    close_view();
}
END_TEST

START_TEST(power_cut_at_every_change)
{
    enum fault_cut how = (enum fault_cut)_i;
    int64_t changes = calls_of_a_run(FAULT_CHANGES);
    uint64_t seed = test_seed((uint64_t)_i + 1);

    ck_assert_int_gt(changes, 60);
    for (int64_t at = 1; at <= changes; at++) {
        start_over();
        fault_vfs_cut_power(at, how, seed + (uint64_t)at);
        scenario();
        ck_assert(fault_vfs_power_is_off());
        fault_vfs_reboot();
        fault_vfs_heal();
        check_survivors();
    }
}
END_TEST

/* The sync that fails is that of the WAL before a checkpoint, or of the file after it; nobody is
 * told. Then the process goes on, or dies, and the power goes at the cut_at-th change. */
static void fail_a_sync(int64_t fail_at, int64_t cut_at, bool dies, uint64_t seed)
{
    start_over();
    ck_assert(open_view());
    fault_vfs_fail(FAULT_SYNC, fail_at, SQLITE_IOERR_FSYNC, /* forever= */ false, seed);
    while (fault_vfs_failures() == 0 && !drained())
        (void)tb_consumer_step(f.consumer, 0);
    if (dies) {
        fault_vfs_fail(FAULT_ALL, 1, SQLITE_IOERR, /* forever= */ true, seed);
        close_view();
        fault_vfs_heal();
    }
    fault_vfs_cut_power(cut_at, (enum fault_cut)(seed % FAULT_CUT_COUNT), seed);
    if (f.view || open_view())
        read_on();
    fault_vfs_cut_power_now(FAULT_CUT_DROP, seed);
    close_view();
    fault_vfs_reboot();
    check_survivors();
}

START_TEST(a_failed_sync_before_a_power_loss)
{
    uint64_t seed = test_seed((uint64_t)_i * 7919);
    int64_t syncs;

    f.log.batch_max = 1; /* more commits */
    syncs = calls_of_a_run(FAULT_SYNC);
    ck_assert_int_gt(syncs, 10);
    for (int64_t fail_at = 1; fail_at <= syncs; fail_at++)
        for (int64_t cut_at = 1 + fail_at % STRIDE; cut_at <= CUTS_WITHIN; cut_at += STRIDE)
            fail_a_sync(fail_at, cut_at, /* dies= */ _i % 2, seed + (uint64_t)(fail_at + cut_at));
}
END_TEST

static const struct {
    unsigned kinds;
    int code;
} faults[] = {
    {FAULT_WRITE, SQLITE_FULL},
    {FAULT_WRITE, SQLITE_IOERR_WRITE},
    {FAULT_READ, SQLITE_IOERR_READ},
    {FAULT_SYNC, SQLITE_IOERR_FSYNC},
};

/* The process goes on, and the consumer tries the same plan until it is written. */
START_TEST(a_failed_call_does_not_stop_the_consumer)
{
    int64_t calls = calls_of_a_run(faults[_i].kinds);

    for (int64_t at = 1; at <= calls; at++) {
        start_over();
        fault_vfs_fail(faults[_i].kinds, at, faults[_i].code, /* forever= */ false, 1);
        if (open_view()) {
            read_on();
            ck_assert(drained());
        }
        close_view();
        fault_vfs_heal();
        check_survivors();
    }
}
END_TEST

static void idle_until(int hour)
{
    fake_clock_init(&f.clock,
                    HISTORY_START_MS); /* the wall clock stands still, so nothing expires */
    f.clock.mono_us += hour * INT64_C(3600000000);
    (void)tb_consumer_step(f.consumer, 0);
}

/* Without records the consumer syncs the view once, and then writes no file for hours. */
START_TEST(an_idle_consumer_writes_nothing)
{
    int64_t before;

    ck_assert(open_view());
    read_on();
    idle_until(1);
    before = fault_vfs_changes();
    for (int hour = 2; hour < 50; hour++)
        idle_until(hour);
    ck_assert_int_eq(fault_vfs_changes(), before);
    close_view();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/view_sqlite_fault");
    TCase *tc = tcase_create("faults");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, reported_durable_offsets_survive_a_power_loss);
    tcase_add_loop_test(tc, power_cut_at_every_change, 0, FAULT_CUT_COUNT);
    tcase_add_loop_test(tc, a_failed_sync_before_a_power_loss, 0, 2);
    tcase_add_loop_test(tc, a_failed_call_does_not_stop_the_consumer, 0,
                        (int)(sizeof faults / sizeof *faults));
    tcase_add_test(tc, an_idle_consumer_writes_nothing);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

/* Goal: records that the in-process log acknowledged survive any disk fault, committed offsets
 * never pass the records, and the log works again after the fault. Method: one scenario of
 * batches, offset commits and retention, with a fault at each of its calls in turn: the call
 * fails, or the power fails and unsynced writes are lost, kept, torn or reordered.
 */
#include "base/sqlite/db_priv.h"
#include "bridge/log/inproc/inproc_priv.h"
#include "bridge/log/log_tools.h"
#include "support/fault_vfs.h"
#include "support/support.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GROUP "view"
#define RECORDS_MAX 400
/* Small enough that the scenario checkpoints by itself several times. */
#define WAL_PAGES 8

static struct {
    char dir[128], path[160];
    struct fake_clock clock;
    struct tb_log_inproc *log; /* NULL: could not be opened */
    struct tb_log_writer *writer;
    struct tb_log_reader *reader; /* NULL while alone */
    bool alone;                   /* the writer's is the only connection */
    bool mends;                   /* the fault ends in the middle of the scenario */
} f;

/* What the log must contain: record i has the value "i". */
static struct {
    int appended;
    bool acknowledged[RECORDS_MAX];
    bool removable[RECORDS_MAX]; /* read, committed and expired */
    int acknowledgements;
} model;

static void setup(void)
{
    memset(&model, 0, sizeof model);
    memset(&f, 0, sizeof f);
    fault_vfs_install();
    tmpdir_make(f.dir);
    snprintf(f.path, sizeof f.path, "%s/log.db", f.dir);
    fake_clock_init(&f.clock, 1700000000000);
}

static void close_log(void)
{
    if (f.reader)
        f.reader->ops->free(f.reader);
    if (f.writer)
        f.writer->ops->free(f.writer);
    tb_log_inproc_free(f.log);
    f.reader = NULL;
    f.writer = NULL;
    f.log = NULL;
}

static void teardown(void)
{
    close_log();
    fault_vfs_uninstall();
    tmpdir_remove(f.dir);
}

static bool open_log(void)
{
    struct tb_error err = {0};

    if (tb_log_inproc_open(f.path, &f.clock.clock, &f.log, &err) == TB_OK &&
        tb_log_inproc_writer(f.log, &f.writer, &err) == TB_OK &&
        (f.alone || tb_log_inproc_reader(f.log, GROUP, &f.reader, &err) == TB_OK)) {
        tb_db_set_checkpoint_pages(f.log->db, WAL_PAGES);
        return true;
    }
    close_log();
    return false;
}

static void take_acks(void)
{
    struct tb_log_ack acks[64];
    struct tb_error err = {0};
    size_t n = 0;

    if (f.writer->ops->poll(f.writer, 0, acks, 64, &n, &err) != TB_OK)
        return;
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(acks[i].code, TB_OK);
        model.acknowledged[acks[i].tag] = true;
        model.acknowledgements++;
    }
}

/* A record that could not be appended or is unknown is not sent again: each has its own value. */
static void put_batch(int count)
{
    static char padding[900];
    struct tb_error err = {0};

    memset(padding, 'p', sizeof padding);
    for (int i = 0; i < count; i++) {
        int number = model.appended++;
        char key[16], value[16], sequence[24];
        const struct tb_header headers[] = {
            {TB_STR("ce_epoch"), TB_STR("0123456789abcdef")},
            {TB_STR("ce_sequence"), {sequence, 20}},
            {TB_STR("padding"), {padding, sizeof padding}},
        };
        struct tb_record record = {.headers = headers, .header_count = 3};

        ck_assert_int_lt(number, RECORDS_MAX);
        snprintf(key, sizeof key, "k%d", number % 7);
        snprintf(value, sizeof value, "%d", number);
        snprintf(sequence, sizeof sequence, "%020d", number);
        record.key = tb_str_of(key);
        record.value = tb_str_of(value);
        if (f.writer->ops->append(f.writer, &record, number, &err) != TB_OK)
            break;
    }
    take_acks();
}

/* A reader sees acknowledged and unknown records only, and commits what it saw. */
static void read_and_commit(void)
{
    struct tb_error err = {0};

    for (int i = 0; i < 20 && f.reader; i++) {
        struct tb_log_batch batch;

        if (f.reader->ops->poll(f.reader, 10, 0, &batch, &err) != TB_OK || batch.count == 0)
            return;
        for (size_t r = 0; r < batch.count; r++)
            model.removable[atoi(batch.records[r].value.ptr)] = true;
        ck_ok(f.reader->ops->commit(f.reader, batch.partition,
                                    batch.records[batch.count - 1].offset + 1, &err));
    }
}

static void idle(void)
{
    fake_clock_advance(&f.clock, 2000);
    take_acks();
}

static void expire(void)
{
    struct tb_error err = {0};
    int64_t removed = 0;

    if (f.alone) /* with no group to wait for it would remove everything */
        return;
    tb_log_inproc_allow_removal(f.log, INT64_MAX);
    (void)!tb_inproc_mark_end(f.log, &err);
    (void)!tb_inproc_remove_expired(f.log, INT64_MAX, 15, &removed, &err);
}

static void scenario(void)
{
    if (!open_log())
        return;
    put_batch(1);
    put_batch(12);
    read_and_commit();
    put_batch(3);
    idle();
    expire();
    if (f.mends)
        fault_vfs_heal();
    put_batch(20);
    if (f.mends) /* before a clean end would write everything anew */
        return;
    read_and_commit();
    idle();
    close_log();
    if (!open_log())
        return;
    put_batch(5);
    read_and_commit();
    expire();
    put_batch(1);
    read_and_commit();
}

static int64_t query(const char *sql)
{
    struct tb_error err = {0};
    int64_t value = -1;

    ck_ok(tb_db_query_int64(f.log->db, sql, &value, &err));
    return value;
}

static void check_records(bool present[RECORDS_MAX], int64_t *highest)
{
    struct tb_log_range range = tb_log_inproc_range(f.log, GROUP);
    struct tb_error err = {0};
    struct tb_log_batch batch;
    int64_t expected;

    ck_assert_int_le(range.committed, range.end);
    if (range.committed >= 0)
        ck_assert_int_ge(range.committed, range.begin);
    ck_ok(f.reader->ops->seek(f.reader, 0, range.begin, &err));
    expected = range.begin;
    while (expected < range.end) {
        ck_ok(f.reader->ops->poll(f.reader, 100, 0, &batch, &err));
        for (size_t i = 0; i < batch.count; i++) {
            int number = atoi(batch.records[i].value.ptr);

            ck_assert_int_eq(batch.records[i].offset, expected++);
            ck_assert(!present[number]);
            present[number] = true;
            if (number > *highest)
                *highest = number;
        }
    }
}

/* The file is sound, offsets have no hole, every acknowledged record is there or was removed by
 * retention, and the log works. */
static void check_log(void)
{
    bool present[RECORDS_MAX] = {false};
    struct tb_error err = {0};
    int64_t sequence = -1, highest = 0;

    f.alone = false;
    ck_assert(open_log());
    ck_assert_int_eq(
        query("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
    check_records(present, &highest);
    for (int i = 0; i < model.appended; i++) {
        if (model.acknowledged[i])
            ck_assert_msg(present[i] || model.removable[i], "record %d is lost", i);
    }
    ck_ok(tb_log_inproc_high_sequence(f.log, "0123456789abcdef", &sequence, &err));
    ck_assert_int_ge(sequence, highest);

    /* The log works as if there had been no fault. */
    int before = model.acknowledgements;
    put_batch(9);
    ck_assert_int_eq(model.acknowledgements, before + 9);
}

static int64_t calls_of_a_run(unsigned kinds)
{
    int64_t before = fault_vfs_calls(kinds);

    scenario();
    ck_assert_int_eq(model.acknowledgements, 42);
    ck_assert(f.alone || model.removable[0]);
    close_log();
    return fault_vfs_calls(kinds) - before;
}

static void start_over(void)
{
    teardown();
    setup();
}

/* The power fails at every call that changes a file, and again while the log is opened and checked
 * after that. */
START_TEST(power_cut_at_every_change)
{
    enum fault_cut how = (enum fault_cut)_i;
    int64_t changes = calls_of_a_run(FAULT_CHANGES);
    uint64_t seed = test_seed((uint64_t)_i + 1);

    ck_assert_int_gt(changes, 50);
    for (int64_t at = 1; at <= changes; at++) {
        start_over();
        fault_vfs_cut_power(at, how, seed + (uint64_t)at);
        scenario();
        close_log();
        ck_assert(fault_vfs_power_is_off());
        fault_vfs_reboot();
        if (at % 3 == 0) { /* a second cut, in the middle of the recovery */
            fault_vfs_cut_power(1 + at % 7, how, seed + (uint64_t)at);
            if (open_log())
                put_batch(4);
            close_log();
            if (fault_vfs_power_is_off())
                fault_vfs_reboot();
        }
        fault_vfs_heal();
        check_log();
    }
}
END_TEST

static const struct {
    const char *name;
    unsigned kinds;
    int code;
    bool forever, mends;
} faults[] = {
    {"a write fails", FAULT_WRITE, SQLITE_IOERR_WRITE, false, false},
    {"the disk is full", FAULT_WRITE, SQLITE_FULL, false, false},
    {"the disk stays full", FAULT_WRITE, SQLITE_FULL, true, false},
    {"a sync fails", FAULT_SYNC, SQLITE_IOERR_FSYNC, false, false},
    {"syncs fail for a while", FAULT_SYNC, SQLITE_IOERR_FSYNC, true, true},
    {"a read fails", FAULT_READ, SQLITE_IOERR_READ, false, false},
    {"everything fails from here", FAULT_ALL, SQLITE_IOERR, true, false},
};

/* A call fails: then the process goes on, or the power goes too right at the end. After a failed
 * sync the pages it was for are gone though memory still shows them: nothing that is acknowledged
 * afterwards may stand on them. Alone, the log reads its file anew when it opens it again; with a
 * reader beside it the shared index still shows what was committed. */
static void break_calls(int which, bool alone, int64_t calls)
{
    uint64_t seed = test_seed((uint64_t)which + 1);

    for (int64_t at = 1; at <= calls; at++) {
        start_over();
        f.alone = alone;
        f.mends = faults[which].mends;
        fault_vfs_fail(faults[which].kinds, at, faults[which].code, faults[which].forever,
                       seed + (uint64_t)at);
        scenario();
        if (alone || at % 2 == 0)
            fault_vfs_cut_power_now(FAULT_CUT_DROP, seed + (uint64_t)at);
        close_log();
        if (fault_vfs_power_is_off())
            fault_vfs_reboot();
        fault_vfs_heal();
        check_log();
    }
}

START_TEST(a_call_fails)
{
    break_calls(_i, /* alone= */ false, calls_of_a_run(faults[_i].kinds));
}
END_TEST

START_TEST(a_call_fails_alone)
{
    f.alone = true;
    break_calls(_i, /* alone= */ true, calls_of_a_run(faults[_i].kinds));
}
END_TEST

/* A sync fails and the process dies without closing the file. The next process reads from the page
 * cache what never reached the disk. If it acknowledges a record and then the power fails, the
 * record must still be there. */
START_TEST(failed_sync_outlives_the_process)
{
    uint64_t seed = test_seed((uint64_t)_i + 1);

    ck_assert(open_log());
    tb_db_set_checkpoint_pages(f.log->db, 1); /* so that what follows begins a new WAL */
    put_batch(3);
    read_and_commit(); /* a reader that has the file open keeps the WAL from being removed */
    /* That of a new WAL's header, or that of the records. */
    fault_vfs_fail(FAULT_SYNC, 1 + _i % 2, SQLITE_IOERR_FSYNC, /* forever= */ false, seed);
    put_batch(3);
    ck_assert_int_eq(model.acknowledgements, 3);
    fault_vfs_fail(FAULT_ALL, 1, SQLITE_IOERR, /* forever= */ true, seed);
    close_log();
    fault_vfs_heal();
    ck_assert(open_log());
    tb_db_set_checkpoint_pages(f.log->db, 1000); /* a checkpoint would write everything anew */
    put_batch(3);
    ck_assert_int_eq(model.acknowledgements, 6);
    fault_vfs_cut_power_now(FAULT_CUT_DROP, seed);
    close_log();
    fault_vfs_reboot();
    check_log();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log_inproc_fault");
    TCase *tc = tcase_create("faults");

    /* The disk is made up: the real one need not be waited for. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", /* overwrite= */ 0);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, power_cut_at_every_change, 0, FAULT_CUT_COUNT);
    tcase_add_loop_test(tc, a_call_fails, 0, sizeof faults / sizeof *faults);
    tcase_add_loop_test(tc, a_call_fails_alone, 0, sizeof faults / sizeof *faults);
    tcase_add_loop_test(tc, failed_sync_outlives_the_process, 0, 20);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

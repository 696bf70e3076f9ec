/* Promise: a failed sync undoes nothing that is acknowledged after it, in the process that saw it
 * fail and in the next one; and an order that clients were told does not exist never appears
 * later. Method: each sync of some orders fails in turn, then the process dies; or a reader's
 * snapshot of the WAL hides from the writer what its failed commit has left there. */
#include "base/sqlite/db_priv.h"
#include "store/fixture.h"
#include "store/writer_priv.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Pages of the WAL: so few that some orders cause a checkpoint. */
#define WAL_PAGES 12
#define ORDERS_BEFORE 6
#define ORDERS_AFTER 3
/* Only every STRIDEth change after a failed sync is cut; several syncs together cover all. */
#define STRIDE 3

static struct fixture f;
static struct {
    char id[TB_UUID_SIZE];
    bool acked;
} told[ORDERS_BEFORE + ORDERS_AFTER];
static int told_count;

static void setup(void)
{
    memset(told, 0, sizeof told);
    told_count = 0;
    fixture_init(&f);
}

static void teardown(void)
{
    fixture_release(&f);
}

static bool open_store(void)
{
    struct tb_error err = {0};

    if (fixture_try_open(&f, &err) != TB_OK) {
        tb_store_free(f.store); /* NULL but when there was no writer for it */
        f.store = NULL;
        return false;
    }
    tb_db_set_checkpoint_pages(f.store->db, WAL_PAGES);
    return true;
}

/* Ends as if the process were killed: closing changes nothing on the disk. */
static void die(void)
{
    fault_vfs_fail(FAULT_ALL, 1, SQLITE_IOERR, /* forever= */ true, 1);
    fixture_close(&f);
    fault_vfs_heal();
}

static int place(void)
{
    struct request r;
    int status;

    snprintf(told[told_count].id, TB_UUID_SIZE, "01890000-0000-7000-8000-%012d", told_count);
    request_place(&r, told[told_count].id, NULL, 1);
    fixture_run(&f, &r);
    status = r.job.answer.status;
    told[told_count++].acked = status == 201;
    request_release(&r);
    return status;
}

static int64_t orders_like(const char *id)
{
    char sql[120];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM orders WHERE order_id = '%.36s'", id);
    return fixture_query(&f, sql);
}

static void check_survivors(void)
{
    fixture_close(&f);
    fault_vfs_reboot();
    fixture_open(&f);
    fixture_check_consistent(&f);
    for (int i = 0; i < told_count; i++)
        ck_assert_msg(!told[i].acked || orders_like(told[i].id) == 1, "order %d is lost", i);
    fixture_place(&f, NULL);
}

/* The fail_at-th sync fails and the process dies; the power is cut at the cut_at-th change of the
 * next process, or after that has taken some orders. */
static void die_of_a_failed_sync(int64_t fail_at, int64_t cut_at)
{
    uint64_t seed = test_seed(1) + (uint64_t)(fail_at * 1000 + cut_at);

    ck_assert(open_store());
    fault_vfs_fail(FAULT_SYNC, fail_at, SQLITE_IOERR_FSYNC, /* forever= */ false, seed);
    while (fault_vfs_failures() == 0)
        (void)place();
    die();
    fault_vfs_cut_power(cut_at, (enum fault_cut)(seed % FAULT_CUT_COUNT), seed);
    for (int i = 0; i < ORDERS_AFTER && (f.writer || open_store()); i++)
        (void)place();
    fault_vfs_cut_power_now(FAULT_CUT_DROP, seed);
    check_survivors();
}

START_TEST(the_process_dies_after_a_failed_sync)
{
    int64_t changes, syncs;

    ck_assert(open_store());
    syncs = fault_vfs_calls(FAULT_SYNC);
    for (int i = 0; i < ORDERS_BEFORE; i++)
        ck_assert_int_eq(place(), 201);
    syncs = fault_vfs_calls(FAULT_SYNC) - syncs;
    die();
    changes = fault_vfs_changes();
    ck_assert(open_store());
    for (int i = 0; i < ORDERS_AFTER; i++)
        ck_assert_int_eq(place(), 201);
    changes = fault_vfs_changes() - changes;
    ck_assert_int_gt(syncs, ORDERS_BEFORE);
    for (int64_t fail_at = 1; fail_at <= syncs; fail_at++) {
        for (int64_t cut_at = 1 + fail_at % STRIDE; cut_at <= changes + STRIDE; cut_at += STRIDE) {
            teardown();
            setup();
            die_of_a_failed_sync(fail_at, cut_at);
        }
    }
}
END_TEST

/* Does a change of the order find it? */
static int ship(const char *id)
{
    struct request r;
    int status;

    fake_clock_advance(&f.clock, TB_WRITER_REOPEN_CAP_MS);
    request_change(&r, TB_CMD_SHIP, id, NULL, 1);
    fixture_run(&f, &r);
    status = r.job.answer.status;
    request_release(&r);
    return status;
}

/* The commit of the second order fails, but leaves complete frames in the WAL, behind the end that
 * the reader's index has. The client is then told that there is no such order, and may place
 * another: the first must never appear. */
START_TEST(an_unknown_commit_never_appears_later)
{
    struct tb_error err = {0};
    struct tb_outbox_reader *reader = NULL;
    int64_t row = 0;
    bool power_cut = _i % 2;

    fixture_open(&f);
    ck_assert_int_eq(place(), 201);
    ck_ok(tb_outbox_reader_open(f.path, &reader, &err));
    ck_ok(tb_outbox_cursor(reader, TB_CURSOR_INPROC, &row, &err));
    fault_vfs_fail(FAULT_SYNC, 1, SQLITE_IOERR_FSYNC, /* forever= */ false, (uint64_t)_i);
    ck_assert_int_eq(place(), 503);
    ck_assert_int_eq(ship(told[1].id), 404);
    if (power_cut) {
        fault_vfs_cut_power_now(FAULT_CUT_DROP, (uint64_t)_i);
        tb_outbox_reader_free(reader);
        fixture_close(&f);
        fault_vfs_reboot();
    } else {
        fault_vfs_fail(FAULT_ALL, 1, SQLITE_IOERR, /* forever= */ true, 1);
        tb_outbox_reader_free(reader);
        fixture_close(&f);
        fault_vfs_heal();
    }
    fixture_open(&f);
    ck_assert_int_eq(orders_like(told[0].id), 1);
    ck_assert_int_eq(orders_like(told[1].id), 0);
    fixture_check_consistent(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/reopen");
    TCase *tc = tcase_create("reopen");

    /* The disk is simulated, so the files can be in memory. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", /* overwrite= */ 0);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, the_process_dies_after_a_failed_sync);
    tcase_add_loop_test(tc, an_unknown_commit_never_appears_later, 0, 10);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

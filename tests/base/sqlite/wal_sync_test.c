/* Promise: after a failed sync, later durable commits survive a power cut, and so does everything
 * that a process finds when it opens the file; a failed sync never damages a file. That holds in
 * the process that saw the failure as well as in the next one. Method: rows are committed one at a
 * time, and each sync fails in turn. Then the process goes on, or it dies and another one opens
 * the file; and the power is cut at each change that follows. */
#include "base/sqlite/db_priv.h"
#include "support/fault_vfs.h"
#include "support/support.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Pages of the WAL: so few that both halves of the scenario checkpoint. */
#define WAL_PAGES 8
#define ROWS_BEFORE 8
#define ROWS_AFTER 4

static struct {
    char dir[128], path[160];
    struct tb_db *db;     /* NULL while closed */
    struct tb_db *reader; /* NULL: none */
    int64_t tried, acked; /* rows; acked: the last one whose commit succeeded */
    int64_t seen;         /* rows found when the file was opened again */
} f;

enum then { GOES_ON, REOPENS, REOPENS_BESIDE_A_READER, DIES, THEN_COUNT };

static void setup(void)
{
    memset(&f, 0, sizeof f);
    fault_vfs_install();
    tmpdir_make(f.dir);
    snprintf(f.path, sizeof f.path, "%s/t.db", f.dir);
}

static void teardown(void)
{
    tb_db_close(f.reader);
    tb_db_close(f.db);
    fault_vfs_uninstall();
    tmpdir_remove(f.dir);
}

static bool open_db(enum tb_db_mode mode)
{
    struct tb_error err = {0};

    return tb_db_open(f.path, mode, WAL_PAGES, &f.db, &err) == TB_OK &&
           tb_db_exec(f.db,
                      "CREATE TABLE IF NOT EXISTS rows(id INTEGER PRIMARY KEY, filler TEXT);"
                      "CREATE INDEX IF NOT EXISTS fillers ON rows(filler, id)",
                      &err) == TB_OK &&
           tb_db_mark_wal(f.db, &err) == TB_OK;
}

static void close_db(void)
{
    tb_db_close(f.reader);
    tb_db_close(f.db);
    f.reader = f.db = NULL;
}

/* Ends as if the process were killed: closing the connection changes nothing on the disk. */
static void die(void)
{
    fault_vfs_fail(FAULT_ALL, 1, SQLITE_IOERR, /* forever= */ true, 1);
    close_db();
    fault_vfs_heal();
}

/* Commits one row with some pages of content; the number rises only after a commit. */
static bool put_row(void)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_error err = {0};
    char sql[200];

    snprintf(sql, sizeof sql,
             "INSERT INTO rows VALUES((SELECT coalesce(max(id), 0) + 1 FROM rows),"
             " hex(zeroblob(900 + %d)))",
             (int)(f.tried++ % 7) * 300);
    if (tb_txn_begin(&txn, f.db, &err) != TB_OK || tb_db_exec(f.db, sql, &err) != TB_OK)
        return false;
    int64_t row = tb_db_last_insert_rowid(f.db);
    if (tb_txn_commit(&txn, &err) != TB_OK)
        return false;
    f.acked = row;
    return true;
}

/* Opens a second connection of the process, so that its index of the WAL stays in memory. */
static void open_reader(void)
{
    struct tb_error err = {0};
    int64_t count = 0;

    ck_ok(tb_db_open(f.path, TB_DB_READER, 0, &f.reader, &err));
    ck_ok(tb_db_query_int64(f.reader, "SELECT count(*) FROM rows", &count, &err));
}

static int64_t number(const char *sql)
{
    struct tb_error err = {0};
    int64_t value = -1;

    ck_ok(tb_db_query_int64(f.db, sql, &value, &err));
    return value;
}

/* The second half: the process goes on with the file, or opens it again. */
static void put_more(enum tb_db_mode mode, enum then then)
{
    if (then == REOPENS || then == REOPENS_BESIDE_A_READER) {
        tb_db_close(f.db);
        f.db = NULL;
    }
    if (!f.db) {
        if (!open_db(mode))
            return;
        f.seen = number("SELECT count(*) FROM rows");
    }
    for (int i = 0; i < ROWS_AFTER; i++)
        (void)put_row();
}

/* The fail_at-th sync fails, which ends the first half, and the power goes at the cut_at-th change
 * of the second, or at its end. */
static void scenario(enum tb_db_mode mode, enum then then, int64_t fail_at, int64_t cut_at,
                     uint64_t seed)
{
    ck_assert(open_db(mode));
    if (then == REOPENS_BESIDE_A_READER)
        open_reader();
    fault_vfs_fail(FAULT_SYNC, fail_at, SQLITE_IOERR_FSYNC, /* forever= */ false, seed);
    while (fault_vfs_failures() == 0)
        (void)put_row();
    if (then == DIES)
        die();
    fault_vfs_cut_power(cut_at, (enum fault_cut)(seed % FAULT_CUT_COUNT), seed);
    put_more(mode, then);
    fault_vfs_cut_power_now(FAULT_CUT_DROP, seed);
}

static void check_survivors(enum tb_db_mode mode)
{
    close_db();
    fault_vfs_reboot();
    ck_assert(open_db(mode));
    ck_assert_int_eq(
        number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
    ck_assert_int_eq(number("SELECT coalesce(max(id), 0) - count(*) FROM rows"), 0);
    ck_assert_int_ge(number("SELECT count(*) FROM rows"), f.seen);
    if (mode == TB_DB_DURABLE)
        ck_assert_int_ge(number("SELECT count(*) FROM rows"), f.acked);
    ck_assert(put_row());
}

static void start_over(void)
{
    teardown();
    setup();
}

/* Counts the syncs of the first half after opening, and the changes of the second. */
static void count_calls(enum tb_db_mode mode, enum then then, int64_t *ret_syncs,
                        int64_t *ret_changes)
{
    int64_t before;

    ck_assert(open_db(mode));
    if (then == REOPENS_BESIDE_A_READER)
        open_reader();
    before = fault_vfs_calls(FAULT_SYNC);
    for (int i = 0; i < ROWS_BEFORE; i++)
        ck_assert(put_row());
    *ret_syncs = fault_vfs_calls(FAULT_SYNC) - before;
    if (then == DIES)
        die();
    before = fault_vfs_changes();
    put_more(mode, then);
    *ret_changes = fault_vfs_changes() - before;
    ck_assert_int_eq(f.acked, ROWS_BEFORE + ROWS_AFTER);
    ck_assert_int_gt(*ret_syncs, 4);
    ck_assert_int_gt(*ret_changes, 15);
}

/* Of the changes after a failed sync, only every STRIDEth is cut; which ones depends on the sync,
 * so that all are covered over several syncs. */
#define STRIDE 5

START_TEST(a_sync_fails_and_the_power_is_cut)
{
    enum tb_db_mode mode = _i < THEN_COUNT ? TB_DB_DURABLE : TB_DB_DERIVED;
    enum then then = (enum then)(_i % THEN_COUNT);
    uint64_t seed = test_seed((uint64_t)_i * 1000003);
    int64_t syncs, changes;

    count_calls(mode, then, &syncs, &changes);
    for (int64_t fail_at = 1; fail_at <= syncs; fail_at++) {
        for (int64_t cut_at = 1 + fail_at % STRIDE; cut_at <= changes + STRIDE; cut_at += STRIDE) {
            start_over();
            scenario(mode, then, fail_at, cut_at, seed + (uint64_t)(fail_at * 1000 + cut_at));
            check_survivors(mode);
        }
    }
}
END_TEST

static const unsigned kinds[] = {FAULT_READ,     FAULT_WRITE, FAULT_SYNC,
                                 FAULT_TRUNCATE, FAULT_OPEN,  FAULT_DELETE};

/* A new file changes its mode by a transaction of its own. If that fails the file is not open:
 * without a WAL the power would take back what was committed. */
START_TEST(a_new_file_has_a_wal_or_is_not_open)
{
    struct tb_error err = {0};
    bool open = false;

    for (int64_t fail_at = 1; !open || fault_vfs_failures() > 0; fail_at++) {
        start_over();
        fault_vfs_fail(kinds[_i], fail_at, SQLITE_IOERR, /* forever= */ false, 1);
        open = tb_db_open(f.path, TB_DB_DURABLE, 0, &f.db, &err) == TB_OK;
        if (!open)
            continue;
        fault_vfs_heal();
        ck_ok(tb_db_exec(f.db, "CREATE TABLE tea(name TEXT)", &err));
        fault_vfs_cut_power_now(FAULT_CUT_DROP, 1);
        close_db();
        fault_vfs_reboot();
        ck_ok(tb_db_open(f.path, TB_DB_DURABLE, 0, &f.db, &err));
        ck_assert_int_eq(number("SELECT count(*) FROM tea"), 0);
    }
}
END_TEST

/* tb_db_sync puts the commits of a derived file onto the disk, and reports a sync that failed. */
START_TEST(synced_commits_survive_a_power_cut)
{
    struct tb_error err = {0};
    uint64_t seed = test_seed((uint64_t)_i);

    ck_assert(open_db(TB_DB_DERIVED));
    ck_assert_int_eq(tb_db_checkpoint(f.db, SQLITE_CHECKPOINT_TRUNCATE), SQLITE_OK);
    ck_assert(put_row());
    if (_i % 2) {
        fault_vfs_fail(FAULT_SYNC, 1, SQLITE_IOERR_FSYNC, /* forever= */ false, seed);
        ck_assert_int_ne(tb_db_sync(f.db, &err), TB_OK);
        ck_assert(put_row());
    }
    ck_ok(tb_db_sync(f.db, &err));
    f.seen = f.acked;
    fault_vfs_cut_power_now(FAULT_CUT_DROP, seed);
    check_survivors(TB_DB_DERIVED);
}
END_TEST

static int64_t wal_pages(void)
{
    struct stat is;
    char path[176];

    snprintf(path, sizeof path, "%s-wal", f.path);
    ck_assert_int_eq(stat(path, &is), 0);
    return is.st_size / (24 + 4096);
}

/* No commit waits for a checkpoint, and yet the WAL stays small. */
START_TEST(a_checkpoint_follows_the_commit)
{
    struct tb_error err = {0};
    int64_t syncs, checkpoints = 0;

    ck_assert(open_db(TB_DB_DURABLE));
    for (int i = 0; i < 60; i++) {
        TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};

        syncs = fault_vfs_calls(FAULT_SYNC);
        ck_ok(tb_txn_begin(&txn, f.db, &err));
        checkpoints += fault_vfs_calls(FAULT_SYNC) > syncs;
        ck_ok(tb_db_exec(f.db, "INSERT INTO rows(filler) VALUES(hex(zeroblob(900)))", &err));
        syncs = fault_vfs_calls(FAULT_SYNC);
        ck_ok(tb_txn_commit(&txn, &err));
        /* The commit's own, and that of a new WAL's header. */
        ck_assert_int_le(fault_vfs_calls(FAULT_SYNC) - syncs, 2);
        ck_assert_int_lt(wal_pages(), 3 * WAL_PAGES);
        if (i % 20 == 10) { /* the owner may checkpoint right after the commit */
            syncs = fault_vfs_calls(FAULT_SYNC);
            tb_db_maybe_checkpoint(f.db, 1);
            ck_assert_int_gt(fault_vfs_calls(FAULT_SYNC), syncs);
            tb_db_maybe_checkpoint(f.db, 1); /* there is nothing more to do */
        }
    }
    ck_assert_int_gt(checkpoints, 5);
    for (int i = 0; i < 200; i++)
        ck_ok(tb_db_exec(f.db, "INSERT INTO rows(filler) VALUES(hex(zeroblob(900)))", &err));
    ck_assert_int_lt(wal_pages(), 6 * WAL_PAGES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/db_wal");
    TCase *tc = tcase_create("faults");

    /* The disk is simulated, so the files can be in memory. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", /* overwrite= */ 0);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, a_sync_fails_and_the_power_is_cut, 0, 2 * THEN_COUNT);
    tcase_add_loop_test(tc, a_new_file_has_a_wal_or_is_not_open, 0,
                        (int)(sizeof kinds / sizeof *kinds));
    tcase_add_loop_test(tc, synced_commits_survive_a_power_cut, 0, 10);
    tcase_add_test(tc, a_checkpoint_follows_the_commit);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

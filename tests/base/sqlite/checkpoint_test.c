/* Promise: whatever call of a checkpoint fails, and whoever holds a snapshot meanwhile, later
 * durable commits survive a power cut, a file is never damaged, and no reader sees anything but
 * its snapshot. Checkpoints that go on failing are told, wait longer and longer between tries, and
 * cost commits nothing else.
 *
 * Method: numbered commits change random rows of a table larger than one checkpoint writes at
 * once, while readers begin and end snapshots and checkpoints run at random points. Each write,
 * sync, truncation and read of the database file and of the WAL fails in turn. Then the process
 * goes on, opens the file again with or without readers beside it, or dies; and the power is cut
 * at a random change of what follows. Row 0 has the number of the commit, and the content of each
 * number is known. */
#include "base/sqlite/db_priv.h"
#include "support/fault_vfs.h"
#include "support/support.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROWS 60
#define READERS 2
#define STEPS_BEFORE 36
#define STEPS_AFTER 36
#define COMMITS_MAX 200
#define CUT_WITHIN 80 /* changes of the second half, which has about as many */

static struct {
    char dir[128], path[160];
    struct tb_db *db; /* NULL while closed */
    struct tb_db *readers[READERS];
    int64_t snapshots[READERS]; /* the number of the commit that the reader sees; -1: none */
    int64_t next, acked;        /* numbers of commits: the next one, and the last that succeeded */
    int64_t durable;            /* a later power cut may not undo this one */
    int64_t content[COMMITS_MAX];
    struct fake_random random;
} f;

enum then { GOES_ON, REOPENS, REOPENS_BESIDE_READERS, DIES, THEN_COUNT };

static const struct {
    unsigned kind;
    const char *suffix;
    int code;
} faults[] = {
    {FAULT_SYNC, ".db", SQLITE_IOERR_FSYNC},
    {FAULT_SYNC, "-wal", SQLITE_IOERR_FSYNC},
    {FAULT_WRITE, ".db", SQLITE_IOERR_WRITE},
    {FAULT_WRITE, "-wal", SQLITE_IOERR_WRITE},
    {FAULT_WRITE, ".db", SQLITE_FULL},
    {FAULT_READ, "-wal", SQLITE_IOERR_READ},
    {FAULT_TRUNCATE, ".db", SQLITE_IOERR_TRUNCATE},
};
#define FAULT_COUNT ((int)(sizeof faults / sizeof *faults))

static void setup(void)
{
    memset(&f, 0, sizeof f);
    fault_vfs_install();
    tmpdir_make(f.dir);
    snprintf(f.path, sizeof f.path, "%s/t.db", f.dir);
    f.next = 1;
}

static void close_readers(void)
{
    for (int i = 0; i < READERS; i++) {
        tb_db_close(f.readers[i]);
        f.readers[i] = NULL;
        f.snapshots[i] = -1;
    }
}

static void close_all(void)
{
    close_readers();
    tb_db_close(f.db);
    f.db = NULL;
}

static void teardown(void)
{
    close_all();
    fault_vfs_uninstall();
    tmpdir_remove(f.dir);
}

static int64_t number(struct tb_db *db, const char *sql)
{
    struct tb_error err = {0};
    int64_t value = -1;

    return tb_db_query_int64(db, sql, &value, &err) == TB_OK ? value : -1;
}

static int64_t content(struct tb_db *db)
{
    return number(db, "SELECT sum((id + 1) * (n + 7)) FROM rows");
}

static int64_t commit_number(struct tb_db *db)
{
    return number(db, "SELECT n FROM rows WHERE id = 0");
}

static enum tb_code run(struct tb_db *db, const char *sql)
{
    struct tb_error err = {0};

    return tb_db_exec(db, sql, &err);
}

static bool open_writer(enum tb_db_mode mode)
{
    struct tb_error err = {0};

    return tb_db_open(f.path, mode, COMMITS_MAX * ROWS, &f.db, &err) == TB_OK;
}

static void create(enum tb_db_mode mode)
{
    char sql[400];

    ck_assert(open_writer(mode));
    snprintf(sql, sizeof sql,
             "CREATE TABLE rows(id INTEGER PRIMARY KEY, n INTEGER NOT NULL, filler TEXT);"
             "WITH RECURSIVE ids(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM ids WHERE id < %d)"
             " INSERT INTO rows SELECT id, 0, hex(zeroblob(900)) FROM ids",
             ROWS - 1);
    ck_assert_int_eq(run(f.db, sql), TB_OK);
    ck_assert_int_eq(tb_db_checkpoint(f.db, SQLITE_CHECKPOINT_TRUNCATE), SQLITE_OK);
    f.content[0] = content(f.db);
}

static void open_readers(void)
{
    struct tb_error err = {0};

    for (int i = 0; i < READERS; i++) {
        f.snapshots[i] = -1;
        if (tb_db_open(f.path, TB_DB_READER, 0, &f.readers[i], &err) == TB_OK)
            (void)content(f.readers[i]); /* keeps the index of the WAL alive */
    }
}

static void end_snapshot(int i)
{
    (void)run(f.readers[i], "COMMIT");
    f.snapshots[i] = -1;
}

/* A reader's snapshot has the content of its commit, from begin to end. A read that fails ends it.
 */
static void check_snapshot(int i)
{
    int64_t now = content(f.readers[i]);

    if (now < 0)
        end_snapshot(i);
    else
        ck_assert_int_eq(now, f.content[f.snapshots[i]]);
}

static void begin_snapshot(int i)
{
    if (run(f.readers[i], "BEGIN") != TB_OK)
        return;
    f.snapshots[i] = commit_number(f.readers[i]);
    if (f.snapshots[i] >= 0)
        check_snapshot(i);
    else
        end_snapshot(i);
}

static void move_reader(int i)
{
    if (!f.readers[i])
        return;
    if (f.snapshots[i] < 0) {
        /* Seldom, so that most of the time nobody holds one, and the WAL can start over. */
        if (fake_random_below(&f.random, 4) == 0)
            begin_snapshot(i);
        return;
    }
    check_snapshot(i);
    if (f.snapshots[i] >= 0)
        end_snapshot(i);
}

static enum tb_code change_rows(struct tb_txn *txn, struct tb_error *err)
{
    int from = (int)fake_random_below(&f.random, ROWS);
    int to = from + (int)fake_random_below(&f.random, 12);
    char sql[200];

    TB_TRY(tb_txn_begin(txn, f.db, err));
    snprintf(sql, sizeof sql, "UPDATE rows SET n = %d WHERE id = 0 OR id BETWEEN %d AND %d",
             (int)f.next, (int)from, (int)to);
    TB_TRY(tb_db_exec(f.db, sql, err));
    f.content[f.next] = content(f.db);
    return f.content[f.next] >= 0 ? TB_OK : TB_UNAVAILABLE;
}

static void commit_once(void)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_error err = {0};

    ck_assert_int_lt(f.next, COMMITS_MAX);
    if (change_rows(&txn, &err) == TB_OK && tb_txn_commit(&txn, &err) == TB_OK)
        f.acked = f.next;
    f.next++; /* so that a commit that failed, and yet is there, has its own number */
}

static void do_steps(int steps)
{
    for (int i = 0; i < steps; i++) {
        switch (fake_random_below(&f.random, 6)) {
        case 0:
        case 1:
            move_reader((int)fake_random_below(&f.random, READERS));
            break;
        case 2:
        case 3:
            tb_db_maybe_checkpoint(f.db, 1);
            break;
        default:
            commit_once();
        }
    }
}

/* Ends as if the process were killed: closing the connections changes nothing on the disk. */
static void die(void)
{
    fault_vfs_fail_only(NULL);
    fault_vfs_fail(FAULT_ALL, 1, SQLITE_IOERR, /* forever= */ true, 1);
    close_all();
    fault_vfs_heal();
}

/* Opens the file again, which makes durable what is found. */
static void reopen(enum tb_db_mode mode)
{
    if (!open_writer(mode))
        return;
    f.acked = f.durable = commit_number(f.db);
    ck_assert_int_ge(f.acked, 0);
    ck_assert_int_eq(content(f.db), f.content[f.acked]);
}

static void go_on(enum tb_db_mode mode, enum then then)
{
    if (then == REOPENS)
        close_readers();
    if (then == REOPENS || then == REOPENS_BESIDE_READERS) {
        tb_db_close(f.db);
        f.db = NULL;
    }
    if (then == DIES)
        die();
    if (!f.db)
        reopen(mode);
    if (!f.db) /* the power was cut */
        return;
    if (then == REOPENS || then == DIES)
        open_readers();
    do_steps(STEPS_AFTER);
}

static void check_survivors(enum tb_db_mode mode)
{
    int64_t found;

    close_all();
    fault_vfs_reboot();
    ck_assert(open_writer(mode));
    found = commit_number(f.db);
    ck_assert_int_ge(found, f.durable);
    if (mode == TB_DB_DURABLE)
        ck_assert_int_ge(found, f.acked);
    ck_assert_int_eq(content(f.db), f.content[found]);
    ck_assert_int_eq(number(f.db, "SELECT count(*) FROM pragma_integrity_check"
                                  " WHERE integrity_check <> 'ok'"),
                     0);
    commit_once();
    ck_assert_int_eq(f.acked, f.next - 1);
}

/* True: there was a call number fail_at, and it failed. */
static bool scenario(enum tb_db_mode mode, enum then then, int fault, int64_t fail_at,
                     uint64_t seed)
{
    bool failed;

    fake_random_init(&f.random, seed);
    create(mode);
    open_readers();
    fault_vfs_fail_only(faults[fault].suffix);
    fault_vfs_fail(faults[fault].kind, fail_at, faults[fault].code, /* forever= */ false,
                   seed + (uint64_t)fail_at);
    do_steps(STEPS_BEFORE);
    failed = fault_vfs_failures() > 0;
    fault_vfs_heal();
    fault_vfs_fail_only(NULL);
    if (fake_random_below(&f.random, 2) == 0)
        fault_vfs_cut_power(1 + (int64_t)fake_random_below(&f.random, CUT_WITHIN),
                            (enum fault_cut)fake_random_below(&f.random, FAULT_CUT_COUNT), seed);
    go_on(mode, then);
    fault_vfs_cut_power_now(FAULT_CUT_DROP, seed);
    check_survivors(mode);
    return failed;
}

#define SEEDS 2
/* So many calls each fail; of later ones (reads, above all) fewer and fewer. */
#define EVERY_CALL_BELOW 12

START_TEST(a_call_fails_beside_readers_and_the_power_is_cut)
{
    int fault = _i % FAULT_COUNT;
    enum then then = (enum then)(_i / FAULT_COUNT % THEN_COUNT);
    enum tb_db_mode mode = _i / FAULT_COUNT / THEN_COUNT == 0 ? TB_DB_DURABLE : TB_DB_DERIVED;

    for (uint64_t n = 0; n < SEEDS; n++) {
        uint64_t seed = test_seed((uint64_t)_i * 1000003 + n * 7919);
        bool failed = true;

        for (int64_t fail_at = 1; failed; fail_at += 1 + fail_at / EVERY_CALL_BELOW) {
            teardown();
            setup();
            failed = scenario(mode, then, fault, fail_at, seed);
        }
    }
}
END_TEST

/* Copies of pages that a stopped checkpoint has left unsynced are lost with those of the next one,
 * whose sync fails. Another program may write meanwhile, and when the file is opened again, so
 * that the failure cannot be noted in the index of the WAL at once. */
enum forgets {
    FORGETS_AT_ONCE,
    FORGETS_BEFORE_THE_NEXT,
    FORGETS_AT_OPENING,
    FORGETS_IN_THE_FIRST_TRANSACTION,
    FORGETS_COUNT
};

static void fail_checkpoint(uint64_t seed)
{
    fault_vfs_fail_only(".db");
    fault_vfs_fail(FAULT_SYNC, 1, SQLITE_IOERR_FSYNC, /* forever= */ false, seed);
    tb_db_maybe_checkpoint(f.db, 1);
    ck_assert_int_eq(fault_vfs_failures(), 1);
    fault_vfs_heal();
}

static void open_again(void)
{
    tb_db_close(f.db);
    f.db = NULL;
    reopen(TB_DB_DURABLE);
    ck_assert_ptr_nonnull(f.db);
}

START_TEST(nothing_of_a_stopped_checkpoint_is_believed)
{
    enum forgets forgets = (enum forgets)(_i % FORGETS_COUNT);
    uint64_t seed = test_seed((uint64_t)_i + 1);
    struct tb_error err = {0};
    struct tb_db *other = NULL;

    fake_random_init(&f.random, seed);
    create(TB_DB_DURABLE);
    open_readers();
    if (forgets != FORGETS_AT_ONCE)
        ck_ok(tb_db_open(f.path, TB_DB_DURABLE, 0, &other, &err));
    for (int i = 0; i < 3; i++)
        commit_once();
    begin_snapshot(0);
    commit_once();
    tb_db_maybe_checkpoint(f.db, 1);
    end_snapshot(0);
    commit_once();
    if (other)
        ck_assert_int_eq(run(other, "BEGIN IMMEDIATE"), TB_OK);
    fail_checkpoint(seed);
    if (forgets == FORGETS_IN_THE_FIRST_TRANSACTION)
        open_again();
    if (other)
        ck_assert_int_eq(run(other, "ROLLBACK"), TB_OK);
    tb_db_close(other);
    if (forgets == FORGETS_AT_OPENING)
        open_again();
    commit_once();
    tb_db_maybe_checkpoint(f.db, 1);
    commit_once(); /* the WAL starts over */
    ck_assert_int_eq(f.acked, f.next - 1);
    fault_vfs_cut_power_now(FAULT_CUT_DROP, seed);
    check_survivors(TB_DB_DURABLE);
}
END_TEST

static struct {
    int failures, successes;
} told;

static void on_result(void *ctx, const struct tb_error *err)
{
    (void)ctx;
    if (err->code == TB_OK)
        told.successes++;
    else
        told.failures++;
}

static void try_checkpoint_in(struct fake_clock *clock, int64_t ms)
{
    fake_clock_advance(clock, ms);
    tb_db_retry_checkpoint(f.db);
}

/* All syncs of the database file fail, those of its WAL do not. */
START_TEST(failing_checkpoints_are_told_and_wait)
{
    struct fake_clock clock;
    struct tb_checkpoints checkpoints;
    struct tb_checkpoint_status status;
    int64_t writes, wait_ms = TB_CHECKPOINT_RETRY_MIN_MS, tries = 1;

    told.failures = told.successes = 0;
    fake_clock_init(&clock, 1700000000000);
    tb_checkpoints_init(&checkpoints, "t.db", &clock.clock, on_result, NULL);
    fake_random_init(&f.random, test_seed(1));
    create(TB_DB_DURABLE);
    tb_db_watch_checkpoints(f.db, &checkpoints);
    fault_vfs_fail_only(".db");
    fault_vfs_fail(FAULT_SYNC, 1, SQLITE_IOERR_FSYNC, /* forever= */ true, 1);
    commit_once();
    tb_db_maybe_checkpoint(f.db, 1);
    /* Commits cost what they cost without an outage: no checkpoint, no rewriting of the WAL. */
    for (int i = 0; i < 60; i++) {
        writes = fault_vfs_calls(FAULT_WRITE);
        commit_once();
        tb_db_maybe_checkpoint(f.db, 1);
        ck_assert_int_eq(fault_vfs_calls(FAULT_WRITE) - writes, 1);
    }
    ck_assert_int_eq(f.acked, f.next - 1);
    for (;; wait_ms *= 2) {
        wait_ms = wait_ms > TB_CHECKPOINT_RETRY_MAX_MS ? TB_CHECKPOINT_RETRY_MAX_MS : wait_ms;
        tb_checkpoints_status(&checkpoints, &status);
        ck_assert_uint_eq(status.failures, (uint64_t)tries);
        ck_assert_int_eq(status.failing_at_ms, 1700000000000);
        ck_assert(status.problem[0] != '\0');
        ck_assert_int_eq(told.failures, tries);
        ck_assert(tb_db_wants_checkpoint(f.db));
        if (wait_ms == TB_CHECKPOINT_RETRY_MAX_MS && tries > 9)
            break;
        writes = fault_vfs_calls(FAULT_CHANGES);
        try_checkpoint_in(&clock, wait_ms - 1);
        ck_assert_int_eq(fault_vfs_calls(FAULT_CHANGES), writes);
        try_checkpoint_in(&clock, 1); /* also without a commit */
        ck_assert_int_eq(fault_vfs_calls(FAULT_CHANGES), writes + 1);
        tries++;
    }
    /* A checkpoint that stops at a reader syncs nothing, so it proves nothing. */
    fault_vfs_heal();
    open_readers();
    begin_snapshot(0);
    commit_once();
    try_checkpoint_in(&clock, TB_CHECKPOINT_RETRY_MAX_MS);
    ck_assert_int_eq(told.failures, tries);
    ck_assert_int_eq(told.successes, 0);
    end_snapshot(0);
    try_checkpoint_in(&clock, TB_CHECKPOINT_RETRY_MAX_MS);
    tb_checkpoints_status(&checkpoints, &status);
    ck_assert_int_eq(told.successes, 1);
    ck_assert_int_eq(status.failing_at_ms, 0);
    ck_assert_str_eq(status.problem, "");
    ck_assert_uint_eq(status.failures, (uint64_t)tries);
    ck_assert(!tb_db_wants_checkpoint(f.db));
    close_all();
    tb_checkpoints_release(&checkpoints);
}
END_TEST

/* Each reading of the clock is a minute later. */
static int64_t slow_mono_us(void *ctx)
{
    int64_t *minutes = ctx;

    return ++*minutes * 60 * 1000000;
}

static int64_t wall_ms(void *ctx)
{
    (void)ctx;
    return 1700000000000;
}

START_TEST(a_long_try_is_followed_by_a_longer_wait)
{
    int64_t minutes = 0;
    struct tb_clock clock = {&minutes, wall_ms, slow_mono_us};
    struct tb_checkpoints checkpoints;

    tb_checkpoints_init(&checkpoints, "t.db", &clock, NULL, NULL);
    fake_random_init(&f.random, test_seed(1));
    create(TB_DB_DURABLE);
    tb_db_watch_checkpoints(f.db, &checkpoints);
    fault_vfs_fail_only(".db");
    fault_vfs_fail(FAULT_SYNC, 1, SQLITE_IOERR_FSYNC, /* forever= */ true, 1);
    commit_once();
    tb_db_maybe_checkpoint(f.db, 1); /* reads it at its begin and at its end */
    ck_assert_int_eq(minutes, 2);
    ck_assert_int_eq(checkpoints.retry_at_ms, (2 + TB_CHECKPOINT_RETRY_TIMES) * 60000);
    close_all();
    tb_checkpoints_release(&checkpoints);
}
END_TEST

static TCase *new_case(const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("base/sqlite/checkpoint");
    TCase *sampled = new_case("sampled"), *directed = new_case("directed");

    /* The disk is simulated, so the files can be in memory. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", /* overwrite= */ 0);
    tcase_add_loop_test(sampled, a_call_fails_beside_readers_and_the_power_is_cut, 0,
                        FAULT_COUNT * THEN_COUNT * 2);
    tcase_add_loop_test(directed, nothing_of_a_stopped_checkpoint_is_believed, 0,
                        6 * FORGETS_COUNT);
    tcase_add_test(directed, failing_checkpoints_are_told_and_wait);
    tcase_add_test(directed, a_long_try_is_followed_by_a_longer_wait);
    suite_add_tcase(suite, sampled);
    suite_add_tcase(suite, directed);
    return test_main(suite);
}

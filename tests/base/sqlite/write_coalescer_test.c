/* Promise: a durable commit is one write into the WAL, and when it returns, its pages are in the
 * file, so that a process that opens the file after this one was killed finds them. If a write
 * that was held back fails, the commit fails. A checkpoint takes few writes, and a failed one
 * changes nothing that anybody reads. Method: random transactions, many of them larger than the
 * connection's cache, so that SQLite writes and rewrites pages before the commit; after each one
 * the files are copied and opened again. Of checkpoints each call fails in turn. */
#include "base/sqlite/db_priv.h"
#include "support/fault_vfs.h"
#include "support/support.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROWS 400
#define ROUNDS 25
/* Pages of cache: fewer than a transaction changes. */
#define CACHE_PAGES 10

static struct {
    char dir[128], path[160], copy[160];
    struct tb_db *db;
    struct fake_random random;
} f;

static void setup(void)
{
    memset(&f, 0, sizeof f);
    fault_vfs_install();
    tmpdir_make(f.dir);
    snprintf(f.path, sizeof f.path, "%s/t.db", f.dir);
    snprintf(f.copy, sizeof f.copy, "%s/copy.db", f.dir);
}

static void teardown(void)
{
    tb_db_close(f.db);
    fault_vfs_uninstall();
    tmpdir_remove(f.dir);
}

static void open_db(enum tb_db_mode mode, int wal_pages)
{
    struct tb_error err = {0};
    char sql[400];

    ck_ok(tb_db_open(f.path, mode, wal_pages, &f.db, &err));
    snprintf(sql, sizeof sql,
             "CREATE TABLE rows(id INTEGER PRIMARY KEY, n INTEGER NOT NULL, filler TEXT);"
             "WITH RECURSIVE ids(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < %d)"
             " INSERT INTO rows SELECT id, 0, hex(zeroblob(500)) FROM ids",
             ROWS);
    ck_ok(tb_db_exec(f.db, sql, &err));
}

static void change(const char *sql)
{
    struct tb_error err = {0};

    ck_ok(tb_db_exec(f.db, sql, &err));
}

static int64_t number(struct tb_db *db, const char *sql)
{
    struct tb_error err = {0};
    int64_t value = -1;

    ck_ok(tb_db_query_int64(db, sql, &value, &err));
    return value;
}

static int64_t content(struct tb_db *db)
{
    return number(db, "SELECT sum(id * n) + 1000003 * count(*) FROM rows");
}

static void copy_file(const char *suffix)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf bytes = {0};
    char from[176], to[176];

    snprintf(from, sizeof from, "%s%s", f.path, suffix);
    snprintf(to, sizeof to, "%s%s", f.copy, suffix);
    read_whole_file(from, &bytes);
    FILE *file = fopen(to, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes.data ? bytes.data : "", 1, bytes.len, file), bytes.len);
    ck_assert_int_eq(fclose(file), 0);
}

/* The content that another process finds after this one was killed. */
static int64_t content_found_later(void)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    int64_t found;

    copy_file("");
    copy_file("-wal");
    ck_ok(tb_db_open(f.copy, TB_DB_DURABLE, 0, &db, &err));
    ck_assert_int_eq(number(db, "SELECT count(*) FROM pragma_integrity_check"
                                " WHERE integrity_check <> 'ok'"),
                     0);
    found = content(db);
    tb_db_close(db);
    ck_ok(tb_db_remove(f.copy, &err));
    return found;
}

static int64_t content_now(void)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    int64_t now;

    ck_ok(tb_db_open(f.path, TB_DB_READER, 0, &db, &err));
    now = content(db);
    tb_db_close(db);
    return now;
}

/* Changes some rows, some of them more than once. */
static void change_some(int64_t round)
{
    int steps = 1 + (int)fake_random_below(&f.random, 6);

    for (int i = 0; i < steps; i++) {
        char sql[120];
        snprintf(sql, sizeof sql, "UPDATE rows SET n = n + %d WHERE id %% %d = 0",
                 (int)(round % 1000) + 1, 1 + (int)fake_random_below(&f.random, 40));
        change(sql);
    }
}

/* Where a write may change bytes beside its own, SQLite pads a commit behind its sync. */
START_TEST(commits_are_in_the_file)
{
    enum tb_db_mode mode = _i % 2 == 0 ? TB_DB_DURABLE : TB_DB_DERIVED;
    char pragma[60];

    fault_vfs_hide_powersafe_overwrite(_i >= 6);
    fake_random_init(&f.random, test_seed((uint64_t)_i + 1));
    open_db(mode, _i % 3 == 0 ? 50 : 100000);
    snprintf(pragma, sizeof pragma, "PRAGMA cache_size = %d", CACHE_PAGES);
    change(pragma);
    for (int64_t round = 0; round < ROUNDS; round++) {
        TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
        struct tb_error err = {0};
        int64_t before = content(f.db), found;
        bool commits = fake_random_below(&f.random, 4) > 0;

        ck_ok(tb_txn_begin(&txn, f.db, &err));
        change_some(round);
        if (commits)
            ck_ok(tb_txn_commit(&txn, &err));
        else
            tb_txn_rollback(&txn);
        found = content_found_later(); /* before reading here, which may write what is held back */
        ck_assert_int_eq(content_now(), found);
        ck_assert_int_eq(found, content(f.db));
        ck_assert(commits == (found != before));
    }
}
END_TEST

static int64_t wal_size(void)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf bytes = {0};
    char path[176];

    snprintf(path, sizeof path, "%s-wal", f.path);
    read_whole_file(path, &bytes);
    return (int64_t)bytes.len;
}

START_TEST(a_commit_is_one_write)
{
    enum tb_db_mode mode = _i == 0 ? TB_DB_DURABLE : TB_DB_DERIVED;
    int64_t writes, size, frames;

    open_db(mode, 100000);
    size = wal_size();
    writes = fault_vfs_calls(FAULT_WRITE);
    change("UPDATE rows SET n = n + 1 WHERE id <= 50");
    frames = (wal_size() - size) / (24 + 4096);
    ck_assert_int_gt(frames, 10);
    ck_assert_int_lt(frames, 32);
    writes = fault_vfs_calls(FAULT_WRITE) - writes;
    ck_assert_int_eq(writes, mode == TB_DB_DURABLE ? 1 : 2 * frames);

    /* More pages than one call writes. */
    writes = fault_vfs_calls(FAULT_WRITE);
    change("UPDATE rows SET n = n + 1");
    writes = fault_vfs_calls(FAULT_WRITE) - writes;
    ck_assert_int_gt(writes, 1);
    if (mode == TB_DB_DURABLE)
        ck_assert_int_lt(writes, 10);
}
END_TEST

/* The nth write of a commit fails. */
START_TEST(a_write_that_fails_is_a_commit_that_failed)
{
    static const char *const changes[] = {"UPDATE rows SET n = n + 1 WHERE id <= 50",
                                          "UPDATE rows SET n = n + 1"};
    static const int codes[] = {SQLITE_FULL, SQLITE_IOERR_WRITE};
    const char *sql = changes[_i % 2];
    int code = codes[_i / 2];

    open_db(TB_DB_DURABLE, 100000);
    for (int64_t nth = 1;; nth++) {
        TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
        struct tb_error err = {0};
        int64_t before = content(f.db), failures = fault_vfs_failures();

        fault_vfs_fail(FAULT_WRITE, nth, code, /* forever= */ false, 1);
        ck_ok(tb_txn_begin(&txn, f.db, &err));
        change(sql);
        enum tb_code done = tb_txn_commit(&txn, &err);
        fault_vfs_heal();
        if (fault_vfs_failures() == failures) {
            ck_assert_int_gt(nth, 1);
            ck_assert_int_eq(done, TB_OK);
            break;
        }
        ck_assert_int_eq(done, code == SQLITE_FULL ? TB_FULL : TB_UNKNOWN);
        ck_assert_int_eq(content(f.db), before);
        ck_assert_int_eq(content_found_later(), before);
        change("UPDATE rows SET n = n + 3 WHERE id = 7");
        ck_assert_int_eq(content_found_later(), content(f.db));
    }
}
END_TEST

START_TEST(a_checkpoint_takes_few_writes)
{
    int64_t writes;

    open_db(_i == 0 ? TB_DB_DURABLE : TB_DB_DERIVED, 100000);
    tb_db_maybe_checkpoint(f.db, 1);
    change("UPDATE rows SET n = n + 1");
    ck_assert_int_gt(wal_size(), 100 * 4096);
    writes = fault_vfs_calls(FAULT_WRITE);
    tb_db_maybe_checkpoint(f.db, 1);
    writes = fault_vfs_calls(FAULT_WRITE) - writes;
    ck_assert_int_gt(writes, 0);
    ck_assert_int_lt(writes, 10);
}
END_TEST

static const unsigned kinds[] = {FAULT_WRITE, FAULT_SYNC, FAULT_TRUNCATE, FAULT_READ};

/* Each call of a checkpoint fails in turn, with and without a reader whose snapshot stops it. */
START_TEST(a_failed_checkpoint_changes_nothing)
{
    bool beside = _i % 2 == 1;
    int code = _i < 8 ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    struct tb_error err = {0};
    struct tb_db *reader = NULL;

    open_db(TB_DB_DURABLE, 100000);
    ck_ok(tb_db_open(f.path, TB_DB_READER, 0, &reader, &err));
    for (int64_t nth = 1;; nth += 1 + nth / 8) {
        int64_t before, after, failures = fault_vfs_failures();

        change("UPDATE rows SET n = n + 1 WHERE id % 3 = 0");
        before = content(f.db);
        if (beside) {
            ck_ok(tb_db_exec(reader, "BEGIN", &err));
            ck_assert_int_eq(content(reader), before);
        }
        change("UPDATE rows SET n = n + 1 WHERE id % 2 = 0");
        after = content(f.db);
        fault_vfs_fail(kinds[_i / 2 % 4], nth, code, /* forever= */ false, 1);
        tb_db_maybe_checkpoint(f.db, 1);
        fault_vfs_heal();
        if (beside) {
            ck_assert_int_eq(content(reader), before);
            ck_ok(tb_db_exec(reader, "COMMIT", &err));
        }
        ck_assert_int_eq(content(reader), after);
        ck_assert_int_eq(content_now(), after);
        ck_assert_int_eq(content(f.db), after);
        ck_assert_int_eq(content_found_later(), after);
        /* After the next checkpoint the file alone has everything. */
        ck_assert_int_eq(tb_db_checkpoint(f.db, SQLITE_CHECKPOINT_TRUNCATE), SQLITE_OK);
        ck_assert_int_eq(wal_size(), 0);
        ck_assert_int_eq(content_found_later(), after);
        if (fault_vfs_failures() == failures)
            break;
    }
    tb_db_close(reader);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/sqlite/write_coalescer");
    TCase *tc = tcase_create("write_coalescer");

    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", /* overwrite= */ 0);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, commits_are_in_the_file, 0, 12);
    tcase_add_loop_test(tc, a_commit_is_one_write, 0, 2);
    tcase_add_loop_test(tc, a_write_that_fails_is_a_commit_that_failed, 0, 4);
    tcase_add_loop_test(tc, a_checkpoint_takes_few_writes, 0, 2);
    tcase_add_loop_test(tc, a_failed_checkpoint_changes_nothing, 0, 16);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

/* Promise: what checkpoints have yet to copy is known, and a WAL that was copied gives its space
 * back when that is wanted. Method: a reader's snapshot stops checkpoints; the sizes of the files
 * say what has been copied. */
#include "base/sqlite/db.h"
#include "base/sqlite/wal_backlog.h"
#include "support/support.h"
#include <stdio.h>
#include <sys/stat.h>

#define PAGE 4096
#define WAL_PAGES 20

static char dir[128], path[160], wal_path[170];
static struct tb_db *db, *reader;

static void setup(void)
{
    struct tb_error err = {0};

    tmpdir_make(dir);
    snprintf(path, sizeof path, "%s/a.db", dir);
    snprintf(wal_path, sizeof wal_path, "%s-wal", path);
    ck_ok(tb_db_open(path, TB_DB_DURABLE, WAL_PAGES, &db, &err));
    ck_ok(tb_db_exec(db, "CREATE TABLE t(a)", &err));
    ck_ok(tb_db_open(path, TB_DB_READER, 0, &reader, &err));
}

static void teardown(void)
{
    tb_wal_give_back_space(false);
    tb_db_close(reader);
    tb_db_close(db);
    tmpdir_remove(dir);
}

static void run(struct tb_db *on, const char *sql)
{
    struct tb_error err = {0};

    ck_ok(tb_db_exec(on, sql, &err));
}

static int64_t size_of(const char *file)
{
    struct stat st;

    ck_assert_int_eq(stat(file, &st), 0);
    return st.st_size;
}

/* Each commit adds more than a page to the file. */
static void commit(int count)
{
    for (int i = 0; i < count; i++) {
        run(db, "INSERT INTO t VALUES(randomblob(4000))");
        tb_db_maybe_checkpoint(db, 0);
    }
}

static struct tb_wal_backlog backlog(void)
{
    static struct tb_wal_backlog backlogs[TB_WAL_BACKLOGS_MAX];

    ck_assert_uint_eq(tb_wal_backlogs(backlogs), 1);
    ck_assert_str_eq(backlogs[0].path, path);
    ck_assert_int_eq(tb_wal_backlog_bytes(), backlogs[0].bytes);
    return backlogs[0];
}

START_TEST(a_snapshot_makes_it_grow_and_its_end_empties_it)
{
    run(reader, "BEGIN; SELECT * FROM t");
    commit(200);
    ck_assert(backlog().stopped);
    ck_assert(tb_db_wants_checkpoint(db));
    ck_assert_int_ge(backlog().bytes, 200 * PAGE);
    ck_assert_int_ge(size_of(wal_path), backlog().bytes);
    /* It is an upper bound of what the file grows by. */
    int64_t before = size_of(path), bytes = backlog().bytes;
    run(reader, "COMMIT");
    tb_db_retry_checkpoint(db);
    ck_assert_int_eq(backlog().bytes, 0);
    ck_assert(!backlog().stopped);
    ck_assert(!tb_db_wants_checkpoint(db));
    ck_assert_int_ge(size_of(path), before + 200 * PAGE);
    ck_assert_int_le(size_of(path), before + bytes);
    commit(1);
    ck_assert_int_lt(backlog().bytes, 10 * PAGE); /* the WAL has started over */
}
END_TEST

/* Without a commit SQLite would keep the WAL's space. */
START_TEST(space_is_given_back_when_it_is_wanted)
{
    run(reader, "BEGIN; SELECT * FROM t");
    commit(200);
    tb_wal_give_back_space(true);
    tb_db_retry_checkpoint(db);
    ck_assert_int_gt(size_of(wal_path), 200 * PAGE); /* the snapshot needs it */
    run(reader, "COMMIT");
    ck_assert(tb_db_wants_checkpoint(db));
    tb_db_retry_checkpoint(db);
    ck_assert_int_eq(size_of(wal_path), 0);
    ck_assert(!tb_db_wants_checkpoint(db));
    commit(3);
    ck_assert(tb_db_wants_checkpoint(db));
    tb_db_retry_checkpoint(db);
    ck_assert_int_eq(size_of(wal_path), 0);
}
END_TEST

/* A WAL that an earlier process has left counts from the opening on. */
START_TEST(what_was_left_behind_counts)
{
    struct tb_error err = {0};

    run(reader, "BEGIN; SELECT * FROM t");
    commit(50);
    tb_db_close(db);
    db = NULL;
    ck_ok(tb_db_open(path, TB_DB_DURABLE, WAL_PAGES, &db, &err));
    ck_assert_int_ge(backlog().bytes, 50 * PAGE);
    ck_assert(tb_db_wants_checkpoint(db));
    run(reader, "COMMIT");
    tb_db_retry_checkpoint(db);
    ck_assert_int_eq(backlog().bytes, 0);
    tb_db_close(db);
    db = NULL;
    ck_assert_int_eq(tb_wal_backlog_bytes(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_backlog");
    TCase *tc = tcase_create("backlog");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_snapshot_makes_it_grow_and_its_end_empties_it);
    tcase_add_test(tc, space_is_given_back_when_it_is_wanted);
    tcase_add_test(tc, what_was_left_behind_counts);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

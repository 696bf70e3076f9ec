/* Promise: a file that was moved, removed, replaced or cut while a connection writes it takes
 * nothing more; what only a WAL that is gone holds is in the database file afterwards, and nothing
 * is made of a WAL that was cut. Whatever our own connections and other programs do to the files
 * in the way that SQLite does it is no loss. Method: a database with a full WAL, and copies of its
 * files. */
#include "base/sqlite/db_priv.h"
#include "base/sqlite/file_loss.h"
#include "support/support.h"
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS_COPIED 20
#define ROWS 60

static char dir[128], path[160], wal_path[170], moved[170];
static struct tb_db *db, *reader;
static struct tb_file_loss losses[TB_WAL_BACKLOGS_MAX];

static void run(struct tb_db *on, const char *sql)
{
    struct tb_error err = {0};

    ck_ok(tb_db_exec(on, sql, &err));
}

static enum tb_code commit(struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};

    TB_TRY(tb_txn_begin(&txn, db, err));
    TB_TRY(tb_db_exec(db, "INSERT INTO t VALUES(randomblob(3000))", err));
    return tb_txn_commit(&txn, err);
}

static void commit_rows(int count)
{
    struct tb_error err = {0};

    for (int i = 0; i < count; i++)
        ck_ok(commit(&err));
}

/* The reader is there because every writer of a node has some. */
static void setup(void)
{
    struct tb_error err = {0};
    int64_t count = 0;

    tmpdir_make(dir);
    snprintf(path, sizeof path, "%s/a.db", dir);
    snprintf(wal_path, sizeof wal_path, "%s-wal", path);
    snprintf(moved, sizeof moved, "%s.moved", path);
    ck_ok(tb_db_open(path, TB_DB_DURABLE, 0, &db, &err));
    run(db, "CREATE TABLE t(a)");
    ck_ok(tb_db_mark_wal(db, &err));
    ck_ok(tb_db_open(path, TB_DB_READER, 0, &reader, &err));
    ck_ok(tb_db_query_int64(reader, "SELECT count(*) FROM t", &count, &err));
    commit_rows(ROWS_COPIED);
    ck_assert_int_eq(tb_db_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE), SQLITE_OK);
    commit_rows(ROWS - ROWS_COPIED);
}

static void close_all(void)
{
    tb_db_close(reader);
    tb_db_close(db);
    reader = db = NULL;
}

static void teardown(void)
{
    close_all();
    tmpdir_remove(dir);
}

static size_t look(void)
{
    tb_file_losses_look();
    return tb_file_losses(losses);
}

static void check_lost(const char *name, const char *words)
{
    struct tb_error err = {0}, again = {0};
    struct tb_db *other = NULL;

    ck_assert_uint_eq(look(), 1);
    ck_assert_str_eq(losses[0].path, path);
    ck_assert_msg(strstr(losses[0].text, name) != NULL, "%s", losses[0].text);
    ck_assert_msg(strstr(losses[0].text, words) != NULL, "%s", losses[0].text);
    ck_assert_int_eq(commit(&err), TB_UNAVAILABLE);
    ck_assert_str_eq(err.text, losses[0].text);
    ck_assert_int_eq(tb_db_open(path, TB_DB_DURABLE, 0, &other, &again), TB_UNAVAILABLE);
    uint64_t number = losses[0].number;
    ck_assert_uint_eq(look(), 1);
    ck_assert_uint_eq(losses[0].number, number); /* told once */
}

static void write_file(const char *file, const struct tb_buf *bytes)
{
    FILE *to = fopen(file, "we");

    ck_assert_ptr_nonnull(to);
    ck_assert_uint_eq(fwrite(bytes->data, 1, bytes->len, to), bytes->len);
    ck_assert_int_eq(fclose(to), 0);
}

/* What the next process finds without a WAL: in a copy, because a connection of this process would
 * share the index of the WAL. */
static int64_t rows_in(const char *file)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf bytes = {0};
    struct tb_error err = {0};
    struct tb_db *fresh = NULL;
    char copy[200];
    int64_t count = -1;

    read_whole_file(file, &bytes);
    snprintf(copy, sizeof copy, "%s.copy", file);
    write_file(copy, &bytes);
    ck_ok(tb_db_open(copy, TB_DB_DURABLE, 0, &fresh, &err));
    ck_ok(tb_db_query_int64(fresh, "SELECT count(*) FROM t", &count, &err));
    ck_ok(tb_db_check(fresh, &err));
    tb_db_close(fresh);
    return count;
}

static void check_bytes(const char *file, const struct tb_buf *expected)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf bytes = {0};

    read_whole_file(file, &bytes);
    ck_assert_uint_eq(bytes.len, expected->len);
    ck_assert_int_eq(memcmp(bytes.data, expected->data, bytes.len), 0);
}

static void put_other_file(const char *file)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf bytes = {0};

    tb_buf_adds(&bytes, "another file");
    ck_assert_int_eq(rename(file, moved), 0);
    write_file(file, &bytes);
}

/* _i: it was removed; moved; replaced; and the same with nobody who asks for the rescue. */
START_TEST(what_a_lost_wal_holds_is_rescued)
{
    struct stat st;

    if (_i % 3 == 0)
        ck_assert_int_eq(unlink(wal_path), 0);
    else if (_i % 3 == 1)
        ck_assert_int_eq(rename(wal_path, moved), 0);
    else
        put_other_file(wal_path);
    check_lost("a.db-wal", "restart");
    if (_i < 3) {
        ck_assert(tb_db_wants_checkpoint(db));
        tb_db_retry_checkpoint(db);
        ck_assert(!tb_db_wants_checkpoint(db));
    }
    close_all();
    ck_assert_int_eq(stat(wal_path, &st), _i % 3 == 2 ? 0 : -1);
    (void)!unlink(wal_path);
    ck_assert_int_eq(rows_in(path), ROWS);
}
END_TEST

/* A snapshot stops the rescue for a while. */
START_TEST(a_rescue_is_tried_again)
{
    run(reader, "BEGIN; SELECT count(*) FROM t");
    commit_rows(10);
    ck_assert_int_eq(unlink(wal_path), 0);
    ck_assert_uint_eq(look(), 1);
    tb_db_set_busy_timeout(db, 0);
    tb_db_retry_checkpoint(db);
    ck_assert(tb_db_wants_checkpoint(db));
    run(reader, "COMMIT");
    tb_db_retry_checkpoint(db);
    ck_assert(!tb_db_wants_checkpoint(db));
    close_all();
    ck_assert_int_eq(rows_in(path), ROWS + 10);
}
END_TEST

/* _i: it was emptied, a half of it, the header was overwritten; and the same with a commit before
 * anybody looked, which makes it long again. */
START_TEST(a_wal_that_was_cut_is_not_copied)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf before = {0};
    struct tb_error err = {0};
    struct stat st;
    int fd;

    read_whole_file(path, &before);
    ck_assert_int_eq(stat(wal_path, &st), 0);
    if (_i % 3 == 2) {
        fd = open(wal_path, O_WRONLY);
        ck_assert_int_eq(pwrite(fd, "0123456789abcdef0123456789abcdef", 32, 0), 32);
        close(fd);
    } else {
        ck_assert_int_eq(truncate(wal_path, _i % 3 == 0 ? 0 : st.st_size / 2), 0);
    }
    if (_i >= 3)
        ck_ok(commit(&err)); /* the pages that it needs are in its memory */
    if (_i >= 3)
        ck_assert_int_eq(tb_db_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE), SQLITE_IOERR);
    check_lost("a.db-wal", "restart");
    ck_assert(!tb_db_wants_checkpoint(db));
    tb_db_retry_checkpoint(db);
    ck_assert_int_eq(tb_db_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE), SQLITE_IOERR);
    check_bytes(path, &before);
    close_all();
    check_bytes(path, &before);
    ck_assert_int_eq(stat(wal_path, &st), 0);
    ck_assert_int_eq(unlink(wal_path), 0);
    ck_assert_int_eq(rows_in(path), ROWS_COPIED);
}
END_TEST

/* A snapshot stops the checkpoints, and each of them has looked at the frames before. */
START_TEST(a_hole_in_frames_that_were_looked_at)
{
    struct tb_error err = {0};
    struct stat st;

    run(reader, "BEGIN; SELECT count(*) FROM t");
    for (int i = 0; i < 3; i++) {
        commit_rows(1);
        ck_assert_int_eq(tb_db_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE), SQLITE_OK);
    }
    ck_assert_int_eq(tb_db_look(db, /* all= */ true), TB_LOSS_NONE);
    commit_rows(_i); /* 0: the hole ends at the last frame that was looked at */
    ck_assert_int_eq(stat(wal_path, &st), 0);
    ck_assert_int_eq(truncate(wal_path, st.st_size / 2), 0);
    ck_ok(commit(&err));
    ck_assert_int_eq(tb_db_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE), SQLITE_IOERR);
    check_lost("a.db-wal", "restart");
}
END_TEST

/* Nobody has looked before the connections are closed. */
START_TEST(closing_copies_nothing_of_it_either)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf before = {0};
    struct tb_error err = {0};

    read_whole_file(path, &before);
    ck_assert_int_eq(truncate(wal_path, 0), 0);
    ck_ok(commit(&err));
    close_all();
    check_bytes(path, &before);
}
END_TEST

START_TEST(a_file_that_is_put_back_is_not_lost)
{
    struct tb_error err = {0};

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(rename(path, moved), 0);
        check_lost("a.db ", "put it back");
        tb_db_retry_checkpoint(db);
        ck_assert_int_eq(rows_in(moved), ROWS + i); /* it is whole where it is */
        ck_assert_int_eq(rename(moved, path), 0);
        ck_assert_uint_eq(look(), 0);
        ck_ok(commit(&err));
    }
    put_other_file(path);
    check_lost("a.db ", "put it back");
    tb_db_close(db);
    db = NULL;
    ck_assert_int_eq(tb_db_open(path, TB_DB_DURABLE, 0, &db, &err), TB_UNAVAILABLE);
    ck_assert_int_eq(rename(moved, path), 0);
    ck_ok(tb_db_open(path, TB_DB_DURABLE, 0, &db, &err));
    ck_ok(commit(&err));
    ck_assert_uint_eq(look(), 0);
}
END_TEST

START_TEST(a_file_that_was_cut_is_not_filled_up)
{
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(truncate(path, st.st_size - 4096), 0);
    ck_assert_int_eq(tb_db_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE), SQLITE_IOERR);
    check_lost("a.db ", "cut");
    close_all();
    struct stat after;
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_int_eq(after.st_size, st.st_size - 4096);
    ck_assert_int_eq(access(wal_path, F_OK), 0);
}
END_TEST

static _Atomic bool stops_looking;

static void *look_on(void *unused)
{
    size_t found = 0;

    while (!atomic_load(&stops_looking))
        found += look();
    return found > 0 ? &stops_looking : unused;
}

/* Commits, checkpoints of every kind, a VACUUM by another connection, and closing. */
START_TEST(what_sqlite_does_is_no_loss)
{
    static const int modes[] = {SQLITE_CHECKPOINT_PASSIVE, SQLITE_CHECKPOINT_FULL,
                                SQLITE_CHECKPOINT_RESTART, SQLITE_CHECKPOINT_TRUNCATE};
    struct tb_error err = {0};
    pthread_t thread;
    void *found = NULL;
    sqlite3 *other = NULL;

    atomic_store(&stops_looking, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, look_on, NULL), 0);
    for (int i = 0; i < 100; i++) {
        commit_rows(i % 7);
        ck_assert_int_eq(tb_db_checkpoint(db, modes[i % 4]), SQLITE_OK);
        if (i % 25 != 24)
            continue;
        run(db, "DELETE FROM t");
        ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
        ck_assert_int_eq(sqlite3_exec(other, "VACUUM", NULL, NULL, NULL), SQLITE_OK);
        if (i % 50 == 49)
            ck_assert_int_eq(
                sqlite3_wal_checkpoint_v2(other, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
                SQLITE_OK);
        sqlite3_close(other);
        ck_assert_uint_eq(look(), 0);
        close_all();
        ck_ok(tb_db_open(path, TB_DB_DURABLE, 0, &db, &err));
        ck_ok(tb_db_open(path, TB_DB_READER, 0, &reader, &err));
    }
    atomic_store(&stops_looking, true);
    pthread_join(thread, &found);
    ck_assert_ptr_null(found);
}
END_TEST

/* The writer of the next tests keeps the number of its rows. */
static enum tb_code has_rows(void *ctx, bool *ret_ours, struct tb_error *err)
{
    int64_t count = 0;

    TB_TRY(tb_db_query_int64(db, "SELECT count(*) FROM t", &count, err));
    *ret_ours = count == *(const int64_t *)ctx;
    return TB_OK;
}

static void back_up(const char *from, const char *to)
{
    sqlite3 *source = NULL, *target = NULL;
    sqlite3_backup *backup;

    ck_assert_int_eq(sqlite3_open(from, &source), SQLITE_OK);
    ck_assert_int_eq(sqlite3_open(to, &target), SQLITE_OK);
    backup = sqlite3_backup_init(target, "main", source, "main");
    ck_assert_ptr_nonnull(backup);
    ck_assert_int_eq(sqlite3_backup_step(backup, -1), SQLITE_DONE);
    ck_assert_int_eq(sqlite3_backup_finish(backup), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(target), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(source), SQLITE_OK);
}

/* `.restore` of the sqlite3 shell. _i 0: of a copy from before the last checkpoint; 1: after it.
 * The copy is there afterwards, and the WAL is not taken for that of another file. */
START_TEST(a_copy_that_is_put_into_the_open_file)
{
    int64_t rows = ROWS, found = 0;
    struct tb_error err = {0};
    char copy[170], moved_wal[180];

    snprintf(copy, sizeof copy, "%s.copy", path);
    tb_db_watch_content(db, has_rows, &rows);
    if (_i == 0)
        back_up(path, copy);
    ck_assert_int_eq(tb_db_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE), SQLITE_OK);
    if (_i == 1)
        back_up(path, copy);
    ck_ok(commit(&err));
    rows++;
    ck_ok(commit(&err));
    rows++;
    back_up(copy, path);
    ck_assert_int_eq(commit(&err), TB_UNAVAILABLE);
    check_lost("a.db", "was overwritten by another program");
    tb_db_retry_checkpoint(db);
    close_all();
    ck_assert_int_eq(rename(path, moved), 0); /* under its own name it stays lost */
    snprintf(moved_wal, sizeof moved_wal, "%s-wal", moved);
    ck_assert_int_eq(rename(wal_path, moved_wal), 0);
    ck_ok(tb_db_open(moved, TB_DB_DURABLE, 0, &db, &err));
    ck_ok(tb_db_query_int64(db, "SELECT count(*) FROM t", &found, &err));
    ck_assert_int_eq(found, ROWS);
}
END_TEST

/* Whatever leaves what the writer needs. */
START_TEST(what_another_program_may_commit)
{
    int64_t rows = ROWS;
    struct tb_error err = {0};
    sqlite3 *other = NULL;

    tb_db_watch_content(db, has_rows, &rows);
    ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(sqlite3_exec(other, "CREATE TABLE IF NOT EXISTS u(a)", NULL, NULL, NULL),
                         SQLITE_OK);
        ck_assert_int_eq(sqlite3_exec(other, "INSERT INTO u VALUES(1)", NULL, NULL, NULL),
                         SQLITE_OK);
        ck_ok(commit(&err));
        rows++;
        ck_ok(commit(&err));
        rows++;
    }
    ck_assert_int_eq(sqlite3_close(other), SQLITE_OK);
    ck_assert_uint_eq(look(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file_loss");
    TCase *tc = tcase_create("losses");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, what_a_lost_wal_holds_is_rescued, 0, 6);
    tcase_add_test(tc, a_rescue_is_tried_again);
    tcase_add_loop_test(tc, a_wal_that_was_cut_is_not_copied, 0, 6);
    tcase_add_loop_test(tc, a_hole_in_frames_that_were_looked_at, 0, 3);
    tcase_add_test(tc, closing_copies_nothing_of_it_either);
    tcase_add_test(tc, a_file_that_is_put_back_is_not_lost);
    tcase_add_test(tc, a_file_that_was_cut_is_not_filled_up);
    tcase_add_test(tc, what_sqlite_does_is_no_loss);
    tcase_add_loop_test(tc, a_copy_that_is_put_into_the_open_file, 0, 2);
    tcase_add_test(tc, what_another_program_may_commit);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

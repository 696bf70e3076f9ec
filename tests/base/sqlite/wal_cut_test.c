/* Promise: a WAL that was cut below what was copied from it is told before SQLite mixes old pages
 * with new ones, and no other WAL is. Method: a reader's snapshot stops a checkpoint, commits
 * follow, and a copy of the files, as a killed process leaves them, is cut. */
#include "base/sqlite/db_priv.h"
#include "support/support.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#define FRAME_SIZE (24 + 4096)
#define HEADER_SIZE 32

static char folder[128], path[160], copy[160];
static struct tb_db *db, *reader;
static struct tb_error err;

static void setup(void)
{
    tmpdir_make(folder);
    snprintf(path, sizeof path, "%s/t.db", folder);
    snprintf(copy, sizeof copy, "%s/copy.db", folder);
    ck_ok(tb_db_open(path, TB_DB_DERIVED, 100000, &db, &err));
    ck_ok(tb_db_exec(db, "CREATE TABLE t(a)", &err));
    ck_ok(tb_db_open(path, TB_DB_READER, 0, &reader, &err));
}

static void teardown(void)
{
    tb_db_close(reader);
    tb_db_close(db);
    tmpdir_remove(folder);
}

static void write_rows(int count)
{
    for (int i = 0; i < count; i++)
        ck_ok(tb_db_exec(db, "INSERT INTO t VALUES(zeroblob(3000))", &err));
}

static void checkpoint(void)
{
    ck_assert_int_eq(tb_db_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE), SQLITE_OK);
}

static void copy_files(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};

    for (int i = 0; i < 3; i++) {
        TB_CLEANUP(tb_buf_release) struct tb_buf bytes = {0};
        char name[180];
        int fd;

        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        read_whole_file(name, &bytes);
        snprintf(name, sizeof name, "%s%s", copy, suffixes[i]);
        fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ck_assert_int_eq(write(fd, bytes.data, bytes.len), (ssize_t)bytes.len);
        close(fd);
    }
}

static void cut(int frames)
{
    char name[180];

    snprintf(name, sizeof name, "%s-wal", copy);
    ck_assert_int_eq(truncate(name, frames > 0 ? HEADER_SIZE + frames * FRAME_SIZE : 0), 0);
}

static void remove_wal(void)
{
    char name[180];

    snprintf(name, sizeof name, "%s-wal", copy);
    ck_assert_int_eq(unlink(name), 0);
}

static void check(enum tb_code expected)
{
    err = (struct tb_error){0};
    ck_assert_msg(tb_db_check_cut(copy, &err) == expected, "%s", err.text);
    if (expected != TB_OK)
        ck_assert_ptr_nonnull(strstr(err.text, "its -wal was cut"));
}

START_TEST(a_cut_below_what_was_copied_is_told)
{
    write_rows(20);
    ck_ok(tb_db_exec(reader, "BEGIN; SELECT count(*) FROM t", &err));
    write_rows(20);
    checkpoint();
    int copied = db->wal.copied, frames = db->wal.frames;
    ck_assert_int_gt(copied, 20);
    ck_assert_int_lt(copied, frames);
    copy_files();
    check(TB_OK);
    cut(copied);
    check(TB_OK);
    cut(copied - 1);
    check(TB_CORRUPT);
    cut(1);
    check(TB_CORRUPT);
    cut(0);
    check(TB_CORRUPT);
    remove_wal();
    check(TB_CORRUPT);
}
END_TEST

START_TEST(a_file_that_has_everything_needs_no_wal)
{
    write_rows(20);
    checkpoint();
    ck_assert_int_eq(db->wal.copied, db->wal.frames);
    copy_files();
    cut(0);
    check(TB_OK);
    remove_wal();
    check(TB_OK);
}
END_TEST

START_TEST(a_wal_of_another_round_is_left_alone)
{
    write_rows(20);
    checkpoint();
    copy_files(); /* the index is of this round */
    write_rows(1);
    TB_CLEANUP(tb_buf_release) struct tb_buf bytes = {0};
    char name[180];
    int fd;

    snprintf(name, sizeof name, "%s-wal", path);
    read_whole_file(name, &bytes);
    snprintf(name, sizeof name, "%s-wal", copy);
    fd = open(name, O_WRONLY | O_TRUNC | O_CLOEXEC);
    ck_assert_int_eq(write(fd, bytes.data, HEADER_SIZE + FRAME_SIZE), HEADER_SIZE + FRAME_SIZE);
    close(fd);
    check(TB_OK);
}
END_TEST

START_TEST(what_is_no_index_proves_nothing)
{
    check(TB_OK); /* there is no file at all */
    write_rows(20);
    copy_files();
    cut(1);
    check(TB_OK); /* nothing was copied */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_cut");
    TCase *tc = tcase_create("cut");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_cut_below_what_was_copied_is_told);
    tcase_add_test(tc, a_file_that_has_everything_needs_no_wal);
    tcase_add_test(tc, a_wal_of_another_round_is_left_alone);
    tcase_add_test(tc, what_is_no_index_proves_nothing);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

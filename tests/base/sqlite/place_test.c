/* Promise: what stands in the place of a database's files and is none is named, and nothing is
 * made beside it; a new file may be read by its owner only; no part of the WAL-index that SQLite
 * writes to is a hole, which a full disk could not fill. Method: real files. */
#include "base/sqlite/db_priv.h"
#include "support/support.h"
#include <sqlite3.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define REGION_SIZE 32768

static char folder[128], path[160], other[180];
static struct tb_error err;

static void setup(void)
{
    tmpdir_make(folder);
    snprintf(path, sizeof path, "%s/t.db", folder);
    umask(022);
}

static void teardown(void)
{
    tmpdir_remove(folder);
}

static const char *beside(const char *suffix)
{
    snprintf(other, sizeof other, "%s%s", path, suffix);
    return other;
}

static struct tb_db *open_db(void)
{
    struct tb_db *db = NULL;

    ck_ok(tb_db_open(path, TB_DB_DERIVED, 100000, &db, &err));
    return db;
}

static void check_refused(const char *name, const char *kind)
{
    struct tb_db *db = NULL;

    ck_assert_int_eq(tb_db_open(path, TB_DB_DURABLE, 0, &db, &err), TB_UNAVAILABLE);
    ck_assert_msg(strstr(err.text, name) && strstr(err.text, kind), "%s", err.text);
    ck_assert(tb_error_is_of_reading(&err)); /* log and view are set aside for it */
}

START_TEST(a_folder_is_named)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};

    ck_assert_int_eq(mkdir(beside(suffixes[_i]), 0700), 0);
    check_refused(other, "is a folder");
}
END_TEST

START_TEST(a_link_to_nothing_is_named_and_not_followed)
{
    char target[180];

    snprintf(target, sizeof target, "%s/away.db", folder);
    ck_assert_int_eq(symlink(target, path), 0);
    check_refused(path, "does not exist");
    ck_assert_int_ne(access(target, F_OK), 0);
}
END_TEST

START_TEST(a_link_to_a_database_is_followed)
{
    char target[180];

    tb_db_close(open_db());
    snprintf(target, sizeof target, "%s/moved.db", folder);
    ck_assert_int_eq(rename(path, target), 0);
    ck_assert_int_eq(symlink(target, path), 0);
    tb_db_close(open_db());
    snprintf(target, sizeof target, "%s/moved.db-shm", folder);
    ck_assert_int_eq(mkdir(target, 0700), 0);
    check_refused(target, "is a folder");
}
END_TEST

static unsigned mode_of(const char *suffix)
{
    struct stat st;

    ck_assert_int_eq(stat(beside(suffix), &st), 0);
    return st.st_mode & 0777;
}

START_TEST(a_new_file_is_private_and_an_old_one_keeps_its_mode)
{
    struct tb_db *db = open_db();

    ck_assert_uint_eq(mode_of(""), 0600);
    ck_assert_uint_eq(mode_of("-wal"), 0600);
    ck_assert_uint_eq(mode_of("-shm"), 0600);
    tb_db_close(db);
    ck_assert_int_eq(chmod(path, 0644), 0);
    tb_db_close(open_db());
    ck_assert_uint_eq(mode_of(""), 0644);
}
END_TEST

/* SQLite's call of mmap goes through this: does the file have all blocks of what is mapped? */
static int mapped, mapped_with_holes;

static void *looking_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    struct stat st;

    mapped++;
    if (fstat(fd, &st) != 0 || st.st_blocks * 512 < offset + (off_t)len)
        mapped_with_holes++;
    return mmap(at, len, protection, flags, fd, offset);
}

/* Another program, or an earlier build, may have made the file longer. The first region of the
 * index holds 4,062 frames. */
START_TEST(the_index_is_mapped_without_holes)
{
    struct tb_db *db = open_db();

    ck_ok(tb_db_exec(db, "CREATE TABLE t(a)", &err));
    ck_assert_int_eq(truncate(beside("-shm"), 2 * REGION_SIZE), 0);
    ck_ok(tb_db_exec(db,
                     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                     " WHERE i < 4200) INSERT INTO t SELECT zeroblob(4000) FROM n",
                     &err));
    ck_assert_int_eq(mapped, 2);
    ck_assert_int_eq(mapped_with_holes, 0);
    tb_db_close(db);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("place");
    TCase *tc = tcase_create("place");
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");

    if (vfs->xSetSystemCall(vfs, "mmap", (sqlite3_syscall_ptr)looking_mmap) != SQLITE_OK)
        return 1;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_folder_is_named, 0, 3);
    tcase_add_test(tc, a_link_to_nothing_is_named_and_not_followed);
    tcase_add_test(tc, a_link_to_a_database_is_followed);
    tcase_add_test(tc, a_new_file_is_private_and_an_old_one_keeps_its_mode);
    tcase_add_test(tc, the_index_is_mapped_without_holes);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

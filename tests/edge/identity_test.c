/* Promise: the identity of a folder is another one after each renewal, whatever was copied into
 * the folder meanwhile; a crash at any moment of a renewal leaves the identity that the store is
 * bound to; chmod and touch leave it as it is. */
#include "edge/identity.h"
#include "store/fixture.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fixture f;

static void setup(void)
{
    fixture_init(&f);
    tb_folder_identity_read(f.dir, &f.folder);
    fixture_open(&f);
}

static void teardown(void)
{
    fixture_release(&f);
}

static void renew(void)
{
    struct tb_error err = {0};

    ck_ok(tb_identity_renew(f.dir, f.store, &f.random.random, &f.folder, &err));
}

static void start(void)
{
    tb_folder_identity_read(f.dir, &f.folder);
    fixture_open(&f);
}

static void path_of(const char *name, char ret_path[200])
{
    snprintf(ret_path, 200, "%s/%s", f.dir, name);
}

static void read_file(const char *name, struct tb_buf *bytes)
{
    char path[200];

    path_of(name, path);
    read_whole_file(path, bytes);
}

/* As `cp` does: the inode stays. */
static void write_over(const char *name, const struct tb_buf *bytes)
{
    char path[200];
    int fd;

    path_of(name, path);
    fd = open(path, O_WRONLY | O_TRUNC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes->data, bytes->len), (ssize_t)bytes->len);
    close(fd);
}

START_TEST(a_new_folder_has_none)
{
    ck_assert(f.folder.is_known);
    ck_assert_str_eq(f.folder.present, "");
    ck_assert_str_eq(f.folder.next, "");
    ck_assert(tb_store_is_new(f.store));
    renew();
    fixture_close(&f);
    start();
    ck_assert(!tb_store_is_new(f.store));
    ck_assert(!tb_store_is_copy(f.store));
    ck_assert_str_eq(tb_store_folder_id(f.store), f.folder.present);
}
END_TEST

START_TEST(it_is_another_one_each_time)
{
    char last[TB_FOLDER_ID_SIZE] = "";

    for (int i = 0; i < 5; i++) {
        renew();
        ck_assert_str_ne(f.folder.present, last);
        ck_assert_str_eq(f.folder.next, "");
        snprintf(last, sizeof last, "%s", f.folder.present);
        fixture_close(&f);
        start();
        ck_assert_str_eq(f.folder.present, last);
        ck_assert(!tb_store_is_copy(f.store));
    }
}
END_TEST

/* Bit 0: store.db is put back; bit 1: the file "identity" is, too. Both are written over. */
START_TEST(what_is_put_back_is_a_copy)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf store = {0}, identity = {0};

    renew();
    fixture_place(&f, NULL);
    fixture_close(&f);
    read_file("store.db", &store);
    read_file("identity", &identity);
    start();
    renew();
    fixture_place(&f, NULL);
    fixture_place(&f, NULL);
    renew(); /* at the stop */
    fixture_close(&f);
    if (_i & 1)
        write_over("store.db", &store);
    if (_i & 2)
        write_over("identity", &identity);
    start();
    ck_assert(tb_store_is_copy(f.store));
    ck_assert_int_eq(f.folder.last_number, _i & 2 ? 0 : 3);
    fixture_close(&f);
    start(); /* nobody was told */
    ck_assert(tb_store_is_copy(f.store));
    renew();
    fixture_close(&f);
    start();
    ck_assert(!tb_store_is_copy(f.store));
}
END_TEST

/* A renewal ends after so many steps; then another one succeeds, or ends as well. */
START_TEST(a_crash_in_a_renewal_makes_no_copy)
{
    struct tb_error err = {0};

    renew();
    for (int round = 0; round < 3; round++) {
        ck_ok(tb_folder_identity_prepare(f.dir, &f.random.random, 7, &f.folder, &err));
        if (_i > 0)
            ck_ok(tb_store_bind(f.store, f.folder.next, &err));
        if (_i > 1)
            ck_ok(tb_folder_identity_adopt(f.dir, &f.folder, &err));
        fixture_close(&f);
        start();
        ck_assert(!tb_store_is_copy(f.store));
        ck_assert_int_eq(f.folder.last_number, 7);
    }
    renew();
    fixture_close(&f);
    start();
    ck_assert(!tb_store_is_copy(f.store));
    /* One that was prepared, and not noted, is the next one still. */
    ck_assert_int_eq(f.folder.last_number, _i == 0 ? 7 : 0);
}
END_TEST

/* A bind that has failed may have been done. */
START_TEST(a_bind_of_unknown_outcome_makes_no_copy)
{
    struct tb_error err = {0};
    char prepared[TB_FOLDER_ID_SIZE];

    renew();
    fault_vfs_fail(FAULT_SYNC, 1, SQLITE_IOERR_FSYNC, false, (uint64_t)_i);
    ck_assert_int_eq(tb_identity_renew(f.dir, f.store, &f.random.random, &f.folder, &err),
                     TB_UNKNOWN);
    fault_vfs_heal();
    snprintf(prepared, sizeof prepared, "%s", f.folder.next);
    fault_vfs_fail(FAULT_WRITE, 1, SQLITE_IOERR_WRITE, true, 1);
    ck_assert_int_ne(tb_identity_renew(f.dir, f.store, &f.random.random, &f.folder, &err), TB_OK);
    ck_assert_str_eq(f.folder.next, prepared);
    fixture_close(&f);
    fault_vfs_heal();
    start();
    ck_assert(!tb_store_is_copy(f.store));
}
END_TEST

/* The first half of the next renewal must not remove what the store is bound to. */
START_TEST(two_crashes_make_no_copy)
{
    struct tb_error err = {0};

    renew();
    ck_ok(tb_folder_identity_prepare(f.dir, &f.random.random, 1, &f.folder, &err));
    ck_ok(tb_store_bind(f.store, f.folder.next, &err));
    fixture_close(&f);
    start();
    fault_vfs_fail(FAULT_WRITE, 1, SQLITE_IOERR_WRITE, true,
                   1); /* it is not bound to the third one */
    ck_assert_int_ne(tb_identity_renew(f.dir, f.store, &f.random.random, &f.folder, &err), TB_OK);
    fixture_close(&f);
    fault_vfs_heal();
    start();
    ck_assert(!tb_store_is_copy(f.store));
}
END_TEST

START_TEST(chmod_and_touch_change_nothing)
{
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2}};
    char path[200];

    renew();
    fixture_close(&f);
    path_of("identity", path);
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    start();
    ck_assert(!tb_store_is_copy(f.store));
}
END_TEST

/* A folder that cannot be written keeps its identity. */
START_TEST(a_failure_keeps_the_present_one)
{
    struct tb_error err = {0};
    char before[TB_FOLDER_ID_SIZE], path[200];

    renew();
    snprintf(before, sizeof before, "%s", f.folder.present);
    path_of("identity.new", path);
    ck_assert_int_eq(mkdir(path, 0700), 0); /* in the place of the file */
    ck_assert_int_eq(tb_identity_renew(f.dir, f.store, &f.random.random, &f.folder, &err),
                     TB_UNAVAILABLE);
    ck_assert_str_eq(f.folder.present, before);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    fixture_close(&f);
    ck_assert_int_eq(rmdir(path), 0);
    start();
    ck_assert(!tb_store_is_copy(f.store));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("folder_identity");
    TCase *tc = tcase_create("identity");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_new_folder_has_none);
    tcase_add_test(tc, it_is_another_one_each_time);
    tcase_add_loop_test(tc, what_is_put_back_is_a_copy, 1, 4);
    tcase_add_loop_test(tc, a_crash_in_a_renewal_makes_no_copy, 0, 3);
    tcase_add_test(tc, two_crashes_make_no_copy);
    tcase_add_loop_test(tc, a_bind_of_unknown_outcome_makes_no_copy, 0, 8);
    tcase_add_test(tc, chmod_and_touch_change_nothing);
    tcase_add_test(tc, a_failure_keeps_the_present_one);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

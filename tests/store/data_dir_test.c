/* Promise: one process at a time uses a folder, on a file system that can hold the store;
 * otherwise the error is one clear line. Method: real folders; file systems by their magic
 * numbers. */
#include "store/data_dir.h"
#include "support/support.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[128];

static void setup(void)
{
    tmpdir_make(base);
}

static void teardown(void)
{
    tmpdir_remove(base);
}

START_TEST(folders_are_made_private)
{
    struct tb_error err = {0};
    struct tb_data_dir *dir = NULL;
    char path[200];
    struct stat st;

    snprintf(path, sizeof path, "%s/a/b/c/", base);
    ck_ok(tb_data_dir_open(path, &dir, &err));
    path[strlen(path) - 1] = '\0';
    ck_assert_str_eq(tb_data_dir_path(dir), path);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0700);
    strcat(path, "/lock");
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_int_gt(tb_data_dir_free_bytes(dir), 0);
    tb_data_dir_free(dir);
}
END_TEST

START_TEST(a_relative_path_becomes_absolute)
{
    struct tb_error err = {0};
    struct tb_data_dir *dir = NULL;

    ck_assert_int_eq(chdir(base), 0);
    ck_ok(tb_data_dir_open("here", &dir, &err));
    ck_assert_int_eq(tb_data_dir_path(dir)[0], '/');
    ck_assert_ptr_nonnull(strstr(tb_data_dir_path(dir), "/here"));
    tb_data_dir_free(dir);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

/* A second process gets an error that names the first; after the first has ended, it gets the
 * folder. */
START_TEST(the_second_process_learns_who_is_first)
{
    struct tb_error err = {0};
    struct tb_data_dir *dir = NULL;
    char expected[100];
    int status = 0;

    ck_ok(tb_data_dir_open(base, &dir, &err));
    tb_data_dir_write_owner(dir, "127.0.0.1:8081");
    snprintf(expected, sizeof expected, "pid %ld at 127.0.0.1:8081", (long)getpid());
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct tb_data_dir *other = NULL;
        bool told = tb_data_dir_open(base, &other, &err) == TB_CONFLICT &&
                    strstr(err.text, expected) && strstr(err.text, base);
        _exit(told ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    tb_data_dir_free(dir);
    ck_ok(tb_data_dir_open(base, &dir, &err));
    tb_data_dir_free(dir);
}
END_TEST

START_TEST(what_is_not_a_folder_is_refused)
{
    struct tb_error err = {0};
    struct tb_data_dir *dir = NULL;
    char path[200];

    snprintf(path, sizeof path, "%s/file", base);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    ck_assert_int_eq(tb_data_dir_open(path, &dir, &err), TB_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    strcat(path, "/below");
    ck_assert_int_eq(tb_data_dir_open(path, &dir, &err), TB_INVALID);
    ck_assert_int_eq(tb_data_dir_open("/proc/tillbox", &dir, &err), TB_INVALID);
    ck_assert_ptr_null(strchr(err.text, '\n'));
}
END_TEST

/* Runs as the user nobody, because root may write anywhere. */
START_TEST(a_folder_that_is_not_writable_is_refused)
{
    struct tb_error err = {0};
    int status = 0;

    ck_assert_int_eq(chmod(base, 0555), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct tb_data_dir *dir = NULL;
        bool refused = (getuid() != 0 || setuid(65534) == 0) &&
                       tb_data_dir_open(base, &dir, &err) == TB_INVALID &&
                       strstr(err.text, "not writable") && strstr(err.text, base);
        _exit(refused ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(chmod(base, 0700), 0);
}
END_TEST

static const struct {
    int64_t magic;
    bool holds;
} systems[] = {
    {0xef53, true},               /* ext4 */
    {0x58465342, true},           /* XFS */
    {0x9123683e, true},           /* Btrfs */
    {0x01021994, true},           /* tmpfs */
    {0x794c7630, true},           /* overlayfs */
    {0x2fc12fc1, true},           /* ZFS */
    {0xf2f52010, true},           /* F2FS */
    {0x6969, false},              /* NFS */
    {0x517b, false},              /* SMB */
    {0xff534d42, false},          /* CIFS */
    {(int32_t)0xff534d42, false}, /* as a 32-bit long has it */
    {0xfe534d42, false},          /* SMB2 */
    {0x01021997, false},          /* 9P */
    {0x5346414f, false},          /* AFS */
    {0x6b414653, false},          /* kAFS */
    {0x73757245, false},          /* Coda */
    {0x564c, false},              /* NCP */
    {0x00c36400, false},          /* Ceph */
    {0x01161970, false},          /* GFS2 */
    {0x7461636f, false},          /* OCFS2 */
    {0x0bd00bd0, false},          /* Lustre */
    {0x47504653, false},          /* GPFS */
    {0x786f4256, false},          /* VirtualBox */
};

START_TEST(network_file_systems_are_refused)
{
    ck_assert_int_eq(tb_fs_supports_wal(systems[_i].magic), systems[_i].holds);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/data_dir");
    TCase *tc = tcase_create("folder");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, folders_are_made_private);
    tcase_add_test(tc, a_relative_path_becomes_absolute);
    tcase_add_test(tc, the_second_process_learns_who_is_first);
    tcase_add_test(tc, what_is_not_a_folder_is_refused);
    tcase_add_test(tc, a_folder_that_is_not_writable_is_refused);
    tcase_add_loop_test(tc, network_file_systems_are_refused, 0,
                        (int)(sizeof systems / sizeof *systems));
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

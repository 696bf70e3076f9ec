/* Promise: one process at a time uses a folder, on a file system that can hold the store;
 * otherwise the error is one clear line. Method: real folders; file systems by their magic
 * numbers. */
#include "store/data_dir.h"
#include "support/support.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[128];
static int64_t fake_magic; /* what statfs says; 0: the truth */

int __real_statfs(const char *path, struct statfs *ret_fs);
int __wrap_statfs(const char *path, struct statfs *ret_fs);
int __wrap_statfs(const char *path, struct statfs *ret_fs)
{
    int rc = __real_statfs(path, ret_fs);

    if (fake_magic)
        ret_fs->f_type = (__fsword_t)fake_magic;
    return rc;
}

static void setup(void)
{
    fake_magic = 0;
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
    ck_ok(tb_data_dir_open(path, false, &dir, &err));
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
    ck_ok(tb_data_dir_open("here", false, &dir, &err));
    ck_assert_int_eq(tb_data_dir_path(dir)[0], '/');
    ck_assert_ptr_nonnull(strstr(tb_data_dir_path(dir), "/here"));
    tb_data_dir_free(dir);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

/* Room for a start on a full disk (tests/e2e/pinned_test.py): it is kept while there is enough. */
START_TEST(the_ballast_is_kept)
{
    struct tb_error err = {0};
    struct tb_data_dir *dir = NULL;
    char path[160];
    struct stat st;

    snprintf(path, sizeof path, "%s/ballast", base);
    ck_ok(tb_data_dir_open(base, false, &dir, &err));
    tb_data_dir_keep_ballast(dir);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_ge(st.st_blocks * 512, TB_BALLAST_BYTES);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(truncate(path, 0), 0);
    tb_data_dir_free(dir);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_ge(st.st_blocks * 512, TB_BALLAST_BYTES);
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

    ck_ok(tb_data_dir_open(base, false, &dir, &err));
    tb_data_dir_write_owner(dir, "127.0.0.1:8081");
    snprintf(expected, sizeof expected, "pid %ld at 127.0.0.1:8081", (long)getpid());
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct tb_data_dir *other = NULL;
        bool told = tb_data_dir_open(base, false, &other, &err) == TB_CONFLICT &&
                    strstr(err.text, expected) && strstr(err.text, base);
        _exit(told ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    tb_data_dir_free(dir);
    ck_ok(tb_data_dir_open(base, false, &dir, &err));
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
    ck_assert_int_eq(tb_data_dir_open(path, false, &dir, &err), TB_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    strcat(path, "/below");
    ck_assert_int_eq(tb_data_dir_open(path, false, &dir, &err), TB_INVALID);
    ck_assert_int_eq(tb_data_dir_open("/proc/tillbox", false, &dir, &err), TB_INVALID);
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
                       tb_data_dir_open(base, false, &dir, &err) == TB_INVALID &&
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
    enum tb_file_system expected;
} systems[] = {
    {0xef53, TB_FS_LOCAL},                /* ext4 */
    {0x58465342, TB_FS_LOCAL},            /* XFS */
    {0x9123683e, TB_FS_LOCAL},            /* Btrfs */
    {0x794c7630, TB_FS_LOCAL},            /* overlayfs */
    {0x2fc12fc1, TB_FS_LOCAL},            /* ZFS */
    {0xf2f52010, TB_FS_LOCAL},            /* F2FS */
    {0x01021994, TB_FS_MEMORY},           /* tmpfs */
    {0x858458f6, TB_FS_MEMORY},           /* ramfs */
    {(int32_t)0x858458f6, TB_FS_MEMORY},  /* as a 32-bit long has it */
    {0x65735546, TB_FS_FUSE},             /* FUSE */
    {0x6969, TB_FS_NETWORK},              /* NFS */
    {0x517b, TB_FS_NETWORK},              /* SMB */
    {0xff534d42, TB_FS_NETWORK},          /* CIFS */
    {(int32_t)0xff534d42, TB_FS_NETWORK}, /* as a 32-bit long has it */
    {0xfe534d42, TB_FS_NETWORK},          /* SMB2 */
    {0x01021997, TB_FS_NETWORK},          /* 9P */
    {0x5346414f, TB_FS_NETWORK},          /* AFS */
    {0x6b414653, TB_FS_NETWORK},          /* kAFS */
    {0x73757245, TB_FS_NETWORK},          /* Coda */
    {0x564c, TB_FS_NETWORK},              /* NCP */
    {0x00c36400, TB_FS_NETWORK},          /* Ceph */
    {0x01161970, TB_FS_NETWORK},          /* GFS2 */
    {0x7461636f, TB_FS_NETWORK},          /* OCFS2 */
    {0x0bd00bd0, TB_FS_NETWORK},          /* Lustre */
    {0x47504653, TB_FS_NETWORK},          /* GPFS */
    {0x786f4256, TB_FS_NETWORK},          /* VirtualBox */
};

/* A folder on a network or FUSE file system is refused, unless any is allowed: then it is warned
 * of, as memory is always. A refused folder is not locked. */
START_TEST(file_systems_are_refused_or_warned_of)
{
    enum tb_file_system expected = systems[_i].expected;
    bool refused = expected == TB_FS_NETWORK || expected == TB_FS_FUSE;
    struct tb_error err = {0};
    struct tb_data_dir *dir = NULL;
    char lock[200];

    ck_assert_int_eq(tb_file_system_of(systems[_i].magic), expected);
    fake_magic = systems[_i].magic;
    ck_assert_int_eq(tb_data_dir_open(base, false, &dir, &err), refused ? TB_INVALID : TB_OK);
    if (refused) {
        snprintf(lock, sizeof lock, "%s/lock", base);
        ck_assert_int_ne(access(lock, F_OK), 0);
        ck_assert_ptr_nonnull(strstr(err.text, expected == TB_FS_FUSE ? "FUSE" : "network"));
        ck_assert_ptr_nonnull(strstr(err.text, "node.allow_any_filesystem = yes"));
        ck_ok(tb_data_dir_open(base, true, &dir, &err));
    }
    ck_assert_int_eq(tb_data_dir_warning(dir) != NULL, expected != TB_FS_LOCAL);
    if (expected == TB_FS_MEMORY)
        ck_assert_ptr_nonnull(
            strstr(tb_data_dir_warning(dir), "nothing survives a power cut here"));
    tb_data_dir_free(dir);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/data_dir");
    TCase *tc = tcase_create("folder");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, folders_are_made_private);
    tcase_add_test(tc, a_relative_path_becomes_absolute);
    tcase_add_test(tc, the_ballast_is_kept);
    tcase_add_test(tc, the_second_process_learns_who_is_first);
    tcase_add_test(tc, what_is_not_a_folder_is_refused);
    tcase_add_test(tc, a_folder_that_is_not_writable_is_refused);
    tcase_add_loop_test(tc, file_systems_are_refused_or_warned_of, 0,
                        (int)(sizeof systems / sizeof *systems));
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

#include "store/data_dir.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LOCK_NAME "lock"
/* Longest text in the lock file: "pid 4711 at 127.0.0.1:8081". */
#define OWNER_MAX 200

struct tb_data_dir {
    char path[PATH_MAX]; /* absolute */
    int lock_fd;
};

bool tb_fs_supports_wal(int64_t magic)
{
    /* From linux/magic.h and the kernel's sources: the file systems that several machines may
     * mount at once. The WAL's index is memory that only the processes of one machine share. */
    static const uint32_t refused[] = {
        0x00006969, /* NFS */
        0x0000517b, /* SMB */
        0xff534d42, /* CIFS */
        0xfe534d42, /* SMB2 */
        0x01021997, /* 9P */
        0x5346414f, /* AFS */
        0x6b414653, /* kAFS */
        0x73757245, /* Coda */
        0x0000564c, /* NCP */
        0x00c36400, /* Ceph */
        0x01161970, /* GFS2 */
        0x7461636f, /* OCFS2 */
        0x0bd00bd0, /* Lustre */
        0x47504653, /* GPFS */
        0x786f4256, /* VirtualBox shared folder */
    };

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if ((uint32_t)magic == refused[i])
            return false;
    return true;
}

static enum tb_code sync_folder(const char *path, struct tb_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum tb_code code = TB_OK;

    if (fd < 0)
        return errno == EACCES
                   ? TB_OK /* another user's folder, in which we cannot have created anything */
                   : tb_error_errno(err, TB_INVALID, errno, "cannot open %s", path);
    if (fsync(fd) != 0)
        code = tb_error_errno(err, TB_INVALID, errno, "cannot sync %s", path);
    close(fd);
    return code;
}

/* The parent folder of an absolute path. */
static void parent_of(const char *path, char ret_parent[PATH_MAX])
{
    const char *slash = strrchr(path, '/');

    snprintf(ret_parent, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/* Creates one folder durably, unless it exists. */
static enum tb_code make_folder(const char *path, struct tb_error *err)
{
    char parent[PATH_MAX];
    struct stat st;

    if (mkdir(path, 0700) == 0) {
        parent_of(path, parent);
        return sync_folder(parent, err);
    }
    int number = errno;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return TB_OK;
        return tb_error_set(err, TB_INVALID, "%s is not a folder", path);
    }
    return tb_error_errno(err, TB_INVALID, number, "cannot make the folder %s", path);
}

/* As mkdir -p does, for an absolute path. */
static enum tb_code make_folders(const char *path, struct tb_error *err)
{
    char part[PATH_MAX];

    for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(end - path), path);
        TB_TRY(make_folder(part, err));
    }
    return make_folder(path, err);
}

static enum tb_code absolute(const char *path, char ret_path[PATH_MAX], struct tb_error *err)
{
    char here[PATH_MAX] = "";
    int len;

    if (path[0] != '/' && !getcwd(here, sizeof here))
        return tb_error_errno(err, TB_INVALID, errno, "cannot tell the working folder");
    len = snprintf(ret_path, PATH_MAX, "%s%s%s", here, here[0] ? "/" : "", path);
    if (len >= PATH_MAX)
        return tb_error_set(err, TB_INVALID, "the path of the data folder is too long");
    for (; len > 1 && ret_path[len - 1] == '/'; len--)
        ret_path[len - 1] = '\0';
    return TB_OK;
}

static enum tb_code check_file_system(const char *path, struct tb_error *err)
{
    struct statfs fs;

    if (statfs(path, &fs) != 0)
        return tb_error_errno(err, TB_INVALID, errno, "cannot look at %s", path);
    if (!tb_fs_supports_wal((int64_t)fs.f_type))
        return tb_error_set(err, TB_INVALID,
                            "%s is on a network file system, which cannot hold the store safely; "
                            "choose a folder on a local disk",
                            path);
    return TB_OK;
}

/* Returns an error with the text that the owner of the lock has written into the file. */
static enum tb_code report_owner(struct tb_data_dir *dir, struct tb_error *err)
{
    char owner[OWNER_MAX + 1] = "";
    ssize_t got = pread(dir->lock_fd, owner, OWNER_MAX, 0);

    owner[got > 0 ? strcspn(owner, "\n") : 0] = '\0';
    return tb_error_set(err, TB_CONFLICT, "%s is in use by %s", dir->path,
                        owner[0] ? owner : "another process");
}

/* The lock is on a separate file: to close any descriptor of one of SQLite's files would drop
 * SQLite's locks on it. The kernel removes a flock when the process ends, however it ends. */
static enum tb_code take_lock(struct tb_data_dir *dir, struct tb_error *err)
{
    char path[PATH_MAX + sizeof "/" LOCK_NAME];

    snprintf(path, sizeof path, "%s/" LOCK_NAME, dir->path);
    dir->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir->lock_fd < 0)
        return tb_error_errno(err, TB_INVALID, errno, "the data folder %s is not writable",
                              dir->path);
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return TB_OK;
    if (errno == EWOULDBLOCK)
        return report_owner(dir, err);
    return tb_error_errno(err, TB_INVALID, errno, "cannot lock %s", path);
}

static enum tb_code open_folder(struct tb_data_dir *dir, const char *path, struct tb_error *err)
{
    TB_TRY(absolute(path, dir->path, err));
    TB_TRY(make_folders(dir->path, err));
    TB_TRY(check_file_system(dir->path, err));
    TB_TRY(take_lock(dir, err));
    tb_data_dir_write_owner(dir, NULL);
    return TB_OK;
}

enum tb_code tb_data_dir_open(const char *path, struct tb_data_dir **ret_dir, struct tb_error *err)
{
    struct tb_data_dir *dir = calloc(1, sizeof *dir);
    enum tb_code code;

    if (!dir)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    dir->lock_fd = -1;
    code = open_folder(dir, path, err);
    if (code != TB_OK) {
        tb_data_dir_free(dir);
        return code;
    }
    *ret_dir = dir;
    return TB_OK;
}

void tb_data_dir_free(struct tb_data_dir *dir)
{
    if (!dir)
        return;
    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
    free(dir);
}

const char *tb_data_dir_path(const struct tb_data_dir *dir)
{
    return dir->path;
}

void tb_data_dir_write_owner(struct tb_data_dir *dir, const char *address)
{
    char text[OWNER_MAX];
    int len = snprintf(text, sizeof text, "pid %ld%s%s\n", (long)getpid(), address ? " at " : "",
                       address ? address : "");

    if (len >= (int)sizeof text)
        len = (int)sizeof text - 1;
    /* A failure is ignored: then only the next process's error text lacks our pid. */
    if (ftruncate(dir->lock_fd, 0) != 0 || pwrite(dir->lock_fd, text, (size_t)len, 0) < 0)
        return;
}

int64_t tb_data_dir_free_bytes(const struct tb_data_dir *dir)
{
    struct statvfs fs;

    if (fstatvfs(dir->lock_fd, &fs) != 0) /* faster than statvfs: called for every batch */
        return -1;
    return (int64_t)(fs.f_bavail * fs.f_frsize);
}

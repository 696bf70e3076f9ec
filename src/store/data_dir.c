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
#define BALLAST_NAME "ballast"
#define BALLAST_PART_BYTES (16 * 1024)
/* Longest text in the lock file: "pid 4711 at 127.0.0.1:8081". */
#define OWNER_MAX 200

struct tb_data_dir {
    char path[PATH_MAX]; /* absolute */
    int lock_fd;         /* of the file; it names the owner */
    int folder_fd;       /* locked, too: nobody can remove the folder's lock */
    int ballast_fd;      /* -1: the file cannot be made */
    const char *warning; /* NULL: none */
};

/* From linux/magic.h and the kernel's sources. */
static const struct {
    uint32_t magic;
    enum tb_file_system file_system;
} file_systems[] = {
    {0x00006969, TB_FS_NETWORK}, /* NFS */
    {0x0000517b, TB_FS_NETWORK}, /* SMB */
    {0xff534d42, TB_FS_NETWORK}, /* CIFS */
    {0xfe534d42, TB_FS_NETWORK}, /* SMB2 */
    {0x01021997, TB_FS_NETWORK}, /* 9P */
    {0x5346414f, TB_FS_NETWORK}, /* AFS */
    {0x6b414653, TB_FS_NETWORK}, /* kAFS */
    {0x73757245, TB_FS_NETWORK}, /* Coda */
    {0x0000564c, TB_FS_NETWORK}, /* NCP */
    {0x00c36400, TB_FS_NETWORK}, /* Ceph */
    {0x01161970, TB_FS_NETWORK}, /* GFS2 */
    {0x7461636f, TB_FS_NETWORK}, /* OCFS2 */
    {0x0bd00bd0, TB_FS_NETWORK}, /* Lustre */
    {0x47504653, TB_FS_NETWORK}, /* GPFS */
    {0x786f4256, TB_FS_NETWORK}, /* VirtualBox shared folder */
    {0x65735546, TB_FS_FUSE},    /* FUSE, virtiofs */
    {0x01021994, TB_FS_MEMORY},  /* tmpfs */
    {0x858458f6, TB_FS_MEMORY},  /* ramfs */
};

enum tb_file_system tb_file_system_of(int64_t magic)
{
    for (size_t i = 0; i < sizeof file_systems / sizeof *file_systems; i++)
        if ((uint32_t)magic == file_systems[i].magic)
            return file_systems[i].file_system;
    return TB_FS_LOCAL;
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

static enum tb_code check_file_system(struct tb_data_dir *dir, bool any, struct tb_error *err)
{
    static const char *const texts[] = {
        [TB_FS_MEMORY] = "is in memory: nothing survives a power cut here",
        [TB_FS_NETWORK] = "is on a network file system: only one machine may use it, and whether "
                          "orders survive a power cut depends on the server",
        [TB_FS_FUSE] = "is on a FUSE file system: two processes may use the folder at once if it "
                       "is mounted twice, and whether orders survive a power cut depends on the "
                       "program that serves it",
    };
    struct statfs fs;

    if (statfs(dir->path, &fs) != 0)
        return tb_error_errno(err, TB_INVALID, errno, "cannot look at %s", dir->path);
    enum tb_file_system kind = tb_file_system_of((int64_t)fs.f_type);
    if ((kind == TB_FS_NETWORK || kind == TB_FS_FUSE) && !any)
        return tb_error_set(
            err, TB_INVALID,
            "%s is on a %s file system, which cannot hold the store safely; choose "
            "a folder on a local disk, or set node.allow_any_filesystem = yes",
            dir->path, kind == TB_FS_FUSE ? "FUSE" : "network");
    dir->warning = texts[kind];
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
    dir->folder_fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) == 0 &&
        (dir->folder_fd < 0 || flock(dir->folder_fd, LOCK_EX | LOCK_NB) == 0))
        return TB_OK;
    if (errno == EWOULDBLOCK)
        return report_owner(dir, err);
    return tb_error_errno(err, TB_INVALID, errno, "cannot lock %s", path);
}

static bool has_ballast(const struct tb_data_dir *dir)
{
    struct stat st;

    return fstat(dir->ballast_fd, &st) == 0 && (int64_t)st.st_blocks * 512 >= TB_BALLAST_BYTES;
}

/* Opening the databases takes what this frees at once; a program that is faster has it instead. */
static void release_ballast_if_full(struct tb_data_dir *dir)
{
    char path[PATH_MAX + sizeof "/" BALLAST_NAME];
    int64_t free_bytes = tb_data_dir_free_bytes(dir);

    snprintf(path, sizeof path, "%s/" BALLAST_NAME, dir->path);
    dir->ballast_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir->ballast_fd >= 0 && free_bytes >= 0 && free_bytes < TB_BALLAST_BYTES)
        (void)!ftruncate(dir->ballast_fd, 0);
}

void tb_data_dir_keep_ballast(struct tb_data_dir *dir)
{
    if (dir->ballast_fd >= 0 && !has_ballast(dir) &&
        tb_data_dir_free_bytes(dir) >= 2 * TB_BALLAST_BYTES)
        (void)!posix_fallocate(dir->ballast_fd, 0, TB_BALLAST_BYTES);
}

void tb_data_dir_fill_ballast(struct tb_data_dir *dir)
{
    int failed = dir->ballast_fd < 0 || has_ballast(dir);

    for (int64_t at = 0; at < TB_BALLAST_BYTES && !failed; at += BALLAST_PART_BYTES)
        failed = posix_fallocate(dir->ballast_fd, at, BALLAST_PART_BYTES);
}

static enum tb_code open_folder(struct tb_data_dir *dir, const char *path, bool any_file_system,
                                struct tb_error *err)
{
    TB_TRY(absolute(path, dir->path, err));
    TB_TRY(make_folders(dir->path, err));
    TB_TRY(check_file_system(dir, any_file_system, err));
    TB_TRY(take_lock(dir, err));
    tb_data_dir_write_owner(dir, NULL);
    release_ballast_if_full(dir);
    return TB_OK;
}

enum tb_code tb_data_dir_open(const char *path, bool any_file_system, struct tb_data_dir **ret_dir,
                              struct tb_error *err)
{
    struct tb_data_dir *dir = calloc(1, sizeof *dir);
    enum tb_code code;

    if (!dir)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    dir->lock_fd = dir->folder_fd = dir->ballast_fd = -1;
    code = open_folder(dir, path, any_file_system, err);
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
    tb_data_dir_fill_ballast(dir);
    if (dir->ballast_fd >= 0)
        close(dir->ballast_fd);
    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
    if (dir->folder_fd >= 0)
        close(dir->folder_fd);
    free(dir);
}

const char *tb_data_dir_path(const struct tb_data_dir *dir)
{
    return dir->path;
}

const char *tb_data_dir_warning(const struct tb_data_dir *dir)
{
    return dir->warning;
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

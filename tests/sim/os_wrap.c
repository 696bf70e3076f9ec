/* The linker's --wrap sends the product's calls to the operating system here. Questions about
 * the store's file are answered by the simulated disk. Reading the machine's clock or random
 * source is an error: it would make a run unrepeatable. */
#include "base/diag/diag.h"
#include "edge/netlink_watch.h"
#include "sim/disk.h"
#include "sim/trace.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* The descriptor of the simulated folder /sim/<number> is this and the number. */
#define FOLDER_FD 1000000

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_statx(int dir, const char *path, int flags, unsigned mask, struct statx *st);
int __wrap_statx(int dir, const char *path, int flags, unsigned mask, struct statx *st);
int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags);

static int give_error(int number)
{
    errno = number;
    return -1;
}

/* A file that is to be created is created, but EEXIST is returned, so that no descriptor is
 * needed: nobody writes into it. Else it is a folder, to be synced. */
int __wrap_open(const char *path, int flags, ...)
{
    struct disk *disk = disk_of(path);
    mode_t mode = 0;

    if (flags & O_CREAT) {
        va_list args;

        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    if (strncmp(path, "/sim/", 5) != 0)
        return __real_open(path, flags, mode);
    if ((flags & O_DIRECTORY) && disk && !disk->power_off)
        return FOLDER_FD + path[5] - '0';
    if (!disk || disk->power_off)
        return give_error(EIO);
    if (!(flags & O_CREAT))
        return give_error(ENOENT);
    disk_make(disk, path);
    return give_error(EEXIST);
}

/* The disk's file of this path; NULL: there is none, and errno says why. */
static struct disk_file *find(struct disk *disk, const char *path)
{
    struct disk_file *file = disk && !disk->power_off ? disk_find(disk, path) : NULL;

    if (file && file->exists)
        return file;
    errno = disk && disk->power_off ? EIO : ENOENT;
    return NULL;
}

int __wrap_statx(int dir, const char *path, int flags, unsigned mask, struct statx *st)
{
    struct disk_file *file;

    if (strncmp(path, "/sim/", 5) != 0)
        return __real_statx(dir, path, flags, mask, st);
    file = find(disk_of(path), path);
    if (!file)
        return -1;
    *st = (struct statx){.stx_mask = STATX_INO, .stx_ino = file->serial};
    return 0;
}

int __wrap_access(const char *path, int mode)
{
    if (strncmp(path, "/sim/", 5) != 0)
        return __real_access(path, mode);
    return find(disk_of(path), path) ? 0 : -1;
}

/* A call of the given kind. 0: it was done. */
static int call(struct disk *disk, enum disk_call kind,
                void (*done)(struct disk *, void *, void *), void *file, void *arg)
{
    enum disk_verdict verdict = disk_judge(disk, kind);

    if (verdict == DISK_FAIL || verdict == DISK_OFF)
        return give_error(EIO);
    done(disk, file, arg);
    if (verdict == DISK_CUT)
        disk_cut_now(disk, disk->power_cut_kind);
    return verdict == DISK_CUT ? give_error(EIO) : 0;
}

static void do_rename(struct disk *disk, void *file, void *path)
{
    disk_rename(disk, file, path);
}

static void do_unlink(struct disk *disk, void *file, void *arg)
{
    (void)arg;
    disk_delete(disk, file);
}

static void do_sync_folder(struct disk *disk, void *file, void *arg)
{
    (void)file;
    (void)arg;
    disk_sync_folder(disk);
}

int __wrap_rename(const char *from, const char *to)
{
    struct disk *disk = disk_of(from);
    struct disk_file *file;
    char path[DISK_PATH_SIZE];

    if (strncmp(from, "/sim/", 5) != 0)
        return __real_rename(from, to);
    file = find(disk, from);
    snprintf(path, sizeof path, "%s", to);
    return file ? call(disk, DISK_WRITE, do_rename, file, path) : -1;
}

int __wrap_unlink(const char *path)
{
    struct disk *disk = disk_of(path);
    struct disk_file *file;

    if (strncmp(path, "/sim/", 5) != 0)
        return __real_unlink(path);
    file = find(disk, path);
    return file ? call(disk, DISK_WRITE, do_unlink, file, NULL) : -1;
}

int __wrap_fsync(int fd)
{
    char path[] = "/sim/0";

    if (fd < FOLDER_FD)
        return __real_fsync(fd);
    path[5] = (char)('0' + fd - FOLDER_FD);
    struct disk *disk = disk_of(path);
    return disk ? call(disk, DISK_SYNC, do_sync_folder, NULL, NULL) : give_error(EIO);
}

int __wrap_close(int fd)
{
    return fd < FOLDER_FD ? __real_close(fd) : 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    (void)now;
    TB_ASSERT(!"the machine's clock is not the simulation's");
    return -1;
}

/* The simulation has one thread. */
void __wrap_tb_give_way(void);
void __wrap_tb_give_way(void)
{
}

/* Nobody reads the note here. */
enum tb_code __wrap_tb_restored_note_add(const char *folder, int64_t now_ms, const char *reason,
                                         struct tb_error *err);
enum tb_code __wrap_tb_restored_note_add(const char *folder, int64_t now_ms, const char *reason,
                                         struct tb_error *err)
{
    (void)folder;
    (void)now_ms;
    (void)reason;
    (void)err;
    return TB_OK;
}

ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags)
{
    (void)bytes;
    (void)len;
    (void)flags;
    TB_ASSERT(!"the machine's chance is not the simulation's");
    return -1;
}

/* Diagnostics go into the trace. */
void __wrap_tb_diag(enum tb_diag_level level, const char *event, const char *format, ...);
void __wrap_tb_diag(enum tb_diag_level level, const char *event, const char *format, ...)
{
    char text[96];
    va_list args;

    (void)level;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sim_trace("diagnostic %s: %s", event, text);
}

/* The machine's network never changes. */
struct tb_netlink_watch *tb_netlink_watch_open(void)
{
    return NULL;
}

void tb_netlink_watch_free(struct tb_netlink_watch *net)
{
    (void)net;
}

bool tb_netlink_watch_changed(struct tb_netlink_watch *net)
{
    (void)net;
    return false;
}

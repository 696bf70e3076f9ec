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
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_statx(int dir, const char *path, int flags, unsigned mask, struct statx *st);
int __wrap_statx(int dir, const char *path, int flags, unsigned mask, struct statx *st);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags);

/* Creating a file with O_EXCL: it is created, but EEXIST is returned, so that no descriptor is
 * needed. */
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
    errno = disk && !disk->power_off ? EEXIST : EIO;
    if (disk && !disk->power_off)
        disk_make(disk, path);
    return -1;
}

int __wrap_statx(int dir, const char *path, int flags, unsigned mask, struct statx *st)
{
    struct disk *disk = disk_of(path);
    struct disk_file *file = disk && !disk->power_off ? disk_find(disk, path) : NULL;

    if (strncmp(path, "/sim/", 5) != 0)
        return __real_statx(dir, path, flags, mask, st);
    if (!file || !file->exists) {
        errno = disk && disk->power_off ? EIO : ENOENT;
        return -1;
    }
    *st = (struct statx){.stx_mask = STATX_INO, .stx_ino = file->serial};
    return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    (void)now;
    TB_ASSERT(!"the machine's clock is not the simulation's");
    return -1;
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
    (void)level;
    (void)format;
    sim_trace("diagnostic: %s", event);
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

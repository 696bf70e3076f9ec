#include "base/sqlite/db_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mman.h>

/* SQLite maps the WAL-index (the file with -shm) into memory. It makes the file longer by writing
 * one byte of each page of 4 KiB, so on a file system with smaller blocks most of the file is a
 * hole. The kernel fills a hole when the memory is written; if the disk is full by then, it sends
 * SIGBUS, which ends the process.
 *
 * Only SQLite may have the file open: to close another descriptor of it would drop the locks that
 * this process has on it. So its call of mmap is replaced by ours, which has SQLite's descriptor.
 * It serves every connection of the process. Nothing but the WAL-index is mapped: PRAGMA mmap_size
 * is 0. If it fails, SQLite reports SQLITE_IOERR_SHMMAP. */

/* SQLite's offsets have 64 bits on every machine. */
typedef void *mmap_fn(void *, size_t, int, int, int, int64_t);

static mmap_fn *sqlites_mmap;

/* Not posix_fallocate: where the file system cannot do it, that writes zeros over what another
 * process may write at the same time. There the holes stay. */
static bool fill_holes(int fd, int64_t offset, size_t len)
{
    int rc;

    do
        rc = fallocate(fd, 0, (off_t)offset, (off_t)len);
    while (rc != 0 && errno == EINTR);
    return rc == 0 || errno == EOPNOTSUPP || errno == ENOSYS;
}

static void *map_without_holes(void *at, size_t len, int protection, int flags, int fd,
                               int64_t offset)
{
    if ((protection & PROT_WRITE) && (flags & MAP_SHARED) && !fill_holes(fd, offset, len))
        return MAP_FAILED;
    return sqlites_mmap(at, len, protection, flags, fd, offset);
}

/* A build of SQLite that lets nobody replace its calls keeps the holes. */
void tb_shm_fill_holes(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");

    if (!vfs || vfs->iVersion < 3 || !vfs->xGetSystemCall || !vfs->xSetSystemCall)
        return;
    sqlites_mmap = (mmap_fn *)vfs->xGetSystemCall(vfs, "mmap");
    if (sqlites_mmap)
        (void)vfs->xSetSystemCall(vfs, "mmap", (sqlite3_syscall_ptr)map_without_holes);
}

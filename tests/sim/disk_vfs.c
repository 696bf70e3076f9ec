#include "sim/disk_priv.h"
#include "sim/trace.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct {
    struct fake_random random;
    int64_t *now_us;
} world;

static struct disk_handle *handle_of(sqlite3_file *base)
{
    return (struct disk_handle *)base;
}

static bool is_gone(const struct disk_handle *handle)
{
    return handle->dead || handle->disk->power_off;
}

enum disk_verdict disk_judge(struct disk *disk, enum disk_call call)
{
    if (disk->power_off)
        return DISK_OFF;
    if (disk->faults_paused)
        return DISK_GO_ON;
    if (call != DISK_READ && disk->power_cut_in > 0 && --disk->power_cut_in == 0)
        return DISK_CUT;
    if ((disk->fail_kinds & call) && disk->fail_in > 0 && --disk->fail_in == 0)
        return DISK_FAIL;
    return DISK_GO_ON;
}

static enum disk_verdict judge(const struct disk_handle *handle, enum disk_call call)
{
    return handle->dead ? DISK_OFF : disk_judge(handle->disk, call);
}

static void cut(struct disk *disk)
{
    sim_trace("the power goes in the middle");
    disk_cut_now(disk, disk->power_cut_kind);
}

static int file_read(sqlite3_file *base, void *bytes, int len, sqlite3_int64 offset)
{
    struct disk_handle *handle = handle_of(base);
    struct disk_bytes *cache = &handle->file->cache;
    size_t at = (size_t)offset, wanted = (size_t)len, there;
    enum disk_verdict verdict = judge(handle, DISK_READ);

    if (verdict == DISK_FAIL)
        sim_cover(COVER_IO_READ, 1);
    if (verdict != DISK_GO_ON)
        return SQLITE_IOERR_READ;
    there = at >= cache->size ? 0 : cache->size - at;
    if (there > wanted)
        there = wanted;
    if (there > 0)
        memcpy(bytes, cache->ptr + at, there);
    memset((char *)bytes + there, 0, wanted - there);
    return there == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *bytes, int len, sqlite3_int64 offset)
{
    struct disk_handle *handle = handle_of(base);
    struct disk_file *file = handle->file;
    size_t at = (size_t)offset, size = (size_t)len;
    enum disk_verdict verdict = judge(handle, DISK_WRITE);

    if (verdict == DISK_FAIL)
        sim_cover(COVER_IO_WRITE, 1);
    if (verdict == DISK_FAIL || verdict == DISK_OFF)
        return SQLITE_IOERR_WRITE;
    if (handle->disk->full && !handle->disk->faults_paused && at + size > file->cache.size) {
        sim_cover(COVER_IO_FULL, 1);
        return SQLITE_FULL;
    }
    disk_write(handle->disk, file, bytes, size, at);
    if (verdict == DISK_CUT)
        cut(handle->disk);
    return verdict == DISK_CUT ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct disk_handle *handle = handle_of(base);
    enum disk_verdict verdict = judge(handle, DISK_WRITE);

    if (verdict == DISK_FAIL || verdict == DISK_OFF)
        return SQLITE_IOERR_TRUNCATE;
    disk_truncate(handle->disk, handle->file, (size_t)size);
    if (verdict == DISK_CUT)
        cut(handle->disk);
    return verdict == DISK_CUT ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
}

static bool has_suffix(const char *path, const char *suffix)
{
    size_t path_len = strlen(path), len = strlen(suffix);

    return path_len >= len && strcmp(path + path_len - len, suffix) == 0;
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct disk_handle *handle = handle_of(base);
    struct disk *disk = handle->disk;
    enum disk_verdict verdict = judge(handle, DISK_SYNC);

    (void)flags;
    if (verdict == DISK_CUT)
        cut(disk);
    if (verdict == DISK_GO_ON && !disk->faults_paused && disk->fail_sync_of &&
        strcmp(disk->fail_sync_of, handle->file->path) == 0) {
        disk->fail_sync_of = NULL;
        verdict = DISK_FAIL;
    }
    if (verdict == DISK_FAIL) {
        sim_cover(COVER_IO_SYNC, 1);
        disk_sync_failed(disk, handle->file);
    }
    if (verdict != DISK_GO_ON)
        return SQLITE_IOERR_FSYNC;
    if (disk->late_sync && has_suffix(handle->file->path, disk->late_sync))
        handle->file->sync_owed = true;
    else
        disk_sync(handle->file);
    if (handle->folder_due)
        disk_sync_folder(disk);
    handle->folder_due = false;
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    struct disk_handle *handle = handle_of(base);

    if (is_gone(handle))
        return SQLITE_IOERR_FSTAT;
    *size = (sqlite3_int64)handle->file->cache.size;
    return SQLITE_OK;
}

/* Whether another handle of the file holds at least this lock. */
static bool others_hold(const struct disk_handle *handle, int level)
{
    for (struct disk_handle *other = handle->file->handles; other; other = other->next)
        if (other != handle && !other->dead && other->lock >= level)
            return true;
    return false;
}

static int file_lock(sqlite3_file *base, int level)
{
    struct disk_handle *handle = handle_of(base);
    int refused_by = level == SQLITE_LOCK_SHARED ? SQLITE_LOCK_PENDING : SQLITE_LOCK_RESERVED;

    if (is_gone(handle))
        return SQLITE_IOERR_LOCK;
    if (handle->lock >= level)
        return SQLITE_OK;
    if (others_hold(handle, refused_by))
        return SQLITE_BUSY;
    if (level == SQLITE_LOCK_EXCLUSIVE && others_hold(handle, SQLITE_LOCK_SHARED)) {
        handle->lock = SQLITE_LOCK_PENDING;
        return SQLITE_BUSY;
    }
    handle->lock = level;
    return SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int level)
{
    struct disk_handle *handle = handle_of(base);

    if (handle->lock > level)
        handle->lock = level;
    return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *base, int *result)
{
    struct disk_handle *handle = handle_of(base);

    *result = handle->lock >= SQLITE_LOCK_RESERVED || others_hold(handle, SQLITE_LOCK_RESERVED);
    return is_gone(handle) ? SQLITE_IOERR_CHECKRESERVEDLOCK : SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
    (void)base;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

/* The same values as SQLite's unix VFS. */
static int file_sector(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

static int file_device(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int shm_map(sqlite3_file *base, int region, int size, int extend,
                   void volatile **ret_memory)
{
    struct disk_handle *handle = handle_of(base);
    struct disk_file *file = handle->file;

    *ret_memory = NULL;
    if (is_gone(handle) || region >= DISK_SHM_REGIONS)
        return SQLITE_IOERR_SHMMAP;
    if (!file->shm) {
        file->shm = disk_realloc(NULL, sizeof *file->shm);
        memset(file->shm, 0, sizeof *file->shm);
    }
    handle->has_shm = true;
    if (!file->shm->regions[region] && extend) {
        file->shm->regions[region] = disk_realloc(NULL, (size_t)size);
        memset(file->shm->regions[region], 0, (size_t)size);
    }
    *ret_memory = file->shm->regions[region];
    return SQLITE_OK;
}

static int shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
    struct disk_handle *handle = handle_of(base);
    unsigned mask = ((1U << n) - 1) << offset, shared = 0, exclusive = 0;

    if (is_gone(handle))
        return SQLITE_IOERR_SHMLOCK;
    if (flags & SQLITE_SHM_UNLOCK) {
        handle->shm_shared &= ~mask;
        handle->shm_exclusive &= ~mask;
        return SQLITE_OK;
    }
    for (struct disk_handle *other = handle->file->handles; other; other = other->next) {
        if (other != handle && !other->dead) {
            shared |= other->shm_shared;
            exclusive |= other->shm_exclusive;
        }
    }
    if ((exclusive & mask) || ((flags & SQLITE_SHM_EXCLUSIVE) && (shared & mask)))
        return SQLITE_BUSY;
    if (flags & SQLITE_SHM_EXCLUSIVE)
        handle->shm_exclusive |= mask;
    else
        handle->shm_shared |= mask;
    return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *base)
{
    (void)base;
}

/* The last handle frees the index; the next connection recovers it from the WAL. */
static int shm_unmap(sqlite3_file *base, int delete_it)
{
    struct disk_handle *handle = handle_of(base);
    struct disk_file *file = handle->file;
    bool used = false;

    (void)delete_it;
    if (!handle->has_shm)
        return SQLITE_OK;
    handle->has_shm = false;
    handle->shm_shared = handle->shm_exclusive = 0;
    for (struct disk_handle *other = file->handles; other; other = other->next)
        used |= other->has_shm;
    if (used || !file->shm)
        return SQLITE_OK;
    for (int i = 0; i < DISK_SHM_REGIONS; i++)
        free(file->shm->regions[i]);
    free(file->shm);
    file->shm = NULL;
    return SQLITE_OK;
}

static int file_close(sqlite3_file *base)
{
    struct disk_handle *handle = handle_of(base);
    struct disk_handle **link = &handle->file->handles;

    (void)shm_unmap(base, 0);
    while (*link != handle)
        link = &(*link)->next;
    *link = handle->next;
    return SQLITE_OK;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_device,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

void disk_kill_handles(struct disk *disk)
{
    for (struct disk_file *file = disk->files; file; file = file->next)
        for (struct disk_handle *handle = file->handles; handle; handle = handle->next)
            handle->dead = true;
}

static bool syncs_folder(int flags)
{
    return (flags & SQLITE_OPEN_CREATE) &&
           (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL));
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags,
                    int *ret_flags)
{
    struct disk_handle *handle = handle_of(base);
    struct disk *disk = disk_of(path);
    struct disk_file *file;

    (void)vfs;
    *handle = (struct disk_handle){0};
    if (!disk || disk->power_off)
        return SQLITE_CANTOPEN;
    file = disk_find(disk, path);
    if ((!file || !file->exists) && !(flags & SQLITE_OPEN_CREATE))
        return SQLITE_CANTOPEN;
    file = disk_make(disk, path);
    *handle = (struct disk_handle){.base.pMethods = &file_methods,
                                   .disk = disk,
                                   .file = file,
                                   .next = file->handles,
                                   .folder_due = syncs_folder(flags)};
    file->handles = handle;
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    struct disk *disk = disk_of(path);
    struct disk_file *file;

    (void)vfs;
    if (!disk || disk->power_off)
        return SQLITE_IOERR_DELETE;
    file = disk_find(disk, path);
    if (!file || !file->exists)
        return SQLITE_IOERR_DELETE_NOENT;
    disk_delete(disk, file);
    if (sync_folder)
        disk_sync(file);
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *result)
{
    struct disk *disk = disk_of(path);
    struct disk_file *file = disk ? disk_find(disk, path) : NULL;

    (void)vfs;
    (void)flags;
    *result = file && file->exists;
    return disk && disk->power_off ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int size, char *ret_path)
{
    (void)vfs;
    sqlite3_snprintf(size, ret_path, "%s", path);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int len, char *bytes)
{
    (void)vfs;
    tb_random_fill(&world.random.random, bytes, (size_t)len);
    return len;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    *world.now_us += us;
    return us;
}

/* SQLite itself calls it; none of our SQL asks for the time. */
static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ret_ms)
{
    (void)vfs;
    *ret_ms = INT64_C(210866760000000) + *world.now_us / 1000;
    return SQLITE_OK;
}

void disk_vfs_install(uint64_t seed, int64_t *now_us)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2,
        .szOsFile = (int)sizeof(struct disk_handle),
        .mxPathname = DISK_PATH_SIZE,
        .zName = "sim",
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTimeInt64 = vfs_time,
    };

    /* Without mutexes and memory statistics a run is a seventh faster. In the second run of a
     * process these calls fail, without harm. */
    (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    fake_random_init(&world.random, seed);
    world.now_us = now_us;
    TB_ASSERT(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
    sqlite3_randomness(0, NULL); /* SQLite's random generator is seeded again, from this VFS */
}

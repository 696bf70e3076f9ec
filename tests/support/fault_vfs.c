#include "support/fault_vfs.h"
#include "support/fault_image.h"
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#define KIND_COUNT 6

struct fault_file {
    sqlite3_file base;         /* first: SQLite sees this */
    struct fault_image *image; /* borrowed; NULL for files without a name */
    sqlite3_file *real;        /* follows this struct in memory */
    const char *path;          /* SQLite's; NULL for files without a name */
    bool hides_psow;
    bool folder_due; /* its first sync also syncs the folder, as in SQLite's unix VFS */
};

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs;
    sqlite3_vfs *real; /* NULL: not installed */
    int64_t calls[KIND_COUNT];
    struct fake_random random;
    /* fail */
    unsigned fail_kinds;
    int64_t fail_in; /* calls until it happens; 0: not planned */
    int fail_code;
    bool fail_forever;
    const char *fail_suffix; /* NULL: any file */
    int64_t failures;
    bool hides_psow;
    /* cut */
    int64_t cut_in;
    enum fault_cut cut_how;
    bool off;
} fs = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What a call does: succeed, fail, cut the power, or fail because the power is off. */
enum verdict { GO_ON, FAIL, CUT, OFF };

static bool may_fail(const char *path)
{
    size_t len = fs.fail_suffix ? strlen(fs.fail_suffix) : 0, path_len = path ? strlen(path) : 0;

    return len <= path_len && (len == 0 || strcmp(path + path_len - len, fs.fail_suffix) == 0);
}

static enum verdict judge(enum fault_kind kind, const char *path, int *ret_code)
{
    fs.calls[__builtin_ctz((unsigned)kind)]++;
    if (fs.off)
        return OFF;
    if ((kind & FAULT_CHANGES) && fs.cut_in > 0 && --fs.cut_in == 0)
        return CUT;
    if (!(kind & fs.fail_kinds) || fs.fail_in <= 0 || !may_fail(path))
        return GO_ON;
    if (fs.fail_in > 1) {
        fs.fail_in--;
        return GO_ON;
    }
    if (!fs.fail_forever)
        fs.fail_in = 0;
    fs.failures++;
    *ret_code = fs.fail_code;
    return FAIL;
}

static void cut(void)
{
    fault_images_cut(fs.cut_how, &fs.random);
    fs.off = true;
}

static const char *path_of(sqlite3_file *file)
{
    return ((struct fault_file *)file)->path;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct fault_file *)file)->real;
}

static int file_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 offset)
{
    int rc = SQLITE_IOERR_READ;

    pthread_mutex_lock(&fs.lock);
    if (judge(FAULT_READ, path_of(file), &rc) == GO_ON)
        rc = real_of(file)->pMethods->xRead(real_of(file), bytes, len, offset);
    pthread_mutex_unlock(&fs.lock);
    return rc;
}

static int file_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset)
{
    struct fault_image *image = ((struct fault_file *)file)->image;
    int rc = SQLITE_IOERR_WRITE;

    pthread_mutex_lock(&fs.lock);
    enum verdict verdict = judge(FAULT_WRITE, path_of(file), &rc);
    if (image && (verdict == GO_ON || verdict == CUT))
        fault_image_write(image, offset, bytes, (size_t)len);
    if (verdict == CUT)
        cut();
    if (verdict == GO_ON)
        rc = real_of(file)->pMethods->xWrite(real_of(file), bytes, len, offset);
    pthread_mutex_unlock(&fs.lock);
    return rc;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct fault_image *image = ((struct fault_file *)file)->image;
    int rc = SQLITE_IOERR_TRUNCATE;

    pthread_mutex_lock(&fs.lock);
    enum verdict verdict = judge(FAULT_TRUNCATE, path_of(file), &rc);
    if (image && (verdict == GO_ON || verdict == CUT))
        fault_image_truncate(image, size);
    if (verdict == CUT)
        cut();
    if (verdict == GO_ON)
        rc = real_of(file)->pMethods->xTruncate(real_of(file), size);
    pthread_mutex_unlock(&fs.lock);
    return rc;
}

/* Does not sync the real file: only the image counts, and the test is faster. */
static int file_sync(sqlite3_file *file, int flags)
{
    struct fault_image *image = ((struct fault_file *)file)->image;
    int rc = SQLITE_IOERR_FSYNC;

    (void)flags;
    pthread_mutex_lock(&fs.lock);
    enum verdict verdict = judge(FAULT_SYNC, path_of(file), &rc);
    if (verdict == CUT)
        cut();
    if (image && verdict == FAIL)
        fault_image_sync_failed(image, &fs.random);
    if (verdict == GO_ON) {
        if (image)
            fault_image_sync(image);
        if (((struct fault_file *)file)->folder_due)
            fault_images_sync_folder();
        ((struct fault_file *)file)->folder_due = false;
        rc = SQLITE_OK;
    }
    pthread_mutex_unlock(&fs.lock);
    return rc;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return fault_vfs_power_is_off() ? SQLITE_IOERR_FSTAT
                                    : real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int file_lock(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xLock(real_of(file), lock);
}

static int file_unlock(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}

static int file_check_lock(sqlite3_file *file, int *result)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), result);
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int file_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_device(sqlite3_file *file)
{
    int device = real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));

    return ((struct fault_file *)file)->hides_psow ? device & ~SQLITE_IOCAP_POWERSAFE_OVERWRITE
                                                   : device;
}

static int shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **memory)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, memory);
}

static int shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shm_unmap(sqlite3_file *file, int delete_it)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), delete_it);
}

/* Version 2 has shared memory, but not the memory-mapped reads of version 3, which this VFS cannot
 * let fail. */
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

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                    int *ret_flags)
{
    struct fault_file *ours = (struct fault_file *)file;
    int rc = SQLITE_CANTOPEN;

    (void)vfs;
    ours->base.pMethods = NULL;
    ours->image = NULL;
    ours->path = path;
    ours->hides_psow = fs.hides_psow;
    ours->folder_due =
        (flags & SQLITE_OPEN_CREATE) &&
        (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL));
    ours->real = (sqlite3_file *)(ours + 1);
    pthread_mutex_lock(&fs.lock);
    if (judge(FAULT_OPEN, path, &rc) == GO_ON) {
        if (path) /* before the file is created, so that its creation is not yet on the disk */
            ours->image = fault_image_of(path);
        rc = fs.real->xOpen(fs.real, path, ours->real, flags, ret_flags);
        if (ours->real->pMethods)
            ours->base.pMethods = &file_methods;
    }
    pthread_mutex_unlock(&fs.lock);
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    int rc = SQLITE_IOERR_DELETE;

    (void)vfs;
    pthread_mutex_lock(&fs.lock);
    enum verdict verdict = judge(FAULT_DELETE, path, &rc);
    if (verdict == GO_ON || verdict == CUT)
        fault_image_delete(fault_image_of(path), verdict == GO_ON && sync_folder);
    if (verdict == CUT)
        cut();
    if (verdict == GO_ON)
        rc = fs.real->xDelete(fs.real, path, 0);
    pthread_mutex_unlock(&fs.lock);
    return rc;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *result)
{
    (void)vfs;
    return fault_vfs_power_is_off() ? SQLITE_IOERR_ACCESS
                                    : fs.real->xAccess(fs.real, path, flags, result);
}

void fault_vfs_install(void)
{
    if (fs.real)
        return;
    fs.real = sqlite3_vfs_find(NULL);
    fs.vfs = *fs.real;
    fs.vfs.zName = "fault";
    fs.vfs.szOsFile = (int)sizeof(struct fault_file) + fs.real->szOsFile;
    fs.vfs.xOpen = vfs_open;
    fs.vfs.xDelete = vfs_delete;
    fs.vfs.xAccess = vfs_access;
    memset(fs.calls, 0, sizeof fs.calls);
    fs.failures = 0;
    fault_vfs_heal();
    ck_assert_int_eq(sqlite3_vfs_register(&fs.vfs, 1), SQLITE_OK);
}

void fault_vfs_uninstall(void)
{
    if (!fs.real)
        return;
    sqlite3_vfs_unregister(&fs.vfs);
    sqlite3_vfs_register(fs.real, 1);
    fs.real = NULL;
    fs.off = fs.hides_psow = false;
    fs.fail_suffix = NULL;
    fault_images_forget();
}

void fault_vfs_fail(unsigned kinds, int64_t nth, int sqlite_code, bool forever, uint64_t seed)
{
    pthread_mutex_lock(&fs.lock);
    fake_random_init(&fs.random, seed);
    fs.fail_kinds = kinds;
    fs.fail_in = nth;
    fs.fail_code = sqlite_code;
    fs.fail_forever = forever;
    pthread_mutex_unlock(&fs.lock);
}

void fault_vfs_fail_only(const char *suffix)
{
    pthread_mutex_lock(&fs.lock);
    fs.fail_suffix = suffix;
    pthread_mutex_unlock(&fs.lock);
}

void fault_vfs_hide_powersafe_overwrite(bool hide)
{
    pthread_mutex_lock(&fs.lock);
    fs.hides_psow = hide;
    pthread_mutex_unlock(&fs.lock);
}

void fault_vfs_heal(void)
{
    pthread_mutex_lock(&fs.lock);
    fs.fail_kinds = 0;
    fs.fail_in = 0;
    fs.cut_in = 0;
    pthread_mutex_unlock(&fs.lock);
}

int64_t fault_vfs_failures(void)
{
    int64_t count;

    pthread_mutex_lock(&fs.lock);
    count = fs.failures;
    pthread_mutex_unlock(&fs.lock);
    return count;
}

void fault_vfs_cut_power(int64_t nth, enum fault_cut how, uint64_t seed)
{
    pthread_mutex_lock(&fs.lock);
    fake_random_init(&fs.random, seed);
    fs.cut_in = nth;
    fs.cut_how = how;
    pthread_mutex_unlock(&fs.lock);
}

void fault_vfs_cut_power_now(enum fault_cut how, uint64_t seed)
{
    pthread_mutex_lock(&fs.lock);
    fake_random_init(&fs.random, seed);
    fs.cut_how = how;
    if (!fs.off)
        cut();
    pthread_mutex_unlock(&fs.lock);
}

bool fault_vfs_power_is_off(void)
{
    bool off;

    pthread_mutex_lock(&fs.lock);
    off = fs.off;
    pthread_mutex_unlock(&fs.lock);
    return off;
}

void fault_vfs_reboot(void)
{
    pthread_mutex_lock(&fs.lock);
    ck_assert(fs.off);
    fault_images_restore();
    fs.off = false;
    pthread_mutex_unlock(&fs.lock);
    fault_vfs_heal();
}

int64_t fault_vfs_calls(unsigned kinds)
{
    int64_t count = 0;

    pthread_mutex_lock(&fs.lock);
    for (int i = 0; i < KIND_COUNT; i++)
        if (kinds & (1U << i))
            count += fs.calls[i];
    pthread_mutex_unlock(&fs.lock);
    return count;
}

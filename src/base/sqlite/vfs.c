#include "base/sqlite/db_priv.h"
#include "base/thread/process.h"
#include <sqlite3.h>
#include <stdlib.h>

/* The VFS "tillbox", a shim: it calls the VFS that is SQLite's default when a file is opened. It
 *
 * - holds writes back, to join them (write_coalescer.c). A commit that syncs is written at its
 *   sync. SQLite syncs before it shows the commit to other connections (sqlite3WalFrames), so
 *   nobody sees a commit that the file does not have. A checkpoint of the whole WAL is written
 *   when SQLite reports that it is done, before the sync that ends it. Nobody reads the pages from
 *   the file before that (walCheckpoint). If a reader's snapshot stops the checkpoint (a lock is
 *   busy), no sync follows that could report a failed write, so pages are written at once;
 * - remembers that a sync of the WAL failed;
 * - leaves out the sync of the commit that changes the mark (wal_mark.c): the checkpoint that
 *   follows syncs the WAL before it copies anything;
 * - yields the CPU before each read, if its connection wants that.
 *
 * A commit that does not sync is never held back, nor is anything on a device without
 * SQLITE_IOCAP_POWERSAFE_OVERWRITE: there SQLite writes the last frame of a commit again behind
 * the sync, as padding, and would show a commit of which a part is held back.
 *
 * With 64 connections an edge places an eighth more orders, with a p99 of 7.1 ms instead of 9.4;
 * with one connection a twentieth more. */
#define CKPT_LOCK 1 /* its number among the locks of the WAL-index, as SQLite documents it */

struct vfs_file {
    sqlite3_file base;         /* first: SQLite sees this */
    sqlite3_file *real;        /* owned */
    struct vfs_file *database; /* of a WAL; itself for a database file; NULL: another kind */
    const char *name;          /* SQLite's, which has it as long as the database is open */
    const char *failed;        /* of a database file: as tb_vfs_failed_file */
    struct tb_db *db;          /* of a database file; borrowed; NULL: not attached */
    struct tb_write_coalescer *coalescer; /* owned; NULL until something was held back */
    /* Of a database file: a checkpoint copies pages of the whole WAL, and no lock was refused
     * since it took the checkpoint lock. */
    bool copies_whole_wal, lock_refused;
};

static struct vfs_file *of(sqlite3_file *file)
{
    return (struct vfs_file *)file;
}

static struct tb_db *db_of(const struct vfs_file *file)
{
    return file->database ? file->database->db : NULL;
}

/* Remembers which file it was if rc is a failure; returns rc. A file that ends early has not
 * failed.
 */
static int note(struct vfs_file *file, int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ && file->database)
        file->database->failed = file->name;
    return rc;
}

static int flush(struct vfs_file *file)
{
    return file->coalescer ? note(file, tb_write_coalescer_flush(file->coalescer)) : SQLITE_OK;
}

static bool holds_back(const struct vfs_file *file)
{
    const struct tb_db *db = db_of(file);

    if (!db || !db->holds_writes)
        return false;
    return file == file->database ? file->copies_whole_wal : db->mode == TB_DB_DURABLE;
}

static int file_close(sqlite3_file *base)
{
    struct vfs_file *file = of(base);
    int rc = file->real->pMethods->xClose(file->real);

    /* What is still held back was never synced, so it belongs to no commit. */
    free(file->coalescer);
    free(file->real);
    return rc;
}

static int file_read(sqlite3_file *base, void *bytes, int len, sqlite3_int64 offset)
{
    struct vfs_file *file = of(base);
    const struct tb_db *db = db_of(file);
    int rc = flush(file);

    if (db && db->yields_on_reads)
        tb_give_way();
    if (rc == SQLITE_OK)
        rc = note(file, file->real->pMethods->xRead(file->real, bytes, len, offset));
    return rc;
}

static int file_write(sqlite3_file *base, const void *bytes, int len, sqlite3_int64 offset)
{
    struct vfs_file *file = of(base);
    int rc;

    if (holds_back(file)) {
        if (!file->coalescer)
            file->coalescer = tb_write_coalescer_new(file->real);
        if (file->coalescer)
            return note(file, tb_write_coalescer_write(file->coalescer, bytes, len, offset));
    }
    rc = flush(file);
    if (rc == SQLITE_OK)
        rc = note(file, file->real->pMethods->xWrite(file->real, bytes, len, offset));
    return rc;
}

/* For the calls that end a checkpoint: they also report that its last writes failed. */
static int flush_or_failed(struct vfs_file *file)
{
    int rc = flush(file);

    return rc == SQLITE_OK && file->db ? file->db->checkpoint_rc : rc;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct vfs_file *file = of(base);
    int rc = flush_or_failed(file);

    return rc == SQLITE_OK ? note(file, file->real->pMethods->xTruncate(file->real, size)) : rc;
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct vfs_file *file = of(base);
    struct tb_db *db = db_of(file);
    int rc = flush_or_failed(file);

    if (rc != SQLITE_OK || (db && db->changes_mark))
        return rc;
    rc = note(file, file->real->pMethods->xSync(file->real, flags));
    if (db && file != file->database) {
        if (rc != SQLITE_OK)
            db->wal_trusted = false;
        db->mark_is_unsynced &= !db->wal_trusted;
    }
    return rc;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
    struct vfs_file *file = of(base);
    int rc = flush(file);

    return rc == SQLITE_OK ? note(file, file->real->pMethods->xFileSize(file->real, ret_size))
                           : rc;
}

static int file_lock(sqlite3_file *base, int level)
{
    sqlite3_file *real = of(base)->real;

    return real->pMethods->xLock(real, level);
}

static int file_unlock(sqlite3_file *base, int level)
{
    sqlite3_file *real = of(base)->real;

    return real->pMethods->xUnlock(real, level);
}

static int file_check_reserved_lock(sqlite3_file *base, int *ret_held)
{
    sqlite3_file *real = of(base)->real;

    return real->pMethods->xCheckReservedLock(real, ret_held);
}

/* The last pages are written at CKPT_DONE and not only at the sync: if a foreign connection has
 * committed meanwhile, the checkpoint ends without a sync, and this is the last call before the
 * file is read. SQLite ignores the result; tb_db_checkpoint does not. */
static int file_control(sqlite3_file *base, int op, void *arg)
{
    struct vfs_file *file = of(base);

    if (op == SQLITE_FCNTL_CKPT_START)
        file->copies_whole_wal = !file->lock_refused;
    if (op == SQLITE_FCNTL_CKPT_DONE) {
        file->copies_whole_wal = false;
        if (file->db)
            file->db->checkpoint_rc = flush(file);
    }
    return file->real->pMethods->xFileControl(file->real, op, arg);
}

static int file_sector_size(sqlite3_file *base)
{
    sqlite3_file *real = of(base)->real;

    return real->pMethods->xSectorSize(real);
}

static int file_device_characteristics(sqlite3_file *base)
{
    sqlite3_file *real = of(base)->real;

    return real->pMethods->xDeviceCharacteristics(real);
}

static int file_shm_map(sqlite3_file *base, int region, int size, int extend,
                        void volatile **ret_memory)
{
    sqlite3_file *real = of(base)->real;

    return real->pMethods->xShmMap(real, region, size, extend, ret_memory);
}

static int file_shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
    struct vfs_file *file = of(base);
    int rc = file->real->pMethods->xShmLock(file->real, offset, n, flags);

    if (rc != SQLITE_OK)
        file->lock_refused = true;
    else if (offset == CKPT_LOCK && flags == (SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE))
        file->lock_refused = false;
    return rc;
}

static void file_shm_barrier(sqlite3_file *base)
{
    sqlite3_file *real = of(base)->real;

    real->pMethods->xShmBarrier(real);
}

static int file_shm_unmap(sqlite3_file *base, int deletes)
{
    sqlite3_file *real = of(base)->real;

    return real->pMethods->xShmUnmap(real, deletes);
}

/* Version 2 has shared memory, but not version 3's memory-mapped reads, which would miss what is
 * held back. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_device_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static sqlite3_vfs *below(void)
{
    return sqlite3_vfs_find(NULL);
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags,
                    int *ret_flags)
{
    struct vfs_file *file = of(base);
    int rc;

    (void)vfs;
    *file = (struct vfs_file){.name = name, .real = calloc(1, (size_t)below()->szOsFile)};
    if (!file->real)
        return SQLITE_NOMEM;
    rc = below()->xOpen(below(), name, file->real, flags, ret_flags);
    if (rc != SQLITE_OK) {
        if (file->real->pMethods)
            file->real->pMethods->xClose(file->real);
        free(file->real);
        return rc;
    }
    if (flags & SQLITE_OPEN_MAIN_DB)
        file->database = file;
    else if (flags & SQLITE_OPEN_WAL)
        file->database = of(sqlite3_database_file_object(name));
    file->base.pMethods = &methods;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    return below()->xDelete(below(), name, sync_folder);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_result)
{
    (void)vfs;
    return below()->xAccess(below(), name, flags, ret_result);
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *name, int size, char *ret_path)
{
    (void)vfs;
    return below()->xFullPathname(below(), name, size, ret_path);
}

static int vfs_randomness(sqlite3_vfs *vfs, int len, char *bytes)
{
    (void)vfs;
    return below()->xRandomness(below(), len, bytes);
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return below()->xSleep(below(), us);
}

static int vfs_current_time(sqlite3_vfs *vfs, sqlite3_int64 *ret_ms)
{
    (void)vfs;
    return below()->xCurrentTimeInt64(below(), ret_ms);
}

/* What is NULL belongs to extensions, which are off, or may be NULL. */
int tb_vfs_register(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2,
        .szOsFile = (int)sizeof(struct vfs_file),
        .zName = TB_VFS_NAME,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_pathname,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTimeInt64 = vfs_current_time,
    };

    if (!below())
        return SQLITE_ERROR;
    vfs.mxPathname = below()->mxPathname;
    return sqlite3_vfs_register(&vfs, /* makeDflt= */ 0);
}

const char *tb_vfs_failed_file(struct sqlite3 *raw)
{
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(raw, "main", SQLITE_FCNTL_FILE_POINTER, &file);

    return rc == SQLITE_OK && file && file->pMethods == &methods ? of(file)->failed : NULL;
}

void tb_vfs_attach(struct tb_db *db)
{
    sqlite3_file *file = NULL;

    sqlite3_file_control(db->raw, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    TB_ASSERT(file && file->pMethods == &methods);
    of(file)->db = db;
    db->holds_writes = (file_device_characteristics(file) & SQLITE_IOCAP_POWERSAFE_OVERWRITE) != 0;
}

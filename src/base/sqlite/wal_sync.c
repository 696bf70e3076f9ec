#include "base/sqlite/db_priv.h"
#include "base/sqlite/file_loss.h"
#include <sqlite3.h>
#include <stdlib.h>

/* A failed sync leaves pages in the kernel's cache that the kernel takes for written although the
 * disk does not have them. Later syncs skip these pages, in the next process too, which reads from
 * the cache what a power cut would take away:
 *   - commits behind such pages are lost with them, acknowledged or not;
 *   - a checkpoint copies pages into the database file that the WAL on the disk does not hold. A
 *     power cut during the checkpoint then leaves a mixture of old and new pages.
 * Writing the same bytes again makes the pages dirty, so that the next sync really writes them. We
 * cannot know which syncs failed before a file was opened, so each opening writes the WAL again,
 * and lets the next checkpoint copy all of it. Later a failed commit needs no rewriting: SQLite
 * writes the next commit over it. But a checkpoint also syncs commits that had no sync of their
 * own, so after a failed sync of the WAL the next checkpoint writes it again first. After a failed
 * sync of the database file it copies all pages again from the WAL.
 *
 * The format: a header of 32 bytes with the page size at 8 and two salts at 16; then frames, each
 * a header of 24 bytes with the same salts at 8, and a page. The first frame with other salts is
 * of an earlier round: SQLite reads nothing from there on. */
#define HEADER_SIZE 32
#define HEADER_SALTS 16
#define FRAME_HEADER_SIZE 24
#define FRAME_SALTS 8
#define SALTS_SIZE 8
/* SQLite's limits; it treats a WAL with another page size as empty. */
#define PAGE_MIN 512
#define PAGE_MAX 65536

struct wal {
    sqlite3_file *file; /* owned */
    sqlite3_int64 size;
    uint8_t header[HEADER_SIZE];
    uint8_t frame[FRAME_HEADER_SIZE + PAGE_MAX];
};

static int frame_size(const struct wal *wal)
{
    const uint8_t *b = wal->header + 8;
    uint32_t page = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];

    return page >= PAGE_MIN && page <= PAGE_MAX ? FRAME_HEADER_SIZE + (int)page : 0;
}

/* The bytes stay the same, so a power cut in the middle changes nothing that the disk had. */
static int rewrite_frames(struct wal *wal)
{
    const sqlite3_io_methods *io = wal->file->pMethods;
    int rc = io->xRead(wal->file, wal->header, HEADER_SIZE, 0), len = frame_size(wal);

    if (rc == SQLITE_OK)
        rc = io->xWrite(wal->file, wal->header, HEADER_SIZE, 0);
    for (sqlite3_int64 at = HEADER_SIZE; rc == SQLITE_OK && len > 0 && at + len <= wal->size;
         at += len) {
        rc = io->xRead(wal->file, wal->frame, len, at);
        if (rc != SQLITE_OK ||
            memcmp(wal->frame + FRAME_SALTS, wal->header + HEADER_SALTS, SALTS_SIZE) != 0)
            break;
        rc = io->xWrite(wal->file, wal->frame, len, at);
    }
    return rc == SQLITE_OK ? io->xSync(wal->file, SQLITE_SYNC_NORMAL) : rc;
}

static int rewrite(sqlite3_vfs *vfs, const char *path, struct wal *wal)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL;
    int rc = vfs->xOpen(vfs, path, wal->file, flags, &flags);

    if (rc == SQLITE_OK)
        rc = wal->file->pMethods->xFileSize(wal->file, &wal->size);
    if (rc == SQLITE_OK && wal->size >= HEADER_SIZE)
        rc = rewrite_frames(wal);
    if (wal->file->pMethods)
        wal->file->pMethods->xClose(wal->file);
    return rc;
}

int tb_db_rewrite_wal(struct tb_db *db)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL); /* the VFS that all our connections use */
    const char *path = sqlite3_filename_wal(sqlite3_db_filename(db->raw, "main"));
    struct wal *wal;
    int there = 0, rc = vfs->xAccess(vfs, path, SQLITE_ACCESS_EXISTS, &there);
    sqlite3_int64 size = 0;

    if (rc == SQLITE_OK && there) {
        wal = malloc(sizeof *wal);
        if (!wal)
            return SQLITE_NOMEM;
        wal->file = calloc(1, (size_t)vfs->szOsFile);
        wal->size = 0;
        rc = wal->file ? rewrite(vfs, path, wal) : SQLITE_NOMEM;
        size = wal->size;
        free(wal->file);
        free(wal);
    }
    db->wal.was_empty = size == 0;
    db->wal_trusted = rc == SQLITE_OK;
    db->mark_is_unsynced &= !db->wal_trusted;
    return rc;
}

/* The WAL-index, a file format that SQLite documents (walformat.html, "The WAL-Index File
 * Format"): a region of 32 KiB, where the four bytes at 96, in the machine's order, count the
 * frames that are in the database file (nBackfill), and two adjacent locks of those who write and
 * checkpoint.
 */
#define INDEX_REGION_SIZE 32768
#define INDEX_BACKFILL 96
#define INDEX_WRITE_LOCK 0

/* Sets nBackfill to 0, as SQLite itself does when it recovers a WAL: under the same two locks,
 * while readers may hold snapshots. What reads nBackfill can only do more with 0:
 *   - a checkpoint (walCheckpoint) copies all frames, but none behind a reader's snapshot. It
 *     writes a page only if its newest frame is not behind one, so a reader that takes the page
 *     from the file (its frame was counted when the reader began) gets what it would have got;
 *   - a new reader (walTryBeginRead) takes from the WAL what it could have taken from the file;
 *   - the WAL starts over (walRestartLog) only when nBackfill has reached the last frame. It does
 *     so only by a checkpoint that copied all frames and whose sync of the file succeeded. No
 *     other connection is in the middle of starting it over: that needs the write lock.
 * A reader that uses the file alone (read lock 0) stops any checkpoint, as always. */
int tb_db_forget_backfill(struct tb_db *db)
{
    sqlite3_file *file = NULL;
    void volatile *region = NULL;
    int rc = sqlite3_file_control(db->raw, "main", SQLITE_FCNTL_FILE_POINTER, &file);

    if (rc != SQLITE_OK)
        return rc;
    rc = file->pMethods->xShmLock(file, INDEX_WRITE_LOCK, 2,
                                  SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE);
    if (rc != SQLITE_OK)
        return rc;
    rc = file->pMethods->xShmMap(file, 0, INDEX_REGION_SIZE, /* extend= */ 0, &region);
    if (rc == SQLITE_OK && region) {
        uint32_t volatile *backfill =
            (uint32_t volatile *)(void volatile *)((char volatile *)region + INDEX_BACKFILL);

        __atomic_store_n(backfill, 0, __ATOMIC_SEQ_CST);
        file->pMethods->xShmBarrier(file);
    }
    db->backfill_trusted = rc == SQLITE_OK;
    file->pMethods->xShmLock(file, INDEX_WRITE_LOCK, 2, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
    return rc;
}

/* When the whole WAL is on the disk, all commits are: what is not in the WAL is in the file. */
enum tb_code tb_db_sync(struct tb_db *db, struct tb_error *err)
{
    int rc;

    TB_TRY(tb_file_loss_check(db->path, err));
    rc = tb_db_rewrite_wal(db);
    if (rc == SQLITE_OK)
        return TB_OK;
    tb_error_sqlite(err, NULL, rc);
    return tb_error_wrap(err, "%s", sqlite3_filename_wal(sqlite3_db_filename(db->raw, "main")));
}

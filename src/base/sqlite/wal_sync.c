#include "base/sqlite/db_priv.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

/* A failed sync leaves pages in the kernel's cache that the kernel takes for written although the
 * disk does not have them. Later syncs skip these pages, in the next process too, which reads from
 * the cache what a power cut would take away:
 *   - commits behind such pages are lost with them, acknowledged or not;
 *   - a checkpoint copies pages into the database file that the WAL on the disk does not hold. A
 *     power cut during the checkpoint then leaves a mixture of old and new pages.
 * Writing the same bytes again makes the pages dirty, so that the next sync really writes them. We
 * cannot know which syncs failed before a file was opened, so each opening writes the WAL again.
 * Later a failed commit needs no rewriting: SQLite writes the next commit over it. But a
 * checkpoint also syncs commits that had no sync of their own, so after one that failed we write
 * the WAL again.
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

    if (rc == SQLITE_OK && there) {
        wal = malloc(sizeof *wal);
        if (!wal)
            return SQLITE_NOMEM;
        wal->file = calloc(1, (size_t)vfs->szOsFile);
        rc = wal->file ? rewrite(vfs, path, wal) : SQLITE_NOMEM;
        free(wal->file);
        free(wal);
    }
    db->wal_trusted = rc == SQLITE_OK;
    return rc;
}

/* After any failure but a lock, the WAL is no longer trusted. */
static int checkpoint(struct tb_db *db, int mode)
{
    int rc = db->wal_trusted ? SQLITE_OK : tb_db_rewrite_wal(db), written;

    if (rc == SQLITE_OK) {
        tb_write_coalescer_begin_checkpoint(db->file_coalescer);
        rc = sqlite3_wal_checkpoint_v2(db->raw, NULL, mode, NULL, NULL);
        written = tb_write_coalescer_end_checkpoint(db->file_coalescer);
        if (rc == SQLITE_OK)
            rc = written;
    }
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
        db->wal_trusted = false;
    return rc;
}

/* Held during a checkpoint: all files share a disk, and two checkpoints that sync at once delay
 * commits for longer than one after the other. */
static pthread_mutex_t checkpointing = PTHREAD_MUTEX_INITIALIZER;

/* A failure is ignored: the commit is durable without it, and the next commit tries again. */
static void checkpoint_and_unlock(struct tb_db *db)
{
    checkpoint(db, SQLITE_CHECKPOINT_PASSIVE);
    db->wal_now = 0;
    pthread_mutex_unlock(&checkpointing);
}

void tb_db_maybe_checkpoint(struct tb_db *db, int wal_pages)
{
    if (db->wal_now >= (wal_pages > 0 ? wal_pages : db->wal_pages) &&
        pthread_mutex_trylock(&checkpointing) == 0)
        checkpoint_and_unlock(db);
}

/* A WAL that has grown to this many times wal_pages is checkpointed within COMMIT, even if COMMIT
 * must wait for another file's checkpoint. Otherwise a WAL would grow without limit during that
 * checkpoint, or through statements outside of transactions, which call no tb_txn_begin. With this
 * limit only a reader's open snapshot lets it grow further. */
#define WAL_FULL_TIMES 4

/* SQLite calls this within COMMIT, so it does not checkpoint unless it must: a client waits. */
static int after_commit(void *ctx, sqlite3 *raw, const char *name, int pages)
{
    struct tb_db *db = ctx;

    (void)raw;
    (void)name;
    db->wal_now = pages;
    if (pages >= db->wal_pages * WAL_FULL_TIMES) {
        pthread_mutex_lock(&checkpointing);
        checkpoint_and_unlock(db);
    }
    return SQLITE_OK;
}

void tb_db_set_checkpoint_pages(struct tb_db *db, int wal_pages)
{
    db->wal_pages = wal_pages;
    sqlite3_wal_hook(db->raw, after_commit, db);
}

enum tb_code tb_db_checkpoint(struct tb_db *db, struct tb_error *err)
{
    int rc = checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE);

    return rc == SQLITE_OK ? TB_OK : tb_error_sqlite(err, db->raw, rc);
}

/* When the whole WAL is on the disk, all commits are: what is not in the WAL is in the file. */
enum tb_code tb_db_sync(struct tb_db *db, struct tb_error *err)
{
    int rc = tb_db_rewrite_wal(db);

    return rc == SQLITE_OK ? TB_OK : tb_error_sqlite(err, db->raw, rc);
}

#include "base/sqlite/wal_backlog.h"
#include "base/sqlite/db_priv.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#define FRAME_HEADER_SIZE 24

/* The connections that write. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tb_db *first;
static _Atomic int64_t total_bytes;
static _Atomic bool gives_back_space;

static void set_backlog(struct tb_db *db, int frames, int copied)
{
    struct tb_wal *wal = &db->wal;
    int64_t bytes = (int64_t)(frames - copied) * wal->page_size;

    wal->frames = frames;
    wal->copied = copied;
    atomic_store(&wal->written_frames, wal->earlier_frames + frames);
    atomic_store(&wal->copied_frames, wal->earlier_frames + copied);
    atomic_fetch_add(&total_bytes, bytes - atomic_exchange(&wal->backlog_bytes, bytes));
}

/* Some frames of the file may be of an earlier round, or copied already: the first checkpoint
 * tells. */
static int frames_in_file(struct tb_db *db)
{
    struct stat st;

    if (stat(sqlite3_filename_wal(sqlite3_db_filename(db->raw, "main")), &st) != 0)
        return 0;
    return (int)(st.st_size / (db->wal.page_size + FRAME_HEADER_SIZE));
}

enum tb_code tb_wal_open(struct tb_db *db, struct tb_error *err)
{
    TB_TRY(tb_db_query_int64(db, "PRAGMA page_size", &db->wal.page_size, err));
    db->wal.path = sqlite3_db_filename(db->raw, "main");
    tb_db_note_place(db);
    set_backlog(db, frames_in_file(db), 0);
    db->wal.unfinished = db->wal.frames > 0;
    db->wal.all_copied = db->wal.was_empty;
    pthread_mutex_lock(&lock);
    db->wal.next = first;
    first = db;
    pthread_mutex_unlock(&lock);
    return TB_OK;
}

void tb_wal_close(struct tb_db *db)
{
    struct tb_db **at = &first;

    pthread_mutex_lock(&lock);
    while (*at && *at != db)
        at = &(*at)->wal.next;
    if (*at)
        *at = db->wal.next;
    pthread_mutex_unlock(&lock);
    set_backlog(db, 0, 0);
}

void tb_wal_each(void (*each)(struct tb_db *db))
{
    pthread_mutex_lock(&lock);
    for (struct tb_db *db = first; db; db = db->wal.next)
        each(db);
    pthread_mutex_unlock(&lock);
}

static void start_over(struct tb_wal *wal)
{
    wal->earlier_frames += wal->frames;
    wal->frames = wal->copied = 0;
}

/* A commit has a frame at least: a WAL that has not more of them than before has started over. */
void tb_wal_committed(struct tb_db *db, int frames)
{
    if (frames <= db->wal.frames)
        start_over(&db->wal);
    set_backlog(db, frames, db->wal.copied);
    db->wal.all_copied = db->wal.mark_is_new = db->wal.rescued = false;
}

void tb_wal_checkpointed(struct tb_db *db, int rc, int frames, int copied)
{
    bool locked = (rc & 0xff) == SQLITE_BUSY;

    if (frames < 0) /* it did not come so far as to know */
        frames = db->wal.frames;
    if (frames < db->wal.frames)
        start_over(&db->wal);
    if (rc != SQLITE_OK && !locked)
        copied = 0; /* the next one believes nothing, and copies all again */
    if (copied >= 0)
        set_backlog(db, frames, copied);
    db->wal.unfinished = rc != SQLITE_OK || copied < frames;
    db->wal.all_copied = rc == SQLITE_OK && copied >= 0 && copied == frames;
    atomic_store(&db->wal.stopped, locked || (rc == SQLITE_OK && copied < frames));
}

bool tb_wal_wants_emptying(const struct tb_db *db)
{
    const struct tb_wal *wal = &db->wal;

    return wal->frames > 0 &&
           (atomic_load(&gives_back_space) || wal->frames * wal->page_size > TB_WAL_KEPT_BYTES);
}

void tb_wal_give_back_space(bool give_back)
{
    atomic_store(&gives_back_space, give_back);
}

int64_t tb_wal_backlog_bytes(void)
{
    return atomic_load(&total_bytes);
}

size_t tb_wal_backlogs(struct tb_wal_backlog ret_backlogs[TB_WAL_BACKLOGS_MAX])
{
    size_t count = 0;

    pthread_mutex_lock(&lock);
    for (const struct tb_db *db = first; db && count < TB_WAL_BACKLOGS_MAX; db = db->wal.next) {
        struct tb_wal_backlog *backlog = &ret_backlogs[count++];

        snprintf(backlog->path, sizeof backlog->path, "%s", db->wal.path);
        backlog->bytes = atomic_load(&db->wal.backlog_bytes);
        backlog->stopped = atomic_load(&db->wal.stopped);
        backlog->written_frames = atomic_load(&db->wal.written_frames);
        backlog->copied_frames = atomic_load(&db->wal.copied_frames);
    }
    pthread_mutex_unlock(&lock);
    return count;
}

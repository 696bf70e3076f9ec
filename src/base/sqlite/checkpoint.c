#include "base/sqlite/db_priv.h"
#include <sqlite3.h>
#include <stdio.h>

void tb_checkpoints_init(struct tb_checkpoints *checkpoints, const char *file,
                         const struct tb_clock *clock,
                         void (*on_result)(void *ctx, const struct tb_error *err), void *ctx)
{
    *checkpoints = (struct tb_checkpoints){
        .clock = clock, .on_result = on_result, .ctx = ctx, .status.file = file};
    TB_ASSERT(pthread_mutex_init(&checkpoints->lock, NULL) == 0);
}

void tb_checkpoints_release(struct tb_checkpoints *checkpoints)
{
    pthread_mutex_destroy(&checkpoints->lock);
}

void tb_checkpoints_status(struct tb_checkpoints *checkpoints,
                           struct tb_checkpoint_status *ret_status)
{
    pthread_mutex_lock(&checkpoints->lock);
    *ret_status = checkpoints->status;
    pthread_mutex_unlock(&checkpoints->lock);
}

void tb_db_watch_checkpoints(struct tb_db *db, struct tb_checkpoints *checkpoints)
{
    db->checkpoints = checkpoints;
}

static bool is_lock(int rc)
{
    return (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED;
}

static bool are_failing(const struct tb_checkpoints *checkpoints)
{
    return checkpoints && checkpoints->retry_wait_ms > 0;
}

static void note_failure(struct tb_checkpoints *checkpoints, const struct tb_error *err)
{
    int64_t wait_ms = checkpoints->retry_wait_ms * 2;
    struct tb_checkpoint_status *status = &checkpoints->status;

    if (wait_ms < TB_CHECKPOINT_RETRY_MIN_MS)
        wait_ms = TB_CHECKPOINT_RETRY_MIN_MS;
    if (wait_ms > TB_CHECKPOINT_RETRY_MAX_MS)
        wait_ms = TB_CHECKPOINT_RETRY_MAX_MS;
    checkpoints->retry_wait_ms = wait_ms;
    pthread_mutex_lock(&checkpoints->lock);
    status->failures++;
    if (status->failing_at_ms == 0)
        status->failing_at_ms = tb_clock_wall_ms(checkpoints->clock);
    snprintf(status->problem, sizeof status->problem, "%s", err->text);
    pthread_mutex_unlock(&checkpoints->lock);
}

static void note_success(struct tb_checkpoints *checkpoints)
{
    checkpoints->retry_wait_ms = 0;
    pthread_mutex_lock(&checkpoints->lock);
    checkpoints->status.failing_at_ms = 0;
    checkpoints->status.problem[0] = '\0';
    pthread_mutex_unlock(&checkpoints->lock);
}

/* whole: everything in the WAL was copied and synced. A checkpoint that stopped at a reader's
 * snapshot has synced nothing, so it does not end an outage. */
static void note_result(struct tb_db *db, int rc, bool whole, int64_t started_ms)
{
    struct tb_checkpoints *checkpoints = db->checkpoints;
    struct tb_error err = {0};
    int64_t now_ms, wait_ms;

    if (!checkpoints)
        return;
    if (rc != SQLITE_OK && !is_lock(rc)) {
        tb_error_sqlite(&err, db->raw, rc);
        note_failure(checkpoints, &err);
    } else if (!are_failing(checkpoints)) {
        return;
    } else if (whole) {
        note_success(checkpoints);
    }
    now_ms = tb_clock_mono_ms(checkpoints->clock);
    wait_ms = (now_ms - started_ms) * TB_CHECKPOINT_RETRY_TIMES;
    if (wait_ms < checkpoints->retry_wait_ms)
        wait_ms = checkpoints->retry_wait_ms;
    checkpoints->retry_at_ms = now_ms + wait_ms;
    if (checkpoints->on_result && (err.code != TB_OK || whole))
        checkpoints->on_result(checkpoints->ctx, &err);
}

/* A disk that cannot sync the file at all says so before the whole WAL was copied for nothing. */
static int sync_file(struct tb_db *db)
{
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(db->raw, "main", SQLITE_FCNTL_FILE_POINTER, &file);

    return rc == SQLITE_OK ? file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) : rc;
}

/* SQLite counts the copied frames in the WAL-index (nBackfill), also when a checkpoint has stopped
 * at a reader's snapshot and synced nothing. If a later sync of the file fails, the kernel may
 * have dropped those pages too, and a retry that believes the count copies only the others. */
static int run(struct tb_db *db, int mode, int *ret_frames, int *ret_copied)
{
    int rc = db->wal_trusted ? SQLITE_OK : tb_db_rewrite_wal(db);

    if (rc == SQLITE_OK && !db->backfill_trusted)
        rc = tb_db_forget_backfill(db);
    db->checkpoint_rc = SQLITE_OK;
    if (rc == SQLITE_OK && are_failing(db->checkpoints))
        rc = sync_file(db);
    if (rc != SQLITE_OK)
        return rc;
    tb_wal_end_round(db);
    rc = sqlite3_wal_checkpoint_v2(db->raw, NULL, mode, ret_frames, ret_copied);
    return rc == SQLITE_OK ? db->checkpoint_rc : rc;
}

/* SQLite would copy a hole. */
static bool was_cut(struct tb_db *db)
{
    enum tb_loss_kind loss = tb_db_look(db, /* all= */ true);

    return loss == TB_LOSS_FILE_CUT || loss == TB_LOSS_WAL_CUT;
}

int tb_db_checkpoint(struct tb_db *db, int mode)
{
    int64_t started_ms = db->checkpoints ? tb_clock_mono_ms(db->checkpoints->clock) : 0;
    int frames = -1, copied = -1, rc;

    if (was_cut(db))
        return SQLITE_IOERR;
    rc = run(db, mode, &frames, &copied);
    tb_db_note_file_size(db);
    tb_wal_checkpointed(db, rc, frames, copied);
    note_result(db, rc, rc == SQLITE_OK && frames == copied, started_ms);
    if (rc != SQLITE_OK && !is_lock(rc)) {
        db->backfill_trusted = false;
        /* At once, so that no other program believes it; if it fails, before the next try. */
        tb_db_forget_backfill(db);
    }
    return rc;
}

/* Held during a checkpoint: all files share a disk, and two checkpoints that sync at once delay
 * commits for longer than one after the other. */
static pthread_mutex_t checkpointing = PTHREAD_MUTEX_INITIALIZER;

/* By itself SQLite cuts a WAL only at the first commit after it has started over, which never
 * comes while commands are refused because the disk is full. Readers are not waited for. */
static void empty_wal(struct tb_db *db)
{
    sqlite3_busy_timeout(db->raw, 0);
    tb_db_checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE);
    sqlite3_busy_timeout(db->raw, db->busy_timeout_ms);
}

/* A failure is no failure of the caller: the commit is durable without it. */
static void checkpoint_and_unlock(struct tb_db *db)
{
    if (tb_db_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE) == SQLITE_OK &&
        db->wal.copied == db->wal.frames && tb_wal_wants_emptying(db))
        empty_wal(db);
    db->wal_now = 0;
    pthread_mutex_unlock(&checkpointing);
}

/* False: a checkpoint has failed a short time ago. */
static bool may_try(const struct tb_db *db)
{
    const struct tb_checkpoints *checkpoints = db->checkpoints;

    return !are_failing(checkpoints) ||
           tb_clock_mono_ms(checkpoints->clock) >= checkpoints->retry_at_ms;
}

void tb_db_maybe_checkpoint(struct tb_db *db, int wal_pages)
{
    if (db->wal_now >= (wal_pages > 0 ? wal_pages : db->wal_pages) && may_try(db) &&
        pthread_mutex_trylock(&checkpointing) == 0)
        checkpoint_and_unlock(db);
}

static bool is_whole(enum tb_loss_kind loss)
{
    return loss == TB_LOSS_FILE_GONE || loss == TB_LOSS_WAL_GONE || loss == TB_LOSS_CHANGED;
}

void tb_db_rescue(struct tb_db *db)
{
    if (!is_whole(tb_db_loss(db)) || db->wal.rescued)
        return;
    db->wal.rescued = tb_db_checkpoint(db, SQLITE_CHECKPOINT_FULL) == SQLITE_OK &&
                      db->wal.copied == db->wal.frames;
}

static void rescue_and_unlock(struct tb_db *db)
{
    tb_db_rescue(db);
    pthread_mutex_unlock(&checkpointing);
}

bool tb_db_wants_checkpoint(const struct tb_db *db)
{
    enum tb_loss_kind loss = tb_db_loss(db);

    if (loss != TB_LOSS_NONE)
        return is_whole(loss) && !db->wal.rescued;
    return db->wal.unfinished || tb_wal_wants_emptying(db);
}

void tb_db_retry_checkpoint(struct tb_db *db)
{
    bool lost = tb_db_loss(db) != TB_LOSS_NONE;

    if (!tb_db_wants_checkpoint(db) || !(lost || may_try(db)) ||
        pthread_mutex_trylock(&checkpointing) != 0)
        return;
    if (lost)
        rescue_and_unlock(db);
    else
        checkpoint_and_unlock(db);
}

/* A WAL that has grown to this many times wal_pages is checkpointed within COMMIT, even if COMMIT
 * must wait for another file's checkpoint. Otherwise a WAL would grow without limit during that
 * checkpoint, or through statements outside of transactions, which call no tb_txn_begin. With this
 * limit only a reader's open snapshot, and checkpoints that fail, let it grow further. */
#define WAL_FULL_TIMES 4

/* SQLite calls this within COMMIT, so it does not checkpoint unless it must: a client waits. */
static int after_commit(void *ctx, sqlite3 *raw, const char *name, int pages)
{
    struct tb_db *db = ctx;

    (void)raw;
    (void)name;
    db->wal_now = pages;
    tb_wal_committed(db, pages);
    if (!db->changes_mark && pages >= db->wal_pages * WAL_FULL_TIMES && may_try(db)) {
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

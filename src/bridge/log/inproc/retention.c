#include "bridge/log/inproc/inproc_priv.h"
#include <inttypes.h>
#include <stdio.h>

/* Most records removed in one poll. Appends wait meanwhile, so it is small. */
#define REMOVED_AT_ONCE 1000
/* The log's end is marked so many times in retention_ms: a record may be kept longer by such a
 * part. */
#define MARKS 16

/* The first offset that must stay: the newest record, what was not released, and what a group has
 * not committed. */
static int64_t removable_end(struct tb_log_inproc *log, int64_t *ret_begin)
{
    int64_t end;

    pthread_mutex_lock(&log->lock);
    *ret_begin = log->begin;
    end = log->standalone_readers > 0 ? log->begin : log->end - 1;
    if (log->released < end)
        end = log->released;
    for (const struct inproc_group *group = log->groups; group; group = group->next) {
        if (group->committed < end)
            end = group->committed;
    }
    pthread_mutex_unlock(&log->lock);
    return end;
}

/* The first offset that has not expired: where the log ended at that uptime. 0: it is not known of
 * any record. */
static enum tb_code expired_end(struct tb_log_inproc *log, int64_t expired_ms, int64_t *ret_end,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    bool row = false;

    TB_TRY(tb_stmt_prepare(&stmt, log->db,
                           "SELECT coalesce(max(next), 0) FROM marks WHERE uptime_ms <= :expired",
                           err));
    tb_stmt_bind_int64(&stmt, ":expired", expired_ms);
    TB_TRY(tb_stmt_step(&stmt, &row, err));
    TB_ASSERT(row);
    *ret_end = tb_stmt_int64(&stmt, 0);
    return TB_OK;
}

/* The same transaction stores the committed offsets. Otherwise a crash could bring back an offset
 * before the log's new begin. */
static enum tb_code remove_records(struct tb_log_inproc *log, int64_t end, struct tb_error *err)
{
    char sql[64];
    enum tb_code code;

    TB_TRY(tb_inproc_begin(log, err));
    snprintf(sql, sizeof sql, "DELETE FROM records WHERE offset < %" PRId64, end);
    code = tb_db_exec(log->db, sql, err);
    if (code != TB_OK) {
        tb_inproc_rollback(log, code);
        return code;
    }
    TB_TRY(tb_inproc_commit(log, err));
    pthread_mutex_lock(&log->lock);
    log->begin = end;
    pthread_mutex_unlock(&log->lock);
    return TB_OK;
}

enum tb_code tb_inproc_remove_expired(struct tb_log_inproc *log, int64_t expired_ms, int64_t limit,
                                      int64_t *ret_removed, struct tb_error *err)
{
    int64_t begin, end, expired = 0;

    if (log->txn.db)
        return tb_error_set(err, TB_BUSY, "the log has a batch waiting for its commit");
    if (!log->db)
        TB_TRY(tb_inproc_connect(log, err));
    end = removable_end(log, &begin);
    if (end > begin + limit)
        end = begin + limit;
    *ret_removed = 0;
    if (end <= begin)
        return TB_OK;
    TB_TRY(expired_end(log, expired_ms, &expired, err));
    if (expired < end)
        end = expired;
    if (end <= begin)
        return TB_OK;
    TB_TRY(remove_records(log, end, err));
    *ret_removed = end - begin;
    return TB_OK;
}

/* Marks where the log ends now, and forgets the marks that later expired ones make needless.
 * Neither a step of the wall clock nor a restart changes what a mark says of the records before
 * it. */
static enum tb_code write_mark(struct tb_log_inproc *log, int64_t uptime_ms, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt add = {0}, forget = {0};

    TB_TRY(tb_stmt_prepare(&add, log->db,
                           "INSERT INTO marks(uptime_ms, next) VALUES(:uptime, :next)"
                           " ON CONFLICT DO UPDATE SET next = excluded.next",
                           err));
    TB_TRY(tb_stmt_prepare(&forget, log->db,
                           "DELETE FROM marks WHERE uptime_ms <"
                           " (SELECT max(uptime_ms) FROM marks WHERE uptime_ms <= :expired)",
                           err));
    TB_TRY(tb_inproc_begin(log, err));
    tb_stmt_bind_int64(&add, ":uptime", uptime_ms);
    tb_stmt_bind_int64(&add, ":next", log->next);
    TB_TRY(tb_stmt_run(&add, err));
    tb_stmt_bind_int64(&forget, ":expired", uptime_ms - log->retention_ms);
    return tb_stmt_run(&forget, err);
}

enum tb_code tb_inproc_mark_end(struct tb_log_inproc *log, struct tb_error *err)
{
    int64_t uptime_ms = tb_uptime_ms(&log->uptime, log->clock);
    enum tb_code code;

    if (log->marked_at_ms >= 0 && uptime_ms - log->marked_at_ms < log->retention_ms / MARKS)
        return TB_OK;
    if (log->txn.db)
        return tb_error_set(err, TB_BUSY, "the log has a batch waiting for its commit");
    if (!log->db)
        TB_TRY(tb_inproc_connect(log, err));
    code = write_mark(log, uptime_ms, err);
    if (code != TB_OK) {
        tb_inproc_rollback(log, code);
        return code;
    }
    TB_TRY(tb_inproc_commit(log, err));
    log->marked_at_ms = uptime_ms;
    return TB_OK;
}

enum tb_code tb_inproc_serve_retention(struct tb_log_inproc *log, struct tb_error *err)
{
    int64_t expired_ms, removed = 0;

    if (log->retention_ms < 0 || !atomic_exchange(&log->removable, false))
        return TB_OK;
    /* If this fails, the next release tries again. Keeping records longer does no harm. */
    TB_TRY(tb_inproc_mark_end(log, err));
    expired_ms = tb_uptime_ms(&log->uptime, log->clock) - log->retention_ms;
    TB_TRY(tb_inproc_remove_expired(log, expired_ms, REMOVED_AT_ONCE, &removed, err));
    if (removed == REMOVED_AT_ONCE)
        atomic_store(&log->removable, true);
    return TB_OK;
}

void tb_log_inproc_set_retention(struct tb_log_inproc *log, int64_t retention_ms,
                                 struct tb_uptime uptime)
{
    log->retention_ms = retention_ms;
    log->uptime = uptime;
    log->marked_at_ms = -1;
}

void tb_log_inproc_allow_removal(struct tb_log_inproc *log, int64_t next)
{
    pthread_mutex_lock(&log->lock);
    log->released = next;
    pthread_mutex_unlock(&log->lock);
    atomic_store(&log->removable, true);
}

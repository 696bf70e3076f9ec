#include "bridge/log/inproc/inproc_priv.h"
#include <inttypes.h>
#include <stdio.h>

/* Most records removed in one poll. Appends wait meanwhile, so it is small. */
#define REMOVED_AT_ONCE 1000
/* The ends of the partitions are marked so many times in retention_ms: a record may be kept longer
 * by such a part. */
#define MARKS 16

/* The first offset that must stay: the newest record, what was not released, and what a group has
 * not committed. */
static int64_t removable_end(struct tb_log_inproc *log, const struct inproc_topic *topic,
                             int32_t partition, int64_t *ret_begin)
{
    int64_t end;

    pthread_mutex_lock(&log->lock);
    *ret_begin = topic->parts[partition].begin;
    end = log->standalone_readers > 0 ? *ret_begin : topic->parts[partition].end - 1;
    if (topic->parts[partition].released < end)
        end = topic->parts[partition].released;
    for (const struct inproc_group *group = log->groups; group; group = group->next) {
        if (group->topic == topic && group->offsets[partition].committed < end)
            end = group->offsets[partition].committed;
    }
    pthread_mutex_unlock(&log->lock);
    return end;
}

/* The first offset that has not expired: where the partition ended at that uptime. 0: it is not
 * known of any record. */
static enum tb_code expired_end(struct tb_log_inproc *log, const struct inproc_topic *topic,
                                int32_t partition, int64_t expired_ms, int64_t *ret_end,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    bool row = false;

    TB_TRY(tb_stmt_prepare(&stmt, log->db,
                           "SELECT coalesce(max(next), 0) FROM marks WHERE topic = :topic"
                           " AND partition = :partition AND uptime_ms <= :expired",
                           err));
    tb_stmt_bind_int64(&stmt, ":topic", topic->id);
    tb_stmt_bind_int64(&stmt, ":partition", partition);
    tb_stmt_bind_int64(&stmt, ":expired", expired_ms);
    TB_TRY(tb_stmt_step(&stmt, &row, err));
    TB_ASSERT(row);
    *ret_end = tb_stmt_int64(&stmt, 0);
    return TB_OK;
}

/* The same transaction stores the committed offsets. Otherwise a crash could bring back an offset
 * before the partition's new begin. */
static enum tb_code remove_records(struct tb_log_inproc *log, struct inproc_topic *topic,
                                   int32_t partition, int64_t end, struct tb_error *err)
{
    char sql[TB_INPROC_SQL_SIZE], where[48];
    enum tb_code code;

    TB_TRY(tb_inproc_begin(log, err));
    snprintf(where, sizeof where, " WHERE offset < %" PRId64, end);
    code =
        tb_db_exec(log->db, tb_inproc_sql(sql, "DELETE FROM", topic->id, partition, where), err);
    if (code != TB_OK) {
        tb_inproc_rollback(log, code);
        return code;
    }
    TB_TRY(tb_inproc_commit(log, err));
    pthread_mutex_lock(&log->lock);
    topic->parts[partition].begin = end;
    pthread_mutex_unlock(&log->lock);
    return TB_OK;
}

enum tb_code tb_inproc_remove_expired(struct tb_log_inproc *log, int64_t expired_ms, int64_t limit,
                                      int64_t *ret_removed, struct tb_error *err)
{
    struct inproc_topic *topic;
    int64_t left = limit;

    if (log->txn.db)
        return tb_error_set(err, TB_BUSY, "the log has a batch waiting for its commit");
    if (!log->db)
        TB_TRY(tb_inproc_connect(log, err));
    for (topic = log->topics; topic; topic = topic->next) {
        for (int32_t p = 0; p < TB_LOG_PARTITIONS && topic->id != 0; p++) {
            int64_t begin, expired, end = removable_end(log, topic, p, &begin);

            if (end > begin + left)
                end = begin + left;
            if (end <= begin)
                continue;
            TB_TRY(expired_end(log, topic, p, expired_ms, &expired, err));
            if (expired < end)
                end = expired;
            if (end <= begin)
                continue;
            TB_TRY(remove_records(log, topic, p, end, err));
            left -= end - begin;
        }
    }
    *ret_removed = limit - left;
    return TB_OK;
}

/* Marks where each partition ends now, and forgets the marks that later expired ones make
 * needless. Neither a step of the wall clock nor a restart changes what a mark says of the records
 * before it. */
static enum tb_code write_marks(struct tb_log_inproc *log, int64_t uptime_ms, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt add = {0}, forget = {0};

    TB_TRY(tb_stmt_prepare(&add, log->db,
                           "INSERT INTO marks(topic, partition, uptime_ms, next)"
                           " VALUES(:topic, :partition, :uptime, :next)"
                           " ON CONFLICT DO UPDATE SET next = excluded.next",
                           err));
    TB_TRY(tb_stmt_prepare(&forget, log->db,
                           "DELETE FROM marks WHERE uptime_ms <= :expired AND EXISTS(SELECT 1"
                           " FROM marks m WHERE m.topic = marks.topic"
                           " AND m.partition = marks.partition"
                           " AND m.uptime_ms > marks.uptime_ms AND m.uptime_ms <= :expired)",
                           err));
    TB_TRY(tb_inproc_begin(log, err));
    for (struct inproc_topic *topic = log->topics; topic; topic = topic->next) {
        for (int32_t p = 0; p < TB_LOG_PARTITIONS && topic->id != 0; p++) {
            tb_stmt_bind_int64(&add, ":topic", topic->id);
            tb_stmt_bind_int64(&add, ":partition", p);
            tb_stmt_bind_int64(&add, ":uptime", uptime_ms);
            tb_stmt_bind_int64(&add, ":next", topic->parts[p].next);
            TB_TRY(tb_stmt_run(&add, err));
        }
    }
    tb_stmt_bind_int64(&forget, ":expired", uptime_ms - log->retention_ms);
    return tb_stmt_run(&forget, err);
}

enum tb_code tb_inproc_mark_ends(struct tb_log_inproc *log, struct tb_error *err)
{
    int64_t uptime_ms = tb_uptime_ms(&log->uptime, log->clock);
    enum tb_code code;

    if (log->marked_at_ms >= 0 && uptime_ms - log->marked_at_ms < log->retention_ms / MARKS)
        return TB_OK;
    if (log->txn.db)
        return tb_error_set(err, TB_BUSY, "the log has a batch waiting for its commit");
    if (!log->db)
        TB_TRY(tb_inproc_connect(log, err));
    code = write_marks(log, uptime_ms, err);
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
    TB_TRY(tb_inproc_mark_ends(log, err));
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

void tb_log_inproc_allow_removal(struct tb_log_inproc *log, const char *topic, int32_t partition,
                                 int64_t next)
{
    struct inproc_topic *t;

    TB_ASSERT(partition >= 0 && partition < TB_LOG_PARTITIONS);
    pthread_mutex_lock(&log->lock);
    t = tb_inproc_topic(log, tb_str_of(topic));
    if (t) /* NULL: out of memory; the next release tries again */
        t->parts[partition].released = next;
    pthread_mutex_unlock(&log->lock);
    atomic_store(&log->removable, true);
}

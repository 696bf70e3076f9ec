#include "bridge/log/inproc/inproc_priv.h"
#include <inttypes.h>
#include <stdio.h>

/* Most records removed in one poll. Appends wait meanwhile, so it is small. */
#define REMOVED_AT_ONCE 1000

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

/* The first offset that has not expired. Records before expired_before have, whatever their
 * timestamps say. After them the first young timestamp ends the search, even if older ones follow:
 * clocks jump. */
static enum tb_code expired_end(struct tb_log_inproc *log, const struct inproc_topic *topic,
                                int32_t partition, int64_t before_ms, int64_t begin, int64_t end,
                                int64_t *ret_end, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    int64_t expired_before = topic->parts[partition].expired_before;
    bool row = false;
    char sql[TB_INPROC_SQL_SIZE];

    *ret_end = begin = expired_before < begin ? begin
                       : expired_before < end ? expired_before
                                              : end;
    tb_inproc_sql(sql, "SELECT offset, timestamp FROM", topic->id, partition,
                  " WHERE offset >= :begin AND offset < :end ORDER BY offset");
    TB_TRY(tb_stmt_prepare(&stmt, log->db, sql, err));
    tb_stmt_bind_int64(&stmt, ":begin", begin);
    tb_stmt_bind_int64(&stmt, ":end", end);
    TB_TRY(tb_stmt_step(&stmt, &row, err));
    while (row && tb_stmt_int64(&stmt, 1) < before_ms) {
        *ret_end = tb_stmt_int64(&stmt, 0) + 1;
        TB_TRY(tb_stmt_step(&stmt, &row, err));
    }
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

enum tb_code tb_inproc_remove_expired(struct tb_log_inproc *log, int64_t before_ms, int64_t limit,
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
            int64_t begin, end = removable_end(log, topic, p, &begin);

            if (end > begin + left)
                end = begin + left;
            if (end <= begin)
                continue;
            TB_TRY(expired_end(log, topic, p, before_ms, begin, end, &end, err));
            if (end <= begin)
                continue;
            TB_TRY(remove_records(log, topic, p, end, err));
            left -= end - begin;
        }
    }
    *ret_removed = limit - left;
    return TB_OK;
}

/* A timestamp in the future would keep its record, and all records after it, until then. Therefore
 * the ends of the partitions are marked once in each retention_ms of the monotonic clock, which
 * does not jump: the records before a mark are at least as old as the mark. */
static void mark_ends(struct tb_log_inproc *log)
{
    int64_t now_ms = tb_clock_mono_ms(log->clock);
    bool old = log->ends_marked && now_ms - log->marked_at_ms >= log->retention_ms;

    if (log->ends_marked && !old)
        return;
    pthread_mutex_lock(&log->lock);
    for (struct inproc_topic *topic = log->topics; topic; topic = topic->next) {
        for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++) {
            struct inproc_partition *part = &topic->parts[p];

            if (old)
                part->expired_before = part->marked_end;
            part->marked_end = part->end;
        }
    }
    pthread_mutex_unlock(&log->lock);
    log->ends_marked = true;
    log->marked_at_ms = now_ms;
}

enum tb_code tb_inproc_serve_retention(struct tb_log_inproc *log, struct tb_error *err)
{
    int64_t now_ms, removed = 0;

    if (log->retention_ms < 0 || !atomic_exchange(&log->removable, false))
        return TB_OK;
    mark_ends(log);
    now_ms = tb_retention_clock_now_ms(&log->retention_clock, log->clock, log->retention_ms);
    /* If this fails, the next release tries again. Keeping records longer does no harm. */
    TB_TRY(
        tb_inproc_remove_expired(log, now_ms - log->retention_ms, REMOVED_AT_ONCE, &removed, err));
    if (removed == REMOVED_AT_ONCE)
        atomic_store(&log->removable, true);
    return TB_OK;
}

void tb_log_inproc_set_retention(struct tb_log_inproc *log, int64_t retention_ms)
{
    log->retention_ms = retention_ms;
    mark_ends(log);
    tb_retention_clock_now_ms(&log->retention_clock, log->clock, retention_ms);
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

#include "bridge/log/inproc/inproc_priv.h"
#include <inttypes.h>
#include <stdio.h>

/* Short enough not to be felt by the records that wait behind it. */
#define EXPIRE_AT_ONCE 1000

/* Where removing must stop: the newest record stays, and so does what is not released or a group
 * has not passed. */
static int64_t removable_end(struct tb_log_inproc *log, const struct inproc_topic *topic,
                             int32_t partition, int64_t *ret_begin)
{
    int64_t end;

    pthread_mutex_lock(&log->lock);
    *ret_begin = topic->parts[partition].begin;
    end = log->standalone_readers > 0 ? *ret_begin : topic->parts[partition].end - 1;
    if (topic->parts[partition].released < end)
        end = topic->parts[partition].released;
    for (const struct inproc_group *group = log->groups; group; group = group->link) {
        if (group->topic == topic && group->offsets[partition].committed < end)
            end = group->offsets[partition].committed;
    }
    pthread_mutex_unlock(&log->lock);
    return end;
}

/* Where the old records at the partition's start end: behind the ones that are old whatever their
 * stamps say. Clocks jump, so from there on the first young record stops it, whatever follows. */
static enum tb_code expired_end(struct tb_log_inproc *log, const struct inproc_topic *topic,
                                int32_t partition, int64_t before_ms, int64_t begin, int64_t end,
                                int64_t *ret_end, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    int64_t expired_before = topic->parts[partition].expired_before;
    bool row = false;
    char sql[160];

    *ret_end = begin = expired_before < begin ? begin
                       : expired_before < end ? expired_before
                                              : end;
    snprintf(sql, sizeof sql,
             "SELECT offset, timestamp FROM records_%" PRId64 "_%d"
             " WHERE offset >= :begin AND offset < :end ORDER BY offset",
             topic->id, (int)partition);
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

/* The committed offsets go with the removal: one that came back older after a crash would stand
 * before the partition's begin. */
static enum tb_code remove_records(struct tb_log_inproc *log, struct inproc_topic *topic,
                                   int32_t partition, int64_t end, struct tb_error *err)
{
    char sql[96];
    enum tb_code code;

    TB_TRY(tb_inproc_begin(log, err));
    snprintf(sql, sizeof sql, "DELETE FROM records_%" PRId64 "_%d WHERE offset < %" PRId64,
             topic->id, (int)partition, end);
    code = tb_db_exec(log->db, sql, err);
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
    pthread_mutex_lock(&log->lock);
    topic = log->topics;
    pthread_mutex_unlock(&log->lock);
    for (; topic; topic = topic->link) {
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

/* An hour's release, or what the calls before have left of it. */
static bool take_removable(struct tb_log_inproc *log)
{
    bool removable;

    pthread_mutex_lock(&log->lock);
    removable = log->removable;
    log->removable = false;
    pthread_mutex_unlock(&log->lock);
    return removable;
}

static void set_removable(struct tb_log_inproc *log)
{
    pthread_mutex_lock(&log->lock);
    log->removable = true;
    pthread_mutex_unlock(&log->lock);
}

/* A stamp from the future would keep its record, and all behind it, until then. But what was there
 * at the last mark is as old as the mark, by a clock that does not jump. */
static void mark(struct tb_log_inproc *log)
{
    int64_t now_ms = tb_clock_mono_ms(log->clock);
    bool old = log->ends_marked && now_ms - log->marked_at_ms >= log->retention_ms;

    if (log->ends_marked && !old)
        return;
    pthread_mutex_lock(&log->lock);
    for (struct inproc_topic *topic = log->topics; topic; topic = topic->link) {
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

    if (log->retention_ms < 0 || !take_removable(log))
        return TB_OK;
    mark(log);
    now_ms = tb_retention_clock_now_ms(&log->calendar, log->clock, log->retention_ms);
    /* What fails is tried again at the next release: what is kept too long is no harm. */
    TB_TRY(
        tb_inproc_remove_expired(log, now_ms - log->retention_ms, EXPIRE_AT_ONCE, &removed, err));
    if (removed == EXPIRE_AT_ONCE)
        set_removable(log);
    return TB_OK;
}

void tb_log_inproc_set_retention(struct tb_log_inproc *log, int64_t retention_ms)
{
    log->retention_ms = retention_ms;
    mark(log);
    (void)tb_retention_clock_now_ms(&log->calendar, log->clock, retention_ms);
}

void tb_log_inproc_allow_removal(struct tb_log_inproc *log, const char *topic, int32_t partition,
                                 int64_t next)
{
    struct inproc_topic *t;

    TB_ASSERT(partition >= 0 && partition < TB_LOG_PARTITIONS);
    pthread_mutex_lock(&log->lock);
    t = tb_inproc_topic(log, tb_str_of(topic));
    if (t) /* else out of memory: at the next release */
        t->parts[partition].released = next;
    log->removable = true;
    pthread_mutex_unlock(&log->lock);
}

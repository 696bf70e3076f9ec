#include "bridge/log_inproc_priv.h"
#include <inttypes.h>
#include <stdio.h>

/* Where removing must stop: the newest record stays, and so does what a group has not passed. */
static int64_t removable_end(struct tb_log_inproc *log, const struct inproc_topic *topic,
                             int32_t partition, int64_t *ret_begin)
{
    int64_t end;

    pthread_mutex_lock(&log->lock);
    *ret_begin = topic->parts[partition].begin;
    end = topic->parts[partition].end - 1;
    for (const struct inproc_group *group = log->groups; group; group = group->link) {
        if (group->topic == topic && group->offsets[partition].committed < end)
            end = group->offsets[partition].committed;
    }
    pthread_mutex_unlock(&log->lock);
    return end;
}

/* Where the old records at the partition's start end. Clocks jump, so the first young record
 * stops it, whatever follows. */
static enum tb_code old_end(struct tb_log_inproc *log, const struct inproc_topic *topic,
                            int32_t partition, int64_t before_ms, int64_t begin, int64_t end,
                            int64_t *ret_end, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    bool row = false;
    char sql[160];

    *ret_end = begin;
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
        tb_inproc_abandon(log, code);
        return code;
    }
    TB_TRY(tb_inproc_commit(log, err));
    pthread_mutex_lock(&log->lock);
    topic->parts[partition].begin = end;
    pthread_mutex_unlock(&log->lock);
    return TB_OK;
}

enum tb_code tb_log_inproc_expire(struct tb_log_inproc *log, int64_t before_ms, int64_t limit,
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
            TB_TRY(old_end(log, topic, p, before_ms, begin, end, &end, err));
            if (end <= begin)
                continue;
            TB_TRY(remove_records(log, topic, p, end, err));
            left -= end - begin;
        }
    }
    *ret_removed = limit - left;
    return TB_OK;
}

#include "bridge/log/inproc/inproc_priv.h"
#include <inttypes.h>
#include <stdio.h>

/* "tbLG": marks the file as ours in its header. */
#define APPLICATION_ID 0x74624c47
/* Pages of WAL between checkpoints. The syncs of a checkpoint delay the store's commits on the
 * same disk, the longer the larger it is (measured beside TB_VIEW_WAL_PAGES). */
#define WAL_PAGES 120

/* Each partition has a table of its own, created with its topic, so that every insert appends at
 * the right edge of one tree. */
static const char *const steps[] = {
    "CREATE TABLE topics("
    " id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL) STRICT;"
    "CREATE TABLE offsets("
    " group_name TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,"
    " next INTEGER NOT NULL, PRIMARY KEY(group_name, topic, partition)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE sequences("
    " epoch TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    /* When the node had that uptime, the partition ended before offset `next`. */
    "CREATE TABLE marks("
    " topic INTEGER NOT NULL, partition INTEGER NOT NULL, uptime_ms INTEGER NOT NULL,"
    " next INTEGER NOT NULL, PRIMARY KEY(topic, partition, uptime_ms)) STRICT, WITHOUT ROWID;",
    /* base: the offset of the first record of each partition. */
    "CREATE TABLE origin("
    " one INTEGER PRIMARY KEY CHECK(one = 1), log_id TEXT NOT NULL, store_id TEXT NOT NULL,"
    " base INTEGER NOT NULL CHECK(base >= 0)) STRICT;",
};

const char *tb_inproc_sql(char sql[TB_INPROC_SQL_SIZE], const char *before, int64_t topic_id,
                          int32_t partition, const char *after)
{
    int len = snprintf(sql, TB_INPROC_SQL_SIZE, "%s records_%" PRId64 "_%d%s", before, topic_id,
                       (int)partition, after);

    TB_ASSERT(len < TB_INPROC_SQL_SIZE);
    return sql;
}

/* Retention keeps the newest record of a partition, so the table shows where the partition ends.
 */
static enum tb_code load_partition(struct tb_log_inproc *log, struct inproc_topic *topic,
                                   int32_t partition, struct tb_error *err)
{
    struct inproc_partition *part = &topic->parts[partition];
    int64_t begin = -1, end = -1;
    char sql[TB_INPROC_SQL_SIZE];

    /* Two statements: SQLite would answer one with both by reading all rows. */
    tb_inproc_sql(sql, "SELECT coalesce(min(offset), -1) FROM", topic->id, partition, "");
    TB_TRY(tb_db_query_int64(log->db, sql, &begin, err));
    tb_inproc_sql(sql, "SELECT coalesce(max(offset) + 1, -1) FROM", topic->id, partition, "");
    TB_TRY(tb_db_query_int64(log->db, sql, &end, err));
    if (end < 0)
        begin = end = log->origin.base;
    part->next = end;
    pthread_mutex_lock(&log->lock);
    part->begin = begin;
    part->end = end;
    pthread_mutex_unlock(&log->lock);
    return TB_OK;
}

static enum tb_code load_topics(struct tb_log_inproc *log, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    bool row = false;

    TB_TRY(tb_stmt_prepare(&stmt, log->db, "SELECT id, name, partitions FROM topics", err));
    for (;;) {
        struct inproc_topic *topic;

        TB_TRY(tb_stmt_step(&stmt, &row, err));
        if (!row)
            return TB_OK;
        pthread_mutex_lock(&log->lock);
        topic = tb_inproc_topic(log, tb_stmt_text(&stmt, 1));
        pthread_mutex_unlock(&log->lock);
        if (!topic)
            return tb_error_set(err, TB_INTERNAL, "out of memory");
        if (tb_stmt_int64(&stmt, 2) != TB_LOG_PARTITIONS)
            return tb_error_set(err, TB_CONFLICT,
                                "topic %s has %" PRId64 " partitions, this build uses %d",
                                topic->name, tb_stmt_int64(&stmt, 2), TB_LOG_PARTITIONS);
        /* Readers read the id without the lock: it is written once, before `end` shows a record.
         */
        if (topic->id == 0)
            topic->id = tb_stmt_int64(&stmt, 0);
        for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++)
            TB_TRY(load_partition(log, topic, p, err));
    }
}

static enum tb_code load_offset(struct tb_log_inproc *log, struct tb_stmt *stmt,
                                struct tb_error *err)
{
    int64_t partition = tb_stmt_int64(stmt, 2), next = tb_stmt_int64(stmt, 3);
    struct inproc_topic *topic;
    struct inproc_group *group = NULL;

    if (partition < 0 || partition >= TB_LOG_PARTITIONS)
        return tb_error_set(err, TB_CORRUPT, "an offset is of partition %" PRId64, partition);
    pthread_mutex_lock(&log->lock);
    topic = tb_inproc_topic(log, tb_stmt_text(stmt, 1));
    if (topic)
        group = tb_inproc_group(log, topic, tb_stmt_text(stmt, 0));
    if (group) {
        group->offsets[partition].committed = next;
        group->offsets[partition].stored = next;
    }
    pthread_mutex_unlock(&log->lock);
    return group ? TB_OK : tb_error_set(err, TB_INTERNAL, "out of memory");
}

static enum tb_code load_offsets(struct tb_log_inproc *log, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    bool row = false;

    TB_TRY(tb_stmt_prepare(&stmt, log->db,
                           "SELECT group_name, topic, partition, next FROM offsets", err));
    for (;;) {
        TB_TRY(tb_stmt_step(&stmt, &row, err));
        if (!row)
            return TB_OK;
        TB_TRY(load_offset(log, &stmt, err));
    }
}

static enum tb_code load_origin(struct tb_log_inproc *log, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    bool row = false;

    TB_TRY(tb_stmt_prepare(&stmt, log->db, "SELECT log_id, store_id, base FROM origin", err));
    TB_TRY(tb_stmt_step(&stmt, &row, err));
    if (!row)
        return TB_OK;
    tb_stmt_copy_text(&stmt, 0, log->origin.log_id, sizeof log->origin.log_id);
    tb_stmt_copy_text(&stmt, 1, log->origin.store_id, sizeof log->origin.store_id);
    log->origin.base = tb_stmt_int64(&stmt, 2);
    return TB_OK;
}

static enum tb_code connect_file(struct tb_log_inproc *log, struct tb_error *err)
{
    bool again = log->groups || log->topics;

    TB_TRY(tb_db_open(log->path, TB_DB_DURABLE, WAL_PAGES, &log->db, err));
    tb_db_yield_on_reads(log->db);
    tb_db_watch_checkpoints(log->db, log->checkpoints);
    TB_TRY(
        tb_db_migrate(log->db, APPLICATION_ID, steps, (int)(sizeof steps / sizeof *steps), err));
    TB_TRY(tb_db_mark_wal(log->db, err));
    TB_TRY(tb_stmt_prepare(&log->put_offset, log->db,
                           "INSERT INTO offsets(group_name, topic, partition, next)"
                           " VALUES(:group, :topic, :partition, :next)"
                           " ON CONFLICT DO UPDATE SET next = excluded.next",
                           err));
    TB_TRY(tb_stmt_prepare(&log->put_sequence, log->db,
                           "INSERT INTO sequences(epoch, sequence) VALUES(:epoch, :sequence)"
                           " ON CONFLICT DO UPDATE SET"
                           " sequence = max(sequence, excluded.sequence)",
                           err));
    TB_TRY(load_origin(log, err));
    TB_TRY(load_topics(log, err));
    /* After a reconnect the offsets in memory are newer than those in the file. */
    return again ? TB_OK : load_offsets(log, err);
}

enum tb_code tb_inproc_connect(struct tb_log_inproc *log, struct tb_error *err)
{
    enum tb_code code = connect_file(log, err);

    if (code != TB_OK) {
        tb_inproc_disconnect(log);
        return tb_error_wrap(err, "event log");
    }
    pthread_mutex_lock(&log->lock);
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->lock);
    return TB_OK;
}

void tb_log_inproc_watch_checkpoints(struct tb_log_inproc *log, struct tb_checkpoints *checkpoints)
{
    log->checkpoints = checkpoints;
    if (log->db)
        tb_db_watch_checkpoints(log->db, checkpoints);
}

void tb_inproc_disconnect(struct tb_log_inproc *log)
{
    tb_txn_rollback(&log->txn);
    tb_stmt_finalize(&log->put_offset);
    tb_stmt_finalize(&log->put_sequence);
    for (struct inproc_topic *topic = log->topics; topic; topic = topic->next) {
        for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++)
            tb_stmt_finalize(&topic->parts[p].insert);
    }
    tb_db_close(log->db);
    log->db = NULL;
}

enum tb_code tb_inproc_create_topic(struct tb_log_inproc *log, struct inproc_topic *topic,
                                    struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    int64_t id;

    if (topic->id != 0)
        return TB_OK;
    TB_TRY(tb_txn_begin(&txn, log->db, err));
    TB_TRY(tb_stmt_prepare(
        &stmt, log->db, "INSERT INTO topics(name, partitions) VALUES(:name, :partitions)", err));
    tb_stmt_bind_text(&stmt, ":name", tb_str_of(topic->name));
    tb_stmt_bind_int64(&stmt, ":partitions", TB_LOG_PARTITIONS);
    TB_TRY(tb_stmt_run(&stmt, err));
    id = tb_db_last_insert_rowid(log->db);
    for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++) {
        char sql[TB_INPROC_SQL_SIZE];

        tb_inproc_sql(sql, "CREATE TABLE", id, p,
                      "(offset INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL,"
                      " key BLOB, value BLOB, headers BLOB NOT NULL) STRICT");
        TB_TRY(tb_db_exec(log->db, sql, err));
    }
    TB_TRY(tb_txn_commit(&txn, err));
    topic->id = id;
    return TB_OK;
}

enum tb_code tb_inproc_begin(struct tb_log_inproc *log, struct tb_error *err)
{
    if (!log->db)
        TB_TRY(tb_inproc_connect(log, err));
    return tb_txn_begin(&log->txn, log->db, err);
}

static enum tb_code put_group(struct tb_log_inproc *log, struct inproc_group *group,
                              struct tb_error *err)
{
    pthread_mutex_lock(&log->lock);
    for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++)
        group->offsets[p].writing = group->offsets[p].committed;
    pthread_mutex_unlock(&log->lock);
    for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++) {
        const struct inproc_offset *offset = &group->offsets[p];

        if (offset->writing == offset->stored)
            continue;
        tb_stmt_bind_text(&log->put_offset, ":group", tb_str_of(group->name));
        tb_stmt_bind_text(&log->put_offset, ":topic", tb_str_of(group->topic->name));
        tb_stmt_bind_int64(&log->put_offset, ":partition", p);
        tb_stmt_bind_int64(&log->put_offset, ":next", offset->writing);
        TB_TRY(tb_stmt_run(&log->put_offset, err));
    }
    return TB_OK;
}

/* After the commit. Offsets that readers committed during the transaction stay dirty. */
static void mark_offsets_stored(struct tb_log_inproc *log)
{
    bool dirty = false;

    pthread_mutex_lock(&log->lock);
    for (struct inproc_group *group = log->groups; group; group = group->next) {
        for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++) {
            struct inproc_offset *offset = &group->offsets[p];

            offset->stored = offset->writing;
            dirty |= offset->committed != offset->stored;
        }
    }
    log->dirty = dirty;
    if (dirty)
        log->dirty_since_us = tb_clock_mono_us(log->clock);
    pthread_mutex_unlock(&log->lock);
}

enum tb_code tb_inproc_commit(struct tb_log_inproc *log, struct tb_error *err)
{
    enum tb_code code = TB_OK;
    bool dirty;

    pthread_mutex_lock(&log->lock);
    dirty = log->dirty;
    pthread_mutex_unlock(&log->lock);
    for (struct inproc_group *group = log->groups; dirty && group && code == TB_OK;
         group = group->next)
        code = put_group(log, group, err);
    if (code == TB_OK)
        code = tb_txn_commit(&log->txn, err);
    if (code != TB_OK)
        tb_inproc_rollback(log, code);
    else if (dirty)
        mark_offsets_stored(log);
    return code;
}

void tb_inproc_rollback(struct tb_log_inproc *log, enum tb_code why)
{
    tb_txn_rollback(&log->txn);
    if (why != TB_BUSY && why != TB_FULL)
        tb_inproc_disconnect(log);
}

enum tb_code tb_inproc_flush_offsets(struct tb_log_inproc *log, int64_t before_us,
                                     struct tb_error *err)
{
    bool due;

    pthread_mutex_lock(&log->lock);
    due = log->dirty && log->dirty_since_us <= before_us;
    pthread_mutex_unlock(&log->lock);
    if (!due)
        return TB_OK;
    TB_TRY(tb_inproc_begin(log, err));
    return tb_inproc_commit(log, err);
}

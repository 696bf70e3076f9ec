#include "bridge/log/inproc/inproc_priv.h"
#include <stdio.h>

/* "tbL1": marks the file as ours in its header. */
#define APPLICATION_ID 0x74624c31
/* "tbLG": that of a file with six partitions. */
#define PARTITIONED_ID 0x74624c47
#define OLD_PARTITIONS 6
/* Pages of WAL between checkpoints. The syncs of a checkpoint delay the store's commits on the
 * same disk, the longer the larger it is (measured beside TB_VIEW_WAL_PAGES). */
#define WAL_PAGES 120

#define RECORD_COLUMNS                                                                            \
    "(offset INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, key BLOB, value BLOB,"              \
    " headers BLOB NOT NULL) STRICT;"
#define ORIGIN_COLUMNS                                                                            \
    "(one INTEGER PRIMARY KEY CHECK(one = 1), log_id TEXT NOT NULL, store_id TEXT NOT NULL,"      \
    " base INTEGER NOT NULL CHECK(base >= 0)) STRICT;"

static const char *const steps[] = {
    "CREATE TABLE records" RECORD_COLUMNS "CREATE TABLE origin" ORIGIN_COLUMNS
    "CREATE TABLE offsets(group_name TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT,"
    " WITHOUT ROWID;"
    "CREATE TABLE sequences(epoch TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT,"
    " WITHOUT ROWID;"
    /* When the node had that uptime, the log ended before offset `next`. */
    "CREATE TABLE marks(uptime_ms INTEGER PRIMARY KEY, next INTEGER NOT NULL) STRICT;",
    /* The highest ce_storesequence of an epoch. */
    "ALTER TABLE sequences ADD COLUMN store_sequence INTEGER NOT NULL DEFAULT 0;",
};

/* Runs `before`, the name of the old partition's table, and `after`. */
static enum tb_code exec_for(struct tb_log_inproc *log, const char *before, int partition,
                             const char *after, struct tb_error *err)
{
    char sql[320];

    snprintf(sql, sizeof sql, "%s records_1_%d%s", before, partition, after);
    return tb_db_exec(log->db, sql, err);
}

/* A log with six partitions is made anew from the store; only its newest records are looked at
 * before, for the numbers of orders that the store may not know. They come into the table that is
 * read today, behind all offsets of the old tables. A log that never had a writer lacks these. */
static enum tb_code take_newest(struct tb_log_inproc *log, struct tb_error *err)
{
    TB_TRY(tb_db_exec(log->db,
                      "DROP TABLE IF EXISTS records; CREATE TABLE records" RECORD_COLUMNS
                      "CREATE TABLE IF NOT EXISTS origin" ORIGIN_COLUMNS,
                      err));
    for (int p = 0; p < OLD_PARTITIONS; p++) {
        TB_TRY(exec_for(log, "CREATE TABLE IF NOT EXISTS", p, RECORD_COLUMNS, err));
        TB_TRY(exec_for(log,
                        "INSERT OR IGNORE INTO records(offset, timestamp, headers)"
                        " SELECT max(offset), 0, x'' FROM",
                        p, " HAVING count(*) > 0", err));
    }
    TB_TRY(tb_db_exec(
        log->db, "DELETE FROM records WHERE offset < (SELECT max(offset) FROM records)", err));
    for (int p = 0; p < OLD_PARTITIONS; p++)
        TB_TRY(exec_for(log,
                        "INSERT INTO records(timestamp, key, value, headers)"
                        " SELECT timestamp, key, value, headers FROM",
                        p, " ORDER BY offset DESC LIMIT 1000", err));
    return TB_OK;
}

static enum tb_code open_schema(struct tb_log_inproc *log, struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    int64_t id = 0;

    TB_TRY(tb_db_query_int64(log->db, "PRAGMA application_id", &id, err));
    log->partitioned = id == PARTITIONED_ID;
    if (!log->partitioned)
        return tb_db_migrate(log->db, APPLICATION_ID, steps, (int)(sizeof steps / sizeof *steps),
                             err);
    TB_TRY(tb_txn_begin(&txn, log->db, err));
    TB_TRY(take_newest(log, err));
    return tb_txn_commit(&txn, err);
}

/* Retention keeps the newest record, so the table shows where the log ends. */
static enum tb_code load_range(struct tb_log_inproc *log, struct tb_error *err)
{
    int64_t begin = -1, end = -1;

    /* Two statements: SQLite would answer one with both by reading all rows. */
    TB_TRY(
        tb_db_query_int64(log->db, "SELECT coalesce(min(offset), -1) FROM records", &begin, err));
    TB_TRY(tb_db_query_int64(log->db, "SELECT coalesce(max(offset) + 1, -1) FROM records", &end,
                             err));
    if (end < 0)
        begin = end = log->origin.base;
    log->next = end;
    pthread_mutex_lock(&log->lock);
    log->begin = begin;
    log->end = end;
    pthread_mutex_unlock(&log->lock);
    return TB_OK;
}

static enum tb_code load_offsets(struct tb_log_inproc *log, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    struct inproc_group *group;
    bool row = false;

    TB_TRY(tb_stmt_prepare(&stmt, log->db, "SELECT group_name, next FROM offsets", err));
    for (;;) {
        TB_TRY(tb_stmt_step(&stmt, &row, err));
        if (!row)
            return TB_OK;
        pthread_mutex_lock(&log->lock);
        group = tb_inproc_group(log, tb_stmt_text(&stmt, 0));
        if (group)
            group->committed = group->stored = tb_stmt_int64(&stmt, 1);
        pthread_mutex_unlock(&log->lock);
        if (!group)
            return tb_error_set(err, TB_INTERNAL, "out of memory");
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

/* Offsets go on, and only this connection writes. */
static enum tb_code is_ours(void *ctx, bool *ret_ours, struct tb_error *err)
{
    struct tb_log_inproc *log = ctx;
    int64_t end = 0;

    TB_TRY(tb_db_query_int64(log->db,
                             "SELECT coalesce((SELECT max(offset) + 1 FROM records),"
                             " (SELECT base FROM origin), 0)",
                             &end, err));
    *ret_ours = end == log->next;
    return TB_OK;
}

static enum tb_code connect_file(struct tb_log_inproc *log, struct tb_error *err)
{
    bool again = log->groups;

    TB_TRY(tb_db_open(log->path, TB_DB_DURABLE, WAL_PAGES, &log->db, err));
    tb_db_yield_on_reads(log->db);
    tb_db_watch_checkpoints(log->db, log->checkpoints);
    TB_TRY(open_schema(log, err));
    TB_TRY(tb_db_mark_wal(log->db, err));
    TB_TRY(load_origin(log, err));
    TB_TRY(load_range(log, err));
    if (log->partitioned)
        return TB_OK;
    tb_db_watch_content(log->db, is_ours, log);
    TB_TRY(tb_stmt_prepare(&log->insert, log->db,
                           "INSERT INTO records(offset, timestamp, key, value, headers)"
                           " VALUES(:offset, :timestamp, :key, :value, :headers)",
                           err));
    TB_TRY(tb_stmt_prepare(&log->put_offset, log->db,
                           "INSERT INTO offsets(group_name, next) VALUES(:group, :next)"
                           " ON CONFLICT DO UPDATE SET next = excluded.next",
                           err));
    TB_TRY(tb_stmt_prepare(&log->put_sequence, log->db,
                           "INSERT INTO sequences(epoch, sequence, store_sequence)"
                           " VALUES(:epoch, :sequence, :store_sequence) ON CONFLICT DO UPDATE"
                           " SET sequence = max(sequence, excluded.sequence),"
                           " store_sequence = max(store_sequence, excluded.store_sequence)",
                           err));
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
    tb_stmt_finalize(&log->insert);
    tb_stmt_finalize(&log->put_offset);
    tb_stmt_finalize(&log->put_sequence);
    tb_db_close(log->db);
    log->db = NULL;
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
    group->writing = group->committed;
    pthread_mutex_unlock(&log->lock);
    if (group->writing == group->stored)
        return TB_OK;
    tb_stmt_bind_text(&log->put_offset, ":group", tb_str_of(group->name));
    tb_stmt_bind_int64(&log->put_offset, ":next", group->writing);
    return tb_stmt_run(&log->put_offset, err);
}

/* After the commit. Offsets that readers committed during the transaction stay dirty. */
static void mark_offsets_stored(struct tb_log_inproc *log)
{
    bool dirty = false;

    pthread_mutex_lock(&log->lock);
    for (struct inproc_group *group = log->groups; group; group = group->next) {
        group->stored = group->writing;
        dirty |= group->committed != group->stored;
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

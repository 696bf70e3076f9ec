#include "base/thread/process.h"
#include "bridge/log/headers.h"
#include "bridge/log/inproc/inproc_priv.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

/* One chunk holds a full batch: its bytes and 16 headers for each record. It is allocated once, so
 * that reading a record allocates nothing. */
#define ARENA_CHUNK (TB_INPROC_BATCH_BYTES + TB_LOG_BATCH_MAX * 16 * sizeof(struct tb_header))

struct inproc_reader {
    struct tb_log_reader base;
    struct tb_log_inproc *log;
    bool attached;
    struct inproc_group *group; /* NULL: a standalone reader */
    struct tb_db *db;
    struct tb_stmt select;
    int64_t position;
    bool woken; /* lock */
    /* The batch returned last. */
    struct tb_record records[TB_LOG_BATCH_MAX];
    size_t count, bytes;
    struct tb_arena arena;
};

static struct inproc_reader *reader_of(struct tb_log_reader *base)
{
    return (struct inproc_reader *)base;
}

static enum tb_code out_of_range(const struct inproc_reader *reader, int64_t begin, int64_t end,
                                 struct tb_error *err)
{
    return tb_error_set(err, TB_CORRUPT,
                        "%s%s stands at %" PRId64 " of the log, which holds %" PRId64
                        " up to %" PRId64,
                        reader->group ? "group " : "a reader without a group",
                        reader->group ? reader->group->name : "", reader->position, begin, end);
}

/* Begin and end are in memory, so waiting reads no file. Returns them once there are records, or
 * as they are after wait_ms. */
static struct tb_log_range wait_for_records(struct inproc_reader *reader, int64_t wait_ms)
{
    struct tb_log_inproc *log = reader->log;
    struct timespec until = {0};
    struct tb_log_range range;

    if (wait_ms > 0)
        until = tb_deadline_in(wait_ms);
    pthread_mutex_lock(&log->lock);
    while (reader->position == log->end && !reader->woken && wait_ms != 0) {
        if (wait_ms < 0)
            pthread_cond_wait(&log->changed, &log->lock);
        else if (pthread_cond_timedwait(&log->changed, &log->lock, &until) == ETIMEDOUT)
            wait_ms = 0;
    }
    range = (struct tb_log_range){.begin = log->begin, .end = log->end};
    if (reader->position == range.end)
        reader->woken = false;
    pthread_mutex_unlock(&log->lock);
    return range;
}

static enum tb_code copy_headers(struct inproc_reader *reader, struct tb_str blob,
                                 struct tb_record *record, struct tb_error *err)
{
    struct tb_header headers[TB_LOG_HEADERS_MAX], *copy;

    if (!tb_arena_copy_in_place(&reader->arena, &blob))
        return tb_error_set(err, TB_UNAVAILABLE, "out of memory");
    if (tb_headers_decode(blob, headers, TB_LOG_HEADERS_MAX, &record->header_count, err) !=
        TB_OK) {
        err->native = TB_DB_BAD_RECORD;
        return err->code;
    }
    copy = tb_arena_alloc_raw(&reader->arena, record->header_count * sizeof *copy);
    if (!copy)
        return tb_error_set(err, TB_UNAVAILABLE, "out of memory");
    memcpy(copy, headers, record->header_count * sizeof *copy);
    record->headers = copy;
    return TB_OK;
}

/* Copies the current row of select. *ret_taken false: the batch is full without it. */
static enum tb_code take_row(struct inproc_reader *reader, bool *ret_taken, struct tb_error *err)
{
    struct tb_stmt *select = &reader->select;
    struct tb_str blob = tb_stmt_text(select, 4);
    struct tb_record *record = &reader->records[reader->count];
    size_t bytes;

    *record = (struct tb_record){
        .offset = tb_stmt_int64(select, 0),
        .timestamp_ms = tb_stmt_int64(select, 1),
        .key = tb_stmt_text(select, 2),
        .value = tb_stmt_text(select, 3),
    };
    bytes = record->key.len + record->value.len + blob.len;
    *ret_taken = reader->count == 0 || reader->bytes + bytes <= TB_INPROC_BATCH_BYTES;
    if (!*ret_taken)
        return TB_OK;
    if (!tb_arena_copy_in_place(&reader->arena, &record->key) ||
        !tb_arena_copy_in_place(&reader->arena, &record->value))
        return tb_error_set(err, TB_UNAVAILABLE, "out of memory");
    TB_TRY(copy_headers(reader, blob, record, err));
    reader->bytes += bytes;
    reader->count++;
    return TB_OK;
}

/* Offsets have no holes. A missing one was removed by retention after we had read begin and end,
 * or was lost. */
static enum tb_code read_rows(struct inproc_reader *reader, int64_t end, size_t max,
                              struct tb_error *err)
{
    struct tb_stmt *select = &reader->select;
    int64_t expected = reader->position;
    bool row = false, taken = true;

    tb_stmt_bind_int64(select, ":from", expected);
    tb_stmt_bind_int64(select, ":end", end);
    tb_stmt_bind_int64(select, ":max", (int64_t)max);
    TB_TRY(tb_stmt_step(select, &row, err));
    if (!row)
        return out_of_range(reader, expected + 1, end, err);
    while (row) {
        if (tb_stmt_int64(select, 0) != expected)
            return out_of_range(reader, tb_stmt_int64(select, 0), end, err);
        TB_TRY(take_row(reader, &taken, err));
        if (!taken)
            break;
        expected++;
        tb_give_way();
        TB_TRY(tb_stmt_step(select, &row, err));
    }
    return TB_OK;
}

static enum tb_code reader_poll(struct tb_log_reader *base, size_t max, int64_t wait_ms,
                                struct tb_log_batch *ret_batch, struct tb_error *err)
{
    struct inproc_reader *reader = reader_of(base);
    struct tb_log_range range;
    enum tb_code code;

    *ret_batch = (struct tb_log_batch){0};
    if (max == 0)
        return TB_OK;
    range = wait_for_records(reader, wait_ms);
    if (reader->position == range.end)
        return TB_OK;
    if (reader->position < range.begin || reader->position > range.end)
        return out_of_range(reader, range.begin, range.end, err);
    reader->count = reader->bytes = 0;
    tb_arena_clear(&reader->arena);
    code = read_rows(reader, range.end, max < TB_LOG_BATCH_MAX ? max : TB_LOG_BATCH_MAX, err);
    tb_stmt_reset(&reader->select);
    if (code != TB_OK)
        return tb_error_wrap(err, "read the log");
    reader->position += (int64_t)reader->count;
    *ret_batch = (struct tb_log_batch){.records = reader->records, .count = reader->count};
    return TB_OK;
}

enum tb_code tb_inproc_check_partition(int32_t partition, struct tb_error *err)
{
    if (partition == 0)
        return TB_OK;
    return tb_error_set(err, TB_INVALID, "there is no partition %d", (int)partition);
}

static enum tb_code reader_seek(struct tb_log_reader *base, int32_t partition, int64_t offset,
                                struct tb_error *err)
{
    TB_TRY(tb_inproc_check_partition(partition, err));
    if (offset < 0)
        return tb_error_set(err, TB_INVALID, "there is no offset %" PRId64, offset);
    reader_of(base)->position = offset;
    return TB_OK;
}

/* Changes memory only. The writer's connection stores the offset with its next commit. */
static enum tb_code reader_commit(struct tb_log_reader *base, int32_t partition, int64_t next,
                                  struct tb_error *err)
{
    struct inproc_reader *reader = reader_of(base);
    struct tb_log_inproc *log = reader->log;
    bool inside;

    TB_TRY(tb_inproc_check_partition(partition, err));
    pthread_mutex_lock(&log->lock);
    inside = next >= 0 && next <= log->end;
    if (inside && reader->group && reader->group->committed != next) {
        reader->group->committed = next;
        if (!log->dirty)
            log->dirty_since_us = tb_clock_mono_us(log->clock);
        log->dirty = true;
    }
    pthread_mutex_unlock(&log->lock);
    if (!inside)
        return tb_error_set(err, TB_INVALID, "the log has no offset %" PRId64, next);
    return TB_OK;
}

static enum tb_code reader_range(struct tb_log_reader *base, int32_t partition,
                                 struct tb_log_range *ret_range, struct tb_error *err)
{
    struct inproc_reader *reader = reader_of(base);

    TB_TRY(tb_inproc_check_partition(partition, err));
    *ret_range = tb_log_inproc_range(reader->log, reader->group ? reader->group->name : NULL);
    return TB_OK;
}

static void reader_wake(struct tb_log_reader *base)
{
    struct inproc_reader *reader = reader_of(base);

    pthread_mutex_lock(&reader->log->lock);
    reader->woken = true;
    pthread_cond_broadcast(&reader->log->changed);
    pthread_mutex_unlock(&reader->log->lock);
}

static void reader_free(struct tb_log_reader *base)
{
    struct inproc_reader *reader = reader_of(base);

    tb_stmt_finalize(&reader->select);
    tb_db_close(reader->db);
    pthread_mutex_lock(&reader->log->lock);
    if (reader->group)
        reader->group->reading = false;
    else if (reader->attached)
        reader->log->standalone_readers--;
    pthread_mutex_unlock(&reader->log->lock);
    tb_arena_release(&reader->arena);
    free(reader);
}

static const struct tb_log_reader_ops reader_ops = {
    .poll = reader_poll,
    .seek = reader_seek,
    .commit = reader_commit,
    .range = reader_range,
    .wake = reader_wake,
    .free = reader_free,
};

/* Registers the reader, which keeps retention from removing what it has not read, and sets its
 * position: where its group committed, else where the log begins. */
static enum tb_code attach(struct inproc_reader *reader, const char *group_name,
                           struct tb_error *err)
{
    struct tb_log_inproc *log = reader->log;
    struct inproc_group *group = NULL;
    bool found, taken;

    pthread_mutex_lock(&log->lock);
    if (group_name)
        group = tb_inproc_group(log, tb_str_of(group_name));
    found = group || !group_name;
    taken = group && group->reading;
    if (found && !taken) {
        reader->attached = true;
        reader->group = group;
        if (group)
            group->reading = true;
        else
            log->standalone_readers++;
        reader->position = group && group->committed >= 0 ? group->committed : log->begin;
    }
    pthread_mutex_unlock(&log->lock);
    if (!found)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    if (taken)
        return tb_error_set(err, TB_BUSY, "group %s has a reader already", group_name);
    return TB_OK;
}

static enum tb_code open_file(struct inproc_reader *reader, struct tb_error *err)
{
    TB_TRY(tb_db_open(reader->log->path, TB_DB_READER, 0, &reader->db, err));
    return tb_stmt_prepare(&reader->select, reader->db,
                           "SELECT offset, timestamp, key, value, headers FROM records"
                           " WHERE offset >= :from AND offset < :end ORDER BY offset LIMIT :max",
                           err);
}

enum tb_code tb_log_inproc_reader(struct tb_log_inproc *log, const char *group,
                                  struct tb_log_reader **ret_reader, struct tb_error *err)
{
    struct inproc_reader *reader = calloc(1, sizeof *reader);
    enum tb_code code;

    if (!reader)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    reader->base.ops = &reader_ops;
    reader->log = log;
    reader->arena.chunk_size = ARENA_CHUNK;
    code = attach(reader, group, err);
    if (code == TB_OK)
        code = open_file(reader, err);
    if (code != TB_OK) {
        reader_free(&reader->base);
        return code;
    }
    *ret_reader = &reader->base;
    return TB_OK;
}

#include "base/thread/process.h"
#include "bridge/log/headers.h"
#include "bridge/log/inproc/inproc_priv.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Room for 16 headers a record in a full batch; with more, the batch ends earlier. */
#define BATCH_HEADERS (16 * TB_LOG_BATCH_MAX)

/* Batches are copied into memory that is kept from poll to poll: no allocation a record, and
 * what a batch never touched never becomes resident. */
struct inproc_reader {
    struct tb_log_reader base;
    struct tb_log_inproc *log;
    struct inproc_topic *topic;
    struct inproc_group *group; /* NULL: a visitor */
    bool joined;                /* freed, it is to be left */
    struct tb_db *db;
    struct tb_stmt select[TB_LOG_PARTITIONS]; /* prepared at the first record */
    int64_t position[TB_LOG_PARTITIONS];
    int32_t turn;              /* the partition looked at first */
    bool woken;                /* lock */
    struct tb_record *records; /* TB_LOG_BATCH_MAX */
    struct tb_header *headers; /* BATCH_HEADERS */
    char *bytes;
    size_t bytes_max, bytes_used, headers_used, count;
};

static struct inproc_reader *reader_of(struct tb_log_reader *base)
{
    return (struct inproc_reader *)base;
}

static enum tb_code out_of_range(const struct inproc_reader *reader, int32_t partition,
                                 int64_t begin, int64_t end, struct tb_error *err)
{
    return tb_error_set(
        err, TB_CORRUPT,
        "%s%s stands at %" PRId64 " of %s-%d, which holds %" PRId64 " up to %" PRId64,
        reader->group ? "group " : "a visitor", reader->group ? reader->group->name : "",
        reader->position[partition], reader->topic->name, (int)partition, begin, end);
}

/* With the lock held: the next partition, in turn, that has something to say; -1: none.
 * *ret_end is where its records end, or below its position if the position is out of range. */
static int32_t next_partition(struct inproc_reader *reader, int64_t *ret_end)
{
    for (int32_t i = 0; i < TB_LOG_PARTITIONS; i++) {
        int32_t p = (reader->turn + i) % TB_LOG_PARTITIONS;
        const struct inproc_partition *part = &reader->topic->parts[p];

        if (reader->position[p] == part->end)
            continue;
        *ret_end = part->end;
        if (reader->position[p] < part->begin)
            *ret_end = reader->position[p] - 1;
        reader->turn = (p + 1) % TB_LOG_PARTITIONS;
        return p;
    }
    return -1;
}

/* The ends of all partitions are in memory, so that waiting touches no file. */
static int32_t wait_for_records(struct inproc_reader *reader, int64_t wait_ms, int64_t *ret_end)
{
    struct tb_log_inproc *log = reader->log;
    struct timespec until = {0};
    int32_t partition;

    if (wait_ms > 0)
        until = tb_deadline_in(wait_ms);
    pthread_mutex_lock(&log->lock);
    while ((partition = next_partition(reader, ret_end)) < 0 && !reader->woken && wait_ms != 0) {
        if (wait_ms < 0)
            pthread_cond_wait(&log->changed, &log->lock);
        else if (pthread_cond_timedwait(&log->changed, &log->lock, &until) == ETIMEDOUT)
            wait_ms = 0;
    }
    if (partition < 0)
        reader->woken = false;
    pthread_mutex_unlock(&log->lock);
    return partition;
}

static enum tb_code prepare_select(struct inproc_reader *reader, int32_t partition, int64_t id,
                                   struct tb_error *err)
{
    char sql[200];

    snprintf(sql, sizeof sql,
             "SELECT offset, timestamp, key, value, headers FROM records_%" PRId64 "_%d"
             " WHERE offset >= :from AND offset < :end ORDER BY offset LIMIT :max",
             id, (int)partition);
    return tb_stmt_prepare(&reader->select[partition], reader->db, sql, err);
}

/* Room for one more record of that many bytes; false: the batch is full. The first record of a
 * batch always finds room. */
static bool make_room(struct inproc_reader *reader, size_t bytes)
{
    char *more;

    if (BATCH_HEADERS - reader->headers_used < TB_LOG_HEADERS_MAX)
        return false;
    if (reader->bytes_max - reader->bytes_used >= bytes)
        return true;
    if (reader->count > 0)
        return false;
    more = realloc(reader->bytes, bytes);
    if (!more)
        return false;
    reader->bytes = more;
    reader->bytes_max = bytes;
    return true;
}

static struct tb_str keep(struct inproc_reader *reader, struct tb_str text)
{
    char *copy = reader->bytes + reader->bytes_used;

    if (!text.ptr)
        return text;
    memcpy(copy, text.ptr, text.len);
    reader->bytes_used += text.len;
    return (struct tb_str){copy, text.len};
}

/* Copies the row that select stands on; *ret_taken false: it belongs to the next batch. */
static enum tb_code take_row(struct inproc_reader *reader, struct tb_stmt *select,
                             int32_t partition, bool *ret_taken, struct tb_error *err)
{
    struct tb_str key = tb_stmt_text(select, 2), value = tb_stmt_text(select, 3);
    struct tb_str blob = tb_stmt_text(select, 4);
    struct tb_record *record = &reader->records[reader->count];
    struct tb_header *headers = reader->headers + reader->headers_used;

    *ret_taken = make_room(reader, key.len + value.len + blob.len);
    if (!*ret_taken)
        return reader->count > 0 ? TB_OK : tb_error_set(err, TB_UNAVAILABLE, "out of memory");
    *record = (struct tb_record){
        .partition = partition,
        .offset = tb_stmt_int64(select, 0),
        .timestamp_ms = tb_stmt_int64(select, 1),
        .key = keep(reader, key),
        .value = keep(reader, value),
        .headers = headers,
    };
    TB_TRY(tb_headers_decode(keep(reader, blob), headers, TB_LOG_HEADERS_MAX,
                             &record->header_count, err));
    reader->headers_used += record->header_count;
    reader->count++;
    return TB_OK;
}

/* Offsets have no holes: one that is missing was removed while we looked, or lost. */
static enum tb_code read_rows(struct inproc_reader *reader, int32_t partition, int64_t end,
                              size_t max, struct tb_error *err)
{
    struct tb_stmt *select = &reader->select[partition];
    int64_t expected = reader->position[partition];
    bool row = false, taken = true;

    tb_stmt_bind_int64(select, ":from", expected);
    tb_stmt_bind_int64(select, ":end", end);
    tb_stmt_bind_int64(select, ":max", (int64_t)max);
    TB_TRY(tb_stmt_step(select, &row, err));
    if (!row)
        return out_of_range(reader, partition, expected + 1, end, err);
    while (row) {
        if (tb_stmt_int64(select, 0) != expected)
            return out_of_range(reader, partition, tb_stmt_int64(select, 0), end, err);
        TB_TRY(take_row(reader, select, partition, &taken, err));
        if (!taken)
            break;
        expected++;
        tb_yield_cpu();
        TB_TRY(tb_stmt_step(select, &row, err));
    }
    return TB_OK;
}

static enum tb_code reader_poll(struct tb_log_reader *base, size_t max, int64_t wait_ms,
                                struct tb_log_batch *ret_batch, struct tb_error *err)
{
    struct inproc_reader *reader = reader_of(base);
    int64_t end = 0;
    int32_t p = max == 0 ? -1 : wait_for_records(reader, wait_ms, &end);
    enum tb_code code;

    if (p < 0) {
        *ret_batch = (struct tb_log_batch){0};
        return TB_OK;
    }
    if (end < reader->position[p]) {
        struct tb_log_range range;

        TB_TRY(base->ops->range(base, p, &range, err));
        return out_of_range(reader, p, range.begin, range.end, err);
    }
    if (!reader->select[p].raw)
        TB_TRY(prepare_select(reader, p, reader->topic->id, err));
    reader->count = reader->bytes_used = reader->headers_used = 0;
    code = read_rows(reader, p, end, max < TB_LOG_BATCH_MAX ? max : TB_LOG_BATCH_MAX, err);
    tb_stmt_reset(&reader->select[p]);
    if (code != TB_OK)
        return tb_error_wrap(err, "read the log");
    reader->position[p] += (int64_t)reader->count;
    *ret_batch = (struct tb_log_batch){p, reader->records, reader->count, 0};
    return TB_OK;
}

static enum tb_code check_partition(int32_t partition, struct tb_error *err)
{
    if (partition >= 0 && partition < TB_LOG_PARTITIONS)
        return TB_OK;
    return tb_error_set(err, TB_INVALID, "there is no partition %d", (int)partition);
}

static enum tb_code reader_seek(struct tb_log_reader *base, int32_t partition, int64_t offset,
                                struct tb_error *err)
{
    TB_TRY(check_partition(partition, err));
    if (offset < 0)
        return tb_error_set(err, TB_INVALID, "there is no offset %" PRId64, offset);
    reader_of(base)->position[partition] = offset;
    return TB_OK;
}

/* Memory only: the writer's connection carries it into the file. */
static enum tb_code reader_commit(struct tb_log_reader *base, int32_t partition, int64_t next,
                                  struct tb_error *err)
{
    struct inproc_reader *reader = reader_of(base);
    struct tb_log_inproc *log = reader->log;
    bool inside;

    TB_TRY(check_partition(partition, err));
    pthread_mutex_lock(&log->lock);
    inside = next >= 0 && next <= reader->topic->parts[partition].end;
    if (inside && reader->group && reader->group->offsets[partition].committed != next) {
        reader->group->offsets[partition].committed = next;
        if (!log->dirty)
            log->dirty_since_us = tb_clock_mono_us(log->clock);
        log->dirty = true;
    }
    pthread_mutex_unlock(&log->lock);
    if (!inside)
        return tb_error_set(err, TB_INVALID, "offset %" PRId64 " is not of %s-%d", next,
                            reader->topic->name, (int)partition);
    return TB_OK;
}

static enum tb_code reader_range(struct tb_log_reader *base, int32_t partition,
                                 struct tb_log_range *ret_range, struct tb_error *err)
{
    struct inproc_reader *reader = reader_of(base);

    return tb_log_inproc_range(reader->log, reader->topic->name,
                               reader->group ? reader->group->name : NULL, partition, ret_range,
                               err);
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

    for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++)
        tb_stmt_finalize(&reader->select[p]);
    tb_db_close(reader->db);
    if (reader->joined) {
        pthread_mutex_lock(&reader->log->lock);
        if (reader->group)
            reader->group->reading = false;
        else
            reader->log->standalone_readers--;
        pthread_mutex_unlock(&reader->log->lock);
    }
    free(reader->records);
    free(reader->headers);
    free(reader->bytes);
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

/* Takes the group, and stands where it stood or at the beginning. */
static enum tb_code join_group(struct inproc_reader *reader, const char *topic_name,
                               const char *group_name, struct tb_error *err)
{
    struct tb_log_inproc *log = reader->log;
    struct inproc_topic *topic;
    struct inproc_group *group = NULL;
    bool taken = false;

    pthread_mutex_lock(&log->lock);
    topic = tb_inproc_topic(log, tb_str_of(topic_name));
    if (topic)
        group = tb_inproc_group(log, topic, tb_str_of(group_name));
    if (group) {
        taken = group->reading;
        group->reading = true;
        for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++) {
            int64_t committed = group->offsets[p].committed;

            reader->position[p] = committed < 0 ? topic->parts[p].begin : committed;
        }
    }
    pthread_mutex_unlock(&log->lock);
    if (!group)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    if (taken)
        return tb_error_set(err, TB_BUSY, "group %s of %s has a reader already", group_name,
                            topic_name);
    reader->topic = topic;
    reader->group = group;
    reader->joined = true;
    return TB_OK;
}

static enum tb_code open_standalone(struct inproc_reader *reader, const char *topic_name,
                                    struct tb_error *err)
{
    struct tb_log_inproc *log = reader->log;
    struct inproc_topic *topic;

    pthread_mutex_lock(&log->lock);
    topic = tb_inproc_topic(log, tb_str_of(topic_name));
    if (topic) {
        log->standalone_readers++;
        for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++)
            reader->position[p] = topic->parts[p].begin;
    }
    pthread_mutex_unlock(&log->lock);
    if (!topic)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    reader->topic = topic;
    reader->joined = true;
    return TB_OK;
}

static enum tb_code set_up(struct inproc_reader *reader, const char *topic, const char *group,
                           struct tb_error *err)
{
    reader->bytes_max = TB_INPROC_BATCH_BYTES;
    reader->bytes = malloc(reader->bytes_max);
    reader->records = malloc(TB_LOG_BATCH_MAX * sizeof *reader->records);
    reader->headers = malloc(BATCH_HEADERS * sizeof *reader->headers);
    if (!reader->bytes || !reader->records || !reader->headers)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    if (group)
        TB_TRY(join_group(reader, topic, group, err));
    else
        TB_TRY(open_standalone(reader, topic, err));
    return tb_db_open(reader->log->path, TB_DB_READER, 0, &reader->db, err);
}

static enum tb_code open_reader(struct tb_log_inproc *log, const char *topic, const char *group,
                                struct tb_log_reader **ret_reader, struct tb_error *err)
{
    struct inproc_reader *reader = calloc(1, sizeof *reader);
    enum tb_code code;

    if (!reader)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    reader->base.ops = &reader_ops;
    reader->log = log;
    code = set_up(reader, topic, group, err);
    if (code != TB_OK) {
        reader_free(&reader->base);
        return code;
    }
    *ret_reader = &reader->base;
    return TB_OK;
}

enum tb_code tb_log_inproc_reader(struct tb_log_inproc *log, const char *topic, const char *group,
                                  struct tb_log_reader **ret_reader, struct tb_error *err)
{
    return open_reader(log, topic, group, ret_reader, err);
}

enum tb_code tb_log_inproc_standalone_reader(struct tb_log_inproc *log, const char *topic,
                                             struct tb_log_reader **ret_reader,
                                             struct tb_error *err)
{
    return open_reader(log, topic, NULL, ret_reader, err);
}

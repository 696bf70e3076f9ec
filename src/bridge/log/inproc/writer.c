#include "base/values/quantity.h"
#include "bridge/log/headers.h"
#include "bridge/log/inproc/inproc_priv.h"
#include <stdlib.h>

/* Committed offsets are stored together with the next append, because a log with few appends must
 * not sync twice for each record. Without an append they are stored after this time. */
#define OFFSETS_WAIT_US 1000000
#define UPKEEP_MS 1000 /* between two tries of a checkpoint */

struct inproc_writer {
    struct tb_log_writer base;
    struct tb_log_inproc *log;
    int64_t tags[TB_LOG_BATCH_MAX]; /* unacknowledged, in order of their appends */
    size_t count;
    size_t durable; /* of these, the first `durable` are committed */
    size_t bytes;   /* in the open transaction */
    struct tb_buf headers;
    struct inproc_sequence sequence;
    struct tb_error failure; /* code other than TB_OK: why the open transaction was rolled back */
};

static struct inproc_writer *writer_of(struct tb_log_writer *base)
{
    return (struct inproc_writer *)base;
}

static enum tb_code put_sequence(struct inproc_writer *writer, struct tb_error *err)
{
    struct inproc_sequence *sequence = &writer->sequence;
    struct tb_stmt *put = &writer->log->put_sequence;

    if (!sequence->unstored)
        return TB_OK;
    tb_stmt_bind_text(put, ":epoch", (struct tb_str){sequence->epoch, sequence->epoch_len});
    tb_stmt_bind_int64(put, ":sequence", sequence->high);
    tb_stmt_bind_int64(put, ":store_sequence", sequence->store_high);
    TB_TRY(tb_stmt_run(put, err));
    sequence->unstored = false;
    return TB_OK;
}

static void raise(struct inproc_sequence *sequence, int64_t *high, int64_t number)
{
    if (number <= *high)
        return;
    *high = number;
    sequence->unstored = true;
}

static enum tb_code note_sequence(struct inproc_writer *writer, const struct tb_record *record,
                                  struct tb_error *err)
{
    struct inproc_sequence *sequence = &writer->sequence;
    struct tb_str epoch = tb_record_header(record, "ce_epoch");
    struct tb_str store_sequence = tb_record_header(record, "ce_storesequence");
    int64_t number;

    if (epoch.len == 0 || epoch.len > TB_INPROC_EPOCH_MAX ||
        !tb_quantity_parse(store_sequence.ptr ? store_sequence
                                              : tb_record_header(record, "ce_sequence"),
                           tb_unit_none, &number))
        return TB_OK;
    if (!tb_str_eq(epoch, (struct tb_str){sequence->epoch, sequence->epoch_len})) {
        TB_TRY(put_sequence(writer, err));
        *sequence = (struct inproc_sequence){.epoch_len = epoch.len};
        memcpy(sequence->epoch, epoch.ptr, epoch.len);
    }
    raise(sequence, store_sequence.ptr ? &sequence->store_high : &sequence->high, number);
    return TB_OK;
}

/* The transaction was rolled back: its records are not in the log. */
static void discard_open(struct inproc_writer *writer)
{
    writer->count = writer->durable;
    writer->bytes = 0;
    writer->sequence = (struct inproc_sequence){0};
    pthread_mutex_lock(&writer->log->lock);
    writer->log->next = writer->log->end;
    pthread_mutex_unlock(&writer->log->lock);
}

static enum tb_code insert(struct inproc_writer *writer, const struct tb_record *record,
                           struct tb_error *err)
{
    struct tb_log_inproc *log = writer->log;

    if (!log->txn.db)
        TB_TRY(tb_inproc_begin(log, err));
    tb_stmt_bind_int64(&log->insert, ":offset", log->next);
    tb_stmt_bind_int64(&log->insert, ":timestamp", tb_clock_wall_ms(log->clock));
    tb_stmt_bind_blob(&log->insert, ":key", record->key);
    tb_stmt_bind_blob(&log->insert, ":value", record->value);
    tb_stmt_bind_blob(&log->insert, ":headers",
                      writer->headers.len ? tb_buf_str(&writer->headers) : TB_STR(""));
    TB_TRY(tb_stmt_run(&log->insert, err));
    TB_TRY(note_sequence(writer, record, err));
    log->next++;
    return TB_OK;
}

static enum tb_code writer_append(struct tb_log_writer *base, const struct tb_record *record,
                                  int64_t tag, struct tb_error *err)
{
    struct inproc_writer *writer = writer_of(base);
    bool was_open = writer->count > writer->durable;

    if (writer->count == TB_LOG_BATCH_MAX || writer->bytes >= TB_INPROC_BATCH_BYTES ||
        writer->failure.code != TB_OK)
        return tb_error_set(err, TB_BUSY, "the log has a full batch waiting for its commit");
    if (record->fixed_partition)
        TB_TRY(tb_inproc_check_partition(record->partition, err));
    TB_TRY(tb_headers_encode(&writer->headers, record->headers, record->header_count, err));
    if (insert(writer, record, err) != TB_OK) {
        tb_inproc_rollback(writer->log, err->code);
        discard_open(writer);
        if (was_open)
            writer->failure = *err;
        /* Whatever else SQLite reported: this record was not appended, and may be appended again.
         */
        if (err->code != TB_FULL && err->code != TB_CORRUPT)
            err->code = TB_UNAVAILABLE;
        return tb_error_wrap(err, "append to the log");
    }
    writer->bytes += record->key.len + record->value.len + writer->headers.len;
    writer->tags[writer->count++] = tag;
    return TB_OK;
}

static void publish(struct inproc_writer *writer)
{
    pthread_mutex_lock(&writer->log->lock);
    writer->log->end = writer->log->next;
    pthread_cond_broadcast(&writer->log->changed);
    pthread_mutex_unlock(&writer->log->lock);
    writer->durable = writer->count;
    writer->bytes = 0;
}

static enum tb_code commit_open(struct inproc_writer *writer, struct tb_error *err)
{
    enum tb_code code = put_sequence(writer, err);

    if (code != TB_OK)
        tb_inproc_rollback(writer->log, code);
    else
        code = tb_inproc_commit(writer->log, err);
    if (code != TB_OK) {
        discard_open(writer);
        return tb_error_wrap(err, "commit to the log");
    }
    publish(writer);
    tb_db_maybe_checkpoint(writer->log->db, 0);
    return TB_OK;
}

static size_t take_acks(struct inproc_writer *writer, struct tb_log_ack *ret_acks, size_t max)
{
    size_t n = writer->durable < max ? writer->durable : max;

    for (size_t i = 0; i < n; i++)
        ret_acks[i] = (struct tb_log_ack){.tag = writer->tags[i], .code = TB_OK};
    writer->count -= n;
    writer->durable -= n;
    memmove(writer->tags, writer->tags + n, writer->count * sizeof *writer->tags);
    return n;
}

/* A reader's snapshot or a full disk may have stopped a checkpoint. */
static void keep_up(struct tb_log_inproc *log, int64_t now_ms)
{
    if (!log->db || now_ms < log->upkeep_at_ms || !tb_db_wants_checkpoint(log->db))
        return;
    tb_db_retry_checkpoint(log->db);
    log->upkeep_at_ms = now_ms + UPKEEP_MS;
}

/* Commits are synchronous, so there is never anything to wait for. */
static enum tb_code writer_poll(struct tb_log_writer *base, int64_t wait_ms,
                                struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                                struct tb_error *err)
{
    struct inproc_writer *writer = writer_of(base);
    int64_t now_us = tb_clock_mono_us(writer->log->clock);

    (void)wait_ms;
    /* Durable records are acknowledged first; only then the failure is reported. */
    if (writer->durable == 0 && writer->failure.code != TB_OK) {
        *err = writer->failure;
        writer->failure = (struct tb_error){0};
        return tb_error_wrap(err, "append to the log");
    }
    if (writer->durable == 0 && writer->count > 0) {
        TB_TRY(commit_open(writer, err));
    } else if (writer->count == 0) {
        TB_TRY(tb_inproc_flush_offsets(writer->log, now_us - OFFSETS_WAIT_US, err));
        TB_TRY(tb_inproc_serve_retention(writer->log, err));
        keep_up(writer->log, now_us / 1000);
    }
    *ret_count = take_acks(writer, ret_acks, max);
    return TB_OK;
}

static void writer_free(struct tb_log_writer *base)
{
    struct inproc_writer *writer = writer_of(base);

    tb_txn_rollback(&writer->log->txn);
    discard_open(writer);
    writer->log->writer = NULL;
    tb_buf_release(&writer->headers);
    free(writer);
}

static const struct tb_log_writer_ops writer_ops = {writer_append, writer_poll, writer_free};

enum tb_code tb_log_inproc_writer(struct tb_log_inproc *log, struct tb_log_writer **ret_writer,
                                  struct tb_error *err)
{
    struct inproc_writer *writer;

    TB_ASSERT(!log->partitioned);
    if (log->writer)
        return tb_error_set(err, TB_BUSY, "the log has a writer already");
    if (!log->db)
        TB_TRY(tb_inproc_connect(log, err));
    writer = calloc(1, sizeof *writer);
    if (!writer)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    writer->base.ops = &writer_ops;
    writer->log = log;
    log->writer = writer;
    *ret_writer = &writer->base;
    return TB_OK;
}

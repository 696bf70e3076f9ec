#include "bridge/log/append_queue.h"
#include "base/thread/thread_call.h"
#include <stdatomic.h>
#include <stdlib.h>

struct entry {
    struct tb_thread_call call; /* first */
    struct tb_append_queue *queue;
    struct tb_record *record; /* packed behind the entry */
    size_t bytes;
    int64_t tag;
    bool sent; /* appended and not acknowledged */
};
struct tb_append_queue {
    struct tb_thread_calls calls;
    _Atomic size_t bytes; /* of all copies */
    /* The rest belongs to the owner's thread. */
    struct entry *taken[TB_APPEND_QUEUE_MAX]; /* from calls, in order */
    size_t taken_count, outstanding;
    bool one_by_one; /* each record is appended alone, until none is left */
    int64_t last_tag;
};

enum tb_code tb_append_queue_new(void (*wake)(void *ctx), void *ctx,
                                 struct tb_append_queue **ret_queue, struct tb_error *err)
{
    struct tb_append_queue *queue = calloc(1, sizeof *queue);

    if (!queue)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    tb_thread_calls_init(&queue->calls, TB_APPEND_QUEUE_MAX, wake, ctx);
    *ret_queue = queue;
    return TB_OK;
}

void tb_append_queue_free(struct tb_append_queue *queue)
{
    if (!queue)
        return;
    tb_append_queue_close(queue);
    tb_thread_calls_release(&queue->calls);
    free(queue);
}

static void free_entry(struct tb_thread_call *call)
{
    struct entry *entry = (struct entry *)call;

    atomic_fetch_sub(&entry->queue->bytes, entry->bytes);
    free(entry);
}

static enum tb_code new_entry(struct tb_append_queue *queue, const struct tb_record *record,
                              struct tb_thread_call **ret_call, struct tb_error *err)
{
    size_t bytes = tb_record_size(record), before = atomic_fetch_add(&queue->bytes, bytes);
    struct entry *entry;

    if (before > 0 && before + bytes > TB_APPEND_QUEUE_BYTES_MAX) {
        atomic_fetch_sub(&queue->bytes, bytes);
        return tb_error_set(err, TB_BUSY, "too many records wait for the log");
    }
    entry = malloc(sizeof *entry + tb_record_packed_size(record));
    if (!entry) {
        atomic_fetch_sub(&queue->bytes, bytes);
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    }
    *entry = (struct entry){.call.free = free_entry,
                            .queue = queue,
                            .record = tb_record_pack(entry + 1, record),
                            .bytes = bytes};
    *ret_call = &entry->call;
    return TB_OK;
}

enum tb_code tb_append_queue_send(struct tb_append_queue *queue, const struct tb_record *record,
                                  int64_t wait_ms, struct tb_error *err)
{
    struct tb_thread_call *call = NULL;

    TB_TRY(new_entry(queue, record, &call, err));
    return tb_thread_call_sync(&queue->calls, call, wait_ms, err);
}

enum tb_code tb_append_queue_post(struct tb_append_queue *queue, const struct tb_record *record,
                                  struct tb_error *err)
{
    struct tb_thread_call *call = NULL;

    TB_TRY(new_entry(queue, record, &call, err));
    return tb_thread_call_post(&queue->calls, call, err);
}

static void complete(struct tb_append_queue *queue, size_t at, const struct tb_error *outcome)
{
    struct entry *entry = queue->taken[at];

    queue->outstanding -= entry->sent;
    queue->taken_count--;
    memmove(&queue->taken[at], &queue->taken[at + 1],
            (queue->taken_count - at) * sizeof *queue->taken);
    if (queue->taken_count == 0)
        queue->one_by_one = false;
    tb_thread_call_complete(&queue->calls, &entry->call, outcome);
}

/* Completes all entries that were sent, or all that were not. */
static void complete_all(struct tb_append_queue *queue, bool sent, const struct tb_error *outcome)
{
    for (size_t i = queue->taken_count; i > 0; i--) {
        if (queue->taken[i - 1]->sent == sent)
            complete(queue, i - 1, outcome);
    }
}

static void take_all(struct tb_append_queue *queue)
{
    struct tb_thread_call *call;

    while (queue->taken_count < TB_APPEND_QUEUE_MAX &&
           (call = tb_thread_calls_take(&queue->calls)) != NULL)
        queue->taken[queue->taken_count++] = (struct entry *)call;
}

void tb_append_queue_drain(struct tb_append_queue *queue, struct tb_log_writer *writer)
{
    take_all(queue);
    for (size_t i = 0; i < queue->taken_count;) {
        struct entry *entry = queue->taken[i];
        struct tb_error err = {0};
        enum tb_code code;

        if (entry->sent) {
            i++;
            continue;
        }
        if (queue->one_by_one && queue->outstanding > 0)
            return;
        entry->tag = --queue->last_tag;
        code = writer->ops->append(writer, entry->record, entry->tag, &err);
        if (code == TB_BUSY)
            return;
        if (code != TB_OK) {
            complete(queue, i, &err);
            continue;
        }
        entry->sent = true;
        queue->outstanding++;
        i++;
    }
}

bool tb_append_queue_on_ack(struct tb_append_queue *queue, const struct tb_log_ack *ack)
{
    struct tb_error outcome = {0};
    size_t i = 0;

    if (ack->tag >= 0)
        return false;
    while (i < queue->taken_count && !(queue->taken[i]->sent && queue->taken[i]->tag == ack->tag))
        i++;
    if (i == queue->taken_count)
        return true; /* it was completed by tb_append_queue_fail_sent */
    if (ack->code == TB_UNKNOWN && ack->retry_alone) {
        queue->taken[i]->sent = false;
        queue->outstanding--;
        queue->one_by_one = true;
        return true;
    }
    if (ack->code != TB_OK)
        tb_error_set(&outcome, ack->code, "the log answered '%s'", tb_code_name(ack->code));
    complete(queue, i, &outcome);
    return true;
}

void tb_append_queue_fail_sent(struct tb_append_queue *queue)
{
    struct tb_error unknown = {0};

    tb_error_set(&unknown, TB_UNKNOWN, "the log failed: whether it has the record is not known");
    complete_all(queue, true, &unknown);
}

void tb_append_queue_fail_waiting(struct tb_append_queue *queue, const struct tb_error *why)
{
    struct tb_thread_call *call;

    complete_all(queue, false, why);
    while ((call = tb_thread_calls_take(&queue->calls)) != NULL)
        tb_thread_call_complete(&queue->calls, call, why);
}

void tb_append_queue_close(struct tb_append_queue *queue)
{
    struct tb_error closed = {0};

    tb_error_set(&closed, TB_UNAVAILABLE, "nobody writes to the log any more: this is ending");
    tb_thread_calls_close(&queue->calls, &closed);
    tb_append_queue_fail_waiting(queue, &closed);
    tb_append_queue_fail_sent(queue);
}

void tb_append_queue_step(struct tb_append_queue *queue, struct tb_log_writer *writer,
                          int64_t wait_ms)
{
    struct tb_log_ack acks[TB_APPEND_QUEUE_MAX];
    struct tb_error err = {0};
    size_t count = 0;

    if (queue->taken_count == 0)
        tb_mailbox_wait(&queue->calls.box, wait_ms);
    tb_append_queue_drain(queue, writer);
    if (queue->taken_count == 0)
        return;
    if (writer->ops->poll(writer, wait_ms, acks, TB_APPEND_QUEUE_MAX, &count, &err) != TB_OK)
        tb_append_queue_fail_sent(queue);
    for (size_t i = 0; i < count; i++)
        tb_append_queue_on_ack(queue, &acks[i]);
}

void tb_append_queue_wake(struct tb_append_queue *queue)
{
    tb_mailbox_wake(&queue->calls.box);
}

#include "bridge/log/kafka/reader/reader_priv.h"
#include <stdio.h>

/* Longest wait for an answer, for example before a partition is revoked. Without the answer the
 * next reader of the partition may read some records again. */
#define FLUSH_MS 3000
#define RETRY_MS 500

static void mark(struct kafka_reader *reader, int32_t partition)
{
    reader->parts[partition].dirty = reader->dirty = true;
}

static void set_result(struct kafka_reader *reader, rd_kafka_resp_err_t code)
{
    reader->commit_at_ms = code ? now_ms(reader) + RETRY_MS : 0;
    reader->commit_failed[0] = '\0';
    if (code)
        snprintf(reader->commit_failed, sizeof reader->commit_failed, "offsets not committed: %s",
                 rd_kafka_err2str(code));
    tb_kafka_reader_update_problem(reader);
}

static void take_answer(struct kafka_reader *reader, rd_kafka_event_t *event)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    rd_kafka_resp_err_t code = rd_kafka_event_error(event), worst = code;

    for (int i = 0; list && i < list->cnt; i++) {
        rd_kafka_resp_err_t why = code ? code : list->elems[i].err;

        if (!why)
            continue;
        worst = why;
        mark(reader, list->elems[i].partition);
    }
    reader->committing = false;
    set_result(reader, worst);
}

/* Waits up to wait_ms for the answer to the last commit. */
static void take_answers(struct kafka_reader *reader, int64_t wait_ms)
{
    int64_t until_ms = now_ms(reader) + wait_ms, left_ms = wait_ms;

    while (reader->committing) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(reader->answers, (int)left_ms);

        if (!event)
            return;
        if ((uintptr_t)rd_kafka_event_opaque(event) == reader->commit_number)
            take_answer(reader, event);
        rd_kafka_event_destroy(event);
        left_ms = until_ms > now_ms(reader) ? until_ms - now_ms(reader) : 0;
    }
}

/* The commits to send. librdkafka stores them too, and refuses those of partitions that it has
 * already revoked; these are left out. */
static rd_kafka_topic_partition_list_t *take_dirty(struct kafka_reader *reader)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);

    for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX; p++) {
        struct kafka_reader_partition *part = &reader->parts[p];

        if (part->assigned && part->dirty)
            rd_kafka_topic_partition_list_add(list, reader->topic, p)->offset = part->committed;
        part->dirty = false;
    }
    reader->dirty = false;
    rd_kafka_offsets_store(reader->handle->rk, list);
    for (int i = list->cnt - 1; i >= 0; i--) {
        if (list->elems[i].err)
            rd_kafka_topic_partition_list_del_by_idx(list, i);
    }
    return list;
}

static void send_list(struct kafka_reader *reader, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t code = rd_kafka_commit_queue(reader->handle->rk, list, reader->answers,
                                                     NULL, (void *)++reader->commit_number);

    reader->committing = !code;
    for (int i = 0; i < list->cnt && code; i++)
        mark(reader, list->elems[i].partition);
    if (code)
        set_result(reader, code);
}

static void send_dirty(struct kafka_reader *reader)
{
    TB_CLEANUP(tb_kafka_list_free) rd_kafka_topic_partition_list_t *list = take_dirty(reader);

    if (list->cnt > 0)
        send_list(reader, list);
}

/* One commit request at a time. Commits that come meanwhile are sent together with the next. */
void tb_kafka_commit_serve(struct kafka_reader *reader)
{
    take_answers(reader, 0);
    if (reader->dirty && !reader->committing && now_ms(reader) >= reader->commit_at_ms)
        send_dirty(reader);
}

void tb_kafka_commit(struct kafka_reader *reader, int32_t partition, int64_t next)
{
    struct kafka_reader_partition *part = &reader->parts[partition];

    if (part->committed == next)
        return;
    part->committed = next;
    mark(reader, partition);
    tb_kafka_commit_serve(reader);
}

bool tb_kafka_commit_now(struct kafka_reader *reader, int32_t partition, int64_t next)
{
    TB_CLEANUP(tb_kafka_list_free) rd_kafka_topic_partition_list_t *list = NULL;

    take_answers(reader, FLUSH_MS);
    if (reader->committing)
        return false;
    reader->parts[partition].committed = next;
    list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, reader->topic, partition)->offset = next;
    send_list(reader, list);
    take_answers(reader, FLUSH_MS);
    return !reader->committing && !reader->commit_failed[0];
}

void tb_kafka_commit_flush(struct kafka_reader *reader)
{
    take_answers(reader, FLUSH_MS);
    if (reader->committing || !reader->dirty)
        return;
    send_dirty(reader);
    take_answers(reader, FLUSH_MS);
}

void tb_kafka_commit_discard(struct kafka_reader *reader)
{
    for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX; p++)
        reader->parts[p].dirty = false;
    reader->dirty = reader->committing = false;
    reader->commit_number++;
    reader->commit_at_ms = 0;
    reader->commit_failed[0] = '\0';
}

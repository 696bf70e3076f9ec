#include "bridge/log/kafka/reader/reader_priv.h"
#include <stdio.h>

#define RETRY_MS 500
/* A group is normally formed in a second or two. It takes longer, up to the session time-out or
 * max.poll.interval.ms, while it waits for a dead member or after lost requests. */
#define FORMED_MS 15000

static rd_kafka_topic_partition_t *list_add(rd_kafka_topic_partition_list_t *list,
                                            const struct kafka_reader *reader, int32_t partition,
                                            int64_t offset)
{
    rd_kafka_topic_partition_t *element =
        rd_kafka_topic_partition_list_add(list, reader->topic, partition);

    element->offset = offset;
    return element;
}

/* All assigned partitions, without offsets. */
static rd_kafka_topic_partition_list_t *list_assigned(const struct kafka_reader *reader)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);

    for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX; p++) {
        if (reader->parts[p].assigned)
            list_add(list, reader, p, RD_KAFKA_OFFSET_INVALID);
    }
    return list;
}

static rd_kafka_resp_err_t read_committed(rd_kafka_event_t *event, int64_t *ret_next)
{
    const rd_kafka_ListConsumerGroupOffsets_result_t *result =
        rd_kafka_event_ListConsumerGroupOffsets_result(event);
    const rd_kafka_topic_partition_list_t *list;
    const rd_kafka_group_result_t **groups;
    size_t count = 0;

    if (rd_kafka_event_error(event) || !result)
        return rd_kafka_event_error(event);
    groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count);
    if (count == 1 && rd_kafka_group_result_error(groups[0]))
        return rd_kafka_error_code(rd_kafka_group_result_error(groups[0]));
    list = count == 1 ? rd_kafka_group_result_partitions(groups[0]) : NULL;
    if (!list || list->cnt != 1)
        return RD_KAFKA_RESP_ERR__BAD_MSG;
    *ret_next = list->elems[0].offset >= 0 ? list->elems[0].offset : -1;
    return list->elems[0].err;
}

/* Uses the admin API, not rd_kafka_committed: while a group is being formed, which may take
 * minutes, the coordinator answers nothing else on the consumer's own connection. */
enum tb_code tb_kafka_assignment_query_committed(struct kafka_reader *reader, int32_t partition,
                                                 int64_t *ret_next, struct tb_error *err)
{
    rd_kafka_t *rk = reader->handle->rk;
    TB_CLEANUP(tb_kafka_list_free)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_ListConsumerGroupOffsets_t *asked;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *answers = rd_kafka_queue_new(rk);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    rd_kafka_event_t *event;

    list_add(list, reader, partition, RD_KAFKA_OFFSET_INVALID);
    asked = rd_kafka_ListConsumerGroupOffsets_new(reader->group, list);
    options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_AdminOptions_set_request_timeout(options, TB_KAFKA_QUERY_TIMEOUT_MS, NULL, 0);
    rd_kafka_ListConsumerGroupOffsets(rk, &asked, 1, options, answers);
    event = rd_kafka_queue_poll(answers, TB_KAFKA_QUERY_TIMEOUT_MS + RETRY_MS);
    if (event) {
        code = read_committed(event, ret_next);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(answers);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ListConsumerGroupOffsets_destroy(asked);
    if (code)
        return tb_error_set(err, TB_UNAVAILABLE, "committed offsets of %s: %s", reader->topic,
                            rd_kafka_err2str(code));
    return TB_OK;
}

/* Sets and returns the position: the sought one, else the one it had, else the committed offset,
 * else the begin (a tail: the end). */
static int64_t start_position(const struct kafka_reader *reader,
                              struct kafka_reader_partition *part, int64_t committed)
{
    if (part->start < 0 && committed >= 0)
        part->committed = part->next = committed;
    if (part->seek_to >= 0)
        part->next = part->seek_to;
    part->seek_to = -1;
    if (part->start < 0)
        part->start = part->next < 0 ? 0 : part->next;
    if (part->next >= 0)
        return part->next;
    return reader->role == KAFKA_TAIL ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
}

static void set_positions(struct kafka_reader *reader)
{
    TB_CLEANUP(tb_kafka_list_free) rd_kafka_topic_partition_list_t *list = list_assigned(reader);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (reader->role == KAFKA_MEMBER)
        code = rd_kafka_committed(reader->handle->rk, list, TB_KAFKA_QUERY_TIMEOUT_MS);
    for (int i = 0; i < list->cnt && !code; i++)
        code = list->elems[i].err;
    for (int i = 0; i < list->cnt && !code; i++) {
        struct kafka_reader_partition *part = &reader->parts[list->elems[i].partition];

        list->elems[i].offset = start_position(reader, part, list->elems[i].offset);
    }
    if (!code)
        code = rd_kafka_assign(reader->handle->rk, list);
    reader->needs_position = code != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (code) {
        reader->position_at_ms = now_ms(reader) + RETRY_MS;
        snprintf(reader->refused, sizeof reader->refused, "committed offsets of group %s: %s",
                 reader->group, rd_kafka_err2str(code));
    } else {
        reader->refused[0] = '\0';
        if (reader->paused)
            tb_kafka_assignment_pause(reader, true);
    }
    tb_kafka_reader_update_problem(reader);
}

/* A reader without a group assigns all partitions to itself. */
static void assign_all(struct kafka_reader *reader)
{
    struct kafka_topic_layout layout = {0};

    if (tb_kafka_query_topic(reader->handle->rk, reader->handle->topic, TB_KAFKA_QUERY_TIMEOUT_MS,
                             &layout) ||
        layout.partitions == 0)
        return;
    for (int32_t p = 0; p < layout.partitions && p < TB_LOG_PARTITIONS_MAX; p++)
        reader->parts[p].assigned = true;
    reader->needs_position = true;
}

void tb_kafka_assignment_serve(struct kafka_reader *reader)
{
    if (reader->role != KAFKA_MEMBER && !reader->parts[0].assigned &&
        reader->cluster.state == KAFKA_READY)
        assign_all(reader);
    if (reader->needs_position && now_ms(reader) >= reader->position_at_ms)
        set_positions(reader);
    if (reader->role == KAFKA_MEMBER && !reader->unassigned_too_long &&
        reader->unassigned_since_ms >= 0 &&
        now_ms(reader) - reader->unassigned_since_ms >= FORMED_MS) {
        reader->unassigned_too_long = true;
        tb_kafka_reader_update_problem(reader);
    }
}

void tb_kafka_assignment_seek(struct kafka_reader *reader, int32_t partition, int64_t offset)
{
    struct kafka_reader_partition *part = &reader->parts[partition];

    tb_kafka_buffer_clear(reader, part);
    part->corrupt = false;
    part->seek_to = offset;
    if (part->start > offset)
        part->start = offset;
    if (part->assigned) {
        reader->needs_position = true;
        reader->position_at_ms = 0;
    }
}

void tb_kafka_assignment_pause(struct kafka_reader *reader, bool paused)
{
    TB_CLEANUP(tb_kafka_list_free) rd_kafka_topic_partition_list_t *list = list_assigned(reader);

    if (paused)
        rd_kafka_pause_partitions(reader->handle->rk, list);
    else
        rd_kafka_resume_partitions(reader->handle->rk, list);
}

static void on_revoked(struct kafka_reader *reader)
{
    /* librdkafka would keep these partitions paused even after a later assignment. */
    if (reader->paused)
        tb_kafka_assignment_pause(reader, false);
    for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX; p++) {
        struct kafka_reader_partition *part = &reader->parts[p];

        if (!part->assigned)
            continue;
        tb_kafka_buffer_clear(reader, part);
        part->assigned = part->corrupt = false;
        part->start = part->next = part->committed = part->seek_to = -1;
    }
    tb_kafka_commit_discard(reader);
    reader->revoked = true;
    reader->needs_position = false;
    reader->unassigned_since_ms = now_ms(reader);
    tb_kafka_reader_update_problem(reader);
}

static void on_assigned(struct kafka_reader *reader, const rd_kafka_topic_partition_list_t *list)
{
    reader->refused[0] = '\0';
    reader->unassigned_too_long = false;
    reader->unassigned_since_ms = -1;
    for (int i = 0; i < list->cnt; i++) {
        int32_t p = list->elems[i].partition;

        if (p < TB_LOG_PARTITIONS_MAX) {
            reader->parts[p].assigned = true;
            reader->parts[p].assignment = ++reader->assignments;
        } else {
            snprintf(reader->refused, sizeof reader->refused,
                     "%s has more than %d partitions: the others are not read", reader->topic,
                     TB_LOG_PARTITIONS_MAX);
        }
    }
    reader->needs_position = reader->assigned = list->cnt > 0;
    reader->position_at_ms = 0;
    tb_kafka_reader_update_problem(reader);
}

/* New partitions are assigned without positions. Finding these needs a query, and a callback must
 * not wait; tb_kafka_assignment_serve does it. */
static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_reader *reader = ((struct kafka_handle *)opaque)->owner;
    rd_kafka_topic_partition_list_t *none;

    if (!reader || code != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        if (reader && !rd_kafka_assignment_lost(rk))
            tb_kafka_commit_flush(reader);
        if (reader)
            on_revoked(reader);
        rd_kafka_assign(rk, NULL);
        rd_kafka_yield(rk); /* log.h: one poll never both revokes and assigns */
        return;
    }
    on_assigned(reader, list);
    none = rd_kafka_topic_partition_list_new(0);
    rd_kafka_assign(rk, none);
    rd_kafka_topic_partition_list_destroy(none);
}

static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    struct kafka_reader *reader = ((struct kafka_handle *)opaque)->owner;
    char why[200];

    if (!reader)
        return;
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        code = (int)rd_kafka_fatal_error(rk, why, sizeof why);
        text = why;
    }
    tb_kafka_reader_on_error(reader, (rd_kafka_resp_err_t)code, text);
    rd_kafka_yield(rk); /* a waiting poll returns and reports it */
}

void tb_kafka_assignment_set_callbacks(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, on_error);
}

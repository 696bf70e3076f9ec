#include "bridge/log/kafka/reader/reader_priv.h"
#include <inttypes.h>
#include <stdlib.h>

/* Time for the group's coordinator to answer that we left. Without an answer the group notices by
 * its session time-out. */
#define LEAVE_MS 6000
#define QUERY_TRIES 5

static struct kafka_reader *reader_of(const struct tb_log_reader *base)
{
    return (struct kafka_reader *)(uintptr_t)base;
}

static enum tb_code no_partition(int32_t partition, struct tb_error *err)
{
    return tb_error_set(err, TB_INVALID, "there is no partition %d", (int)partition);
}

/* TB_OK too if the cluster does not say how many partitions there are. */
static enum tb_code check_partition(struct kafka_reader *reader, int32_t partition,
                                    struct tb_error *err)
{
    struct kafka_topic_layout layout = {0};

    if (partition >= 0 && partition < TB_LOG_PARTITIONS_MAX) {
        if (reader->parts[partition].assigned ||
            tb_kafka_query_topic(reader->handle->rk, reader->handle->topic,
                                 TB_KAFKA_QUERY_TIMEOUT_MS, &layout) ||
            partition < layout.partitions)
            return TB_OK;
    }
    return no_partition(partition, err);
}

/* The reader's handle never changes, and librdkafka answers on any thread. */
rd_kafka_resp_err_t tb_kafka_reader_assignment(const struct tb_log_reader *base,
                                               rd_kafka_topic_partition_list_t **ret_list)
{
    return rd_kafka_assignment(reader_of(base)->handle->rk, ret_list);
}

static enum tb_code reader_seek(struct tb_log_reader *base, int32_t partition, int64_t offset,
                                struct tb_error *err)
{
    if (partition < 0 || partition >= TB_LOG_PARTITIONS_MAX)
        return no_partition(partition, err);
    if (offset < 0)
        return tb_error_set(err, TB_INVALID, "there is no offset %" PRId64, offset);
    /* librdkafka seeks by a new assignment, which stops and restarts all fetches, and 2.0.2
     * crashes in some of these. So do not seek for messages that we already have. */
    if (!tb_kafka_buffer_put_back(reader_of(base), partition, offset))
        tb_kafka_assignment_seek(reader_of(base), partition, offset);
    return TB_OK;
}

/* After a leader has moved, librdkafka finds the new one by a query of the topic. */
static rd_kafka_resp_err_t query_range(const struct kafka_reader *reader, int32_t partition,
                                       struct tb_log_range *ret_range)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    struct tb_log_range ranges[TB_LOG_PARTITIONS_MAX];
    struct kafka_topic_layout layout;

    rd_kafka_topic_partition_list_add(list, reader->topic, partition);
    for (int tries = 0; tries < QUERY_TRIES; tries++) {
        code = tb_kafka_query_watermarks(reader->handle->rk, list, ranges);
        if (code != RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION &&
            code != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
            break;
        tb_kafka_query_topic(reader->handle->rk, reader->handle->topic, TB_KAFKA_QUERY_TIMEOUT_MS,
                             &layout);
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (!code)
        *ret_range = (struct tb_log_range){ranges[partition].begin, ranges[partition].end, -1};
    return code;
}

/* Begin and end as the last fetch saw them. If there are no fetches now, the cluster is asked. */
static enum tb_code get_range(struct kafka_reader *reader, int32_t partition,
                              struct tb_log_range *ret_range, struct tb_error *err)
{
    const struct kafka_reader_partition *part = &reader->parts[partition];
    struct tb_log_range range = {-1, -1, -1};
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (part->assigned && !part->corrupt && !reader->paused && !reader->needs_position)
        rd_kafka_get_watermark_offsets(reader->handle->rk, reader->topic, partition, &range.begin,
                                       &range.end);
    if (range.begin < 0 || range.end < range.begin || range.end < part->next)
        code = query_range(reader, partition, &range);
    if (code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
        return no_partition(partition, err);
    if (code)
        return tb_error_set(err, TB_UNAVAILABLE, "ends of %s-%d: %s", reader->topic,
                            (int)partition, rd_kafka_err2str(code));
    *ret_range = range;
    return TB_OK;
}

static enum tb_code reader_commit(struct tb_log_reader *base, int32_t partition, int64_t next,
                                  struct tb_error *err)
{
    struct kafka_reader *reader = reader_of(base);
    const struct kafka_reader_partition *part;
    struct tb_log_range range;

    if (reader->role == KAFKA_TAIL)
        return tb_error_set(err, TB_INVALID, "a reader without a group has nothing to commit");
    TB_TRY(check_partition(reader, partition, err));
    if (reader->role == KAFKA_STANDALONE)
        return TB_OK;
    part = &reader->parts[partition];
    if (!part->assigned || part->start < 0 || next < part->start)
        return TB_OK;
    if (next > part->next) {
        TB_TRY(get_range(reader, partition, &range, err));
        if (next > range.end)
            return tb_error_set(err, TB_INVALID, "offset %" PRId64 " is not of %s-%d", next,
                                reader->topic, (int)partition);
    }
    tb_kafka_commit(reader, partition, next);
    return TB_OK;
}

static enum tb_code reader_range(struct tb_log_reader *base, int32_t partition,
                                 struct tb_log_range *ret_range, struct tb_error *err)
{
    struct kafka_reader *reader = reader_of(base);
    struct tb_log_range range;

    if (partition < 0 || partition >= TB_LOG_PARTITIONS_MAX)
        return no_partition(partition, err);
    TB_TRY(get_range(reader, partition, &range, err));
    if (reader->parts[partition].assigned && reader->parts[partition].start >= 0)
        range.committed = reader->parts[partition].committed;
    else if (reader->role == KAFKA_MEMBER)
        TB_TRY(tb_kafka_assignment_query_committed(reader, partition, &range.committed, err));
    *ret_range = range;
    return TB_OK;
}

static enum tb_code reader_pause(struct tb_log_reader *base, bool paused, struct tb_error *err)
{
    struct kafka_reader *reader = reader_of(base);

    (void)err;
    if (reader->paused != paused) {
        reader->paused = paused;
        tb_kafka_assignment_pause(reader, paused);
    }
    return TB_OK;
}

static bool reader_is_assigned(struct tb_log_reader *base, int32_t partition)
{
    return partition >= 0 && partition < TB_LOG_PARTITIONS_MAX &&
           reader_of(base)->parts[partition].assigned;
}

static enum tb_code reader_confirm(struct tb_log_reader *base, int32_t partition, int64_t next,
                                   struct tb_error *err)
{
    struct kafka_reader *reader = reader_of(base);

    if (reader->role == KAFKA_MEMBER &&
        (!reader_is_assigned(base, partition) || !tb_kafka_commit_now(reader, partition, next)))
        return tb_error_set(err, TB_BUSY, "group %s does not say that it still reads %s-%d",
                            reader->group, reader->topic, (int)partition);
    return TB_OK;
}

static int64_t reader_position(struct tb_log_reader *base, int32_t partition)
{
    const struct kafka_reader *reader = reader_of(base);
    const struct kafka_reader_partition *part;

    if (!reader_is_assigned(base, partition) || reader->needs_position)
        return -1;
    part = &reader->parts[partition];
    if (part->seek_to >= 0 || part->corrupt)
        return -1;
    return part->count > 0 ? part->fetched[part->head]->offset : part->next;
}

static void reader_wake(struct tb_log_reader *base)
{
    struct kafka_reader *reader = reader_of(base);

    atomic_store(&reader->woken, true);
    rd_kafka_queue_yield(reader->queue);
}

static void reader_free(struct tb_log_reader *base)
{
    struct kafka_reader *reader = reader_of(base);

    if (reader->handle && reader->cluster.state != KAFKA_DOWN)
        tb_kafka_commit_flush(reader);
    tb_kafka_buffer_release_batch(reader);
    for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX; p++) {
        tb_kafka_buffer_clear(reader, &reader->parts[p]);
        free(reader->parts[p].fetched);
    }
    if (reader->queue)
        rd_kafka_queue_destroy(reader->queue);
    if (reader->answers)
        rd_kafka_queue_destroy(reader->answers);
    tb_kafka_handle_destroy(reader->handle, LEAVE_MS);
    tb_kafka_problem_release(&reader->problem);
    free(reader->headers);
    free(reader->group);
    free(reader);
}

static const struct tb_log_reader_ops reader_ops = {
    .poll = tb_kafka_reader_poll,
    .seek = reader_seek,
    .commit = reader_commit,
    .range = reader_range,
    .pause = reader_pause,
    .is_assigned = reader_is_assigned,
    .confirm = reader_confirm,
    .position = reader_position,
    .wake = reader_wake,
    .free = reader_free,
};

static enum tb_code subscribe(struct kafka_reader *reader, struct tb_error *err)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t code;

    if (reader->role != KAFKA_MEMBER)
        return TB_OK;
    list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, reader->topic, RD_KAFKA_PARTITION_UA);
    code = rd_kafka_subscribe(reader->handle->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code ? tb_error_set(err, TB_INVALID, "subscribe to %s: %s", reader->topic,
                               rd_kafka_err2str(code))
                : TB_OK;
}

static enum tb_code set_up(struct kafka_reader *reader, const struct tb_log_kafka_options *options,
                           const char *topic, const char *group, struct tb_error *err)
{
    rd_kafka_conf_t *conf = NULL;

    reader->options = *options;
    reader->topic = topic;
    reader->group = strdup(group ? group : options->client_id);
    if (!reader->group)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    TB_TRY(tb_kafka_conf(&reader->options, reader->group, reader->role == KAFKA_TAIL, &conf, err));
    tb_kafka_assignment_set_callbacks(conf);
    TB_TRY(tb_kafka_handle_new(RD_KAFKA_CONSUMER, conf, topic, reader, &reader->handle, err));
    rd_kafka_poll_set_consumer(reader->handle->rk);
    reader->queue = rd_kafka_queue_get_consumer(reader->handle->rk);
    reader->answers = rd_kafka_queue_new(reader->handle->rk);
    return subscribe(reader, err);
}

static enum tb_code reader_new(const struct tb_log_kafka_options *options, const char *topic,
                               const char *group, int role, struct tb_log_reader **ret_reader,
                               struct tb_error *err)
{
    struct kafka_reader *reader = calloc(1, sizeof *reader);
    enum tb_code code;

    if (!reader)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    reader->base.ops = &reader_ops;
    reader->role = role;
    tb_kafka_problem_init(&reader->problem);
    for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX; p++) {
        struct kafka_reader_partition *part = &reader->parts[p];

        part->start = part->next = part->seek_to = part->committed = -1;
    }
    code = set_up(reader, options, topic, group, err);
    if (code != TB_OK) {
        reader_free(&reader->base);
        return code;
    }
    reader->unassigned_since_ms = tb_clock_mono_ms(reader->options.clock);
    *ret_reader = &reader->base;
    return TB_OK;
}

enum tb_code tb_log_kafka_reader(const struct tb_log_kafka_options *options, const char *topic,
                                 const char *group, struct tb_log_reader **ret_reader,
                                 struct tb_error *err)
{
    if (group && group[0] == '\0')
        return tb_error_set(err, TB_INVALID, "no consumer group is named");
    return reader_new(options, topic, group, group ? KAFKA_MEMBER : KAFKA_STANDALONE, ret_reader,
                      err);
}

enum tb_code tb_log_kafka_tail(const struct tb_log_kafka_options *options, const char *topic,
                               struct tb_log_reader **ret_reader, struct tb_error *err)
{
    return reader_new(options, topic, NULL, KAFKA_TAIL, ret_reader, err);
}

void tb_log_kafka_reader_problem(const struct tb_log_reader *base, char ret_text[240])
{
    tb_kafka_problem_get(&reader_of(base)->problem, ret_text);
}

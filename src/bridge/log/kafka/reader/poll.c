#include "bridge/log/kafka/reader/reader_priv.h"
#include <inttypes.h>

/* Longest wait inside librdkafka: commits, positions and the cluster are served in between. */
#define SLICE_MS 500

/* Serves the group and moves fetched messages to the buffer. Waits up to wait_ms for the first. */
static void fetch(struct kafka_reader *reader, int64_t wait_ms)
{
    rd_kafka_t *rk = reader->handle->rk;
    rd_kafka_message_t *message;

    tb_kafka_cluster_check(&reader->cluster, reader->handle, &reader->options, &reader->problem);
    tb_kafka_assignment_serve(reader);
    tb_kafka_commit_serve(reader);
    /* Poll even if the buffer is full: the group removes a member that does not poll. */
    message = rd_kafka_consumer_poll(rk, (int)wait_ms);
    while (message) {
        tb_kafka_buffer_add(reader, message);
        message = tb_kafka_buffer_is_full(reader) ? NULL : rd_kafka_consumer_poll(rk, 0);
    }
}

/* The next partition, in turn, that has messages or is corrupt; -1: none. */
static int32_t next_partition(struct kafka_reader *reader)
{
    for (int32_t i = 0; i < TB_LOG_PARTITIONS_MAX && !reader->paused; i++) {
        int32_t p = (reader->turn + i) % TB_LOG_PARTITIONS_MAX;

        if (reader->parts[p].count == 0 && !reader->parts[p].corrupt)
            continue;
        reader->turn = (p + 1) % TB_LOG_PARTITIONS_MAX;
        return p;
    }
    return -1;
}

static bool is_stopped(const struct kafka_reader *reader)
{
    return reader->cluster.state == KAFKA_DOWN || reader->cluster.state == KAFKA_MISCONFIGURED ||
           reader->refused[0] || reader->unassigned_too_long;
}

static enum tb_code empty_poll(struct kafka_reader *reader, struct tb_log_batch *ret_batch,
                               struct tb_error *err)
{
    char why[240];

    if (!is_stopped(reader)) {
        *ret_batch = (struct tb_log_batch){0};
        return TB_OK;
    }
    tb_kafka_problem_get(&reader->problem, why);
    return tb_error_set(err, TB_UNAVAILABLE, "Kafka: %s", why);
}

static enum tb_code return_batch(struct kafka_reader *reader, int32_t partition, size_t max,
                                 struct tb_log_batch *ret_batch, struct tb_error *err)
{
    const struct kafka_reader_partition *part = &reader->parts[partition];

    /* Messages that were fetched before the position became invalid are still returned. */
    if (part->count > 0)
        return tb_kafka_buffer_take_batch(reader, partition, max, ret_batch, err);
    return tb_error_set(err, TB_CORRUPT, "group %s stands at %" PRId64 " of %s-%d: %s",
                        reader->group, part->next, reader->topic, (int)partition, part->why);
}

enum tb_code tb_kafka_reader_poll(struct tb_log_reader *base, size_t max, int64_t wait_ms,
                                  struct tb_log_batch *ret_batch, struct tb_error *err)
{
    struct kafka_reader *reader = (struct kafka_reader *)base;
    int64_t until_ms = wait_ms < 0 ? INT64_MAX : now_ms(reader) + wait_ms;
    int64_t left_ms = 0;
    int32_t p;

    tb_kafka_buffer_release_batch(reader);
    reader->revoked = reader->assigned = false;
    for (;;) {
        fetch(reader, left_ms < SLICE_MS ? left_ms : SLICE_MS);
        p = max > 0 ? next_partition(reader) : -1;
        if (p >= 0)
            return return_batch(reader, p, max, ret_batch, err);
        left_ms = until_ms - now_ms(reader);
        if (atomic_exchange(&reader->woken, false) || reader->revoked || reader->assigned ||
            left_ms <= 0 || is_stopped(reader))
            return empty_poll(reader, ret_batch, err);
    }
}

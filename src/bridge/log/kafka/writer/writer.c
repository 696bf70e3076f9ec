#include "bridge/log/kafka/writer/writer_priv.h"
#include <stdlib.h>

/* Longest wait inside librdkafka; the cluster is checked in between. */
#define SLICE_MS 200

static struct kafka_writer *writer_of(const struct tb_log_writer *base)
{
    return (struct kafka_writer *)(uintptr_t)base;
}

static enum tb_code refuse(rd_kafka_resp_err_t code, struct tb_error *err)
{
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return tb_error_set(err, TB_BUSY, "the producer's queue is full");
    if (tb_kafka_is_permanent(code))
        return tb_error_set(err, TB_INVALID, "Kafka takes no such record: %s",
                            rd_kafka_err2str(code));
    return tb_error_set(err, TB_UNAVAILABLE, "Kafka: %s", rd_kafka_err2str(code));
}

static enum tb_code writer_append(struct tb_log_writer *base, const struct tb_record *record,
                                  int64_t tag, struct tb_error *err)
{
    struct kafka_writer *writer = writer_of(base);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    bool send = false;
    size_t slot = 0;

    TB_TRY(tb_kafka_producer_ensure(writer, err));
    TB_TRY(tb_kafka_check_record(record, err));
    TB_TRY(tb_kafka_inflight_add(&writer->inflight, record, tag, &slot, &send, err));
    if (send)
        code = tb_kafka_send(writer, record, slot);
    if (!code)
        return TB_OK;
    tb_kafka_inflight_cancel_add(&writer->inflight, slot);
    return refuse(code, err);
}

/* Sends records that waited for an acknowledgement which has arrived. */
static void send_ready(struct kafka_writer *writer)
{
    const struct tb_record *record;
    size_t slot;

    while ((record = tb_kafka_inflight_next_ready(&writer->inflight, &slot)) != NULL) {
        rd_kafka_resp_err_t code = tb_kafka_send(writer, record, slot);

        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return;
        if (code)
            tb_kafka_producer_on_failure(writer, slot, code, false);
        else
            tb_kafka_inflight_mark_sent(&writer->inflight, slot);
    }
}

static void serve(struct kafka_writer *writer, int64_t wait_ms)
{
    int64_t until_ms = now_ms(writer) + wait_ms, left_ms = 0;

    do {
        left_ms = left_ms < SLICE_MS ? left_ms : SLICE_MS;
        rd_kafka_poll(writer->handle->rk, (int)left_ms);
        if (writer->fatal)
            return;
        send_ready(writer);
        tb_kafka_cluster_check(&writer->cluster, writer->handle, &writer->options,
                               &writer->problem);
        left_ms = until_ms - now_ms(writer);
    } while (writer->inflight.ack_count == 0 &&
             tb_kafka_inflight_outstanding(&writer->inflight) > 0 && left_ms > 0);
}

static enum tb_code writer_poll(struct tb_log_writer *base, int64_t wait_ms,
                                struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                                struct tb_error *err)
{
    struct kafka_writer *writer = writer_of(base);
    enum tb_code code = TB_OK;

    tb_kafka_writer_check_clock(writer);
    if (writer->enabled)
        code = tb_kafka_producer_ensure(writer, err);
    if (writer->handle)
        serve(writer, writer->inflight.ack_count > 0 ? 0 : wait_ms);
    if (writer->fatal)
        code = tb_kafka_producer_ensure(writer, err);
    if (code != TB_OK && writer->inflight.ack_count == 0)
        return code;
    *ret_count = tb_kafka_inflight_take_acks(&writer->inflight, ret_acks, max);
    return TB_OK;
}

static void writer_free(struct tb_log_writer *base)
{
    struct kafka_writer *writer = writer_of(base);

    tb_kafka_producer_discard(writer);
    tb_kafka_inflight_release(&writer->inflight);
    tb_kafka_problem_release(&writer->problem);
    free(writer);
}

static const struct tb_log_writer_ops writer_ops = {
    .append = writer_append,
    .poll = writer_poll,
    .free = writer_free,
};

enum tb_code tb_log_kafka_writer(const struct tb_log_kafka_options *options, const char *topic,
                                 struct tb_log_writer **ret_writer, struct tb_error *err)
{
    struct kafka_writer *writer = calloc(1, sizeof *writer);
    enum tb_code code;

    if (!writer)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    writer->base.ops = &writer_ops;
    tb_kafka_problem_init(&writer->problem);
    tb_kafka_inflight_init(&writer->inflight, options->partitions == 1);
    writer->enabled = true;
    writer->options = *options;
    writer->topic = topic;
    code = tb_kafka_producer_open(writer, err);
    if (code != TB_OK) {
        writer_free(&writer->base);
        return code;
    }
    *ret_writer = &writer->base;
    return TB_OK;
}

void tb_log_kafka_disconnect(struct tb_log_writer *base)
{
    struct kafka_writer *writer = writer_of(base);

    writer->enabled = false;
    tb_kafka_producer_discard(writer);
}

enum tb_code tb_log_kafka_connect(struct tb_log_writer *base, struct tb_error *err)
{
    struct kafka_writer *writer = writer_of(base);

    writer->enabled = true;
    writer->connect_at_ms = 0; /* connect now: the link decides when */
    return tb_kafka_producer_ensure(writer, err);
}

bool tb_log_kafka_connected(const struct tb_log_writer *base)
{
    const struct kafka_writer *writer = writer_of(base);

    return writer->handle && !writer->fatal && writer->cluster.state == KAFKA_READY;
}

bool tb_log_kafka_all_brokers_down(const struct tb_log_writer *base)
{
    return writer_of(base)->cluster.state == KAFKA_DOWN;
}

bool tb_log_kafka_no_response(const struct tb_log_writer *base)
{
    struct kafka_handle *handle = writer_of(base)->handle;

    return handle && !tb_kafka_sockets_answered(&handle->sockets);
}

void tb_log_kafka_writer_problem(const struct tb_log_writer *base, char ret_text[240])
{
    tb_kafka_problem_get(&writer_of(base)->problem, ret_text);
}

#include "bridge/log/kafka/writer/writer_priv.h"

/* librdkafka's threads end within this time, unless a name server does not answer; the relay does
 * not wait for that. */
#define CLOSE_MS 500
/* Pause before the next producer if the last one failed before it delivered a record: the next
 * would probably fail the same way. */
#define RENEW_MS 1000

static void delivered(struct kafka_writer *writer, size_t slot, const rd_kafka_message_t *message)
{
    tb_kafka_inflight_deliver(&writer->inflight, slot, message->partition, message->offset);
    writer->has_delivered = true;
    if (writer->has_problem && writer->earlier_ms == 0)
        tb_kafka_problem_set(&writer->problem, KAFKA_PROBLEM_OPERATION, "%s", "");
    writer->has_problem = writer->earlier_ms != 0;
}

void tb_kafka_producer_on_failure(struct kafka_writer *writer, size_t slot,
                                  rd_kafka_resp_err_t code, bool possibly_there)
{
    bool final = tb_kafka_is_permanent(code);

    writer->has_problem = true;
    if (code == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP)
        tb_kafka_writer_turn_back(writer);
    else
        tb_kafka_problem_set(&writer->problem, KAFKA_PROBLEM_OPERATION, "record not delivered: %s",
                             rd_kafka_err2str(code));
    if (final && writer->inflight.alone && !possibly_there)
        tb_kafka_inflight_complete(&writer->inflight, slot, TB_INVALID, false);
    else
        tb_kafka_inflight_complete(&writer->inflight, slot, TB_UNKNOWN, final);
}

/* A report without an offset does not come from the broker: librdkafka concludes it from a later
 * batch that was accepted. That batch may have been accepted alone, so the answer is unknown. */
static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_writer *writer = ((struct kafka_handle *)opaque)->owner;
    size_t slot = (size_t)(uintptr_t)message->_private;

    (void)rk;
    if (!writer)
        return;
    if (message->err)
        tb_kafka_producer_on_failure(writer, slot, message->err,
                                     rd_kafka_message_status(message) !=
                                         RD_KAFKA_MSG_STATUS_NOT_PERSISTED);
    else if (message->offset >= 0)
        delivered(writer, slot, message);
    else
        tb_kafka_inflight_complete(&writer->inflight, slot, TB_UNKNOWN, false);
}

static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    struct kafka_writer *writer = ((struct kafka_handle *)opaque)->owner;
    char why[200];

    if (!writer)
        return;
    if (code != RD_KAFKA_RESP_ERR__FATAL) {
        tb_kafka_cluster_on_error(&writer->cluster, &writer->options, &writer->problem,
                                  (rd_kafka_resp_err_t)code, text);
        return;
    }
    rd_kafka_fatal_error(rk, why, sizeof why);
    tb_kafka_problem_set(&writer->problem, KAFKA_PROBLEM_OPERATION, "producer given up: %s", why);
    writer->has_problem = writer->fatal = true;
}

void tb_kafka_producer_discard(struct kafka_writer *writer)
{
    struct kafka_handle *handle = writer->handle;

    writer->handle = NULL;
    writer->fatal = false;
    writer->earlier_ms = 0;
    writer->cluster = (struct kafka_cluster){0};
    if (!handle)
        return;
    tb_kafka_inflight_fail_all(&writer->inflight);
    rd_kafka_purge(handle->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                   RD_KAFKA_PURGE_F_NON_BLOCKING);
    tb_kafka_handle_destroy(handle, CLOSE_MS);
}

static enum tb_code connect_handle(struct kafka_writer *writer, struct tb_error *err)
{
    rd_kafka_conf_t *conf = NULL;

    TB_TRY(tb_kafka_conf(&writer->options, NULL, false, &conf, err));
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return tb_kafka_handle_new(RD_KAFKA_PRODUCER, conf, writer->topic, writer, &writer->handle,
                               err);
}

static void give_up(struct kafka_writer *writer)
{
    writer->connect_at_ms = writer->has_delivered ? 0 : now_ms(writer) + RENEW_MS;
    writer->has_delivered = false;
    tb_kafka_producer_discard(writer);
}

enum tb_code tb_kafka_producer_ensure(struct kafka_writer *writer, struct tb_error *err)
{
    if (!writer->enabled)
        return tb_error_set(err, TB_UNAVAILABLE, "the way to Kafka is closed");
    if (writer->fatal)
        give_up(writer);
    if (writer->handle)
        return TB_OK;
    if (now_ms(writer) < writer->connect_at_ms) {
        char why[240];

        tb_kafka_problem_get(&writer->problem, why);
        return tb_error_set(err, TB_UNAVAILABLE, "Kafka: %s", why);
    }
    if (connect_handle(writer, err) != TB_OK) {
        tb_kafka_problem_set(&writer->problem, KAFKA_PROBLEM_CONNECTION, "%s", err->text);
        writer->connect_at_ms = now_ms(writer) + RENEW_MS;
        err->code = TB_UNAVAILABLE;
        return TB_UNAVAILABLE;
    }
    return TB_OK;
}

enum tb_code tb_kafka_producer_open(struct kafka_writer *writer, struct tb_error *err)
{
    struct kafka_handle *trial = NULL;
    rd_kafka_conf_t *conf = NULL;
    struct tb_error why = {0};
    char text[200];

    if (connect_handle(writer, &why) == TB_OK)
        return TB_OK;
    /* With plaintext no certificate is read. If that succeeds, only a certificate is the problem,
     * and a later attempt may find it mended. */
    *err = why;
    TB_TRY(tb_kafka_conf(&writer->options, NULL, false, &conf, err));
    rd_kafka_conf_set(conf, "security.protocol", "plaintext", text, sizeof text);
    TB_TRY(tb_kafka_handle_new(RD_KAFKA_PRODUCER, conf, writer->topic, NULL, &trial, err));
    tb_kafka_handle_destroy(trial, CLOSE_MS);
    tb_kafka_problem_set(&writer->problem, KAFKA_PROBLEM_CONNECTION, "%s", why.text);
    return TB_OK;
}

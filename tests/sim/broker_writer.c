#include "bridge/log/headers.h"
#include "sim/broker.h"
#include "sim/trace.h"
#include <stdlib.h>

/* A new producer is connected after this long. */
#define CONNECT_US INT64_C(40000)
/* A producer without an answer is reported as lost after this long. */
#define LOST_US INT64_C(1500000)
/* A producer that fails before it delivered anything is replaced after this pause. */
#define RENEW_US INT64_C(1000000)

struct broker_writer {
    struct tb_log_writer base;
    struct broker_writer *next;
    struct broker *broker;
    int client;
    enum broker_topic topic;
    struct kafka_inflight inflight;
    bool wanted, proven;
    bool fatal;        /* it must be replaced */
    bool answered;     /* the broker has answered since it was opened */
    int64_t opened_us; /* in the future: a replacement that waits for RENEW_US */
};

static struct broker_writer *writer_of(const struct tb_log_writer *base)
{
    return (struct broker_writer *)(uintptr_t)base;
}

int broker_writer_client(const struct broker_writer *writer)
{
    return writer->client;
}

static int64_t now_us(const struct broker_writer *writer)
{
    return *writer->broker->now_us;
}

static bool is_there(const struct broker_writer *writer)
{
    return broker_reaches(writer->broker, writer->client);
}

static void drop_all(struct broker_writer *writer)
{
    broker_abandon_requests(writer);
    tb_kafka_inflight_fail_all(&writer->inflight);
    writer->fatal = false;
}

void broker_acknowledged(struct broker_writer *writer, size_t slot, int32_t partition,
                         int64_t offset)
{
    writer->answered = writer->proven = true;
    tb_kafka_inflight_deliver(&writer->inflight, slot, partition, offset);
    if (broker_chance(writer->broker, 60)) {
        sim_cover(COVER_PRODUCER_FATAL, 1);
        writer->fatal = true;
    }
}

void broker_answered(struct broker_writer *writer, size_t slot, bool final)
{
    struct broker *broker = writer->broker;

    writer->answered = true;
    if (broker->mutant == BROKER_FINAL_TIMEOUTS || (final && writer->inflight.alone))
        tb_kafka_inflight_complete(&writer->inflight, slot, TB_INVALID, false);
    else
        tb_kafka_inflight_complete(&writer->inflight, slot, TB_UNKNOWN, final);
    sim_cover(COVER_ACK_UNKNOWN, !final);
    if (broker_chance(broker, 60)) {
        sim_cover(COVER_PRODUCER_FATAL, 1);
        writer->fatal = true;
    }
}

/* Replaces a producer that had a fatal error. TB_UNAVAILABLE: there is none at the moment. */
static enum tb_code need_producer(struct broker_writer *writer, struct tb_error *err)
{
    if (!writer->wanted)
        return tb_error_set(err, TB_UNAVAILABLE, "the simulated connection is closed");
    if (writer->fatal) {
        drop_all(writer);
        writer->opened_us = now_us(writer) + (writer->proven ? 0 : RENEW_US);
        writer->proven = false;
    }
    if (now_us(writer) < writer->opened_us)
        return tb_error_set(err, TB_UNAVAILABLE, "the simulated producer is being replaced");
    return TB_OK;
}

static enum tb_code append(struct tb_log_writer *base, const struct tb_record *record, int64_t tag,
                           struct tb_error *err)
{
    struct broker_writer *writer = writer_of(base);
    enum broker_mutant mutant = writer->broker->mutant;
    bool send = false;
    size_t slot = 0;

    TB_TRY(need_producer(writer, err));
    TB_TRY(tb_headers_check(record->headers, record->header_count, err));
    TB_TRY(tb_kafka_inflight_add(&writer->inflight, record, tag, &slot, &send, err));
    if (send && broker_chance(writer->broker, 30)) {
        tb_kafka_inflight_cancel_add(&writer->inflight, slot);
        return tb_error_set(err, TB_BUSY, "the simulated producer's queue is full");
    }
    if (mutant == BROKER_UNACKED_DEAD_LETTERS && writer->topic == BROKER_DEAD_LETTERS) {
        tb_kafka_inflight_complete(&writer->inflight, slot, TB_OK, false);
    } else if (mutant == BROKER_EARLY_ACKS && writer->topic == BROKER_EVENTS && send) {
        tb_kafka_inflight_complete(&writer->inflight, slot, TB_OK, false);
        broker_send(writer, writer->topic, record, TB_LOG_INFLIGHT_MAX);
    } else if (send) {
        broker_send(writer, writer->topic, record, slot);
    }
    return TB_OK;
}

static void send_ready(struct broker_writer *writer)
{
    const struct tb_record *record;
    size_t slot;

    while ((record = tb_kafka_inflight_next_ready(&writer->inflight, &slot)) != NULL) {
        broker_send(writer, writer->topic, record, slot);
        tb_kafka_inflight_mark_sent(&writer->inflight, slot);
    }
}

/* Virtual time passes while the caller waits for an answer. */
static void serve(struct broker_writer *writer, int64_t wait_us)
{
    struct broker *broker = writer->broker;
    int64_t until_us = now_us(writer) + wait_us;

    broker_step(broker);
    send_ready(writer);
    while (writer->inflight.ack_count == 0 &&
           tb_kafka_inflight_outstanding(&writer->inflight) > 0 && !writer->fatal &&
           broker_due_us(broker) <= until_us) {
        if (*broker->now_us < broker_due_us(broker))
            *broker->now_us = broker_due_us(broker);
        broker_step(broker);
        send_ready(writer);
    }
}

static enum tb_code poll(struct tb_log_writer *base, int64_t wait_ms, struct tb_log_ack *ret_acks,
                         size_t max, size_t *ret_count, struct tb_error *err)
{
    struct broker_writer *writer = writer_of(base);
    enum tb_code code = TB_OK;

    if (writer->wanted)
        code = need_producer(writer, err);
    if (code == TB_OK && writer->wanted)
        serve(writer, writer->inflight.ack_count > 0 ? 0 : wait_ms * 1000);
    if (writer->fatal)
        code = need_producer(writer, err);
    if (code != TB_OK && writer->inflight.ack_count == 0)
        return code;
    *ret_count = tb_kafka_inflight_take_acks(&writer->inflight, ret_acks, max);
    return TB_OK;
}

static void writer_free(struct tb_log_writer *base)
{
    struct broker_writer *writer = writer_of(base), **link = &writer->broker->writers;

    drop_all(writer);
    while (*link != writer)
        link = &(*link)->next;
    *link = writer->next;
    tb_kafka_inflight_release(&writer->inflight);
    free(writer);
}

static const struct tb_log_writer_ops ops = {append, poll, writer_free};

enum tb_code tb_log_kafka_writer(const struct tb_log_kafka_options *options, const char *topic,
                                 struct tb_log_writer **ret_writer, struct tb_error *err)
{
    struct broker_writer *writer = calloc(1, sizeof *writer);

    if (!writer)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    writer->base.ops = &ops;
    writer->broker = broker_now;
    writer->client = broker_client(broker_now, options->client_id);
    writer->topic = broker_topic_of(topic);
    writer->wanted = true;
    writer->opened_us = now_us(writer);
    tb_kafka_inflight_init(&writer->inflight, options->partitions == 1);
    writer->next = broker_now->writers;
    broker_now->writers = writer;
    *ret_writer = &writer->base;
    return TB_OK;
}

void broker_writers_died(struct broker *broker, int client)
{
    for (struct broker_writer *writer = broker->writers; writer; writer = writer->next)
        if (writer->client == client)
            drop_all(writer);
}

void tb_log_kafka_disconnect(struct tb_log_writer *base)
{
    struct broker_writer *writer = writer_of(base);

    writer->wanted = false;
    drop_all(writer);
}

enum tb_code tb_log_kafka_connect(struct tb_log_writer *base, struct tb_error *err)
{
    struct broker_writer *writer = writer_of(base);

    if (!writer->wanted) {
        writer->opened_us = now_us(writer);
        writer->answered = false;
    }
    writer->wanted = true;
    return need_producer(writer, err);
}

bool tb_log_kafka_connected(const struct tb_log_writer *base)
{
    struct broker_writer *writer = writer_of(base);

    if (!writer->wanted || writer->fatal || now_us(writer) < writer->opened_us + CONNECT_US)
        return false;
    writer->answered = writer->answered || is_there(writer);
    return is_there(writer);
}

bool tb_log_kafka_all_brokers_down(const struct tb_log_writer *base)
{
    const struct broker_writer *writer = writer_of(base);

    return writer->wanted && !is_there(writer) && now_us(writer) > writer->opened_us + LOST_US;
}

bool tb_log_kafka_no_response(const struct tb_log_writer *base)
{
    const struct broker_writer *writer = writer_of(base);

    return writer->wanted && !writer->answered;
}

void tb_log_kafka_writer_problem(const struct tb_log_writer *base, char ret_text[240])
{
    strcpy(ret_text, is_there(writer_of(base)) ? "" : "no simulated broker answers");
}

#include "bridge/log_kafka_priv.h"
#include <stdlib.h>

/* The library's threads end within this; only a name server that does not answer takes longer,
 * and the relay does not wait for that. */
#define CLOSE_MS 500
/* At most so long in the library at once: a change of the connection is seen in between. */
#define SLICE_MS 200

struct slot {
    int64_t tag;
    bool used;
};

/* Every record taken has a slot until it is answered, so that none is left without an answer
 * when a handle is lost. Slots in use and answers not handed out are never more than the window
 * together. */
struct kafka_writer {
    struct tb_log_writer base;
    struct kafka_settings settings;
    char *topic;
    struct kafka_handle *handle; /* NULL while closed */
    bool wanted;                 /* to be open */
    bool fatal;                  /* the handle is dead */
    bool alone;                  /* what is outstanding was appended to an empty window */
    bool troubled;               /* the problem is of a record */
    struct kafka_watch watch;
    struct kafka_problem problem;

    struct slot slots[TB_LOG_BATCH_MAX];
    size_t free_slots[TB_LOG_BATCH_MAX]; /* a stack */
    size_t free_count;
    struct tb_log_ack acks[TB_LOG_BATCH_MAX]; /* a ring */
    size_t ack_head, ack_count;
    size_t bad_acks; /* of them not TB_OK */
};

static struct kafka_writer *writer_of(const struct tb_log_writer *base)
{
    return (struct kafka_writer *)(uintptr_t)base;
}

static size_t outstanding(const struct kafka_writer *writer)
{
    return TB_LOG_BATCH_MAX - writer->free_count;
}

static void answer(struct kafka_writer *writer, size_t i, enum tb_code code, bool alone_wanted)
{
    TB_ASSERT(i < TB_LOG_BATCH_MAX && writer->slots[i].used);
    writer->acks[(writer->ack_head + writer->ack_count++) % TB_LOG_BATCH_MAX] =
        (struct tb_log_ack){writer->slots[i].tag, code, alone_wanted};
    writer->bad_acks += code != TB_OK;
    writer->slots[i].used = false;
    writer->free_slots[writer->free_count++] = i;
}

/* Refused whatever the moment, the place and the sender. What a clock that is wrong or a missing
 * right brings about is not of the record: it passes. */
static bool is_final(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR__BAD_MSG:
        return true;
    default:
        return false;
    }
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_writer *writer = ((struct kafka_handle *)opaque)->owner;
    size_t slot = (size_t)(uintptr_t)message->_private;
    bool final = is_final(message->err);

    (void)rk;
    if (!message->err) {
        answer(writer, slot, TB_OK, false);
        if (writer->troubled)
            tb_kafka_problem_set(&writer->problem, "%s", "");
        writer->troubled = false;
        return;
    }
    writer->troubled = true;
    tb_kafka_problem_set(&writer->problem, "record not delivered: %s",
                         rd_kafka_err2str(message->err));
    if (final && writer->alone)
        answer(writer, slot, TB_INVALID, false);
    else
        answer(writer, slot, TB_UNKNOWN, final);
}

static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    struct kafka_writer *writer = ((struct kafka_handle *)opaque)->owner;
    char why[200];

    if (code != RD_KAFKA_RESP_ERR__FATAL) {
        tb_kafka_watch_error(&writer->watch, &writer->settings, &writer->problem,
                             (rd_kafka_resp_err_t)code, text);
        return;
    }
    rd_kafka_fatal_error(rk, why, sizeof why);
    tb_kafka_problem_set(&writer->problem, "producer given up: %s", why);
    writer->fatal = true;
}

/* What is outstanding may be in the log or not. */
static void lose(struct kafka_writer *writer)
{
    struct kafka_handle *handle = writer->handle;

    writer->handle = NULL;
    writer->fatal = false;
    writer->watch = (struct kafka_watch){0};
    if (!handle)
        return;
    for (size_t i = 0; i < TB_LOG_BATCH_MAX; i++) {
        if (writer->slots[i].used)
            answer(writer, i, TB_UNKNOWN, false);
    }
    (void)rd_kafka_purge(handle->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                         RD_KAFKA_PURGE_F_NON_BLOCKING);
    tb_kafka_bury(handle, CLOSE_MS);
}

static enum tb_code connect_handle(struct kafka_writer *writer, struct tb_error *err)
{
    rd_kafka_conf_t *conf = NULL;

    TB_TRY(tb_kafka_conf(&writer->settings, NULL, false, &conf, err));
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return tb_kafka_handle_new(RD_KAFKA_PRODUCER, conf, writer->topic, writer, &writer->handle,
                               err);
}

/* A handle to work with; replaces a dead one. */
static enum tb_code have_handle(struct kafka_writer *writer, struct tb_error *err)
{
    if (!writer->wanted)
        return tb_error_set(err, TB_UNAVAILABLE, "the way to Kafka is closed");
    if (writer->fatal)
        lose(writer);
    if (!writer->handle && connect_handle(writer, err) != TB_OK) {
        tb_kafka_problem_set(&writer->problem, "%s", err->text);
        err->code = TB_UNAVAILABLE;
        return TB_UNAVAILABLE;
    }
    return TB_OK;
}

static enum tb_code build_headers(const struct tb_record *record, rd_kafka_headers_t **ret_headers,
                                  struct tb_error *err)
{
    rd_kafka_headers_t *headers;

    if (record->header_count > TB_LOG_HEADERS_MAX)
        return tb_error_set(err, TB_INVALID, "a record has at most %d headers",
                            TB_LOG_HEADERS_MAX);
    headers = rd_kafka_headers_new(record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        const struct tb_header *header = &record->headers[i];

        /* Kafka's header names are text; the library's readers would cut this one off. */
        if (header->name.len > 0 && memchr(header->name.ptr, '\0', header->name.len)) {
            rd_kafka_headers_destroy(headers);
            return tb_error_set(err, TB_INVALID, "the name of header %zu contains a NUL", i);
        }
        (void)rd_kafka_header_add(headers, header->name.len > 0 ? header->name.ptr : "",
                                  (ssize_t)header->name.len, header->value.ptr,
                                  (ssize_t)header->value.len);
    }
    *ret_headers = headers;
    return TB_OK;
}

static enum tb_code refuse(rd_kafka_resp_err_t code, struct tb_error *err)
{
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return tb_error_set(err, TB_BUSY, "the producer's queue is full");
    if (is_final(code) || code == RD_KAFKA_RESP_ERR__INVALID_ARG)
        return tb_error_set(err, TB_INVALID, "Kafka takes no such record: %s",
                            rd_kafka_err2str(code));
    return tb_error_set(err, TB_UNAVAILABLE, "Kafka: %s", rd_kafka_err2str(code));
}

/* Takes headers. */
static rd_kafka_resp_err_t produce(struct kafka_writer *writer, const struct tb_record *record,
                                   rd_kafka_headers_t *headers, size_t slot)
{
    int32_t partition = record->keep_partition ? record->partition : RD_KAFKA_PARTITION_UA;
    rd_kafka_resp_err_t code;

    code = rd_kafka_producev(
        writer->handle->rk, RD_KAFKA_V_RKT(writer->handle->topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(record->key.ptr, record->key.len),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value.ptr, record->value.len),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE((void *)(uintptr_t)slot), RD_KAFKA_V_END);
    if (code)
        rd_kafka_headers_destroy(headers);
    return code;
}

static enum tb_code writer_append(struct tb_log_writer *base, const struct tb_record *record,
                                  int64_t tag, struct tb_error *err)
{
    struct kafka_writer *writer = writer_of(base);
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_resp_err_t code;
    bool first;
    size_t slot;

    TB_TRY(have_handle(writer, err));
    if (outstanding(writer) + writer->ack_count == TB_LOG_BATCH_MAX || writer->bad_acks > 0)
        return tb_error_set(err, TB_BUSY, "answers are waiting to be read");
    if (record->keep_partition && record->partition < 0)
        return tb_error_set(err, TB_INVALID, "there is no partition %d", (int)record->partition);
    TB_TRY(build_headers(record, &headers, err));
    slot = writer->free_slots[writer->free_count - 1];
    first = outstanding(writer) == 0;
    code = produce(writer, record, headers, slot);
    if (code)
        return refuse(code, err);
    writer->free_count--;
    writer->slots[slot] = (struct slot){tag, true};
    writer->alone = first;
    return TB_OK;
}

static size_t hand_out(struct kafka_writer *writer, struct tb_log_ack *ret_acks, size_t max)
{
    size_t n = writer->ack_count < max ? writer->ack_count : max;

    for (size_t i = 0; i < n; i++) {
        ret_acks[i] = writer->acks[writer->ack_head];
        writer->bad_acks -= ret_acks[i].code != TB_OK;
        writer->ack_head = (writer->ack_head + 1) % TB_LOG_BATCH_MAX;
    }
    writer->ack_count -= n;
    return n;
}

static void serve(struct kafka_writer *writer, int64_t wait_ms)
{
    const struct tb_clock *clock = writer->settings.clock;
    int64_t until_ms = tb_clock_mono_ms(clock) + wait_ms, left_ms = 0;

    do {
        left_ms = left_ms < SLICE_MS ? left_ms : SLICE_MS;
        rd_kafka_poll(writer->handle->rk, (int)left_ms);
        tb_kafka_watch(&writer->watch, writer->handle, &writer->settings, &writer->problem);
        left_ms = until_ms - tb_clock_mono_ms(clock);
    } while (writer->ack_count == 0 && outstanding(writer) > 0 && !writer->fatal && left_ms > 0);
}

static enum tb_code writer_poll(struct tb_log_writer *base, int64_t wait_ms,
                                struct tb_log_ack *ret_acks, size_t max, size_t *ret_count,
                                struct tb_error *err)
{
    struct kafka_writer *writer = writer_of(base);
    enum tb_code code = TB_OK;

    if (writer->wanted)
        code = have_handle(writer, err);
    if (writer->handle)
        serve(writer, writer->ack_count > 0 ? 0 : wait_ms);
    if (writer->fatal)
        code = have_handle(writer, err);
    if (code != TB_OK && writer->ack_count == 0)
        return code;
    *ret_count = hand_out(writer, ret_acks, max);
    return TB_OK;
}

static void writer_free(struct tb_log_writer *base)
{
    struct kafka_writer *writer = writer_of(base);

    lose(writer);
    tb_kafka_settings_release(&writer->settings);
    tb_kafka_problem_release(&writer->problem);
    free(writer->topic);
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
    writer->free_count = TB_LOG_BATCH_MAX;
    for (size_t i = 0; i < TB_LOG_BATCH_MAX; i++)
        writer->free_slots[i] = i;
    writer->wanted = true;
    writer->topic = strdup(topic);
    code = writer->topic ? tb_kafka_settings_copy(options, &writer->settings, err)
                         : tb_error_set(err, TB_INTERNAL, "out of memory");
    if (code == TB_OK)
        code = connect_handle(writer, err);
    if (code != TB_OK) {
        writer_free(&writer->base);
        return code;
    }
    *ret_writer = &writer->base;
    return TB_OK;
}

void tb_log_kafka_close(struct tb_log_writer *base)
{
    struct kafka_writer *writer = writer_of(base);

    writer->wanted = false;
    lose(writer);
}

enum tb_code tb_log_kafka_open(struct tb_log_writer *base, struct tb_error *err)
{
    struct kafka_writer *writer = writer_of(base);

    writer->wanted = true;
    return have_handle(writer, err);
}

bool tb_log_kafka_connected(const struct tb_log_writer *base)
{
    const struct kafka_writer *writer = writer_of(base);

    return writer->handle && !writer->fatal && writer->watch.state == KAFKA_FINE;
}

void tb_log_kafka_writer_problem(const struct tb_log_writer *base, char ret_text[240])
{
    tb_kafka_problem_get(&writer_of(base)->problem, ret_text);
}

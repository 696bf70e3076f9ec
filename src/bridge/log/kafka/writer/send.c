#include "bridge/log/headers.h"
#include "bridge/log/kafka/writer/writer_priv.h"

#define EARLIER_FIRST_MS INT64_C(3600000)
#define EARLIER_MAX_MS (INT64_C(366) * 24 * 3600000 * 50)
/* A clock that was set back by less is still refused; slewing alone is no reason to try. */
#define SET_BACK_MS INT64_C(60000)

bool tb_kafka_is_permanent(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
        return true;
    default:
        return false;
    }
}

enum tb_code tb_kafka_check_record(const struct tb_record *record, struct tb_error *err)
{
    if (record->fixed_partition && record->partition < 0)
        return tb_error_set(err, TB_INVALID, "there is no partition %d", (int)record->partition);
    TB_TRY(tb_headers_check(record->headers, record->header_count, err));
    for (size_t i = 0; i < record->header_count; i++) {
        const struct tb_str *name = &record->headers[i].name;

        /* Header names are text in Kafka; readers with librdkafka would cut the name here. */
        if (name->len > 0 && memchr(name->ptr, '\0', name->len))
            return tb_error_set(err, TB_INVALID, "the name of header %zu contains a NUL", i);
    }
    return TB_OK;
}

static rd_kafka_headers_t *build_headers(const struct tb_record *record)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count);

    for (size_t i = 0; i < record->header_count; i++) {
        const struct tb_header *header = &record->headers[i];

        rd_kafka_header_add(headers, header->name.len > 0 ? header->name.ptr : "",
                            (ssize_t)header->name.len, header->value.ptr,
                            (ssize_t)header->value.len);
    }
    return headers;
}

/* With a configured number of partitions we choose the partition ourselves. If somebody enlarges
 * the topic, keys stay in their partitions until the next connection notices the mismatch. */
static int32_t choose_partition(const struct kafka_writer *writer, const struct tb_record *record)
{
    if (record->fixed_partition)
        return record->partition;
    if (writer->options.partitions > 0 && record->key.ptr)
        return tb_log_partition(record->key, writer->options.partitions);
    return RD_KAFKA_PARTITION_UA;
}

static int64_t skew_ms(const struct kafka_writer *writer)
{
    return tb_clock_wall_ms(writer->options.clock) - tb_clock_mono_ms(writer->options.clock);
}

/* A broker refuses records that are more than an hour ahead of its own clock, unless the topic has
 * the broker's time. How far ahead we are it does not say: so the records' time goes back twice as
 * far with each refusal. Their events have the time of our clock as ever. */
void tb_kafka_writer_turn_back(struct kafka_writer *writer)
{
    if (writer->earlier_ms < EARLIER_MAX_MS)
        writer->earlier_ms = writer->earlier_ms > 0 ? 2 * writer->earlier_ms : EARLIER_FIRST_MS;
    writer->refused_skew_ms = skew_ms(writer);
    tb_kafka_problem_set(&writer->problem, KAFKA_PROBLEM_OPERATION,
                         "the broker refuses this node's clock, which is more than an hour ahead: "
                         "set the clock right, or topic %.60s to message.timestamp.type = "
                         "LogAppendTime",
                         writer->topic);
}

void tb_kafka_writer_check_clock(struct kafka_writer *writer)
{
    if (writer->earlier_ms == 0 || skew_ms(writer) > writer->refused_skew_ms - SET_BACK_MS)
        return;
    writer->earlier_ms = 0;
    writer->has_problem = false;
    tb_kafka_problem_set(&writer->problem, KAFKA_PROBLEM_OPERATION, "%s", "");
}

rd_kafka_resp_err_t tb_kafka_send(struct kafka_writer *writer, const struct tb_record *record,
                                  size_t slot)
{
    rd_kafka_headers_t *headers = build_headers(record);
    int64_t timestamp_ms = 0; /* librdkafka's, which is now */
    rd_kafka_resp_err_t code;

    if (writer->earlier_ms > 0)
        timestamp_ms = tb_clock_wall_ms(writer->options.clock) - writer->earlier_ms;
    code = rd_kafka_producev(
        writer->handle->rk, RD_KAFKA_V_RKT(writer->handle->topic),
        RD_KAFKA_V_PARTITION(choose_partition(writer, record)),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(record->key.ptr, record->key.len),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value.ptr, record->value.len),
        RD_KAFKA_V_TIMESTAMP(timestamp_ms), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_OPAQUE((void *)(uintptr_t)slot), RD_KAFKA_V_END);
    if (code)
        rd_kafka_headers_destroy(headers);
    return code;
}

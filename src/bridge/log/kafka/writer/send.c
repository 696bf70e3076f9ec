#include "bridge/log/kafka/writer/writer_priv.h"

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
    if (record->header_count > TB_LOG_HEADERS_MAX)
        return tb_error_set(err, TB_INVALID, "a record has at most %d headers",
                            TB_LOG_HEADERS_MAX);
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

rd_kafka_resp_err_t tb_kafka_send(struct kafka_writer *writer, const struct tb_record *record,
                                  size_t slot)
{
    rd_kafka_headers_t *headers = build_headers(record);
    rd_kafka_resp_err_t code;

    code = rd_kafka_producev(
        writer->handle->rk, RD_KAFKA_V_RKT(writer->handle->topic),
        RD_KAFKA_V_PARTITION(choose_partition(writer, record)),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(record->key.ptr, record->key.len),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value.ptr, record->value.len),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE((void *)(uintptr_t)slot), RD_KAFKA_V_END);
    if (code)
        rd_kafka_headers_destroy(headers);
    return code;
}

#include "bridge/log/kafka/reader/reader_priv.h"
#include <stdio.h>
#include <stdlib.h>

/* With all headers, because others may have written any number of them. */
static size_t message_size(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name = NULL;
    const void *value = NULL;
    size_t bytes = message->len + message->key_len, size = 0;

    if (rd_kafka_message_headers(message, &headers))
        return bytes;
    for (size_t n = 0; !rd_kafka_header_get_all(headers, n, &name, &value, &size); n++)
        bytes += strlen(name) + size;
    return bytes;
}

bool tb_kafka_buffer_is_full(const struct kafka_reader *reader)
{
    return reader->fetched >= KAFKA_BUFFER_MAX || reader->fetched_bytes >= KAFKA_BUFFER_BYTES_MAX;
}

static bool make_room(struct kafka_reader_partition *part)
{
    size_t capacity = part->capacity ? part->capacity * 2 : 64;
    rd_kafka_message_t **more;

    if (part->count < part->capacity)
        return true;
    more = malloc(capacity * sizeof *more);
    if (!more)
        return false;
    for (size_t i = 0; i < part->count; i++)
        more[i] = part->fetched[(part->head + i) % part->capacity];
    free(part->fetched);
    part->fetched = more;
    part->capacity = capacity;
    part->head = 0;
    return true;
}

/* The end of the partition may lie behind markers of transactions, which are never returned. */
static void note_end(struct kafka_reader *reader, int32_t partition, int64_t end)
{
    struct kafka_reader_partition *part;

    if (partition < 0 || partition >= TB_LOG_PARTITIONS_MAX)
        return;
    part = &reader->parts[partition];
    if (part->assigned && !reader->needs_position && part->seek_to < 0 && end > part->next)
        part->next = end;
}

static void note_error(struct kafka_reader *reader, const rd_kafka_message_t *message)
{
    const char *why = rd_kafka_message_errstr(message);
    int32_t p = message->partition;

    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        note_end(reader, p, message->offset);
        return;
    }
    if (message->err != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        tb_kafka_reader_on_error(reader, message->err, why);
    } else if (p >= 0 && p < TB_LOG_PARTITIONS_MAX && reader->parts[p].assigned) {
        reader->parts[p].corrupt = true;
        snprintf(reader->parts[p].why, sizeof reader->parts[p].why, "%s", why);
        tb_kafka_reader_update_problem(reader);
    }
}

/* Drops messages that do not follow the reader's position: a pause makes librdkafka fetch some
 * messages again. */
void tb_kafka_buffer_add(struct kafka_reader *reader, rd_kafka_message_t *message)
{
    int32_t p = message->partition;
    struct kafka_reader_partition *part;

    if (message->err) {
        note_error(reader, message);
        rd_kafka_message_destroy(message);
        return;
    }
    part = p >= 0 && p < TB_LOG_PARTITIONS_MAX ? &reader->parts[p] : NULL;
    if (!part || !part->assigned || part->seek_to >= 0 || message->offset < part->next) {
        rd_kafka_message_destroy(message);
        return;
    }
    if (!make_room(part)) {
        tb_kafka_assignment_seek(reader, p, message->offset); /* fetches it again */
        rd_kafka_message_destroy(message);
        return;
    }
    if (reader->refused[0]) {
        reader->refused[0] = '\0';
        tb_kafka_reader_update_problem(reader);
    }
    part->fetched[(part->head + part->count++) % part->capacity] = message;
    part->next = message->offset + 1;
    reader->fetched++;
    reader->fetched_bytes += message_size(message);
}

static rd_kafka_message_t *take_first(struct kafka_reader *reader,
                                      struct kafka_reader_partition *part)
{
    rd_kafka_message_t *message = part->fetched[part->head];

    part->head = (part->head + 1) % part->capacity;
    part->count--;
    reader->fetched--;
    reader->fetched_bytes -= message_size(message);
    return message;
}

void tb_kafka_buffer_clear(struct kafka_reader *reader, struct kafka_reader_partition *part)
{
    while (part->count > 0)
        rd_kafka_message_destroy(take_first(reader, part));
}

void tb_kafka_buffer_release_batch(struct kafka_reader *reader)
{
    for (size_t i = 0; i < reader->batch_count; i++)
        rd_kafka_message_destroy(reader->batch[i]);
    reader->batch_count = 0;
}

/* The caller has made room. */
static void put_first(struct kafka_reader *reader, struct kafka_reader_partition *part,
                      rd_kafka_message_t *message)
{
    part->head = (part->head + part->capacity - 1) % part->capacity;
    part->fetched[part->head] = message;
    part->count++;
    reader->fetched++;
    reader->fetched_bytes += message_size(message);
}

bool tb_kafka_buffer_put_back(struct kafka_reader *reader, int32_t partition, int64_t offset)
{
    struct kafka_reader_partition *part = &reader->parts[partition];
    size_t first = 0;

    while (first < reader->batch_count && (reader->batch[first]->partition != partition ||
                                           reader->batch[first]->offset != offset))
        first++;
    if (first == reader->batch_count || !part->assigned || part->seek_to >= 0)
        return false;
    while (reader->batch_count > first) {
        if (!make_room(part))
            return false; /* the caller seeks then, which clears the ring */
        put_first(reader, part, reader->batch[--reader->batch_count]);
    }
    return true;
}

static size_t count_headers(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;

    size_t count = rd_kafka_message_headers(message, &headers) ? 0 : rd_kafka_header_cnt(headers);

    return count < TB_LOG_HEADERS_MAX ? count : TB_LOG_HEADERS_MAX;
}

static size_t fill_headers(const rd_kafka_message_t *message, struct tb_header *ret_headers)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name = NULL;
    const void *value = NULL;
    size_t n = 0, size = 0, left = TB_LOG_HEADER_BYTES_MAX;

    if (rd_kafka_message_headers(message, &headers))
        return 0;
    for (; n < TB_LOG_HEADERS_MAX && !rd_kafka_header_get_all(headers, n, &name, &value, &size);
         n++) {
        struct tb_str text = tb_str_of(name);

        if (text.len + size > left)
            break;
        left -= text.len + size;
        ret_headers[n] = (struct tb_header){text, {value, size}};
    }
    return n;
}

static void fill_record(const rd_kafka_message_t *message, struct tb_header *headers,
                        struct tb_record *ret_record)
{
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);

    *ret_record = (struct tb_record){
        .partition = message->partition,
        .offset = message->offset,
        .timestamp_ms = timestamp_ms,
        .sender_time = type != RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME,
        .key = {message->key, message->key_len},
        .value = {message->payload, message->len},
        .headers = headers,
        .header_count = fill_headers(message, headers),
    };
}

/* Makes room for the headers of the first n messages. */
static bool make_headers(struct kafka_reader *reader, const struct kafka_reader_partition *part,
                         size_t n)
{
    struct tb_header *more;
    size_t wanted = 0;

    for (size_t i = 0; i < n; i++)
        wanted += count_headers(part->fetched[(part->head + i) % part->capacity]);
    if (wanted <= reader->headers_capacity)
        return true;
    more = realloc(reader->headers, wanted * sizeof *more);
    if (!more)
        return false;
    reader->headers = more;
    reader->headers_capacity = wanted;
    return true;
}

enum tb_code tb_kafka_buffer_take_batch(struct kafka_reader *reader, int32_t partition, size_t max,
                                        struct tb_log_batch *ret_batch, struct tb_error *err)
{
    struct kafka_reader_partition *part = &reader->parts[partition];
    size_t n = part->count < max ? part->count : max, headers = 0;

    n = n < TB_LOG_BATCH_MAX ? n : TB_LOG_BATCH_MAX;
    tb_kafka_buffer_release_batch(reader);
    if (!make_headers(reader, part, n))
        return tb_error_set(err, TB_UNAVAILABLE, "out of memory");
    for (size_t i = 0; i < n; i++) {
        rd_kafka_message_t *message = take_first(reader, part);

        fill_record(message, reader->headers + headers, &reader->records[i]);
        headers += reader->records[i].header_count;
        reader->batch[reader->batch_count++] = message;
    }
    *ret_batch = (struct tb_log_batch){partition, reader->records, n, part->assignment};
    return TB_OK;
}

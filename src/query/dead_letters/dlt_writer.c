#include "query/dead_letters/dlt_writer.h"
#include <stdlib.h>

#define ACKS_MAX 64

struct letter {
    int64_t offset, tag;
    enum tb_dlt_form form;
    enum { WAITING, SENT, ACKNOWLEDGED } state;
};

struct tb_dlt_writer {
    struct tb_dlt_writer_options options;
    struct tb_arena arena; /* of the record being appended */
    int32_t partition;     /* of `letters` */
    struct letter letters[TB_LOG_BATCH_MAX];
    size_t count;
    int64_t next_tag;
    size_t outstanding; /* also those from before the last reset */
    bool one_by_one;    /* the log asked to get each record alone */
};

enum tb_code tb_dlt_writer_new(const struct tb_dlt_writer_options *options,
                               struct tb_dlt_writer **ret_dlt, struct tb_error *err)
{
    struct tb_dlt_writer *dlt = calloc(1, sizeof *dlt);

    if (!dlt)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    dlt->options = *options;
    *ret_dlt = dlt;
    return TB_OK;
}

void tb_dlt_writer_free(struct tb_dlt_writer *dlt)
{
    if (!dlt)
        return;
    tb_arena_release(&dlt->arena);
    free(dlt);
}

void tb_dlt_writer_reset(struct tb_dlt_writer *dlt)
{
    dlt->count = 0;
    dlt->one_by_one = false;
}

/* Big-endian, as Java's ByteBuffer writes numbers. */
static struct tb_str number(struct tb_arena *arena, uint64_t value, size_t size)
{
    unsigned char *bytes = tb_arena_alloc(arena, size);

    for (size_t i = 0; bytes && i < size; i++)
        bytes[i] = (unsigned char)(value >> (8 * (size - 1 - i)));
    return (struct tb_str){(const char *)bytes, size};
}

bool tb_is_dlt_header(struct tb_str name)
{
    static const struct tb_str prefix = {"kafka_dlt-", 10};

    return name.len >= prefix.len && memcmp(name.ptr, prefix.ptr, prefix.len) == 0;
}

static size_t header_size(const struct tb_header *header)
{
    return header->name.len + header->value.len;
}

/* Headers that would go beyond what a log takes with ours are left out; they are still at the
 * original offset. */
static size_t copy_headers(const struct tb_record *record, size_t our_size,
                           struct tb_header *headers)
{
    size_t count = 0, size = our_size;

    for (size_t i = 0; i < record->header_count && count < TB_LOG_HEADERS_MAX - TB_DLT_HEADERS;
         i++) {
        const struct tb_header *header = &record->headers[i];

        if (tb_is_dlt_header(header->name))
            continue;
        size += header_size(header);
        if (size > TB_LOG_HEADER_BYTES_MAX)
            break;
        headers[count++] = *header;
    }
    return count;
}

bool tb_dlt_record(const struct tb_dlt_writer_options *options,
                   const struct tb_plan_dead_letter *letter, enum tb_dlt_form form,
                   struct tb_arena *arena, struct tb_record *ret_record)
{
    const struct tb_record *record = letter->record;
    const struct tb_header ours[TB_DLT_HEADERS] = {
        {TB_STR("kafka_dlt-original-topic"), tb_str_of(options->topic)},
        {TB_STR("kafka_dlt-original-partition"), number(arena, (uint32_t)record->partition, 4)},
        {TB_STR("kafka_dlt-original-offset"),
         number(arena, (uint64_t)tb_log_offset(record->offset), 8)},
        {TB_STR("kafka_dlt-original-timestamp"), number(arena, (uint64_t)record->timestamp_ms, 8)},
        {TB_STR("kafka_dlt-original-timestamp-type"), TB_STR("CreateTime")},
        {TB_STR("kafka_dlt-original-consumer-group"), tb_str_of(options->group)},
        {TB_STR("kafka_dlt-exception-fqcn"), tb_str_of(letter->reason)},
        {TB_STR("kafka_dlt-exception-message"), letter->message},
        {TB_STR("tillbox-omitted"),
         form == TB_DLT_WITHOUT_VALUE ? TB_STR("value") : TB_STR("key,value,headers")},
    };
    size_t copied = 0, added = TB_DLT_HEADERS - (form == TB_DLT_COMPLETE), our_size = 0;
    struct tb_header *headers = tb_arena_array(arena, TB_LOG_HEADERS_MAX, sizeof *headers);

    if (!headers || !ours[1].value.ptr || !ours[2].value.ptr || !ours[3].value.ptr)
        return false;
    for (size_t i = 0; i < added; i++)
        our_size += header_size(&ours[i]);
    if (form != TB_DLT_HEADERS_ONLY)
        copied = copy_headers(record, our_size, headers);
    memcpy(headers + copied, ours, added * sizeof *headers);
    *ret_record = (struct tb_record){
        .partition = record->partition,
        .fixed_partition = true,
        .headers = headers,
        .header_count = copied + added,
    };
    if (form != TB_DLT_HEADERS_ONLY)
        ret_record->key = record->key;
    if (form == TB_DLT_COMPLETE)
        ret_record->value = record->value;
    return true;
}

static struct letter *letter_at(struct tb_dlt_writer *dlt, int64_t offset)
{
    for (size_t i = 0; i < dlt->count; i++) {
        if (dlt->letters[i].offset == offset)
            return &dlt->letters[i];
    }
    return NULL;
}

/* Lists the plan's dead letters; those that were sent before keep their state. */
static void list_letters(struct tb_dlt_writer *dlt, const struct tb_plan *plan)
{
    if (dlt->partition != plan->partition)
        tb_dlt_writer_reset(dlt);
    dlt->partition = plan->partition;
    for (size_t i = 0; i < plan->dead_letter_count; i++) {
        int64_t offset = plan->dead_letters[i].record->offset;

        if (letter_at(dlt, offset))
            continue;
        TB_ASSERT(dlt->count < TB_LOG_BATCH_MAX); /* all are of one batch */
        dlt->letters[dlt->count++] = (struct letter){.offset = offset};
    }
}

/* After a refusal the next shorter form is sent; false: there is none. */
static bool shorten(struct letter *letter)
{
    if (letter->form == TB_DLT_HEADERS_ONLY)
        return false;
    letter->form++;
    letter->state = WAITING;
    return true;
}

static enum tb_code refused_for_good(struct tb_error *err)
{
    return tb_error_set(err, TB_UNAVAILABLE, "the log takes a dead letter in no form");
}

static enum tb_code append(struct tb_dlt_writer *dlt, const struct tb_plan_dead_letter *dead,
                           struct letter *letter, struct tb_error *err)
{
    struct tb_log_writer *writer = dlt->options.writer;
    struct tb_record record;
    enum tb_code code;

    do {
        tb_arena_clear(&dlt->arena);
        if (!tb_dlt_record(&dlt->options, dead, letter->form, &dlt->arena, &record))
            return tb_error_set(err, TB_INTERNAL, "out of memory for a dead letter");
        letter->tag = dlt->next_tag++;
        code = writer->ops->append(writer, &record, letter->tag, err);
    } while (code == TB_INVALID && shorten(letter));
    if (code == TB_INVALID)
        return refused_for_good(err);
    if (code == TB_OK) {
        letter->state = SENT;
        dlt->outstanding++;
    }
    return code;
}

/* Appends what the log takes now. *ret_left: how many are not acknowledged yet. */
static enum tb_code append_waiting(struct tb_dlt_writer *dlt, const struct tb_plan *plan,
                                   size_t *ret_left, struct tb_error *err)
{
    bool full = false;

    *ret_left = 0;
    for (size_t i = 0; i < plan->dead_letter_count; i++) {
        struct letter *letter = letter_at(dlt, plan->dead_letters[i].record->offset);
        enum tb_code code = TB_OK;

        *ret_left += letter->state != ACKNOWLEDGED;
        full = full || (dlt->one_by_one && dlt->outstanding > 0);
        if (letter->state == WAITING && !full)
            code = append(dlt, &plan->dead_letters[i], letter, err);
        full = full || code == TB_BUSY;
        if (code != TB_OK && code != TB_BUSY)
            return code;
    }
    return TB_OK;
}

static enum tb_code on_ack(struct tb_dlt_writer *dlt, const struct tb_log_ack *ack,
                           struct tb_error *err)
{
    dlt->outstanding -= dlt->outstanding > 0;
    dlt->one_by_one = dlt->one_by_one || ack->retry_alone;
    for (size_t i = 0; i < dlt->count; i++) {
        struct letter *letter = &dlt->letters[i];

        if (letter->state != SENT || letter->tag != ack->tag)
            continue;
        letter->state = ack->code == TB_OK ? ACKNOWLEDGED : WAITING;
        if (ack->code == TB_INVALID && !shorten(letter))
            return refused_for_good(err);
        if (ack->code == TB_UNKNOWN && !ack->retry_alone)
            return tb_error_set(err, TB_UNAVAILABLE, "nobody knows whether a dead letter is kept");
    }
    return TB_OK;
}

/* After a failed poll nothing outstanding is acknowledged any more: send it again. */
static void lose_outstanding(struct tb_dlt_writer *dlt)
{
    dlt->outstanding = 0;
    for (size_t i = 0; i < dlt->count; i++) {
        if (dlt->letters[i].state == SENT)
            dlt->letters[i].state = WAITING;
    }
}

/* Waits for at least one acknowledgement. */
static enum tb_code collect(struct tb_dlt_writer *dlt, struct tb_error *err)
{
    struct tb_log_writer *writer = dlt->options.writer;
    struct tb_log_ack acks[ACKS_MAX];
    struct tb_error first = {0};
    size_t count = 0;

    if (writer->ops->poll(writer, TB_DLT_ACK_WAIT_MS, acks, ACKS_MAX, &count, err) != TB_OK) {
        lose_outstanding(dlt);
        return err->code;
    }
    if (count == 0)
        return tb_error_set(err, TB_UNAVAILABLE, "a dead letter is not acknowledged");
    for (size_t i = 0; i < count; i++) {
        if (on_ack(dlt, &acks[i], err) != TB_OK && first.code == TB_OK)
            first = *err;
    }
    if (first.code != TB_OK)
        *err = first;
    return first.code;
}

enum tb_code tb_dlt_writer_send(struct tb_dlt_writer *dlt, const struct tb_plan *plan,
                                struct tb_error *err)
{
    size_t left = 0;

    if (plan->dead_letter_count == 0)
        return TB_OK;
    list_letters(dlt, plan);
    for (;;) {
        TB_TRY(append_waiting(dlt, plan, &left, err));
        if (left == 0)
            return TB_OK;
        TB_TRY(collect(dlt, err));
    }
}

#include "bridge/log/kafka/writer/inflight.h"
#include <stdlib.h>

void tb_kafka_window_init(struct kafka_window *window)
{
    *window = (struct kafka_window){.free_count = TB_LOG_WINDOW_MAX,
                                    .ready_first = TB_KAFKA_NONE,
                                    .ready_last = TB_KAFKA_NONE};
    for (size_t i = 0; i < TB_LOG_WINDOW_MAX; i++)
        window->free_slots[i] = (uint16_t)i;
    for (size_t i = 0; i < TB_KAFKA_BUCKETS; i++)
        window->last[i] = TB_KAFKA_NONE;
}

size_t tb_kafka_window_outstanding(const struct kafka_window *window)
{
    return TB_LOG_WINDOW_MAX - window->free_count;
}

/* Copies. */

static size_t size_of(const struct tb_record *record)
{
    return sizeof *record + record->header_count * sizeof *record->headers +
           tb_record_size(record);
}

/* Absent stays absent, and empty is not absent. */
static struct tb_str put(char **at, struct tb_str text)
{
    struct tb_str copy = {text.ptr ? *at : NULL, text.len};

    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

/* One block. */
static struct tb_record *copy_record(const struct tb_record *record, size_t size)
{
    struct tb_record *copy = malloc(size);
    struct tb_header *headers;
    char *at;

    if (!copy)
        return NULL;
    headers = (struct tb_header *)(copy + 1);
    at = (char *)(headers + record->header_count);
    *copy = *record;
    copy->headers = headers;
    copy->key = put(&at, record->key);
    copy->value = put(&at, record->value);
    for (size_t i = 0; i < record->header_count; i++) {
        headers[i].name = put(&at, record->headers[i].name);
        headers[i].value = put(&at, record->headers[i].value);
    }
    return copy;
}

static void drop_copy(struct kafka_window *window, struct kafka_slot *slot)
{
    free(slot->waiting);
    slot->waiting = NULL;
    window->waiting_bytes -= slot->waiting_bytes;
    slot->waiting_bytes = 0;
}

/* The last record of each key. */

static uint16_t *bucket_of(struct kafka_window *window, uint32_t hash)
{
    return &window->last[hash % TB_KAFKA_BUCKETS];
}

static uint16_t find_last(struct kafka_window *window, uint32_t hash)
{
    uint16_t i = *bucket_of(window, hash);

    while (i != TB_KAFKA_NONE && window->slots[i].hash != hash)
        i = window->slots[i].next_in_bucket;
    return i;
}

static void add_last(struct kafka_window *window, uint16_t i)
{
    uint16_t *bucket = bucket_of(window, window->slots[i].hash);

    window->slots[i].next_in_bucket = *bucket;
    *bucket = i;
}

static void remove_last(struct kafka_window *window, uint16_t i)
{
    uint16_t *link = bucket_of(window, window->slots[i].hash);

    while (*link != i)
        link = &window->slots[*link].next_in_bucket;
    *link = window->slots[i].next_in_bucket;
}

/* Slots. */

static void give_back(struct kafka_window *window, uint16_t i)
{
    drop_copy(window, &window->slots[i]);
    window->slots[i].used = false;
    window->free_slots[window->free_count++] = i;
}

static void tell(struct kafka_window *window, int64_t tag, enum tb_code code, bool alone_wanted)
{
    window->acks[(window->ack_head + window->ack_count++) % TB_LOG_WINDOW_MAX] =
        (struct tb_log_ack){tag, code, alone_wanted};
    window->bad_acks += code != TB_OK;
}

/* Behind another record of its key; that needs a copy. */
static enum tb_code wait_behind(struct kafka_window *window, uint16_t i, uint16_t before,
                                const struct tb_record *record, struct tb_error *err)
{
    struct kafka_slot *slot = &window->slots[i];
    size_t size = size_of(record);

    if (window->waiting_bytes > 0 && window->waiting_bytes + size > TB_KAFKA_WAITING_BYTES_MAX)
        return tb_error_set(err, TB_BUSY, "%zu bytes wait for what is before them",
                            window->waiting_bytes);
    slot->waiting = copy_record(record, size);
    if (!slot->waiting)
        return tb_error_set(err, TB_UNAVAILABLE, "out of memory");
    slot->waiting_bytes = size;
    window->waiting_bytes += size;
    window->slots[before].behind = i;
    remove_last(window, before);
    return TB_OK;
}

enum tb_code tb_kafka_window_take(struct kafka_window *window, const struct tb_record *record,
                                  int64_t tag, size_t *ret_slot, bool *ret_send,
                                  struct tb_error *err)
{
    bool keyed = record->key.ptr != NULL, first = tb_kafka_window_outstanding(window) == 0;
    uint32_t hash = keyed ? tb_murmur2(record->key.ptr, record->key.len) : 0;
    uint16_t before = keyed ? find_last(window, hash) : TB_KAFKA_NONE, i;

    if (window->free_count <= window->ack_count || window->bad_acks > 0)
        return tb_error_set(err, TB_BUSY, "answers are waiting to be read");
    i = window->free_slots[window->free_count - 1];
    window->slots[i] =
        (struct kafka_slot){.tag = tag, .hash = hash, .behind = TB_KAFKA_NONE, .keyed = keyed};
    if (before != TB_KAFKA_NONE)
        TB_TRY(wait_behind(window, i, before, record, err));
    if (keyed)
        add_last(window, i);
    window->slots[i].used = true;
    window->free_count--;
    window->alone = first;
    *ret_slot = i;
    *ret_send = before == TB_KAFKA_NONE;
    return TB_OK;
}

void tb_kafka_window_untake(struct kafka_window *window, size_t slot)
{
    uint16_t i = (uint16_t)slot;

    TB_ASSERT(window->slots[i].used && window->slots[i].behind == TB_KAFKA_NONE);
    if (window->slots[i].keyed)
        remove_last(window, i);
    give_back(window, i);
}

/* What waited and may be sent. */

static void make_ready(struct kafka_window *window, uint16_t i)
{
    window->slots[i].next_ready = TB_KAFKA_NONE;
    if (window->ready_last == TB_KAFKA_NONE)
        window->ready_first = i;
    else
        window->slots[window->ready_last].next_ready = i;
    window->ready_last = i;
}

static void unready(struct kafka_window *window, uint16_t i)
{
    TB_ASSERT(window->ready_first == i);
    window->ready_first = window->slots[i].next_ready;
    if (window->ready_first == TB_KAFKA_NONE)
        window->ready_last = TB_KAFKA_NONE;
}

const struct tb_record *tb_kafka_window_ready(const struct kafka_window *window, size_t *ret_slot)
{
    if (window->ready_first == TB_KAFKA_NONE)
        return NULL;
    *ret_slot = window->ready_first;
    return window->slots[window->ready_first].waiting;
}

void tb_kafka_window_sent(struct kafka_window *window, size_t slot)
{
    unready(window, (uint16_t)slot);
    drop_copy(window, &window->slots[slot]);
}

/* Answers. */

/* Never sent: what they were waiting for did not make it. */
static void fail_behind(struct kafka_window *window, uint16_t i)
{
    while (i != TB_KAFKA_NONE) {
        uint16_t next = window->slots[i].behind;

        tell(window, window->slots[i].tag, TB_UNKNOWN, false);
        if (next == TB_KAFKA_NONE)
            remove_last(window, i);
        give_back(window, i);
        i = next;
    }
}

void tb_kafka_window_answer(struct kafka_window *window, size_t slot, enum tb_code code,
                            bool alone_wanted)
{
    uint16_t i = (uint16_t)slot, behind;

    TB_ASSERT(slot < TB_LOG_WINDOW_MAX && window->slots[i].used);
    behind = window->slots[i].behind;
    if (window->slots[i].waiting)
        unready(window, i);
    tell(window, window->slots[i].tag, code, alone_wanted);
    if (window->slots[i].keyed && behind == TB_KAFKA_NONE)
        remove_last(window, i);
    give_back(window, i);
    if (behind != TB_KAFKA_NONE && code == TB_OK)
        make_ready(window, behind);
    else
        fail_behind(window, behind);
}

void tb_kafka_window_lose(struct kafka_window *window)
{
    for (uint16_t i = 0; i < TB_LOG_WINDOW_MAX; i++) {
        if (!window->slots[i].used)
            continue;
        tell(window, window->slots[i].tag, TB_UNKNOWN, false);
        give_back(window, i);
    }
    for (size_t i = 0; i < TB_KAFKA_BUCKETS; i++)
        window->last[i] = TB_KAFKA_NONE;
    window->ready_first = window->ready_last = TB_KAFKA_NONE;
}

size_t tb_kafka_window_hand_out(struct kafka_window *window, struct tb_log_ack *ret_acks,
                                size_t max)
{
    size_t n = window->ack_count < max ? window->ack_count : max;

    for (size_t i = 0; i < n; i++) {
        ret_acks[i] = window->acks[window->ack_head];
        window->bad_acks -= ret_acks[i].code != TB_OK;
        window->ack_head = (window->ack_head + 1) % TB_LOG_WINDOW_MAX;
    }
    window->ack_count -= n;
    return n;
}

void tb_kafka_window_release(struct kafka_window *window)
{
    for (size_t i = 0; i < TB_LOG_WINDOW_MAX; i++)
        free(window->slots[i].waiting);
}

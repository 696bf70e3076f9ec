#include "bridge/log/kafka/writer/inflight.h"
#include <stdlib.h>

void tb_kafka_inflight_init(struct kafka_inflight *inflight, bool one_order)
{
    *inflight = (struct kafka_inflight){.free_count = TB_LOG_INFLIGHT_MAX,
                                        .ready_first = TB_KAFKA_NO_SLOT,
                                        .ready_last = TB_KAFKA_NO_SLOT,
                                        .one_order = one_order};
    for (size_t i = 0; i < TB_LOG_INFLIGHT_MAX; i++)
        inflight->free_slots[i] = (uint16_t)i;
    for (size_t i = 0; i < TB_KAFKA_BUCKETS; i++)
        inflight->last[i] = TB_KAFKA_NO_SLOT;
}

size_t tb_kafka_inflight_outstanding(const struct kafka_inflight *inflight)
{
    return TB_LOG_INFLIGHT_MAX - inflight->free_count;
}

static void drop_copy(struct kafka_inflight *inflight, struct kafka_inflight_slot *slot)
{
    if (slot->waiting)
        inflight->waiting_bytes -= tb_record_packed_size(slot->waiting);
    free(slot->waiting);
    slot->waiting = NULL;
}

static uint16_t *bucket_of(struct kafka_inflight *inflight, uint32_t hash)
{
    return &inflight->last[hash % TB_KAFKA_BUCKETS];
}

static uint16_t find_last(struct kafka_inflight *inflight, uint32_t hash)
{
    uint16_t i = *bucket_of(inflight, hash);

    while (i != TB_KAFKA_NO_SLOT && inflight->slots[i].hash != hash)
        i = inflight->slots[i].next_in_bucket;
    return i;
}

static void add_last(struct kafka_inflight *inflight, uint16_t i)
{
    uint16_t *bucket = bucket_of(inflight, inflight->slots[i].hash);

    inflight->slots[i].next_in_bucket = *bucket;
    *bucket = i;
}

static void remove_last(struct kafka_inflight *inflight, uint16_t i)
{
    uint16_t *link = bucket_of(inflight, inflight->slots[i].hash);

    while (*link != i)
        link = &inflight->slots[*link].next_in_bucket;
    *link = inflight->slots[i].next_in_bucket;
}

static void free_slot(struct kafka_inflight *inflight, uint16_t i)
{
    drop_copy(inflight, &inflight->slots[i]);
    inflight->slots[i].used = false;
    inflight->free_slots[inflight->free_count++] = i;
}

static void add_ack(struct kafka_inflight *inflight, int64_t tag, enum tb_code code,
                    bool retry_alone)
{
    inflight->acks[(inflight->ack_head + inflight->ack_count++) % TB_LOG_INFLIGHT_MAX] =
        (struct tb_log_ack){.tag = tag, .code = code, .retry_alone = retry_alone};
    inflight->bad_acks += code != TB_OK;
}

/* Makes the record wait for `before`, an earlier record of its key. */
static enum tb_code wait_for_key(struct kafka_inflight *inflight, uint16_t i, uint16_t before,
                                 const struct tb_record *record, struct tb_error *err)
{
    struct kafka_inflight_slot *slot = &inflight->slots[i];
    size_t size = tb_record_packed_size(record);
    void *room;

    if (inflight->waiting_bytes > 0 && inflight->waiting_bytes + size > TB_KAFKA_WAITING_BYTES_MAX)
        return tb_error_set(err, TB_BUSY, "%zu bytes wait for what is before them",
                            inflight->waiting_bytes);
    room = malloc(size);
    if (!room)
        return tb_error_set(err, TB_UNAVAILABLE, "out of memory");
    slot->waiting = tb_record_pack(room, record);
    inflight->waiting_bytes += size;
    inflight->slots[before].next_of_key = i;
    remove_last(inflight, before);
    return TB_OK;
}

enum tb_code tb_kafka_inflight_add(struct kafka_inflight *inflight, const struct tb_record *record,
                                   int64_t tag, size_t *ret_slot, bool *ret_send,
                                   struct tb_error *err)
{
    bool keyed = inflight->one_order || record->key.ptr != NULL;
    bool first = tb_kafka_inflight_outstanding(inflight) == 0;
    uint32_t hash =
        keyed && !inflight->one_order ? tb_murmur2(record->key.ptr, record->key.len) : 0;
    uint16_t before = keyed ? find_last(inflight, hash) : TB_KAFKA_NO_SLOT, i;

    /* Each record needs room in the ring for its acknowledgement. While the caller does not know
     * of a failure yet, nothing is added: it could enter the log before the record that failed. */
    if (inflight->free_count <= inflight->ack_count || inflight->bad_acks > 0)
        return tb_error_set(err, TB_BUSY, "answers are waiting to be read");
    i = inflight->free_slots[inflight->free_count - 1];
    inflight->slots[i] = (struct kafka_inflight_slot){
        .tag = tag, .hash = hash, .next_of_key = TB_KAFKA_NO_SLOT, .keyed = keyed};
    if (before != TB_KAFKA_NO_SLOT)
        TB_TRY(wait_for_key(inflight, i, before, record, err));
    if (keyed)
        add_last(inflight, i);
    inflight->slots[i].used = true;
    inflight->free_count--;
    inflight->alone = first;
    *ret_slot = i;
    *ret_send = before == TB_KAFKA_NO_SLOT;
    return TB_OK;
}

void tb_kafka_inflight_cancel_add(struct kafka_inflight *inflight, size_t slot)
{
    uint16_t i = (uint16_t)slot;

    TB_ASSERT(inflight->slots[i].used && inflight->slots[i].next_of_key == TB_KAFKA_NO_SLOT);
    if (inflight->slots[i].keyed)
        remove_last(inflight, i);
    free_slot(inflight, i);
}

static void make_ready(struct kafka_inflight *inflight, uint16_t i)
{
    inflight->slots[i].next_ready = TB_KAFKA_NO_SLOT;
    if (inflight->ready_last == TB_KAFKA_NO_SLOT)
        inflight->ready_first = i;
    else
        inflight->slots[inflight->ready_last].next_ready = i;
    inflight->ready_last = i;
}

static void remove_ready(struct kafka_inflight *inflight, uint16_t i)
{
    TB_ASSERT(inflight->ready_first == i);
    inflight->ready_first = inflight->slots[i].next_ready;
    if (inflight->ready_first == TB_KAFKA_NO_SLOT)
        inflight->ready_last = TB_KAFKA_NO_SLOT;
}

const struct tb_record *tb_kafka_inflight_next_ready(const struct kafka_inflight *inflight,
                                                     size_t *ret_slot)
{
    if (inflight->ready_first == TB_KAFKA_NO_SLOT)
        return NULL;
    *ret_slot = inflight->ready_first;
    return inflight->slots[inflight->ready_first].waiting;
}

void tb_kafka_inflight_mark_sent(struct kafka_inflight *inflight, size_t slot)
{
    remove_ready(inflight, (uint16_t)slot);
    drop_copy(inflight, &inflight->slots[slot]);
}

/* Ends all records that wait for a failed one: they were never sent. */
static void fail_next_of_key(struct kafka_inflight *inflight, uint16_t i)
{
    while (i != TB_KAFKA_NO_SLOT) {
        uint16_t next = inflight->slots[i].next_of_key;

        add_ack(inflight, inflight->slots[i].tag, TB_UNKNOWN, false);
        if (next == TB_KAFKA_NO_SLOT)
            remove_last(inflight, i);
        free_slot(inflight, i);
        i = next;
    }
}

void tb_kafka_inflight_complete(struct kafka_inflight *inflight, size_t slot, enum tb_code code,
                                bool retry_alone)
{
    uint16_t i = (uint16_t)slot, next_of_key;

    TB_ASSERT(slot < TB_LOG_INFLIGHT_MAX && inflight->slots[i].used);
    next_of_key = inflight->slots[i].next_of_key;
    if (inflight->slots[i].waiting)
        remove_ready(inflight, i);
    add_ack(inflight, inflight->slots[i].tag, code, retry_alone);
    if (inflight->slots[i].keyed && next_of_key == TB_KAFKA_NO_SLOT)
        remove_last(inflight, i);
    free_slot(inflight, i);
    if (next_of_key != TB_KAFKA_NO_SLOT && code == TB_OK)
        make_ready(inflight, next_of_key);
    else
        fail_next_of_key(inflight, next_of_key);
}

void tb_kafka_inflight_deliver(struct kafka_inflight *inflight, size_t slot, int32_t partition,
                               int64_t offset)
{
    size_t ack = (inflight->ack_head + inflight->ack_count) % TB_LOG_INFLIGHT_MAX;

    tb_kafka_inflight_complete(inflight, slot, TB_OK, false);
    inflight->acks[ack].placed = true;
    inflight->acks[ack].partition = partition;
    inflight->acks[ack].offset = offset;
}

void tb_kafka_inflight_fail_all(struct kafka_inflight *inflight)
{
    for (uint16_t i = 0; i < TB_LOG_INFLIGHT_MAX; i++) {
        if (!inflight->slots[i].used)
            continue;
        add_ack(inflight, inflight->slots[i].tag, TB_UNKNOWN, false);
        free_slot(inflight, i);
    }
    for (size_t i = 0; i < TB_KAFKA_BUCKETS; i++)
        inflight->last[i] = TB_KAFKA_NO_SLOT;
    inflight->ready_first = inflight->ready_last = TB_KAFKA_NO_SLOT;
}

size_t tb_kafka_inflight_take_acks(struct kafka_inflight *inflight, struct tb_log_ack *ret_acks,
                                   size_t max)
{
    size_t n = inflight->ack_count < max ? inflight->ack_count : max;

    for (size_t i = 0; i < n; i++) {
        ret_acks[i] = inflight->acks[inflight->ack_head];
        inflight->bad_acks -= ret_acks[i].code != TB_OK;
        inflight->ack_head = (inflight->ack_head + 1) % TB_LOG_INFLIGHT_MAX;
    }
    inflight->ack_count -= n;
    return n;
}

void tb_kafka_inflight_release(struct kafka_inflight *inflight)
{
    for (size_t i = 0; i < TB_LOG_INFLIGHT_MAX; i++)
        free(inflight->slots[i].waiting);
}

/* The unacknowledged records of a Kafka writer: the order in which they may be sent, and the
 * acknowledgements that poll will return.
 *
 * Of the records with the same key only the first is sent. The next one is sent when the first is
 * acknowledged; if the first fails, the others end as TB_UNKNOWN without having been sent. This
 * keeps a later event of an order from entering the log before an earlier one whatever fails.
 * librdkafka alone does not: its requests behind a failed one do get through if the broker does
 * not know the producer (yet, or any more), and behind a refused batch it restarts its numbering.
 *
 *   add --> sent ---------------------> complete --> acks --> take_acks
 *     \                               /
 *      --> waiting --> ready --> sent       (waiting: for an earlier record of the same key)
 *
 * Thread:  one owner.
 * Memory:  waiting records are copied.
 * Errors:  TB_BUSY: full, or take_acks has not returned a failure yet. */
#pragma once
#include "bridge/log/log.h"

/* Copies of waiting records: several windows of ordinary events. */
#define TB_KAFKA_WAITING_BYTES_MAX ((size_t)4 << 20)
#define TB_KAFKA_BUCKETS 16384 /* more than TB_LOG_INFLIGHT_MAX; a power of two */
#define TB_KAFKA_NO_SLOT TB_LOG_INFLIGHT_MAX

struct kafka_inflight_slot {
    int64_t tag;
    uint32_t hash; /* of the key; different keys with the same hash wait for each other */
    uint16_t next_of_key;
    uint16_t next_in_bucket; /* valid for the last record of a key */
    uint16_t next_ready;
    bool used, keyed;
    struct tb_record *waiting; /* owned; NULL once it is sent */
};
struct kafka_inflight {
    struct kafka_inflight_slot slots[TB_LOG_INFLIGHT_MAX];
    uint16_t free_slots[TB_LOG_INFLIGHT_MAX]; /* a stack */
    size_t free_count;
    uint16_t last[TB_KAFKA_BUCKETS];             /* hash table: the last record of each key */
    uint16_t ready_first, ready_last;            /* list of waiting records that may be sent */
    struct tb_log_ack acks[TB_LOG_INFLIGHT_MAX]; /* a ring */
    size_t ack_head, ack_count;
    size_t bad_acks; /* acks with a code other than TB_OK */
    size_t waiting_bytes;
    bool alone;     /* the record added last was added when none was unacknowledged */
    bool one_order; /* all records share one order, as if they had the same key */
};
void tb_kafka_inflight_init(struct kafka_inflight *inflight, bool one_order);
void tb_kafka_inflight_release(struct kafka_inflight *inflight);
size_t tb_kafka_inflight_outstanding(const struct kafka_inflight *inflight);

/* *ret_send: send the record now. False: it was copied and waits. */
TB_CHECKED enum tb_code tb_kafka_inflight_add(struct kafka_inflight *inflight,
                                              const struct tb_record *record, int64_t tag,
                                              size_t *ret_slot, bool *ret_send,
                                              struct tb_error *err);
/* Undoes the last add, because sending failed. */
void tb_kafka_inflight_cancel_add(struct kafka_inflight *inflight, size_t slot);
/* The next waiting record that may be sent; NULL: none. It stays the next one until
 * tb_kafka_inflight_mark_sent or tb_kafka_inflight_complete is called for it. */
const struct tb_record *tb_kafka_inflight_next_ready(const struct kafka_inflight *inflight,
                                                     size_t *ret_slot);
void tb_kafka_inflight_mark_sent(struct kafka_inflight *inflight, size_t slot);
/* Ends a record that was sent or is the next ready one. */
void tb_kafka_inflight_complete(struct kafka_inflight *inflight, size_t slot, enum tb_code code,
                                bool retry_alone);
/* The same with TB_OK, for a record that is in the log at this offset. */
void tb_kafka_inflight_deliver(struct kafka_inflight *inflight, size_t slot, int32_t partition,
                               int64_t offset);
/* Ends all records as TB_UNKNOWN. */
void tb_kafka_inflight_fail_all(struct kafka_inflight *inflight);
size_t tb_kafka_inflight_take_acks(struct kafka_inflight *inflight, struct tb_log_ack *ret_acks,
                                   size_t max);

/* What a Kafka writer has taken and not answered, in which order it may be sent, and the answers.
 *
 * Of the records of one key only the first is with the library; one behind it is sent once it is
 * acknowledged, and comes back as unknown, never sent, if it is not. So a later event of an order
 * is not in the log before an earlier one, whatever library, network and broker do: requests
 * behind one that failed do get through, where a broker knows nothing of the producer (yet, or
 * any more), or the library starts its numbering again behind a refused batch.
 *
 *   take --> sent ----------------------> answer --> acks --> hand_out
 *     \                                 /
 *      --> waits --> ready --> sent ---          (waits: behind a record of the same key)
 *
 * Thread:  one owner.
 * Memory:  keeps copies of what waits.
 * Errors:  TB_BUSY: full, or an answer that is not TB_OK has not been handed out yet.
 * Units:   bytes, records. */
#pragma once
#include "bridge/log/log.h"

/* Copies of what waits: a window of ordinary events several times over. */
#define TB_KAFKA_WAITING_BYTES_MAX ((size_t)4 << 20)
#define TB_KAFKA_BUCKETS 16384 /* more than the window; a power of two */
#define TB_KAFKA_NO_SLOT TB_LOG_INFLIGHT_MAX

struct kafka_inflight_slot {
    int64_t tag;
    uint32_t hash; /* of the key: two keys of one hash wait for each other, which harms nobody */
    uint16_t next_of_key;    /* the next record of the key; NONE */
    uint16_t next_in_bucket; /* while it is the last of its key */
    uint16_t next_ready;
    bool used, keyed;
    struct tb_record *waiting; /* owned; NULL once it is sent */
    size_t waiting_bytes;
};
struct kafka_inflight {
    struct kafka_inflight_slot slots[TB_LOG_INFLIGHT_MAX];
    uint16_t free_slots[TB_LOG_INFLIGHT_MAX]; /* a stack */
    size_t free_count;
    uint16_t last[TB_KAFKA_BUCKETS];             /* the last record of each key, by hash */
    uint16_t ready_first, ready_last;            /* what waited and may be sent; NONE */
    struct tb_log_ack acks[TB_LOG_INFLIGHT_MAX]; /* a ring */
    size_t ack_head, ack_count;
    size_t bad_acks; /* of them not TB_OK */
    size_t waiting_bytes;
    bool alone; /* what is outstanding was taken by an empty window */
};
void tb_kafka_inflight_init(struct kafka_inflight *inflight);
void tb_kafka_inflight_release(struct kafka_inflight *inflight);
size_t tb_kafka_inflight_outstanding(const struct kafka_inflight *inflight);

/* *ret_send: it is to be sent now; else it waits for its turn. */
TB_CHECKED enum tb_code tb_kafka_inflight_add(struct kafka_inflight *inflight,
                                              const struct tb_record *record, int64_t tag,
                                              size_t *ret_slot, bool *ret_send,
                                              struct tb_error *err);
/* The last record taken was not sent after all: as if it had not been taken. */
void tb_kafka_inflight_cancel_add(struct kafka_inflight *inflight, size_t slot);
/* The next one whose turn has come, NULL if there is none; it stays the next until
 * tb_kafka_inflight_mark_sent or tb_kafka_inflight_complete. */
const struct tb_record *tb_kafka_inflight_next_ready(const struct kafka_inflight *inflight,
                                                     size_t *ret_slot);
void tb_kafka_inflight_mark_sent(struct kafka_inflight *inflight, size_t slot);
/* How a record that was sent, or is the next one ready, ended. */
void tb_kafka_inflight_complete(struct kafka_inflight *inflight, size_t slot, enum tb_code code,
                                bool retry_alone);
/* All that is outstanding is unknown. */
void tb_kafka_inflight_fail_all(struct kafka_inflight *inflight);
size_t tb_kafka_inflight_take_acks(struct kafka_inflight *inflight, struct tb_log_ack *ret_acks,
                                   size_t max);

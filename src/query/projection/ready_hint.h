/* Ready hints: a central publishes which orders became visible, on a topic that the other centrals
 * read, so that requests waiting there are answered at once.
 *
 * A hint may be lost: one that the log refuses is not sent again. A waiting request checks the
 * view from time to time anyway.
 *
 * Thread:  a publisher belongs to the owner of its writer; decoding is pure.
 * Memory:  the writer belongs to the caller.
 * Units:   milliseconds; versions count from 1. */
#pragma once
#include "bridge/log/log.h"
#include "query/projection/plan.h"

/* Requests wait at most 30 s: no hint is published for records that are older. */
#define TB_READY_MAX_AGE_MS 30000

struct tb_ready_publisher {
    struct tb_log_writer *writer;
    const struct tb_clock *clock;
    int64_t next_tag;
    struct tb_buf value;
};
void tb_ready_publisher_release(struct tb_ready_publisher *publisher);
/* Publishes the orders that the plan changed. Never waits. */
void tb_ready_publish(struct tb_ready_publisher *publisher, const struct tb_plan *plan);
/* Collects the log's acknowledgements; call it from time to time. */
void tb_ready_collect_acks(struct tb_ready_publisher *publisher);

/* False: it is no hint. replaced: how often a snapshot has replaced the order. */
bool tb_ready_decode(const struct tb_record *record, char ret_order_id[TB_UUID_SIZE],
                     int64_t *ret_version, int64_t *ret_replaced);

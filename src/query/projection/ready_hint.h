/* Ready: what became visible, told from one central to the others through a topic of its own.
 *
 * A hint, never more: what is lost, refused or too much for the moment is not sent again. Whoever
 * waits for an order looks for himself now and then.
 *
 * Thread:  a teller has one owner, the one that owns its writer; reading is pure.
 * Memory:  borrows the writer.
 * Errors:  none: see above.
 * Units:   versions count from 1. */
#pragma once
#include "bridge/log/log.h"
#include "query/projection/plan.h"

/* Readers wait at most 30 s: what the log has had for longer is told to nobody. */
#define TB_READY_MAX_AGE_MS 30000

struct tb_ready_publisher {
    struct tb_log_writer *writer;
    const struct tb_clock *clock;
    int64_t next_tag;
    struct tb_buf value;
};
void tb_ready_publisher_release(struct tb_ready_publisher *teller);
/* The orders that a plan changed. Never waits. */
void tb_ready_publish(struct tb_ready_publisher *teller, const struct tb_plan *plan);
/* Takes in what became of what was told; to be called now and then. */
void tb_ready_collect_acks(struct tb_ready_publisher *teller);

/* False: it is not what a teller wrote. */
bool tb_ready_decode(const struct tb_record *record, char ret_order_id[TB_UUID_SIZE],
                     int64_t *ret_version);

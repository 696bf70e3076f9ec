/* What the store had for the view when the process started, as far as the log lacks it: rows of
 * the outbox that its relay has yet to send, and snapshots that were requested. Once the log has
 * all of them, its end is known, and the view lacks nothing when it has read so far.
 *
 * Thread:  init before the relay runs, on_ functions on the relay's thread, read on any.
 * Memory:  borrows the log.
 * Errors:  as db.h. */
#pragma once
#include "bridge/log/inproc/inproc.h"
#include "store/outbox.h"
#include <stdatomic.h>

struct tb_refill {
    struct tb_log_inproc *log;
    int64_t last_row;
    int64_t first_order, last_order; /* of the snapshots, by number */
    bool has_rows, has_orders;       /* the log has all rows, and all snapshots */
    _Atomic int64_t rows_left;       /* that the log has not acknowledged */
    _Atomic int64_t end;             /* of the log; -1: it lacks some rows or snapshots */
};
TB_CHECKED enum tb_code tb_refill_init(struct tb_refill *refill, struct tb_outbox_reader *outbox,
                                       struct tb_log_inproc *log, struct tb_error *err);
/* The log has acknowledged all rows up to this one. Call it before the cursor is stored. */
void tb_refill_on_cursor(struct tb_refill *refill, int64_t row);
/* The log has acknowledged all snapshots of orders before `next`. Call it before that is stored.
 */
void tb_refill_on_snapshots(struct tb_refill *refill, int64_t next);
/* Reports what the view lacks, if it lacks anything. next: the offset that it reads next. */
void tb_refill_report(struct tb_refill *refill, int64_t next);
/* ret_end: -1 while the log lacks some. Read the log's end afterwards: what moves meanwhile is
 * counted twice, but never missed. */
void tb_refill_read(struct tb_refill *refill, int64_t *ret_rows_left, int64_t *ret_end);

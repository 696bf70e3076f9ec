/* The relay's window: the outbox rows that were appended to the log and are after the cursor.
 *
 * Rows are added in rising order; numbers may be missing. Acknowledgements arrive in any order.
 * The cursor moves only over acknowledged rows at the front. */
#pragma once
#include "bridge/log/log.h"

struct tb_relay_slot {
    int64_t row;
    bool answered, acknowledged;
};
struct tb_relay_window {
    struct tb_relay_slot slots[TB_LOG_INFLIGHT_MAX]; /* a ring */
    size_t head, count;
    size_t outstanding; /* rows without an answer */
    bool resend;        /* a row's outcome is unknown: send all rows again */
    bool lost;          /* answers to its rows say nothing: the log has lost what it had */
    bool held;          /* there are rows that were not sent and wait */
};

static inline size_t tb_relay_window_room(const struct tb_relay_window *window)
{
    return TB_LOG_INFLIGHT_MAX - window->count;
}
/* sent false: the row is not sent; the cursor moves over it with the rows before it. */
void tb_relay_window_add(struct tb_relay_window *window, int64_t row, bool sent);
/* The row is not sent now; the cursor stops before it until tb_relay_window_release. */
void tb_relay_window_add_held(struct tb_relay_window *window, int64_t row);
/* The log has lost what it acknowledged: all rows are sent again. */
void tb_relay_window_unacknowledge(struct tb_relay_window *window);
/* Held rows are sent, and with them all rows behind the first one again. */
void tb_relay_window_release(struct tb_relay_window *window);
/* False: the window awaits no answer for this row. */
bool tb_relay_window_on_ack(struct tb_relay_window *window, int64_t row, bool acknowledged);
/* No more answers will arrive: the outcome of all rows without one is unknown. */
void tb_relay_window_fail_all(struct tb_relay_window *window);
/* Removes the acknowledged rows at the front. False: there are none. */
bool tb_relay_window_advance(struct tb_relay_window *window, int64_t *ret_last);
/* Empties the window so that its rows are sent again, if that is necessary and all are answered.
 * False: it was not emptied. */
bool tb_relay_window_rewind(struct tb_relay_window *window);

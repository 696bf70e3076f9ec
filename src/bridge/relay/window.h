/* The relay's window: outbox rows given to the log and not yet behind the cursor.
 *
 * Rows are in rising order, not always neighbours. Acknowledgements come in any order; rows leave
 * only from the front, and only acknowledged.
 *
 * Thread:  one owner.
 * Memory:  a value without pointers.
 * Errors:  none.
 * Units:   outbox rows. */
#pragma once
#include "bridge/log/log.h"

struct tb_relay_slot {
    int64_t row;
    bool answered, acknowledged;
};
struct tb_relay_window {
    struct tb_relay_slot slots[TB_LOG_INFLIGHT_MAX]; /* a ring */
    size_t head, count;
    size_t outstanding; /* not yet answered */
    bool resend;        /* an outcome is unknown: to be sent again from the front */
};

static inline size_t tb_relay_window_room(const struct tb_relay_window *window)
{
    return TB_LOG_INFLIGHT_MAX - window->count;
}
void tb_relay_window_add_sent(struct tb_relay_window *window, int64_t row);
/* A row that needs no answer: it leaves with those before it. */
void tb_relay_window_add_skipped(struct tb_relay_window *window, int64_t row);
/* False: no row of the window waits for this answer. */
bool tb_relay_window_on_ack(struct tb_relay_window *window, int64_t row, bool acknowledged);
/* No further answer comes: whatever is outstanding is unknown. */
void tb_relay_window_fail_all(struct tb_relay_window *window);
/* Takes the acknowledged rows at the front away; false if there are none. */
bool tb_relay_window_advance(struct tb_relay_window *window, int64_t *ret_last);
/* Empties a window that is to be sent again, once nothing is outstanding; false: not (yet). */
bool tb_relay_window_rewind(struct tb_relay_window *window);

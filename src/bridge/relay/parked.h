/* The orders that a relay passes by: the log refused one of their events for good.
 *
 * Thread:  one owner.
 * Memory:  a value without pointers.
 * Errors:  full is an answer.
 * Units:   outbox rows. */
#pragma once
#include "store/outbox.h"

/* Refused events are rare and each is somebody's mistake: so many orders mean that something is
 * wrong with all of them, and the relay stops with an alarm instead of passing by every order. */
#define TB_RELAY_PARKED_MAX 1000

struct tb_relay_parked {
    struct tb_parked_order orders[TB_RELAY_PARKED_MAX]; /* by order id */
    size_t count;
};

/* Is the order passed by at this row? */
bool tb_relay_parked_has(const struct tb_relay_parked *parked, struct tb_str order_id,
                         int64_t row);
/* From this row on; one that is there already stays as it is. The list is not full. */
void tb_relay_parked_add(struct tb_relay_parked *parked, struct tb_str order_id, int64_t row);

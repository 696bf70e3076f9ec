/* The orders that the relay does not send any more, because the log refused one of their events.
 *
 * Units:   outbox rows. */
#pragma once
#include "store/outbox.h"

/* Refused events are rare, and each has a cause of its own. So many mean that something is wrong
 * with all orders: then the relay stops with an alarm instead of parking every order. */
#define TB_RELAY_PARKED_MAX 1000

struct tb_relay_parked {
    struct tb_parked_order orders[TB_RELAY_PARKED_MAX]; /* sorted by order id */
    size_t count;
};

/* Is the order parked at or before this row? */
bool tb_relay_parked_has(const struct tb_relay_parked *parked, struct tb_str order_id,
                         int64_t row);
/* Parks the order from this row on, unless it is parked already. There must be room. */
void tb_relay_parked_add(struct tb_relay_parked *parked, struct tb_str order_id, int64_t row);

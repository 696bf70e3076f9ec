/* Delivery: whether the log has acknowledged an order's last event, as its document tells it.
 *
 * Thread:  the outbox reader's.
 * Memory:  none.
 * Errors:  an order that the store does not know, or not now, has no delivery.
 * Units:   none. */
#pragma once
#include "store/outbox.h"

/* doc ends with an order's closing brace: the member goes in front of it. */
void tb_delivery_add(struct tb_outbox_reader *outbox, const char *cursor_name,
                     struct tb_str order_id, struct tb_buf *doc);

/* Reads the orders of a store in the order of their ids, as the store has them: the view may lag
 * behind.
 *
 * Thread:  a reader belongs to the thread that opened it.
 * Memory:  an order's texts are borrowed until each() returns.
 * Errors:  as db.h; TB_CORRUPT: a stored document cannot be decoded. */
#pragma once
#include "order/order.h"

struct tb_stored_order {
    struct tb_order order;
    bool delivered;       /* the log has acknowledged its last event */
    struct tb_str parked; /* why the log has refused one of its events; absent: it refused none */
};
struct tb_order_reader;
TB_CHECKED enum tb_code tb_order_reader_open(const char *store_path,
                                             struct tb_order_reader **ret_reader,
                                             struct tb_error *err);
void tb_order_reader_free(struct tb_order_reader *reader); /* NULL is fine */
/* Calls each() for up to `limit` orders from the id `start` on ("": from the first). `delivered`
 * is computed from the named cursor. */
TB_CHECKED enum tb_code
tb_order_reader_scan(struct tb_order_reader *reader, const char *cursor_name, const char *start,
                     int limit, void (*each)(void *ctx, const struct tb_stored_order *stored),
                     void *ctx, struct tb_error *err);

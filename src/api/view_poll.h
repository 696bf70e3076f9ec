/* View poll: reads the versions that clients wait for, in case no notification comes.
 *
 * A central's view may be filled by another process, whose notifications can be lost. So while
 * somebody waits, a query thread reads the view every TB_VIEW_POLL_MS.
 *
 * Thread:  the api thread; the query runs on a query thread.
 * Memory:  the query is a request of its own, without a connection.
 * Errors:  a failed read is repeated by the next poll.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TB_VIEW_POLL_MS 500
/* Orders of one poll; when more are waited for, polls take turns. */
#define TB_VIEW_POLL_ORDERS_MAX 1000

struct tb_api_loop;
struct tb_view_poll {
    int64_t next_ms; /* not before */
    size_t bucket;   /* of the waiters: where the next poll begins */
    bool is_running;
};
/* Starts a poll if one is due. */
void tb_view_poll_step(struct tb_api_loop *loop);
/* When the next one is due; INT64_MAX: none. */
int64_t tb_view_poll_next_ms(const struct tb_api_loop *loop);

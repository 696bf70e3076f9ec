/* Glance: the look at a view elsewhere on behalf of readers who wait, in case nobody tells of what
 * became visible: the news of another process are a hint, and may be lost.
 *
 * Thread:  the api thread; the question runs on a query thread.
 * Memory:  the question is an exchange of its own that no connection has.
 * Errors:  what fails is asked again at the next.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So often, while somebody waits. */
#define TB_VIEW_POLL_MS 500
/* Orders looked for at once; with more that are waited for each has its turn. */
#define TB_VIEW_POLL_ORDERS_MAX 1000

struct tb_api;
struct tb_view_poll {
    int64_t next_ms; /* not before */
    size_t bucket;   /* of the waiters: where the next begins */
    bool flying;
};
/* Looks if it is time to, and somebody waits. */
void tb_view_poll_step(struct tb_api *api);
/* When the next is due; INT64_MAX: none. */
int64_t tb_view_poll_next_ms(const struct tb_api *api);

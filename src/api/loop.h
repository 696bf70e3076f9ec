/* The state of the api thread: struct tb_api, which the handlers see, and what only the loop, the
 * routes and the view poll use.
 *
 * Thread:  the api thread. Other threads use only the options, the atomic fields, and what
 *          tb_waiters_publish and tb_completion_post lock.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include "api/handlers/context.h"
#include "api/routes.h"
#include "api/ws/ws.h"
#include "base/host_port.h"

/* View poll: how often the view is read for clients that wait, and for how many orders at once;
 * when clients wait for more orders, polls take turns. */
#define TB_VIEW_POLL_MS 500
#define TB_VIEW_POLL_ORDERS_MAX 1000
struct tb_view_poll {
    int64_t next_ms; /* no poll is due before, except for new subscriptions */
    size_t bucket;   /* of the waiters: where the next poll begins */
    bool is_running;
};

struct tb_api_loop {
    struct tb_api api; /* first: a struct tb_api is always inside a struct tb_api_loop */
    struct tb_api_edge edge;
    struct tb_api_central central;
    struct tb_ws ws;
    struct tb_view_poll view_poll;
    struct tb_route_counts counts;
    char url[TB_HOST_SIZE + 32];
    int event_fd;          /* wakes the loop */
    _Atomic bool sleeping; /* in poll(), or about to be */
    _Atomic bool stopping;
    int64_t sweep_ms; /* when the deadlines of connections are checked next */
};
static inline struct tb_api_loop *tb_api_loop_of(const struct tb_api *api)
{
    return (struct tb_api_loop *)(uintptr_t)api;
}
/* Wakes the loop if it sleeps; of several producers only the first makes the system call. Any
 * thread. */
void tb_api_loop_wake(struct tb_api_loop *loop);
/* view_poll.c: starts a poll if one is due; and when the next is due (INT64_MAX: none). */
void tb_view_poll_step(struct tb_api_loop *loop);
int64_t tb_view_poll_next_ms(const struct tb_api_loop *loop);

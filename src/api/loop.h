/* The api thread's own state: what its handlers see, and what only the loop uses.
 *
 * Thread:  the api thread; what other threads may touch is atomic. */
#pragma once
#include "api/handlers/context.h"
#include "api/routes.h"
#include "api/view_poll.h"
#include "api/ws/ws.h"
#include "base/host_port.h"

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
    int64_t sweep_ms; /* when connections are next checked for lateness */
};
static inline struct tb_api_loop *tb_api_loop_of(const struct tb_api *api)
{
    return (struct tb_api_loop *)(uintptr_t)api;
}
/* Wakes the loop if it sleeps; of several producers only the first makes the system call. Any
 * thread. */
void tb_api_loop_wake(struct tb_api_loop *loop);

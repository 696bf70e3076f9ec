/* Requests in flight: requests that a worker (the writer or a query thread) has, and the
 * completion queue, by which workers return them to the api thread.
 *
 * A request that takes too long is refused while the worker still has it. Its memory is reused
 * only after the worker has returned it.
 *
 * Thread:  the api thread; tb_completion_post from any thread.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include "api/http/mhd.h"
#include <pthread.h>
#include <stdatomic.h>

struct tb_inflight {
    struct tb_mhd_server *server; /* borrowed */
    struct tb_list requests;      /* the oldest first */
    int64_t now_ms;               /* of the current round; the loop sets it */
    void (*wake)(void *ctx);      /* wakes the api thread; called on any thread */
    void *wake_ctx;
    pthread_mutex_t lock; /* of completions */
    struct tb_request_queue completions;
    _Atomic bool has_completions;
};
void tb_inflight_init(struct tb_inflight *inflight, void (*wake)(void *ctx), void *wake_ctx);
void tb_inflight_release(struct tb_inflight *inflight); /* asserts that nothing is in flight */
/* Call it before the worker gets req, with on_done and on_timeout set. */
void tb_inflight_add(struct tb_inflight *inflight, struct tb_request *req);
/* Call it when the worker has refused req: on_done will not be called. */
void tb_inflight_remove(struct tb_inflight *inflight, struct tb_request *req);
/* The only request in flight; NULL: there are none or several. */
const struct tb_request *tb_inflight_single(const struct tb_inflight *inflight);
/* A worker calls it when it is done with req. The api thread then calls on_done. */
void tb_completion_post(struct tb_inflight *inflight, struct tb_request *req);
/* Calls on_done of every request that workers have returned, and sends the replies. */
void tb_inflight_complete(struct tb_inflight *inflight);
/* Refuses requests that take too long: after 10 s a command that repeats one in flight, after 30 s
 * any request. */
void tb_inflight_expire(struct tb_inflight *inflight);
/* Refuses every request that still waits, because the process stops. */
void tb_inflight_fail_all(struct tb_inflight *inflight);

/* Requests in flight: those that a worker (the writer or a query thread) has, and the completion
 * queue by which they come back.
 *
 * A request that is not answered in time is refused while the worker still has it; it is reused
 * only after it came back.
 *
 * Thread:  the api thread; tb_completion_post from any thread.
 * Memory:  links live in the requests.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include "api/http/mhd.h"
#include <pthread.h>
#include <stdatomic.h>

struct tb_inflight {
    struct tb_mhd_server *server; /* borrowed */
    struct tb_list requests;      /* the oldest first */
    int64_t now_ms;               /* of the current round; the owner sets it */
    void (*wake)(void *ctx);      /* wakes the api thread; called on any thread */
    void *wake_ctx;
    pthread_mutex_t lock; /* of completions */
    struct tb_request_queue completions;
    _Atomic bool has_completions;
};
void tb_inflight_init(struct tb_inflight *inflight, void (*wake)(void *ctx), void *wake_ctx);
void tb_inflight_release(struct tb_inflight *inflight); /* nothing may be in flight */
/* Before the worker gets req; on_done and on_timeout are set. */
void tb_inflight_add(struct tb_inflight *inflight, struct tb_request *req);
/* The worker has not taken req: on_done is not called. */
void tb_inflight_remove(struct tb_inflight *inflight, struct tb_request *req);
/* The only request in flight; NULL: there are none or several. */
const struct tb_request *tb_inflight_single(const struct tb_inflight *inflight);
/* The worker is done with req: the api thread will call its on_done. */
void tb_completion_post(struct tb_inflight *inflight, struct tb_request *req);
/* Calls on_done of every request that came back. */
void tb_inflight_complete(struct tb_inflight *inflight);
/* Refuses what takes too long: after 10 s a command that repeats one in flight, after 30 s any
 * request. */
void tb_inflight_expire(struct tb_inflight *inflight);
/* Refuses everything that still waits: the process stops. */
void tb_inflight_fail_all(struct tb_inflight *inflight);

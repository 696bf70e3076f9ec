/* Query pool: threads for queries that may take long or wait for a database.
 *
 * A pool has a thread for each query context. The next free thread takes the oldest request, but a
 * sum only if none runs: so slow sums leave the other threads to lists.
 *
 * Thread:  the api thread; each query thread owns the readers of its context.
 * Memory:  a request belongs to the pool until it is posted to the completion queue.
 * Errors:  when too many requests wait, submitting refuses with 503. */
#pragma once
#include "api/work/inflight.h"
#include "query/projection/view.h"
#include "store/order_reader.h"
#include "store/outbox.h"

/* The readers of one thread. */
struct tb_query_context {
    struct tb_view_reader *view;     /* NULL: there is no such thread */
    struct tb_outbox_reader *outbox; /* edge only; NULL: replies have no "delivery" */
    struct tb_order_reader *store;   /* edge only, for digests */
};
/* Threads of a pool at most. */
#define TB_QUERY_CONTEXTS_MAX 3
/* Requests that may wait in a pool: each may read a whole table, so more would wait too long. */
#define TB_QUERY_QUEUE_MAX 64

struct tb_query_pool;
struct tb_query_thread {
    struct tb_query_pool *pool;
    struct tb_query_context context;
    pthread_t thread;
};
struct tb_query_pool {
    struct tb_inflight *inflight; /* borrowed */
    /* Called with the error of each query that fails, on the thread of the query; may be NULL. */
    void (*failed)(void *ctx, const struct tb_error *err);
    void *ctx;
    /* If it has a view, tb_query_submit runs queries at once, on the api thread. */
    struct tb_query_context inline_context;
    struct tb_query_thread threads[TB_QUERY_CONTEXTS_MAX];
    size_t thread_count;
    pthread_mutex_t lock; /* of the fields below */
    pthread_cond_t changed;
    struct tb_request_queue queue, sums;
    size_t waiting; /* in both queues */
    bool sum_runs;
    bool stopping;
};
void tb_query_pool_init(struct tb_query_pool *pool, struct tb_inflight *inflight);
/* Starts a thread for each context that has a view. TB_INTERNAL: a thread cannot be started. */
TB_CHECKED enum tb_code
tb_query_pool_start(struct tb_query_pool *pool,
                    const struct tb_query_context contexts[TB_QUERY_CONTEXTS_MAX],
                    struct tb_error *err);
/* Ends the threads and the pool. Requests that still wait come back without a result. */
void tb_query_pool_stop(struct tb_query_pool *pool);

/* Runs query, at once or on a query thread, and answers req with its result. */
void tb_query_submit(struct tb_query_pool *pool, struct tb_request *req, tb_query_fn *query);
/* Lets a query thread run query, which fills req->result; then the api thread calls on_done.
 * False: too many requests wait. */
TB_CHECKED bool tb_query_try_submit(struct tb_query_pool *pool, struct tb_request *req,
                                    tb_query_fn *query, void (*on_done)(struct tb_request *req));
/* on_done of a query: makes the result the reply if the client still waits. */
void tb_query_take_result(struct tb_request *req);
/* Refuses req because too many requests wait. */
void tb_query_refuse_busy(struct tb_request *req);
/* on_timeout of a query: refuses req. */
void tb_query_refuse_slow(struct tb_request *req);

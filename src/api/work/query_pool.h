/* Query pool: threads that answer what may take long or waits for a database.
 *
 * A pool is one queue and a thread for each query context; the next free thread takes the oldest
 * request.
 *
 * Thread:  the api thread; each query thread owns the readers of its context.
 * Memory:  a request belongs to the pool until it is posted to the completion queue.
 * Errors:  when too many requests wait, submitting refuses with 503. */
#pragma once
#include "api/work/inflight.h"
#include "query/projection/view.h"
#include "store/order_reader.h"
#include "store/outbox.h"

/* The readers that one thread asks. */
struct tb_query_context {
    struct tb_view_reader *view;     /* NULL: this thread answers no queries */
    struct tb_outbox_reader *outbox; /* edge only; NULL: replies say nothing of delivery */
    struct tb_order_reader *store;   /* edge only, for digests */
};
/* Threads of a pool. They wait for a database, whose client has a few connections more. */
#define TB_QUERY_CONTEXTS_MAX 3
/* Requests waiting in a pool: each may read a whole table, so that more would wait too long. */
#define TB_QUERY_QUEUE_MAX 64

struct tb_query_pool;
struct tb_query_thread {
    struct tb_query_pool *pool;
    struct tb_query_context context;
    pthread_t thread;
};
struct tb_query_pool {
    struct tb_inflight *inflight; /* borrowed */
    struct tb_query_context
        inline_context; /* with a view: queries run at once, on the api thread */
    struct tb_query_thread threads[TB_QUERY_CONTEXTS_MAX];
    size_t thread_count;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct tb_request_queue queue;
    size_t waiting;
    bool stopping;
};
void tb_query_pool_init(struct tb_query_pool *pool, struct tb_inflight *inflight);
/* Starts a thread for each context that has a view. TB_INTERNAL: a thread cannot be started. */
TB_CHECKED enum tb_code
tb_query_pool_start(struct tb_query_pool *pool,
                    const struct tb_query_context contexts[TB_QUERY_CONTEXTS_MAX],
                    struct tb_error *err);
/* Ends the threads. Requests that still wait are posted to the completion queue unanswered. */
void tb_query_pool_stop(struct tb_query_pool *pool);

/* Answers req with what query finds, at once or by a query thread. */
void tb_query_submit(struct tb_query_pool *pool, struct tb_request *req, tb_query_fn *query);
/* Lets a query thread run query on req->result, then calls on_done. False: too many wait. */
TB_CHECKED bool tb_query_try_submit(struct tb_query_pool *pool, struct tb_request *req,
                                    tb_query_fn *query, void (*on_done)(struct tb_request *req));
/* on_done of a query: what the query thread found becomes the reply, if the client waits for it.
 */
void tb_query_take_result(struct tb_request *req);
/* Refuses req: too many requests wait. */
void tb_query_refuse_busy(struct tb_request *req);
/* on_timeout of a query. */
void tb_query_refuse_slow(struct tb_request *req);

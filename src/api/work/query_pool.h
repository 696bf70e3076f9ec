/* Lookups: threads that find answers which may take long or wait for a database.
 *
 * Each pool is a queue and as many threads as it has askers. Whoever is free takes the next.
 *
 * Thread:  start, ask and stop from the api thread; each thread owns its asker's readers.
 * Memory:  an exchange is a thread's until it is returned.
 * Errors:  ask says false when too many wait: 503.
 * Units:   none. */
#pragma once
#include "api/api.h"
#include "api/http/request.h"
#include <pthread.h>
#include <stdatomic.h>

/* Waiting; each may take a whole table's time, so more are better asked again later. */
#define TB_QUERY_QUEUE_MAX 64

struct tb_api;
struct tb_query_pool;
struct tb_query_thread {
    struct tb_query_pool *pool;
    struct tb_query_context context;
    pthread_t thread;
};
struct tb_query_pool {
    struct tb_api *api;
    struct tb_query_thread threads[TB_QUERY_CONTEXTS_MAX];
    size_t thread_count;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t asked;
    struct tb_request *first, *last; /* by next_asked */
    size_t waiting;
    _Atomic bool ending;
    bool inited;
};
/* Askers without a view are left out. */
TB_CHECKED enum tb_code
tb_query_pool_start(struct tb_query_pool *pool, struct tb_api *api,
                    const struct tb_query_context askers[TB_QUERY_CONTEXTS_MAX],
                    struct tb_error *err);
/* What runs ends, what waits comes back as it is: nobody wants it any more. */
void tb_query_pool_stop(struct tb_query_pool *pool);
/* x->lookup.find goes to a thread; it comes back by tb_completion_post. */
TB_CHECKED bool tb_query_pool_add(struct tb_query_pool *pool, struct tb_request *req);

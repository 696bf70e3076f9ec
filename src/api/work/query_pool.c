#include "api/work/query_pool.h"
#include "api/http/problem.h"
#include <signal.h>

void tb_query_pool_init(struct tb_query_pool *pool, struct tb_inflight *inflight)
{
    *pool = (struct tb_query_pool){.inflight = inflight};
    TB_ASSERT(pthread_mutex_init(&pool->lock, NULL) == 0);
    TB_ASSERT(pthread_cond_init(&pool->changed, NULL) == 0);
}

/* The oldest request that may run now; NULL: none. */
static struct tb_request *pop(struct tb_query_pool *pool)
{
    const struct tb_request *other = pool->queue.first;
    const struct tb_request *sum = pool->sum_runs ? NULL : pool->sums.first;

    if (!sum || (other && other->started_ms < sum->started_ms))
        return tb_request_queue_pop(&pool->queue);
    pool->sum_runs = true;
    return tb_request_queue_pop(&pool->sums);
}

/* Waits for the next request; NULL: the pool stops and none is left. */
static struct tb_request *take(struct tb_query_pool *pool, bool *ret_stopping)
{
    struct tb_request *req;

    pthread_mutex_lock(&pool->lock);
    while (!(req = pop(pool)) && !pool->stopping)
        pthread_cond_wait(&pool->changed, &pool->lock);
    if (req)
        pool->waiting--;
    *ret_stopping = pool->stopping;
    pthread_mutex_unlock(&pool->lock);
    return req;
}

/* Another thread may run the next sum. */
static void end_sum(struct tb_query_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->sum_runs = false;
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

/* Turns the outcome of a query into a reply. */
static void run_query(const struct tb_query_pool *pool, const struct tb_query_context *context,
                      struct tb_request *req, struct tb_reply *reply)
{
    const struct tb_buf *body = &reply->answer.body;
    struct tb_error err = {0};

    if (req->query(req->api, context, req, reply, &err) != TB_OK) {
        tb_refuse_error(reply, &err);
        if (pool->failed)
            pool->failed(pool->ctx, &err);
    } else if (!tb_reply_filled(reply) && (body->len > 0 || !tb_buf_ok(body))) {
        tb_reply_done(reply, 200);
    }
}

/* The query thread. It alone uses the readers of its context. When the pool stops, it returns the
 * waiting requests without a result. */
static void *query_main(void *arg)
{
    struct tb_query_thread *thread = arg;
    struct tb_request *req;
    bool stopping = false;

    while ((req = take(thread->pool, &stopping))) {
        if (!stopping)
            run_query(thread->pool, &thread->context, req, &req->result);
        if (req->cost == TB_QUERY_SUM)
            end_sum(thread->pool);
        tb_completion_post(thread->pool->inflight, req);
    }
    return NULL;
}

static int start_thread(struct tb_query_pool *pool, const struct tb_query_context *context)
{
    struct tb_query_thread *thread = &pool->threads[pool->thread_count];

    *thread = (struct tb_query_thread){.pool = pool, .context = *context};
    int failed = pthread_create(&thread->thread, NULL, query_main, thread);
    pool->thread_count += failed == 0;
    return failed;
}

enum tb_code tb_query_pool_start(struct tb_query_pool *pool,
                                 const struct tb_query_context contexts[TB_QUERY_CONTEXTS_MAX],
                                 struct tb_error *err)
{
    sigset_t all, before;
    int failed = 0;

    /* Query threads must not take the signals that stop the process. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < TB_QUERY_CONTEXTS_MAX && failed == 0; i++) {
        if (contexts[i].view)
            failed = start_thread(pool, &contexts[i]);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0)
        return TB_OK;
    return tb_error_errno(err, TB_INTERNAL, failed, "cannot start a query thread");
}

void tb_query_pool_stop(struct tb_query_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i].thread, NULL);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
}

void tb_query_refuse_busy(struct tb_request *req)
{
    tb_refuse_for_now(&req->reply, 503, 1, "Too much is asked for at once.");
}

void tb_query_refuse_slow(struct tb_request *req)
{
    tb_refuse_for_now(&req->reply, 503, 1, "The query takes too long.");
}

void tb_query_take_result(struct tb_request *req)
{
    if (!tb_request_awaits_reply(req))
        return;
    tb_reply_release(&req->reply);
    req->reply = req->result;
    req->result = (struct tb_reply){0};
}

bool tb_query_try_submit(struct tb_query_pool *pool, struct tb_request *req, tb_query_fn *query,
                         void (*on_done)(struct tb_request *req))
{
    req->query = query;
    req->on_done = on_done;
    if (!req->on_timeout)
        req->on_timeout = tb_query_refuse_slow;
    pthread_mutex_lock(&pool->lock);
    bool has_room = pool->waiting < TB_QUERY_QUEUE_MAX;
    if (has_room) {
        tb_inflight_add(pool->inflight, req);
        tb_request_queue_push(req->cost == TB_QUERY_SUM ? &pool->sums : &pool->queue, req);
        pool->waiting++;
        pthread_cond_signal(&pool->changed);
    }
    pthread_mutex_unlock(&pool->lock);
    return has_room;
}

void tb_query_submit(struct tb_query_pool *pool, struct tb_request *req, tb_query_fn *query)
{
    req->query = query;
    if (pool->inline_context.view)
        run_query(pool, &pool->inline_context, req, &req->reply);
    else if (!tb_query_try_submit(pool, req, query, tb_query_take_result))
        tb_query_refuse_busy(req);
}

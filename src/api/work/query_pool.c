#include "api/work/query_pool.h"
#include "api/context.h"
#include <signal.h>

static void find(const struct tb_query_thread *thread, struct tb_request *req)
{
    struct tb_api *api = thread->pool->api;

    if (!atomic_load(&thread->pool->ending))
        req->view_query.find(api, &thread->context, req, &req->view_query.found);
    tb_completion_post(api, req);
}

/* The next one; NULL: the pool ends, and nothing is left. */
static struct tb_request *take(struct tb_query_pool *pool)
{
    struct tb_request *req;

    (void)pthread_mutex_lock(&pool->lock);
    while (pool->first == NULL && !atomic_load(&pool->ending))
        (void)pthread_cond_wait(&pool->asked, &pool->lock);
    req = pool->first;
    if (req != NULL) {
        pool->first = req->next_asked;
        pool->waiting--;
        req->next_asked = NULL;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return req;
}

/* Query thread. Owns its asker's readers. From others: tb_query_pool_add and tb_query_pool_stop.
 */
static void *lookup_main(void *arg)
{
    struct tb_query_thread *thread = arg;
    struct tb_request *req;

    while ((req = take(thread->pool)) != NULL)
        find(thread, req);
    return NULL;
}

static int start_thread(struct tb_query_pool *pool, const struct tb_query_context *context)
{
    struct tb_query_thread *thread = &pool->threads[pool->thread_count];

    *thread = (struct tb_query_thread){.pool = pool, .context = *context};
    int failed = pthread_create(&thread->thread, NULL, lookup_main, thread);
    pool->thread_count += failed == 0;
    return failed;
}

enum tb_code tb_query_pool_start(struct tb_query_pool *pool, struct tb_api *api,
                                 const struct tb_query_context askers[TB_QUERY_CONTEXTS_MAX],
                                 struct tb_error *err)
{
    sigset_t all, before;
    int failed = 0;

    pool->api = api;
    TB_ASSERT(pthread_mutex_init(&pool->lock, NULL) == 0);
    TB_ASSERT(pthread_cond_init(&pool->asked, NULL) == 0);
    pool->inited = true;
    /* Signals are for the thread that stops us, never for these. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < TB_QUERY_CONTEXTS_MAX && failed == 0; i++) {
        if (askers[i].view != NULL)
            failed = start_thread(pool, &askers[i]);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0)
        return TB_OK;
    return tb_error_errno(err, TB_INTERNAL, failed, "cannot start a query thread");
}

void tb_query_pool_stop(struct tb_query_pool *pool)
{
    if (!pool->inited)
        return;
    (void)pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->ending, true);
    (void)pthread_cond_broadcast(&pool->asked);
    (void)pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++)
        (void)pthread_join(pool->threads[i].thread, NULL);
    (void)pthread_cond_destroy(&pool->asked);
    (void)pthread_mutex_destroy(&pool->lock);
    pool->inited = false;
}

bool tb_query_pool_add(struct tb_query_pool *pool, struct tb_request *req)
{
    bool room;

    (void)pthread_mutex_lock(&pool->lock);
    room = pool->waiting < TB_QUERY_QUEUE_MAX;
    if (room) {
        req->next_asked = NULL;
        if (pool->first == NULL)
            pool->first = req;
        else
            pool->last->next_asked = req;
        pool->last = req;
        pool->waiting++;
        (void)pthread_cond_signal(&pool->asked);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return room;
}

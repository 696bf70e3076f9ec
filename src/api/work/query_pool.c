#include "api/work/query_pool.h"
#include "api/context.h"
#include <signal.h>

static void find(const struct tb_lookup_thread *thread, struct tb_exchange *x)
{
    struct tb_api *api = thread->pool->api;

    if (!atomic_load(&thread->pool->ending))
        x->lookup.find(api, &thread->asker, x, &x->lookup.found);
    tb_api_return(api, x);
}

/* The next one; NULL: the pool ends, and nothing is left. */
static struct tb_exchange *take(struct tb_lookups *pool)
{
    struct tb_exchange *x;

    (void)pthread_mutex_lock(&pool->lock);
    while (pool->first == NULL && !atomic_load(&pool->ending))
        (void)pthread_cond_wait(&pool->asked, &pool->lock);
    x = pool->first;
    if (x != NULL) {
        pool->first = x->next_asked;
        pool->waiting--;
        x->next_asked = NULL;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return x;
}

/* Query thread. Owns its asker's readers. From others: tb_lookups_ask and tb_lookups_stop. */
static void *lookup_main(void *arg)
{
    struct tb_lookup_thread *thread = arg;
    struct tb_exchange *x;

    while ((x = take(thread->pool)) != NULL)
        find(thread, x);
    return NULL;
}

static int start_thread(struct tb_lookups *lookups, const struct tb_asker *asker)
{
    struct tb_lookup_thread *thread = &lookups->threads[lookups->thread_count];

    *thread = (struct tb_lookup_thread){.pool = lookups, .asker = *asker};
    int failed = pthread_create(&thread->thread, NULL, lookup_main, thread);
    lookups->thread_count += failed == 0;
    return failed;
}

enum tb_code tb_lookups_start(struct tb_lookups *lookups, struct tb_api *api,
                              const struct tb_asker askers[TB_ASKERS_MAX], struct tb_error *err)
{
    sigset_t all, before;
    int failed = 0;

    lookups->api = api;
    TB_ASSERT(pthread_mutex_init(&lookups->lock, NULL) == 0);
    TB_ASSERT(pthread_cond_init(&lookups->asked, NULL) == 0);
    lookups->inited = true;
    /* Signals are for the thread that stops us, never for these. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < TB_ASKERS_MAX && failed == 0; i++) {
        if (askers[i].view != NULL)
            failed = start_thread(lookups, &askers[i]);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0)
        return TB_OK;
    return tb_error_errno(err, TB_INTERNAL, failed, "cannot start a query thread");
}

void tb_lookups_stop(struct tb_lookups *lookups)
{
    if (!lookups->inited)
        return;
    (void)pthread_mutex_lock(&lookups->lock);
    atomic_store(&lookups->ending, true);
    (void)pthread_cond_broadcast(&lookups->asked);
    (void)pthread_mutex_unlock(&lookups->lock);
    for (size_t i = 0; i < lookups->thread_count; i++)
        (void)pthread_join(lookups->threads[i].thread, NULL);
    (void)pthread_cond_destroy(&lookups->asked);
    (void)pthread_mutex_destroy(&lookups->lock);
    lookups->inited = false;
}

bool tb_lookups_ask(struct tb_lookups *lookups, struct tb_exchange *x)
{
    bool room;

    (void)pthread_mutex_lock(&lookups->lock);
    room = lookups->waiting < TB_LOOKUPS_MAX;
    if (room) {
        x->next_asked = NULL;
        if (lookups->first == NULL)
            lookups->first = x;
        else
            lookups->last->next_asked = x;
        lookups->last = x;
        lookups->waiting++;
        (void)pthread_cond_signal(&lookups->asked);
    }
    (void)pthread_mutex_unlock(&lookups->lock);
    return room;
}

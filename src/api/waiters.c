#include "api/waiters.h"
#include <stdio.h>

void tb_waiters_init(struct tb_waiters *waiters)
{
    memset(waiters, 0, sizeof(*waiters));
    waiters->next_ms = INT64_MAX;
    TB_ASSERT(pthread_mutex_init(&waiters->lock, NULL) == 0);
}

void tb_waiters_release(struct tb_waiters *waiters)
{
    TB_ASSERT(waiters->count == 0);
    (void)pthread_mutex_destroy(&waiters->lock);
}

static size_t bucket_of(const char *order_id)
{
    uint32_t hash = 2166136261U; /* FNV-1a */

    for (; *order_id != '\0'; order_id++)
        hash = (hash ^ (unsigned char)*order_id) * 16777619U;
    return (hash ^ hash >> 16) % TB_WAITER_BUCKETS;
}

void tb_waiters_add(struct tb_waiters *waiters, struct tb_exchange *x)
{
    size_t bucket = bucket_of(x->order_id);

    TB_ASSERT(!x->wait.waiting);
    x->wait.waiting = true;
    x->wait.prev = NULL;
    x->wait.next = waiters->buckets[bucket];
    if (x->wait.next != NULL)
        x->wait.next->wait.prev = x;
    waiters->buckets[bucket] = x;
    atomic_fetch_add(&waiters->watched[bucket], 1);
    waiters->count++;
    if (x->wait.until_ms < waiters->next_ms)
        waiters->next_ms = x->wait.until_ms;
}

void tb_waiters_remove(struct tb_waiters *waiters, struct tb_exchange *x)
{
    size_t bucket = bucket_of(x->order_id);

    if (!x->wait.waiting)
        return;
    x->wait.waiting = false;
    if (x->wait.prev != NULL)
        x->wait.prev->wait.next = x->wait.next;
    else
        waiters->buckets[bucket] = x->wait.next;
    if (x->wait.next != NULL)
        x->wait.next->wait.prev = x->wait.prev;
    atomic_fetch_sub(&waiters->watched[bucket], 1);
    waiters->count--;
    if (waiters->count == 0)
        waiters->next_ms = INT64_MAX;
}

bool tb_waiters_tell(struct tb_waiters *waiters, const char *order_id, int64_t version)
{
    if (atomic_load(&waiters->watched[bucket_of(order_id)]) == 0)
        return false;
    (void)pthread_mutex_lock(&waiters->lock);
    if (waiters->news_count < TB_WAITER_NEWS_MAX) {
        struct tb_news *news = &waiters->news[waiters->news_count++];
        (void)snprintf(news->order_id, sizeof(news->order_id), "%s", order_id);
        news->version = version;
    } else {
        waiters->overflow = true;
    }
    atomic_store(&waiters->told, true);
    (void)pthread_mutex_unlock(&waiters->lock);
    return true;
}

bool tb_waiters_told(const struct tb_waiters *waiters)
{
    return atomic_load(&((struct tb_waiters *)(uintptr_t)waiters)->told);
}

static bool is_among(const char *order_id, char (*ids)[TB_UUID_SIZE], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(order_id, ids[i]) == 0)
            return true;
    }
    return false;
}

size_t tb_waiters_ids(const struct tb_waiters *waiters, size_t *bucket,
                      char (*ret_ids)[TB_UUID_SIZE], size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < TB_WAITER_BUCKETS && count < max; i++) {
        size_t begin = count;
        *bucket = (*bucket + 1) % TB_WAITER_BUCKETS;
        const struct tb_exchange *x = waiters->buckets[*bucket];
        for (; x != NULL && count < max; x = x->wait.next) {
            if (!is_among(x->order_id, ret_ids + begin, count - begin))
                memcpy(ret_ids[count++], x->order_id, TB_UUID_SIZE);
        }
    }
    return count;
}

static void look_at_bucket(struct tb_waiters *waiters, size_t bucket, const struct tb_news *news,
                           tb_waiter_look *look, void *ctx)
{
    struct tb_exchange *next = NULL;

    for (struct tb_exchange *x = waiters->buckets[bucket]; x != NULL; x = next) {
        next = x->wait.next;
        if (news == NULL ||
            (x->wait.min_version <= news->version && strcmp(x->order_id, news->order_id) == 0))
            look(ctx, x);
    }
}

void tb_waiters_wake(struct tb_waiters *waiters, tb_waiter_look *look, void *ctx)
{
    struct tb_news news[TB_WAITER_NEWS_MAX];

    if (!tb_waiters_told(waiters))
        return;
    (void)pthread_mutex_lock(&waiters->lock);
    size_t count = waiters->news_count;
    bool overflow = waiters->overflow;
    memcpy(news, waiters->news, count * sizeof(news[0]));
    waiters->news_count = 0;
    waiters->overflow = false;
    atomic_store(&waiters->told, false);
    (void)pthread_mutex_unlock(&waiters->lock);

    for (size_t i = 0; !overflow && i < count; i++)
        look_at_bucket(waiters, bucket_of(news[i].order_id), &news[i], look, ctx);
    for (size_t i = 0; overflow && i < TB_WAITER_BUCKETS; i++)
        look_at_bucket(waiters, i, NULL, look, ctx);
}

void tb_waiters_hear(struct tb_waiters *waiters, const char *order_id, int64_t version,
                     tb_waiter_look *look, void *ctx)
{
    struct tb_news news = {.version = version};

    (void)snprintf(news.order_id, sizeof(news.order_id), "%s", order_id);
    look_at_bucket(waiters, bucket_of(order_id), &news, look, ctx);
}

void tb_waiters_expire(struct tb_waiters *waiters, int64_t now_ms, tb_waiter_look *look, void *ctx)
{
    if (now_ms < waiters->next_ms)
        return;
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < TB_WAITER_BUCKETS; i++) {
        struct tb_exchange *next = NULL;
        for (struct tb_exchange *x = waiters->buckets[i]; x != NULL; x = next) {
            next = x->wait.next;
            if (x->wait.until_ms <= now_ms)
                look(ctx, x);
            else if (x->wait.until_ms < next_ms)
                next_ms = x->wait.until_ms;
        }
    }
    waiters->next_ms = next_ms;
}

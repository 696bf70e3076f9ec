#include "api/notify/version_ring.h"
#include <stdio.h>

void tb_news_init(struct tb_newsreel *reel)
{
    atomic_init(&reel->end, 0);
    TB_ASSERT(pthread_mutex_init(&reel->lock, NULL) == 0);
}

void tb_news_release(struct tb_newsreel *reel)
{
    (void)pthread_mutex_destroy(&reel->lock);
}

void tb_news_add(struct tb_newsreel *reel, const char *order_id, int64_t version)
{
    (void)pthread_mutex_lock(&reel->lock);
    uint64_t end = atomic_load(&reel->end);
    struct tb_news *news = &reel->ring[end % TB_NEWS_MAX];
    (void)snprintf(news->order_id, sizeof(news->order_id), "%s", order_id);
    news->version = version;
    atomic_store(&reel->end, end + 1);
    (void)pthread_mutex_unlock(&reel->lock);
}

uint64_t tb_news_end(const struct tb_newsreel *reel)
{
    return atomic_load(&((struct tb_newsreel *)(uintptr_t)reel)->end);
}

bool tb_news_read(struct tb_newsreel *reel, uint64_t *place, struct tb_news *ret_news, size_t max,
                  size_t *ret_count)
{
    (void)pthread_mutex_lock(&reel->lock);
    uint64_t end = atomic_load(&reel->end);
    bool whole = end - *place <= TB_NEWS_MAX;
    size_t count = 0;
    for (; whole && count < max && *place < end; count++, (*place)++)
        ret_news[count] = reel->ring[*place % TB_NEWS_MAX];
    if (!whole)
        *place = end;
    (void)pthread_mutex_unlock(&reel->lock);
    *ret_count = count;
    return whole;
}

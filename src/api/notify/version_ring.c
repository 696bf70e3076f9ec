#include "api/notify/version_ring.h"
#include <stdio.h>

void tb_version_ring_init(struct tb_version_ring *reel)
{
    atomic_init(&reel->end, 0);
    TB_ASSERT(pthread_mutex_init(&reel->lock, NULL) == 0);
}

void tb_version_ring_release(struct tb_version_ring *reel)
{
    (void)pthread_mutex_destroy(&reel->lock);
}

void tb_version_ring_publish(struct tb_version_ring *reel, const char *order_id, int64_t version)
{
    (void)pthread_mutex_lock(&reel->lock);
    uint64_t end = atomic_load(&reel->end);
    struct tb_version_change *news = &reel->ring[end % TB_VERSION_RING_SIZE];
    (void)snprintf(news->order_id, sizeof(news->order_id), "%s", order_id);
    news->version = version;
    atomic_store(&reel->end, end + 1);
    (void)pthread_mutex_unlock(&reel->lock);
}

uint64_t tb_version_ring_end(const struct tb_version_ring *reel)
{
    return atomic_load(&((struct tb_version_ring *)(uintptr_t)reel)->end);
}

bool tb_version_ring_read(struct tb_version_ring *reel, uint64_t *place,
                          struct tb_version_change *ret_news, size_t max, size_t *ret_count)
{
    (void)pthread_mutex_lock(&reel->lock);
    uint64_t end = atomic_load(&reel->end);
    bool whole = end - *place <= TB_VERSION_RING_SIZE;
    size_t count = 0;
    for (; whole && count < max && *place < end; count++, (*place)++)
        ret_news[count] = reel->ring[*place % TB_VERSION_RING_SIZE];
    if (!whole)
        *place = end;
    (void)pthread_mutex_unlock(&reel->lock);
    *ret_count = count;
    return whole;
}

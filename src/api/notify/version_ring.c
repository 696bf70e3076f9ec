#include "api/notify/version_ring.h"
#include <stdio.h>

void tb_version_ring_init(struct tb_version_ring *ring)
{
    atomic_init(&ring->end, 0);
    TB_ASSERT(pthread_mutex_init(&ring->lock, NULL) == 0);
}

void tb_version_ring_release(struct tb_version_ring *ring)
{
    pthread_mutex_destroy(&ring->lock);
}

void tb_version_ring_publish(struct tb_version_ring *ring, const char *order_id, int64_t version,
                             int64_t replaced)
{
    pthread_mutex_lock(&ring->lock);
    uint64_t end = atomic_load(&ring->end);
    struct tb_version_change *change = &ring->ring[end % TB_VERSION_RING_SIZE];
    snprintf(change->order_id, sizeof change->order_id, "%s", order_id);
    change->version = version;
    change->replaced = replaced;
    atomic_store(&ring->end, end + 1);
    pthread_mutex_unlock(&ring->lock);
}

uint64_t tb_version_ring_end(const struct tb_version_ring *ring)
{
    return atomic_load(&ring->end);
}

bool tb_version_ring_read(struct tb_version_ring *ring, uint64_t *position,
                          struct tb_version_change *ret_changes, size_t max, size_t *ret_count)
{
    pthread_mutex_lock(&ring->lock);
    uint64_t end = atomic_load(&ring->end);
    bool complete = end - *position <= TB_VERSION_RING_SIZE;
    size_t count = 0;
    for (; complete && count < max && *position < end; count++, (*position)++)
        ret_changes[count] = ring->ring[*position % TB_VERSION_RING_SIZE];
    if (!complete)
        *position = end;
    pthread_mutex_unlock(&ring->lock);
    *ret_count = count;
    return complete;
}

/* Version ring: the last TB_VERSION_RING_SIZE changes. A change is an order id and the version
 * that the view now has of the order.
 *
 * Writers never wait for readers. Each reader has its own position; a reader that falls behind by
 * more than the ring holds has missed changes and must read the view again.
 *
 * Thread:  any.
 * Units:   a position is the number of changes since the start. */
#pragma once
#include "base/values/uuid.h"
#include <pthread.h>
#include <stdatomic.h>

/* Eight of the consumer's largest batches, in case they come in one round of the api thread. */
#define TB_VERSION_RING_SIZE 8192

struct tb_version_change {
    char order_id[TB_UUID_SIZE];
    int64_t version;
    int64_t replaced; /* how often a snapshot has replaced it (query/projection/lineage.h) */
};
struct tb_version_ring {
    _Atomic uint64_t end; /* the position of the next change */
    pthread_mutex_t lock; /* of ring, and of writing end */
    struct tb_version_change ring[TB_VERSION_RING_SIZE];
};
void tb_version_ring_init(struct tb_version_ring *ring);
void tb_version_ring_release(struct tb_version_ring *ring);
void tb_version_ring_publish(struct tb_version_ring *ring, const char *order_id, int64_t version,
                             int64_t replaced);
uint64_t tb_version_ring_end(const struct tb_version_ring *ring);
/* Copies up to max changes from *position on and moves *position behind them. False: the reader
 * has missed changes; nothing is copied, and *position is now the end. */
TB_CHECKED bool tb_version_ring_read(struct tb_version_ring *ring, uint64_t *position,
                                     struct tb_version_change *ret_changes, size_t max,
                                     size_t *ret_count);

/* News: orders that became visible, on their way from whoever applied them to all who wait.
 *
 * The last TB_VERSION_RING_SIZE are kept. Each reader has a place of its own among them; one that
 * was overtaken has missed some, and is told so: who brings news never waits for who reads them.
 *
 * Thread:  any.
 * Memory:  the news live in the struct; what is read is copied.
 * Errors:  none.
 * Units:   a place counts the news since the start. */
#pragma once
#include "base/values/uuid.h"
#include <pthread.h>
#include <stdatomic.h>

/* Eight of the consumer's largest batches: what comes while the api thread is busy with one. */
#define TB_VERSION_RING_SIZE 8192

struct tb_version_change {
    char order_id[TB_UUID_SIZE];
    int64_t version;
};
struct tb_version_ring {
    _Atomic uint64_t end; /* the next one's place */
    pthread_mutex_t lock; /* of what follows */
    struct tb_version_change ring[TB_VERSION_RING_SIZE];
};
void tb_version_ring_init(struct tb_version_ring *reel);
void tb_version_ring_release(struct tb_version_ring *reel);
void tb_version_ring_publish(struct tb_version_ring *reel, const char *order_id, int64_t version);
uint64_t tb_version_ring_end(const struct tb_version_ring *reel);
/* Up to max from *place on, which moves behind them. False: some at *place are gone, nothing is
 * read, and *place is the end. */
TB_CHECKED bool tb_version_ring_read(struct tb_version_ring *reel, uint64_t *place,
                                     struct tb_version_change *ret_news, size_t max,
                                     size_t *ret_count);

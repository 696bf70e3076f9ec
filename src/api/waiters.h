/* Waiters: readers who wait for an order to reach a version, and the news that wake them.
 *
 * News are kept only for orders that somebody waits for; when there are too many at once every
 * waiter is looked at again. A waiter is added before the view is asked, so that no version slips
 * between the two.
 *
 * Thread:  the api thread's, but for tb_waiters_tell: any thread, never for long.
 * Memory:  links live in the exchanges.
 * Errors:  none.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include "api/exchange.h"
#include <pthread.h>
#include <stdatomic.h>

#define TB_WAITER_BUCKETS 1024
/* News between two rounds of the api thread; a batch of the consumer has at most 1,000 orders. */
#define TB_WAITER_NEWS_MAX 256

struct tb_news {
    char order_id[TB_UUID_SIZE];
    int64_t version;
};
struct tb_waiters {
    struct tb_exchange *buckets[TB_WAITER_BUCKETS];
    _Atomic uint32_t watched[TB_WAITER_BUCKETS]; /* how many wait there */
    size_t count;
    int64_t next_ms;      /* no deadline is earlier; INT64_MAX: none */
    pthread_mutex_t lock; /* of what follows */
    struct tb_news news[TB_WAITER_NEWS_MAX];
    size_t news_count;
    bool overflow;
    _Atomic bool told;
};
void tb_waiters_init(struct tb_waiters *waiters);
void tb_waiters_release(struct tb_waiters *waiters);
/* x->order_id and x->wait.min_version and until_ms are set. */
void tb_waiters_add(struct tb_waiters *waiters, struct tb_exchange *x);
void tb_waiters_remove(struct tb_waiters *waiters, struct tb_exchange *x); /* no waiter: nothing */
/* True: somebody waits for it, wake the api thread. */
bool tb_waiters_tell(struct tb_waiters *waiters, const char *order_id, int64_t version);
bool tb_waiters_told(const struct tb_waiters *waiters);
/* Up to max of the orders that are waited for, each once, from *bucket on, which moves to where
 * the next call goes on. */
size_t tb_waiters_ids(const struct tb_waiters *waiters, size_t *bucket,
                      char (*ret_ids)[TB_UUID_SIZE], size_t max);

/* All call look for each waiter concerned, which may remove that one. */
typedef void tb_waiter_look(void *ctx, struct tb_exchange *x);
void tb_waiters_wake(struct tb_waiters *waiters, tb_waiter_look *look, void *ctx);
/* News that the api thread has itself. */
void tb_waiters_hear(struct tb_waiters *waiters, const char *order_id, int64_t version,
                     tb_waiter_look *look, void *ctx);
void tb_waiters_expire(struct tb_waiters *waiters, int64_t now_ms, tb_waiter_look *look,
                       void *ctx);

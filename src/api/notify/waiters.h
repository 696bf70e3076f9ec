/* Waiters: those who wait for an order to come further, and the news that reach them.
 *
 * A waiter is a long poll's request, or a WebSocket's subscription. News are kept only if somebody
 * waits for such an order; when too many came at once every waiter is to look again. A waiter is
 * added before the view is asked, so that no version slips between the two.
 *
 * Thread:  the api thread's, but for tb_waiters_publish: any thread, never for long.
 * Memory:  links live in what waits.
 * Errors:  none.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include "api/notify/version_ring.h"

#define TB_WAITER_BUCKETS 1024

struct tb_waiter;
/* The waiter's order is at version; 0: nobody knows how far, it must look. May remove this waiter
 * and no other. */
typedef void tb_waiter_on_version(void *ctx, struct tb_waiter *wait, int64_t version);

struct tb_waiter {
    struct tb_waiter *next, *prev;
    const char *order_id; /* borrowed; lower case */
    int64_t min_version;  /* less is no news to it */
    int64_t until_ms;     /* INT64_MAX: for ever */
    tb_waiter_on_version *heard;
    bool waiting;
};
struct tb_waiters {
    struct tb_waiter *buckets[TB_WAITER_BUCKETS];
    _Atomic uint32_t watched[TB_WAITER_BUCKETS]; /* how many wait there */
    _Atomic uint32_t followers;                  /* who want to hear of every order */
    size_t count;
    int64_t next_ms; /* no deadline is earlier; INT64_MAX: none */
    struct tb_version_ring news;
    uint64_t place; /* of the news that the waiters have not heard yet */
};
void tb_waiters_init(struct tb_waiters *waiters);
void tb_waiters_release(struct tb_waiters *waiters);
/* wait is filled but for its links. */
void tb_waiters_add(struct tb_waiters *waiters, struct tb_waiter *wait);
void tb_waiters_remove(struct tb_waiters *waiters,
                       struct tb_waiter *wait); /* not there: nothing */
/* Followers read the news themselves; while there are any, all are kept. */
void tb_waiters_add_reader(struct tb_waiters *waiters);
void tb_waiters_remove_reader(struct tb_waiters *waiters);
/* True: somebody waits for it, wake the api thread. */
bool tb_waiters_publish(struct tb_waiters *waiters, const char *order_id, int64_t version);
bool tb_waiters_have_changes(const struct tb_waiters *waiters);
/* Up to max of the orders that are waited for, each once, from *bucket on, which moves to where
 * the next call goes on. */
size_t tb_waiters_order_ids(const struct tb_waiters *waiters, size_t *bucket,
                            char (*ret_ids)[TB_UUID_SIZE], size_t max);

/* The news that were told reach whom they concern. */
void tb_waiters_deliver(struct tb_waiters *waiters, void *ctx);
/* News that the api thread has itself. */
void tb_waiters_notify(struct tb_waiters *waiters, const char *order_id, int64_t version,
                       void *ctx);
/* Calls late for each whose time is over, which may remove that one. */
void tb_waiters_expire(struct tb_waiters *waiters, int64_t now_ms,
                       void (*late)(void *ctx, struct tb_waiter *wait), void *ctx);

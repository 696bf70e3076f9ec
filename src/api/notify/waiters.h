/* Waiters: those who wait until an order is visible at some version: a long poll's request, or a
 * WebSocket subscription.
 *
 * Changes go into the version ring only while somebody waits for such an order. When the ring
 * overflows, every waiter must read the view. Add a waiter before reading the view, so that no
 * version is missed in between.
 *
 * Thread:  the api thread; tb_waiters_publish from any thread, and it never waits for long.
 * Memory:  a waiter lives in whatever waits.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include "api/notify/version_ring.h"
#include "base/mem/list.h"

#define TB_WAITER_BUCKETS 4096

struct tb_waiter {
    struct tb_list_node node;       /* in its bucket while it waits */
    struct tb_list_node timed_node; /* among those that have a deadline */
    const char *order_id;           /* borrowed; lower case */
    int64_t min_version;            /* lower versions are not notified */
    int64_t deadline_ms;            /* INT64_MAX: none */
    /* The order is visible at this version; 0: changes were missed, read the view. May remove
     * this waiter, and no other. */
    void (*on_version)(struct tb_waiter *waiter, int64_t version);
    /* The deadline has passed. May remove this waiter, and no other. NULL without a deadline. */
    void (*on_deadline)(struct tb_waiter *waiter);
};
struct tb_waiters {
    struct tb_list buckets[TB_WAITER_BUCKETS];
    _Atomic uint32_t bucket_counts[TB_WAITER_BUCKETS];
    _Atomic uint32_t reader_count; /* of those that read the whole ring */
    size_t count;
    struct tb_list timed;
    int64_t next_ms; /* no deadline is earlier; INT64_MAX: none */
    struct tb_version_ring ring;
    uint64_t position; /* in the ring: what the waiters were notified of */
};
void tb_waiters_init(struct tb_waiters *waiters);
void tb_waiters_release(struct tb_waiters *waiters);
/* waiter is filled but for its links. */
void tb_waiters_add(struct tb_waiters *waiters, struct tb_waiter *waiter);
void tb_waiters_remove(struct tb_waiters *waiters,
                       struct tb_waiter *waiter); /* a no-op if it does not wait */
/* While there are readers of the whole ring, every change goes into it. */
void tb_waiters_add_reader(struct tb_waiters *waiters);
void tb_waiters_remove_reader(struct tb_waiters *waiters);
/* True: somebody waits for the change: wake the api thread. */
bool tb_waiters_publish(struct tb_waiters *waiters, const char *order_id, int64_t version);
bool tb_waiters_have_changes(const struct tb_waiters *waiters);
/* Up to max orders that are waited for, each once, from bucket *bucket on; moves *bucket to where
 * the next call continues. */
size_t tb_waiters_order_ids(const struct tb_waiters *waiters, size_t *bucket,
                            char (*ret_ids)[TB_UUID_SIZE], size_t max);

/* Notifies the waiters of what was published. */
void tb_waiters_deliver(struct tb_waiters *waiters);
/* Notifies the waiters of a version that the api thread has read itself. */
void tb_waiters_notify(struct tb_waiters *waiters, const char *order_id, int64_t version);
/* Calls on_deadline of each waiter whose deadline has passed. */
void tb_waiters_expire(struct tb_waiters *waiters, int64_t now_ms);

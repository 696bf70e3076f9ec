/* Waiters: long polls and WebSocket subscriptions, which wait until the view has a certain version
 * of an order.
 *
 * A change goes into the version ring only if a waiter has the same hash bucket, or if there are
 * readers of the whole ring. When the ring overflows, every waiter must read the view. Add a
 * waiter before you read the view for it: otherwise it misses a version that comes in between.
 *
 * Thread:  the api thread; tb_waiters_publish from any thread, and it never blocks for long.
 * Memory:  a waiter is a part of the long poll or of the subscription.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include "api/notify/version_ring.h"
#include "base/mem/list.h"

#define TB_WAITER_BUCKETS 4096

struct tb_waiter {
    struct tb_list_node node;       /* in its bucket while it waits */
    struct tb_list_node timed_node; /* in `timed` while it waits, if it has a deadline */
    const char *order_id;           /* borrowed; in lower case */
    int64_t min_version;            /* on_version is not called for lower ones */
    /* It goes by (replaced, version), which never goes back: if a snapshot has replaced the order
     * more often than this waiter knows, min_version is lowered to the order's version. */
    bool follows;
    int64_t replaced;    /* if it follows: as often as it knows */
    int64_t deadline_ms; /* INT64_MAX: none */
    /* The view has this version of the order; 0: changes were missed, so read the view. The
     * callback may remove this waiter, but no other. */
    void (*on_version)(struct tb_waiter *waiter, int64_t version);
    /* The deadline has passed. The callback may remove this waiter, but no other. NULL: no
     * deadline. */
    void (*on_deadline)(struct tb_waiter *waiter);
};
struct tb_waiters {
    struct tb_list buckets[TB_WAITER_BUCKETS];
    _Atomic uint32_t bucket_counts[TB_WAITER_BUCKETS];
    _Atomic uint32_t reader_count; /* readers of the whole ring: ws/subscription.c counts them */
    size_t count;
    struct tb_list timed;
    int64_t next_ms; /* no deadline is earlier; INT64_MAX: none */
    struct tb_version_ring ring;
    uint64_t position; /* in the ring: the waiters know all changes before it */
};
void tb_waiters_init(struct tb_waiters *waiters);
void tb_waiters_release(struct tb_waiters *waiters);
/* The caller has filled waiter except its nodes. */
void tb_waiters_add(struct tb_waiters *waiters, struct tb_waiter *waiter);
/* Does nothing if waiter does not wait. */
void tb_waiters_remove(struct tb_waiters *waiters, struct tb_waiter *waiter);
/* True: the change is in the ring, so wake the api thread. */
bool tb_waiters_publish(struct tb_waiters *waiters, const char *order_id, int64_t version,
                        int64_t replaced);
bool tb_waiters_have_changes(const struct tb_waiters *waiters);
/* Writes up to max ids of orders that have waiters, each once, from the bucket after *bucket on.
 * Sets *bucket to the last bucket that was read: pass it to the next call. If max cuts a bucket,
 * its other ids wait for the next round of all buckets. */
size_t tb_waiters_order_ids(const struct tb_waiters *waiters, size_t *bucket,
                            char (*ret_ids)[TB_UUID_SIZE], size_t max);

/* Notifies the waiters of the changes in the ring. */
void tb_waiters_deliver(struct tb_waiters *waiters);
/* Call it after reading the view: notifies those who wait for this version of the order, or for a
 * lower one. */
void tb_waiters_notify(struct tb_waiters *waiters, const char *order_id, int64_t version);
/* Calls on_deadline of each waiter whose deadline has passed. */
void tb_waiters_expire(struct tb_waiters *waiters, int64_t now_ms);

#include "api/notify/waiters.h"
#include "base/hash.h"

/* Changes that are copied at once; the ring is locked meanwhile. */
#define CHANGES_AT_ONCE 64

void tb_waiters_init(struct tb_waiters *waiters)
{
    memset(waiters, 0, sizeof *waiters);
    waiters->next_ms = INT64_MAX;
    tb_version_ring_init(&waiters->ring);
}

void tb_waiters_release(struct tb_waiters *waiters)
{
    TB_ASSERT(waiters->count == 0);
    tb_version_ring_release(&waiters->ring);
}

static size_t bucket_of(const char *order_id)
{
    uint32_t hash = tb_fnv1a(TB_FNV1A_START, order_id, strlen(order_id));

    return (hash ^ hash >> 16) % TB_WAITER_BUCKETS;
}

static struct tb_waiter *waiter_of(struct tb_list_node *node)
{
    return TB_LIST_ELEMENT(node, struct tb_waiter, node);
}

void tb_waiters_add(struct tb_waiters *waiters, struct tb_waiter *waiter)
{
    size_t bucket = bucket_of(waiter->order_id);

    TB_ASSERT(!tb_list_is_linked(&waiter->node));
    tb_list_prepend(&waiters->buckets[bucket], &waiter->node);
    atomic_fetch_add(&waiters->bucket_counts[bucket], 1);
    waiters->count++;
    if (waiter->deadline_ms == INT64_MAX)
        return;
    tb_list_prepend(&waiters->timed, &waiter->timed_node);
    if (waiter->deadline_ms < waiters->next_ms)
        waiters->next_ms = waiter->deadline_ms;
}

void tb_waiters_remove(struct tb_waiters *waiters, struct tb_waiter *waiter)
{
    if (!tb_list_is_linked(&waiter->node))
        return;
    size_t bucket = bucket_of(waiter->order_id);
    tb_list_remove(&waiters->buckets[bucket], &waiter->node);
    if (tb_list_is_linked(&waiter->timed_node))
        tb_list_remove(&waiters->timed, &waiter->timed_node);
    atomic_fetch_sub(&waiters->bucket_counts[bucket], 1);
    waiters->count--;
    if (!waiters->timed.first)
        waiters->next_ms = INT64_MAX;
}

bool tb_waiters_publish(struct tb_waiters *waiters, const char *order_id, int64_t version,
                        int64_t replaced)
{
    if (atomic_load(&waiters->bucket_counts[bucket_of(order_id)]) == 0 &&
        atomic_load(&waiters->reader_count) == 0)
        return false;
    tb_version_ring_publish(&waiters->ring, order_id, version, replaced);
    return true;
}

bool tb_waiters_have_changes(const struct tb_waiters *waiters)
{
    return tb_version_ring_end(&waiters->ring) != waiters->position;
}

static bool is_among(const char *order_id, char (*ids)[TB_UUID_SIZE], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(order_id, ids[i]) == 0)
            return true;
    }
    return false;
}

size_t tb_waiters_order_ids(const struct tb_waiters *waiters, size_t *bucket,
                            char (*ret_ids)[TB_UUID_SIZE], size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < TB_WAITER_BUCKETS && count < max; i++) {
        size_t begin = count;
        *bucket = (*bucket + 1) % TB_WAITER_BUCKETS;
        struct tb_list_node *node = waiters->buckets[*bucket].first;
        for (; node && count < max; node = node->next) {
            const char *order_id = waiter_of(node)->order_id;
            if (!is_among(order_id, ret_ids + begin, count - begin))
                memcpy(ret_ids[count++], order_id, TB_UUID_SIZE);
        }
    }
    return count;
}

/* replaced below 0: not known. */
static void notify(struct tb_waiters *waiters, const char *order_id, int64_t version,
                   int64_t replaced)
{
    struct tb_list_node *node = waiters->buckets[bucket_of(order_id)].first, *next;

    for (; node; node = next) {
        struct tb_waiter *waiter = waiter_of(node);
        next = node->next;
        if (strcmp(waiter->order_id, order_id) != 0)
            continue;
        if (waiter->follows && replaced >= 0) {
            if (replaced < waiter->replaced)
                continue; /* late news of a history that the store has left behind */
            if (replaced > waiter->replaced && waiter->min_version > version)
                waiter->min_version = version;
            waiter->replaced = replaced;
        }
        if (waiter->min_version <= version)
            waiter->on_version(waiter, version);
    }
}

void tb_waiters_notify(struct tb_waiters *waiters, const char *order_id, int64_t version)
{
    notify(waiters, order_id, version, -1);
}

/* Changes were missed: every waiter must read the view. */
static void notify_all(struct tb_waiters *waiters)
{
    for (size_t i = 0; i < TB_WAITER_BUCKETS; i++) {
        struct tb_list_node *node = waiters->buckets[i].first, *next;
        for (; node; node = next) {
            next = node->next;
            waiter_of(node)->on_version(waiter_of(node), 0);
        }
    }
}

void tb_waiters_deliver(struct tb_waiters *waiters)
{
    struct tb_version_change changes[CHANGES_AT_ONCE];
    uint64_t end = tb_version_ring_end(&waiters->ring); /* later changes wait for the next round */
    size_t count = 0;

    while (waiters->position < end) {
        if (!tb_version_ring_read(&waiters->ring, &waiters->position, changes, CHANGES_AT_ONCE,
                                  &count)) {
            notify_all(waiters);
            return;
        }
        for (size_t i = 0; i < count; i++)
            notify(waiters, changes[i].order_id, changes[i].version, changes[i].replaced);
    }
}

void tb_waiters_expire(struct tb_waiters *waiters, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;

    if (now_ms < waiters->next_ms)
        return;
    for (struct tb_list_node *node = waiters->timed.first, *next; node; node = next) {
        struct tb_waiter *waiter = TB_LIST_ELEMENT(node, struct tb_waiter, timed_node);
        next = node->next;
        if (waiter->deadline_ms <= now_ms)
            waiter->on_deadline(waiter);
        else if (waiter->deadline_ms < next_ms)
            next_ms = waiter->deadline_ms;
    }
    waiters->next_ms = next_ms;
}

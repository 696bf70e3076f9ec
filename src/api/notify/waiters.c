#include "api/notify/waiters.h"

/* Copied at once out of the news, whose lock is held meanwhile. */
#define CHANGES_AT_ONCE 64

void tb_waiters_init(struct tb_waiters *waiters)
{
    memset(waiters, 0, sizeof(*waiters));
    waiters->next_ms = INT64_MAX;
    tb_version_ring_init(&waiters->news);
}

void tb_waiters_release(struct tb_waiters *waiters)
{
    TB_ASSERT(waiters->count == 0);
    tb_version_ring_release(&waiters->news);
}

static size_t bucket_of(const char *order_id)
{
    uint32_t hash = 2166136261U; /* FNV-1a */

    for (; *order_id != '\0'; order_id++)
        hash = (hash ^ (unsigned char)*order_id) * 16777619U;
    return (hash ^ hash >> 16) % TB_WAITER_BUCKETS;
}

void tb_waiters_add(struct tb_waiters *waiters, struct tb_waiter *wait)
{
    size_t bucket = bucket_of(wait->order_id);

    TB_ASSERT(!wait->waiting);
    wait->waiting = true;
    wait->prev = NULL;
    wait->next = waiters->buckets[bucket];
    if (wait->next != NULL)
        wait->next->prev = wait;
    waiters->buckets[bucket] = wait;
    atomic_fetch_add(&waiters->watched[bucket], 1);
    waiters->count++;
    if (wait->until_ms < waiters->next_ms)
        waiters->next_ms = wait->until_ms;
}

void tb_waiters_remove(struct tb_waiters *waiters, struct tb_waiter *wait)
{
    if (!wait->waiting)
        return;
    size_t bucket = bucket_of(wait->order_id);
    wait->waiting = false;
    if (wait->prev != NULL)
        wait->prev->next = wait->next;
    else
        waiters->buckets[bucket] = wait->next;
    if (wait->next != NULL)
        wait->next->prev = wait->prev;
    atomic_fetch_sub(&waiters->watched[bucket], 1);
    waiters->count--;
    if (waiters->count == 0)
        waiters->next_ms = INT64_MAX;
}

void tb_waiters_add_reader(struct tb_waiters *waiters)
{
    atomic_fetch_add(&waiters->followers, 1);
}

void tb_waiters_remove_reader(struct tb_waiters *waiters)
{
    TB_ASSERT(atomic_fetch_sub(&waiters->followers, 1) > 0);
}

bool tb_waiters_publish(struct tb_waiters *waiters, const char *order_id, int64_t version)
{
    if (atomic_load(&waiters->watched[bucket_of(order_id)]) == 0 &&
        atomic_load(&waiters->followers) == 0)
        return false;
    tb_version_ring_publish(&waiters->news, order_id, version);
    return true;
}

bool tb_waiters_have_changes(const struct tb_waiters *waiters)
{
    return tb_version_ring_end(&waiters->news) != waiters->place;
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
        const struct tb_waiter *wait = waiters->buckets[*bucket];
        for (; wait != NULL && count < max; wait = wait->next) {
            if (!is_among(wait->order_id, ret_ids + begin, count - begin))
                memcpy(ret_ids[count++], wait->order_id, TB_UUID_SIZE);
        }
    }
    return count;
}

void tb_waiters_notify(struct tb_waiters *waiters, const char *order_id, int64_t version,
                       void *ctx)
{
    struct tb_waiter *next = NULL;

    for (struct tb_waiter *wait = waiters->buckets[bucket_of(order_id)]; wait != NULL;
         wait = next) {
        next = wait->next;
        if (wait->min_version <= version && strcmp(wait->order_id, order_id) == 0)
            wait->heard(ctx, wait, version);
    }
}

static void all_look(struct tb_waiters *waiters, void *ctx)
{
    for (size_t i = 0; i < TB_WAITER_BUCKETS; i++) {
        struct tb_waiter *next = NULL;
        for (struct tb_waiter *wait = waiters->buckets[i]; wait != NULL; wait = next) {
            next = wait->next;
            wait->heard(ctx, wait, 0);
        }
    }
}

void tb_waiters_deliver(struct tb_waiters *waiters, void *ctx)
{
    struct tb_version_change news[CHANGES_AT_ONCE];
    uint64_t end =
        tb_version_ring_end(&waiters->news); /* what comes meanwhile is the next round's */
    size_t count = 0;

    while (waiters->place < end) {
        if (!tb_version_ring_read(&waiters->news, &waiters->place, news, CHANGES_AT_ONCE,
                                  &count)) {
            all_look(waiters, ctx);
            return;
        }
        for (size_t i = 0; i < count; i++)
            tb_waiters_notify(waiters, news[i].order_id, news[i].version, ctx);
    }
}

void tb_waiters_expire(struct tb_waiters *waiters, int64_t now_ms,
                       void (*late)(void *ctx, struct tb_waiter *wait), void *ctx)
{
    if (now_ms < waiters->next_ms)
        return;
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < TB_WAITER_BUCKETS; i++) {
        struct tb_waiter *next = NULL;
        for (struct tb_waiter *wait = waiters->buckets[i]; wait != NULL; wait = next) {
            next = wait->next;
            if (wait->until_ms == INT64_MAX)
                continue;
            if (wait->until_ms <= now_ms)
                late(ctx, wait);
            else if (wait->until_ms < next_ms)
                next_ms = wait->until_ms;
        }
    }
    waiters->next_ms = next_ms;
}

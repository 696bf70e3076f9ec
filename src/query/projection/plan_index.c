#include "query/projection/plan_priv.h"
#include <stdlib.h>
#include <string.h>

/* A batch of ordinary orders takes megabytes, most of it for parsed values. */
#define ARENA_CHUNK ((size_t)64 << 10)

/* Hash table by open addressing, at most half full. A batch is bounded, so even ids that were
 * chosen to collide cost only milliseconds. */
struct tb_plan_index {
    size_t mask;
    struct tb_planned_order **slots;
    /* Each batch uses it again, which avoids half of the allocations. */
    struct tb_planned_order *pool;
    size_t pool_max;
};

static size_t hash_of(const char *order_id)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t word;

    /* A UUID has 36 characters: four words, and the last 8 bytes, which overlap the fourth. */
    for (size_t at = 0; at < 32; at += sizeof word) {
        memcpy(&word, order_id + at, sizeof word);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    memcpy(&word, order_id + TB_UUID_LEN - sizeof word, sizeof word);
    hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
    /* The slot uses the lowest bits, but the last characters are in the highest ones. */
    hash = (hash ^ (hash >> 32)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (size_t)(hash ^ (hash >> 29));
}

static struct tb_planned_order **slot_of(const struct tb_plan *plan, const char *order_id)
{
    const struct tb_plan_index *index = plan->index;
    size_t at = hash_of(order_id) & index->mask;

    while (index->slots[at] &&
           memcmp(index->slots[at]->order.order_id, order_id, TB_UUID_LEN) != 0)
        at = (at + 1) & index->mask;
    return &index->slots[at];
}

struct tb_planned_order *tb_plan_find(const struct tb_plan *plan, const char *order_id)
{
    return *slot_of(plan, order_id);
}

struct tb_planned_order *tb_plan_new_order(struct tb_plan *plan)
{
    struct tb_planned_order *fresh = &plan->index->pool[plan->order_count];

    TB_ASSERT(plan->order_count < plan->index->pool_max);
    *fresh = (struct tb_planned_order){0};
    return fresh;
}

void tb_plan_insert(struct tb_plan *plan, struct tb_planned_order *fresh)
{
    struct tb_planned_order **slot = slot_of(plan, fresh->order.order_id);

    TB_ASSERT(*slot == NULL && fresh == &plan->index->pool[plan->order_count]);
    *slot = fresh;
    plan->orders[plan->order_count++] = fresh;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, TB_UUID_SIZE);
}

size_t tb_plan_order_ids(const struct tb_log_batch *batch, char (*ret_ids)[TB_UUID_SIZE])
{
    size_t count = 0, distinct = 0;

    for (size_t i = 0; i < batch->count; i++) {
        struct tb_str subject = tb_record_header(&batch->records[i], "ce_subject");
        struct tb_str key = batch->records[i].key;

        if ((subject.ptr && tb_uuid_parse(subject, ret_ids[count])) ||
            (key.ptr && tb_uuid_parse(key, ret_ids[count])))
            count++;
    }
    qsort(ret_ids, count, sizeof *ret_ids, by_id);
    for (size_t i = 0; i < count; i++) {
        if (distinct == 0 || by_id(ret_ids[distinct - 1], ret_ids[i]) != 0)
            memmove(ret_ids[distinct++], ret_ids[i], sizeof *ret_ids);
    }
    return distinct;
}

static bool reserve_slots(struct tb_plan_index *index, size_t count)
{
    size_t size = 16;
    struct tb_planned_order **slots;

    while (size < 2 * count)
        size *= 2;
    if (index->slots && index->mask + 1 >= size)
        return true;
    slots = calloc(size, sizeof(struct tb_planned_order *));
    if (!slots)
        return false;
    free(index->slots);
    index->slots = slots;
    index->mask = size - 1;
    return true;
}

static bool reserve_index(struct tb_plan *plan, size_t count)
{
    struct tb_plan_index *index = plan->index;
    struct tb_planned_order *pool;

    if (!index && !(index = plan->index = calloc(1, sizeof *index)))
        return false;
    if (index->pool_max < count) {
        pool = calloc(count, sizeof *pool);
        if (!pool)
            return false;
        free(index->pool);
        index->pool = pool;
        index->pool_max = count;
    }
    return reserve_slots(index, count);
}

bool tb_plan_reserve(struct tb_plan *plan, size_t count)
{
    TB_ASSERT(plan->order_count == 0 && plan->orders == NULL);

    plan->arena.chunk_size = ARENA_CHUNK;
    plan->orders = tb_arena_array(&plan->arena, count, sizeof(struct tb_planned_order *));
    plan->occurred_at_ms = tb_arena_array(&plan->arena, count, sizeof(int64_t));
    plan->sales_deltas = tb_arena_array(&plan->arena, 2 * count, sizeof *plan->sales_deltas);
    plan->origins = tb_arena_array(&plan->arena, count, sizeof *plan->origins);
    return plan->orders && plan->occurred_at_ms && plan->sales_deltas && plan->origins &&
           reserve_index(plan, count);
}

void tb_plan_clear(struct tb_plan *plan)
{
    struct tb_plan_index *index = plan->index;

    if (index && index->slots)
        memset(index->slots, 0, (index->mask + 1) * sizeof(struct tb_planned_order *));
    tb_arena_clear(&plan->arena);
    *plan = (struct tb_plan){.arena = plan->arena, .index = index};
}

void tb_plan_release(struct tb_plan *plan)
{
    if (plan->index) {
        free(plan->index->slots);
        free(plan->index->pool);
    }
    free(plan->index);
    tb_arena_release(&plan->arena);
    *plan = (struct tb_plan){0};
}

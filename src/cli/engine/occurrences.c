#include "cli/engine/occurrences.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 1024 /* a power of two, as all others */
#define HASH_SIZE 16

struct tb_occurrence {
    uint8_t hash[HASH_SIZE];
    uint32_t count; /* 0: the slot is empty */
};

/* The slot that has this hash, or the empty one where it belongs. */
static struct tb_occurrence *slot_of(struct tb_occurrence *slots, size_t capacity,
                                     const uint8_t hash[HASH_SIZE])
{
    uint64_t at;

    memcpy(&at, hash, sizeof at);
    for (at &= capacity - 1;; at = (at + 1) & (capacity - 1)) {
        struct tb_occurrence *slot = &slots[at];

        if (slot->count == 0 || memcmp(slot->hash, hash, HASH_SIZE) == 0)
            return slot;
    }
}

static bool grow(struct tb_occurrences *occurrences)
{
    size_t capacity = occurrences->capacity > 0 ? occurrences->capacity * 2 : FIRST_CAPACITY;
    struct tb_occurrence *slots = calloc(capacity, sizeof *slots);

    if (!slots)
        return false;
    for (size_t i = 0; i < occurrences->capacity; i++)
        if (occurrences->slots[i].count > 0)
            *slot_of(slots, capacity, occurrences->slots[i].hash) = occurrences->slots[i];
    free(occurrences->slots);
    occurrences->slots = slots;
    occurrences->capacity = capacity;
    return true;
}

enum tb_code tb_occurrences_add(struct tb_occurrences *occurrences, const uint8_t digest[32],
                                uint32_t *ret_count, struct tb_error *err)
{
    if (occurrences->used >= occurrences->capacity / 4 * 3 && !grow(occurrences))
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    struct tb_occurrence *slot = slot_of(occurrences->slots, occurrences->capacity, digest);
    if (slot->count == UINT32_MAX || (slot->count == 0 && occurrences->used >= occurrences->max))
        return tb_error_set(err, TB_FULL, "there are more than %zu different lines",
                            occurrences->max);
    if (slot->count == 0) {
        memcpy(slot->hash, digest, HASH_SIZE);
        occurrences->used++;
    }
    *ret_count = ++slot->count;
    return TB_OK;
}

void tb_occurrences_release(struct tb_occurrences *occurrences)
{
    free(occurrences->slots);
    *occurrences = (struct tb_occurrences){0};
}

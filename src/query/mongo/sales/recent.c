#include "bridge/log/place.h"
#include "query/mongo/sales/day.h"
#include <endian.h>

/* What batches of earlier generations have added stays until it is known whether it was written.
 * Each replaced log leaves a batch at most. */
#define RECENT_MAX ((size_t)4 * TB_LOG_BATCH_MAX)

static int64_t hash_of(const struct tb_plan_sales_delta *delta)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (const char *at = delta->planned->order.order_id; *at; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    return (int64_t)hash;
}

static void remove_entry(struct tb_sales_part *part, size_t at)
{
    part->recent_count--;
    memmove(&part->recent[at], &part->recent[at + 1],
            (part->recent_count - at) * sizeof *part->recent);
}

/* Below all offsets of any generation. */
#define UNSETTLED (-1)

void tb_sales_unsettle(struct tb_sales_part *part, int64_t from)
{
    size_t first = part->recent_count;

    /* That batch may have begun behind a gap, where records are now. */
    if (part->recent_from > 1 + from)
        part->recent_from = 1 + from;
    while (first > 0 && part->recent[first - 1].offset >= from)
        first--;
    for (size_t at = first; at < part->recent_count; at++) {
        struct tb_sales_recent entry = part->recent[at];
        size_t to = at - first;

        entry.offset = UNSETTLED;
        memmove(&part->recent[to + 1], &part->recent[to], (at - to) * sizeof *part->recent);
        part->recent[to] = entry;
    }
}

void tb_sales_forget_before(struct tb_sales_part *part, int64_t first)
{
    size_t from = 0, to;

    while (from < part->recent_count &&
           tb_log_generation(part->recent[from].offset) < tb_log_generation(first))
        from++;
    for (to = from; to < part->recent_count && part->recent[to].offset < first;)
        to++;
    if (to == from)
        return;
    memmove(&part->recent[from], &part->recent[to],
            (part->recent_count - to) * sizeof *part->recent);
    part->recent_count -= to - from;
}

bool tb_sales_remembers(const struct tb_sales_part *part, const struct tb_plan_sales_delta *delta)
{
    int64_t order = hash_of(delta);

    for (size_t at = part->recent_count; at > 0; at--) {
        const struct tb_sales_recent *entry = &part->recent[at - 1];

        if (entry->offset < delta->offset)
            return false;
        if (entry->offset == delta->offset && entry->order == order &&
            entry->standing == delta->standing)
            return true;
    }
    return false;
}

static void subtract(struct tb_sales_day *day, struct tb_sales_part *part,
                     const struct tb_sales_recent *entry)
{
    part->total_minor -= entry->total_minor;
    part->orders -= entry->orders;
    part->returns -= entry->returns;
    part->cancelled -= entry->cancelled;
    part->late_orders -= entry->late_orders;
    part->late_changes -= entry->late_changes;
    part->cancelled_returns -= entry->cancelled_returns;
    part->shipped -= entry->shipped;
    part->shipped_returns -= entry->shipped_returns;
    part->shipped_minor -= entry->shipped_minor;
    day->changes++;
}

/* The order was at delta->from when the change was computed. What was counted for a later version
 * than that is in the change. What an earlier generation has counted for an earlier version was
 * written; what this one has counted stays remembered, because its batch may come again. */
void tb_sales_take_back(struct tb_sales_day *day, const struct tb_plan_sales_delta *delta)
{
    int64_t order = hash_of(delta), generation = tb_log_generation(delta->offset);

    for (size_t i = 0; i < day->part_count; i++) {
        struct tb_sales_part *part = &day->parts[i];

        for (size_t at = 0; at < part->recent_count;) {
            const struct tb_sales_recent entry = part->recent[at];
            bool replaces = entry.standing > delta->from && entry.standing <= delta->standing;
            bool is_over =
                entry.standing <= delta->from && tb_log_generation(entry.offset) < generation;

            if (entry.order != order || !(replaces || is_over)) {
                at++;
                continue;
            }
            remove_entry(part, at);
            if (replaces)
                subtract(day, part, &entry);
        }
    }
}

bool tb_sales_was_late(const struct tb_sales_part *part, const struct tb_plan_sales_delta *delta,
                       bool late)
{
    int64_t order = hash_of(delta);

    for (size_t at = part->recent_count; at > 0; at--) {
        const struct tb_sales_recent *entry = &part->recent[at - 1];

        if (entry->offset == delta->offset && entry->order == order)
            return entry->late_changes != 0;
    }
    return late;
}

bool tb_sales_remember(struct tb_sales_part *part, const struct tb_plan_sales_delta *delta,
                       bool late, struct tb_arena *arena)
{
    size_t count = part->recent_count, at = count;

    if (count == part->recent_room) {
        size_t room = count < 32 ? 64 : 2 * count;
        struct tb_sales_recent *more = tb_arena_array(arena, room, sizeof *more);

        if (!more)
            return false;
        if (count > 0)
            memcpy(more, part->recent, count * sizeof *more);
        part->recent = more;
        part->recent_room = room;
    }
    while (at > 0 && part->recent[at - 1].offset > delta->offset)
        at--;
    memmove(&part->recent[at + 1], &part->recent[at], (count - at) * sizeof *part->recent);
    part->recent[at] = (struct tb_sales_recent){
        .offset = delta->offset,
        .order = hash_of(delta),
        .standing = delta->standing,
        .total_minor = delta->total_minor,
        .orders = (int8_t)delta->orders,
        .returns = (int8_t)delta->returns,
        .cancelled = (int8_t)delta->cancelled,
        .late_orders = (int8_t)(late && delta->placed),
        .late_changes = (int8_t)late,
        .cancelled_returns = (int8_t)delta->cancelled_returns,
        .shipped = (int8_t)delta->shipped,
        .shipped_returns = (int8_t)delta->shipped_returns,
        .shipped_minor = delta->shipped_minor,
    };
    part->recent_count++;
    if (part->recent_count > RECENT_MAX)
        remove_entry(part, 0);
    return true;
}

void tb_sales_forget(struct tb_sales_part *part, const struct tb_plan_sales_delta *delta)
{
    int64_t order = hash_of(delta);

    for (size_t at = part->recent_count; at > 0; at--) {
        if (part->recent[at - 1].offset == delta->offset && part->recent[at - 1].order == order)
            remove_entry(part, at - 1);
    }
}

/* An entry: four numbers of 64 bits, the lowest byte first, then a byte for each small one. What
 * it has by status is a text of its own: builds that do not know it read the first one. */
#define NUMBERS 4
#define SMALL 5
#define ENTRY_SIZE (NUMBERS * sizeof(uint64_t) + SMALL)
#define STATUSES 3
#define STATUS_ENTRY_SIZE (sizeof(uint64_t) + STATUSES)

static void pack_statuses(const struct tb_sales_recent *entry, char *bytes)
{
    const uint64_t number = htole64((uint64_t)entry->shipped_minor);
    const int8_t small[STATUSES] = {entry->cancelled_returns, entry->shipped,
                                    entry->shipped_returns};

    memcpy(bytes, &number, sizeof number);
    memcpy(bytes + sizeof number, small, sizeof small);
}

static void unpack_statuses(const char *bytes, struct tb_sales_recent *entry)
{
    uint64_t number;
    int8_t small[STATUSES];

    memcpy(&number, bytes, sizeof number);
    memcpy(small, bytes + sizeof number, sizeof small);
    entry->shipped_minor = (int64_t)le64toh(number);
    entry->cancelled_returns = small[0];
    entry->shipped = small[1];
    entry->shipped_returns = small[2];
}

bool tb_sales_pack(struct tb_sales_part *part, struct tb_arena *arena)
{
    char *bytes, *statuses;

    part->packed = part->packed_statuses = (struct tb_str){0};
    if (part->recent_count == 0)
        return true;
    bytes = tb_arena_alloc(arena, part->recent_count * ENTRY_SIZE);
    statuses = tb_arena_alloc(arena, part->recent_count * STATUS_ENTRY_SIZE);
    if (!bytes || !statuses)
        return false;
    part->packed = (struct tb_str){bytes, part->recent_count * ENTRY_SIZE};
    part->packed_statuses = (struct tb_str){statuses, part->recent_count * STATUS_ENTRY_SIZE};
    for (size_t i = 0; i < part->recent_count; i++) {
        const struct tb_sales_recent *entry = &part->recent[i];
        const uint64_t numbers[NUMBERS] = {
            htole64((uint64_t)entry->offset), htole64((uint64_t)entry->order),
            htole64((uint64_t)entry->standing), htole64((uint64_t)entry->total_minor)};
        const int8_t small[SMALL] = {entry->orders, entry->returns, entry->cancelled,
                                     entry->late_orders, entry->late_changes};

        memcpy(bytes, numbers, sizeof numbers);
        memcpy(bytes + sizeof numbers, small, sizeof small);
        bytes += ENTRY_SIZE;
        pack_statuses(entry, statuses + i * STATUS_ENTRY_SIZE);
    }
    return true;
}

bool tb_sales_unpack(struct tb_sales_part *part, struct tb_arena *arena)
{
    const char *bytes = part->packed.ptr;
    size_t count = part->packed.len / ENTRY_SIZE;
    bool has_statuses = part->packed_statuses.len == count * STATUS_ENTRY_SIZE;

    part->recent = NULL;
    part->recent_count = part->recent_room = 0;
    if (count == 0)
        return true;
    part->recent = tb_arena_array(arena, count, sizeof *part->recent);
    if (!part->recent)
        return false;
    for (; part->recent_count < count; bytes += ENTRY_SIZE) {
        struct tb_sales_recent *entry = &part->recent[part->recent_count];
        uint64_t numbers[NUMBERS];
        int8_t small[SMALL];

        memcpy(numbers, bytes, sizeof numbers);
        memcpy(small, bytes + sizeof numbers, sizeof small);
        *entry = (struct tb_sales_recent){.offset = (int64_t)le64toh(numbers[0]),
                                          .order = (int64_t)le64toh(numbers[1]),
                                          .standing = (int64_t)le64toh(numbers[2]),
                                          .total_minor = (int64_t)le64toh(numbers[3]),
                                          .orders = small[0],
                                          .returns = small[1],
                                          .cancelled = small[2],
                                          .late_orders = small[3],
                                          .late_changes = small[4]};
        if (has_statuses)
            unpack_statuses(part->packed_statuses.ptr + part->recent_count * STATUS_ENTRY_SIZE,
                            entry);
        part->recent_count++;
    }
    part->recent_room = count;
    return true;
}

#include "query/fleet/nodes.h"
#include "base/hash.h"
#include <stdlib.h>

_Static_assert(TB_HEARTBEAT_NODE_SIZE == TB_NODE_MAX + 1, "a node's name fits");

bool tb_node_is_heard(const struct tb_node *node)
{
    return node->epoch_count > 0;
}

const struct tb_node_epoch *tb_node_find_epoch(const struct tb_node *node, const char *epoch)
{
    for (size_t i = 0; i < node->epoch_count; i++) {
        if (strcmp(node->epochs[i].epoch, epoch) == 0)
            return &node->epochs[i];
    }
    return NULL;
}

/* Moves the heartbeat's epoch to the end; a change of the epoch clears the marks. */
static struct tb_node_epoch *move_epoch_to_end(struct tb_node *node,
                                               const struct tb_heartbeat *heartbeat)
{
    const struct tb_node_epoch *found = tb_node_find_epoch(node, heartbeat->epoch);
    struct tb_node_epoch moved = {0};
    size_t last = node->epoch_count - 1, at;

    if (found && found == &node->epochs[last])
        return &node->epochs[last];
    node->mark_count = 0;
    if (found) {
        node->forked_at_ms = heartbeat->arrived_at_ms;
        moved = *found;
        at = (size_t)(found - node->epochs);
    } else {
        memcpy(moved.epoch, heartbeat->epoch, sizeof moved.epoch);
        if (node->epoch_count < TB_NODE_EPOCHS_MAX) {
            node->epochs[node->epoch_count++] = moved;
            return &node->epochs[node->epoch_count - 1];
        }
        at = 0; /* the oldest one is removed */
    }
    memmove(&node->epochs[at], &node->epochs[at + 1], (last - at) * sizeof *node->epochs);
    node->epochs[last] = moved;
    return &node->epochs[last];
}

/* Removes every second mark of the older half. Through which time an old backlog has arrived is
 * then known less precisely. */
static void thin_marks(struct tb_node *node)
{
    size_t count = 0;

    for (size_t i = 0; i < node->mark_count; i++) {
        if (i >= node->mark_count / 2 || i % 2 == 0)
            node->marks[count++] = node->marks[i];
    }
    node->mark_count = count;
}

/* Its clock was set back: orders of a time that has passed are taken again. */
static void lower_marks(struct tb_node *node, int64_t clock_ms)
{
    for (size_t i = node->mark_count; i > 0 && node->marks[i - 1].clock_ms > clock_ms; i--)
        node->marks[i - 1].clock_ms = clock_ms;
}

static void add_mark(struct tb_node *node, const struct tb_heartbeat *heartbeat)
{
    struct tb_node_mark mark = {heartbeat->last_sequence, heartbeat->clock_ms};
    struct tb_node_mark *last = node->mark_count ? &node->marks[node->mark_count - 1] : NULL;

    if (last && mark.sequence < last->sequence)
        return;
    if (last && mark.clock_ms < last->clock_ms)
        lower_marks(node, mark.clock_ms);
    if (last && mark.sequence == last->sequence) {
        *last = mark;
        return;
    }
    if (node->mark_count == TB_NODE_MARKS_MAX)
        thin_marks(node);
    node->marks[node->mark_count++] = mark;
}

/* A heartbeat that a process sent just before it died may arrive after those of the next process.
 * It has a lower sequence and an older clock, and does not mean that the store went back. */
static bool is_late(const struct tb_node *node, const struct tb_heartbeat *heartbeat)
{
    const struct tb_node_epoch *last =
        node->epoch_count > 0 ? &node->epochs[node->epoch_count - 1] : NULL;

    return last && strcmp(last->epoch, heartbeat->epoch) == 0 &&
           heartbeat->last_sequence < last->last_sequence &&
           heartbeat->clock_ms < node->last.clock_ms;
}

/* When a heartbeat arrived that nobody has seen arriving: as late as its node's clock says, as far
 * as we know how wrong that is; never before the last one, and never after it was read. */
static int64_t estimate_arrival(const struct tb_node *node, const struct tb_heartbeat *heartbeat)
{
    int64_t at_ms = heartbeat->clock_ms - (node->has_clock_offset ? node->clock_offset_ms : 0);

    if (at_ms < node->last.arrived_at_ms)
        at_ms = node->last.arrived_at_ms;
    return at_ms < heartbeat->arrived_at_ms ? at_ms : heartbeat->arrived_at_ms;
}

void tb_node_apply_heartbeat(struct tb_node *node, const struct tb_heartbeat *heartbeat)
{
    struct tb_node_epoch *epoch;
    int64_t arrived_at_ms = heartbeat->arrived_at_ms;

    if (is_late(node, heartbeat))
        return;
    if (!heartbeat->arrival_seen)
        arrived_at_ms = estimate_arrival(node, heartbeat);
    epoch = move_epoch_to_end(node, heartbeat);
    if (heartbeat->last_sequence < epoch->last_sequence)
        epoch->went_back = true;
    else
        epoch->last_sequence = heartbeat->last_sequence;
    add_mark(node, heartbeat);
    if (heartbeat->business_date[0])
        tb_day_ends_note(&node->day_ends, tb_str_of(heartbeat->business_date),
                         heartbeat->day_ends_at_ms);
    if (heartbeat->arrival_seen) {
        node->has_clock_offset = true;
        node->clock_offset_ms = heartbeat->clock_ms - arrived_at_ms;
    }
    node->last = *heartbeat;
    node->last.arrived_at_ms = arrived_at_ms;
}

void tb_node_forget_marks(struct tb_node *node, const char *epoch, int64_t complete_through)
{
    size_t count = 0;

    if (node->epoch_count == 0 || strcmp(node->epochs[node->epoch_count - 1].epoch, epoch) != 0)
        return;
    while (count < node->mark_count && node->marks[count].sequence <= complete_through)
        count++;
    if (count < 2)
        return;
    node->mark_count -= count - 1; /* the last of them says through which time all has arrived */
    memmove(node->marks, &node->marks[count - 1], node->mark_count * sizeof *node->marks);
}

int64_t tb_sequence_chunk_of(int64_t sequence)
{
    TB_ASSERT(sequence > 0);
    return (sequence - 1) / TB_SEQUENCE_CHUNK_SIZE;
}

int32_t tb_sequence_chunk_entry(int64_t sequence, struct tb_str event_id)
{
    uint32_t hash = tb_fnv1a(TB_FNV1A_START, event_id.ptr, event_id.len);

    hash ^= hash >> 16;
    return (int32_t)(((sequence - 1) % TB_SEQUENCE_CHUNK_SIZE) << 8 |
                     ((hash ^ (hash >> 8)) & 0xff));
}

void tb_sequence_chunk_add(struct tb_sequence_chunk *chunk, int32_t entry)
{
    size_t at = ((uint32_t)entry >> 8) % TB_SEQUENCE_CHUNK_SIZE;
    uint64_t bit = UINT64_C(1) << (at % 64);
    uint8_t fingerprint = (uint8_t)((uint32_t)entry & 0xff);

    if ((chunk->arrived[at / 64] & bit) && chunk->fingerprints[at] != fingerprint)
        chunk->forked = true;
    chunk->arrived[at / 64] |= bit;
    chunk->fingerprints[at] = fingerprint;
}

void tb_sequence_chunk_fill(struct tb_sequence_chunk *chunk)
{
    memset(chunk->arrived, 0xff, sizeof chunk->arrived);
}

int64_t tb_sequence_chunk_through(const struct tb_sequence_chunk *chunk, int64_t next)
{
    for (int64_t at = next - 1 - chunk->number * TB_SEQUENCE_CHUNK_SIZE;
         at >= 0 && at < TB_SEQUENCE_CHUNK_SIZE && (chunk->arrived[at / 64] >> (at % 64) & 1);
         at++)
        next++;
    return next - 1;
}

bool tb_sequence_chunk_is_full(const struct tb_sequence_chunk *chunk)
{
    for (size_t i = 0; i < sizeof chunk->arrived / sizeof *chunk->arrived; i++) {
        if (chunk->arrived[i] != UINT64_MAX)
            return false;
    }
    return true;
}

const char *tb_node_state_name(enum tb_node_state state)
{
    static const char *const names[] = {
        [TB_NODE_CURRENT] = "current", [TB_NODE_BEHIND] = "behind",   [TB_NODE_SILENT] = "silent",
        [TB_NODE_FORKED] = "forked",   [TB_NODE_RETIRED] = "retired",
    };

    return names[state];
}

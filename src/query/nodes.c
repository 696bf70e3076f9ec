#include "query/nodes.h"
#include <stdlib.h>

void tb_heartbeat_encode(struct tb_buf *out, const struct tb_heartbeat *heartbeat)
{
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "node", tb_str_of(heartbeat->node));
    tb_json_member_str(out, "epoch", tb_str_of(heartbeat->epoch));
    tb_json_member_int(out, "lastSequence", heartbeat->last_sequence);
    tb_json_member_int(out, "deliveredSequence", heartbeat->delivered_sequence);
    tb_json_member_int(out, "pending", heartbeat->pending);
    if (heartbeat->oldest_pending_at_ms > 0)
        tb_json_member_time(out, "oldestPendingAt", heartbeat->oldest_pending_at_ms);
    tb_json_member_int(out, "clockMs", heartbeat->clock_ms);
    tb_json_member_str(out, "version", tb_str_of(heartbeat->version));
    tb_buf_addc(out, '}');
}

/* A text of fewer bytes than size; letters, digits, - and . only. */
static bool read_word(const struct tb_json *value, const char *key, char *ret_text, size_t size)
{
    const struct tb_json *member = tb_json_get(value, key);
    struct tb_str text = member ? tb_json_string(member) : (struct tb_str){0};

    if (!text.ptr || text.len == 0 || text.len >= size)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '-' && c != '.' && c != '+')
            return false;
    }
    memcpy(ret_text, text.ptr, text.len);
    ret_text[text.len] = '\0';
    return true;
}

static bool read_count(const struct tb_json *value, const char *key, int64_t *ret_count)
{
    const struct tb_json *member = tb_json_get(value, key);
    int64_t count = -1;

    if (!member || !tb_json_int(member, &count) || count < 0)
        return false;
    *ret_count = count;
    return true;
}

enum tb_code tb_heartbeat_decode(const struct tb_json *value, struct tb_heartbeat *ret_heartbeat,
                                 struct tb_error *err)
{
    struct tb_heartbeat heartbeat = {0};
    const struct tb_json *oldest = tb_json_get(value, "oldestPendingAt");

    if (!read_word(value, "node", heartbeat.node, sizeof heartbeat.node) ||
        !read_word(value, "epoch", heartbeat.epoch, sizeof heartbeat.epoch) ||
        !read_word(value, "version", heartbeat.version, sizeof heartbeat.version) ||
        !read_count(value, "lastSequence", &heartbeat.last_sequence) ||
        !read_count(value, "deliveredSequence", &heartbeat.delivered_sequence) ||
        !read_count(value, "pending", &heartbeat.pending) ||
        !read_count(value, "clockMs", &heartbeat.clock_ms) ||
        (oldest && !tb_time_parse(tb_json_string(oldest), &heartbeat.oldest_pending_at_ms)))
        return tb_error_set(err, TB_INVALID, "not a heartbeat: a field is missing or wrong");
    *ret_heartbeat = heartbeat;
    return TB_OK;
}

static struct tb_node_epoch *find_epoch(struct tb_node *node, const char *epoch)
{
    for (size_t i = 0; i < node->epoch_count; i++) {
        if (strcmp(node->epochs[i].epoch, epoch) == 0)
            return &node->epochs[i];
    }
    return NULL;
}

/* The epoch moves to the end: it spoke last. What an earlier one had marked is of no use then. */
static struct tb_node_epoch *bring_epoch(struct tb_node *node,
                                         const struct tb_heartbeat *heartbeat)
{
    struct tb_node_epoch *found = find_epoch(node, heartbeat->epoch);
    struct tb_node_epoch moved = {0};
    size_t last = node->epoch_count - 1, at;

    if (found && found == &node->epochs[last])
        return found;
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
        at = 0; /* the oldest one is forgotten */
    }
    memmove(&node->epochs[at], &node->epochs[at + 1], (last - at) * sizeof *node->epochs);
    node->epochs[last] = moved;
    return &node->epochs[last];
}

/* When there is no room, every second of the older half goes: how far an old backlog has come is
 * then told less finely, but it is told. */
static void thin_marks(struct tb_node *node)
{
    size_t kept = 0;

    for (size_t i = 0; i < node->mark_count; i++) {
        if (i >= node->mark_count / 2 || i % 2 == 0)
            node->marks[kept++] = node->marks[i];
    }
    node->mark_count = kept;
}

static void add_mark(struct tb_node *node, const struct tb_heartbeat *heartbeat)
{
    struct tb_node_mark mark = {heartbeat->last_sequence, heartbeat->clock_ms};
    struct tb_node_mark *last = node->mark_count ? &node->marks[node->mark_count - 1] : NULL;

    if (last && mark.sequence < last->sequence)
        return;
    if (last && mark.clock_ms < last->clock_ms)
        mark.clock_ms = last->clock_ms; /* its clock was set back */
    if (last && mark.sequence == last->sequence) {
        *last = mark;
        return;
    }
    if (node->mark_count == TB_NODE_MARKS_MAX)
        thin_marks(node);
    node->marks[node->mark_count++] = mark;
}

void tb_node_note(struct tb_node *node, const struct tb_heartbeat *heartbeat)
{
    struct tb_node_epoch *epoch = bring_epoch(node, heartbeat);

    if (heartbeat->last_sequence < epoch->last_sequence)
        epoch->went_back = true;
    else
        epoch->last_sequence = heartbeat->last_sequence;
    add_mark(node, heartbeat);
    node->last = *heartbeat;
}

int64_t tb_chunk_of(int64_t sequence)
{
    TB_ASSERT(sequence > 0);
    return (sequence - 1) / TB_CHUNK_SIZE;
}

int32_t tb_chunk_entry(int64_t sequence, struct tb_str event_id)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < event_id.len; i++)
        hash = (hash ^ (unsigned char)event_id.ptr[i]) * 16777619u;
    hash ^= hash >> 16;
    return (int32_t)(((sequence - 1) % TB_CHUNK_SIZE) << 8 | ((hash ^ (hash >> 8)) & 0xff));
}

void tb_chunk_add(struct tb_chunk *chunk, int32_t entry)
{
    size_t at = ((uint32_t)entry >> 8) % TB_CHUNK_SIZE;
    uint64_t bit = UINT64_C(1) << (at % 64);
    uint8_t fingerprint = (uint8_t)((uint32_t)entry & 0xff);

    if ((chunk->came[at / 64] & bit) && chunk->fingerprints[at] != fingerprint)
        chunk->forked = true;
    chunk->came[at / 64] |= bit;
    chunk->fingerprints[at] = fingerprint;
}

void tb_chunk_fill(struct tb_chunk *chunk)
{
    memset(chunk->came, 0xff, sizeof chunk->came);
}

bool tb_chunk_full(const struct tb_chunk *chunk)
{
    for (size_t i = 0; i < sizeof chunk->came / sizeof *chunk->came; i++) {
        if (chunk->came[i] != UINT64_MAX)
            return false;
    }
    return true;
}

const char *tb_node_state_name(enum tb_node_state state)
{
    static const char *const names[] = {
        [TB_NODE_CURRENT] = "current",
        [TB_NODE_BEHIND] = "behind",
        [TB_NODE_SILENT] = "silent",
        [TB_NODE_FORKED] = "forked",
    };

    return names[state];
}

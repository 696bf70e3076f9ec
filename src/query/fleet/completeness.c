#include "query/fleet/nodes.h"

/* Walks an epoch's sequences from the first one on. */
struct walk {
    struct tb_hole holes[TB_NODE_HOLES_MAX];
    size_t hole_count;
    int64_t next; /* every lower sequence was looked at */
};

static void add_hole(struct walk *walk, int64_t from, int64_t to)
{
    if (walk->hole_count > 0 && walk->holes[walk->hole_count - 1].to == from - 1)
        walk->holes[walk->hole_count - 1].to = to;
    else if (walk->hole_count < TB_NODE_HOLES_MAX)
        walk->holes[walk->hole_count++] = (struct tb_hole){from, to};
}

/* Missing sequences after the last one that arrived are no hole: they may still come. */
static void walk_chunk(struct walk *walk, const struct tb_sequence_chunk *chunk)
{
    int64_t first = chunk->number * TB_SEQUENCE_CHUNK_SIZE + 1;

    for (int64_t i = 0; i < TB_SEQUENCE_CHUNK_SIZE; i++) {
        int64_t sequence = first + i;

        if (sequence < walk->next || !(chunk->arrived[i / 64] >> (i % 64) & 1))
            continue;
        if (sequence > walk->next)
            add_hole(walk, walk->next, sequence - 1);
        walk->next = sequence + 1;
    }
}

static enum tb_code measure(const struct tb_received_sequences *received, struct tb_arena *arena,
                            struct tb_epoch_report *progress, struct tb_error *err)
{
    struct walk walk = {.next = 1};

    if (received) {
        walk.next = received->full_chunks * TB_SEQUENCE_CHUNK_SIZE + 1;
        if (received->complete_through >= walk.next)
            walk.next = received->complete_through + 1;
        for (size_t i = 0; i < received->chunk_count; i++)
            walk_chunk(&walk, &received->chunks[i]);
        if (received->last_sequence > progress->last_sequence)
            progress->last_sequence = received->last_sequence;
    }
    progress->holes = tb_arena_array(arena, walk.hole_count + 1, sizeof *progress->holes);
    if (!progress->holes)
        return tb_error_set(err, TB_INTERNAL, "out of memory looking at a node");
    memcpy(progress->holes, walk.holes, walk.hole_count * sizeof *progress->holes);
    progress->hole_count = walk.hole_count;
    progress->complete_through =
        progress->hole_count > 0 ? progress->holes[0].from - 1 : walk.next - 1;
    if (walk.next - 1 > progress->last_sequence)
        progress->last_sequence = walk.next - 1;
    return TB_OK;
}

static const struct tb_received_sequences *
find_received(const struct tb_received_sequences *received, size_t count, const char *epoch)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(received[i].epoch, epoch) == 0)
            return &received[i];
    }
    return NULL;
}

/* Epochs without a heartbeat come first, so that the last one is that of the latest heartbeat. */
static enum tb_code measure_all(const struct tb_node *node,
                                const struct tb_received_sequences *received,
                                size_t received_count, struct tb_arena *arena,
                                struct tb_node_report *status, struct tb_error *err)
{
    size_t most = received_count + (node ? node->epoch_count : 0);
    struct tb_epoch_report *progress;

    status->epochs = tb_arena_array(arena, most ? most : 1, sizeof *status->epochs);
    if (!status->epochs)
        return tb_error_set(err, TB_INTERNAL, "out of memory looking at a node");
    for (size_t i = 0; i < received_count; i++) {
        if (node && tb_node_find_epoch(node, received[i].epoch))
            continue;
        progress = &status->epochs[status->epoch_count++];
        memcpy(progress->epoch, received[i].epoch, sizeof progress->epoch);
        TB_TRY(measure(&received[i], arena, progress, err));
    }
    for (size_t i = 0; node && i < node->epoch_count; i++) {
        const struct tb_node_epoch *epoch = &node->epochs[i];

        progress = &status->epochs[status->epoch_count++];
        memcpy(progress->epoch, epoch->epoch, sizeof progress->epoch);
        progress->last_sequence = epoch->last_sequence;
        TB_TRY(
            measure(find_received(received, received_count, epoch->epoch), arena, progress, err));
    }
    return TB_OK;
}

static bool is_forked(const struct tb_node *node, const struct tb_received_sequences *received,
                      size_t received_count, int64_t now_ms)
{
    const struct tb_node_epoch *last = NULL;

    if (node && node->epoch_count > 0)
        last = &node->epochs[node->epoch_count - 1];
    if (last && last->went_back)
        return true;
    if (node && node->forked_at_ms > 0 && now_ms - node->forked_at_ms < TB_NODE_FORK_SHOWN_MS)
        return true;
    for (size_t i = 0; i < received_count; i++) {
        bool forked = received[i].forked;

        for (size_t c = 0; c < received[i].chunk_count; c++)
            forked = forked || received[i].chunks[c].forked;
        if (forked && (!last || strcmp(last->epoch, received[i].epoch) == 0))
            return true;
    }
    return false;
}

static bool is_complete(const struct tb_epoch_report *progress)
{
    return progress->complete_through >= progress->last_sequence;
}

/* The time of the last mark up to which all sequences arrived; 0 while one of an earlier epoch is
 * missing. */
static int64_t complete_at(const struct tb_node *node, const struct tb_node_report *status)
{
    int64_t at_ms = 0;

    for (size_t i = 0; i + 1 < status->epoch_count; i++) {
        if (!is_complete(&status->epochs[i]))
            return 0;
    }
    for (size_t i = 0; node && i < node->mark_count; i++) {
        if (node->marks[i].sequence <= status->epochs[status->epoch_count - 1].complete_through)
            at_ms = node->marks[i].clock_ms;
    }
    return at_ms;
}

/* `pending` counts only if it is larger than the last sequence: then the edge has events of an
 * earlier epoch, for example from before a restore, of which nothing has arrived. Otherwise each
 * pending event has a sequence that is missing until it arrives, and the number may be outdated:
 * it is as old as the last heartbeat. */
static enum tb_node_state state_of(const struct tb_node_report *status, int64_t now_ms)
{
    if (now_ms - status->last_seen_at_ms > TB_NODE_SILENT_MS)
        return TB_NODE_SILENT;
    if (status->epoch_count > 0 &&
        status->pending > status->epochs[status->epoch_count - 1].last_sequence)
        return TB_NODE_BEHIND;
    for (size_t i = 0; i < status->epoch_count; i++) {
        if (!is_complete(&status->epochs[i]))
            return TB_NODE_BEHIND;
    }
    return status->conflicts + status->parked > 0 ? TB_NODE_BEHIND : TB_NODE_CURRENT;
}

static void add_heartbeat(struct tb_node_report *status, const struct tb_node *node)
{
    memcpy(status->version, node->last.version, sizeof status->version);
    status->last_seen_at_ms = node->last.arrived_at_ms;
    status->pending = node->last.pending;
    status->oldest_pending_at_ms = node->last.oldest_pending_at_ms;
    status->has_clock_offset = node->has_clock_offset;
    status->clock_offset_ms = node->clock_offset_ms;
    memcpy(status->business_date, node->last.business_date, sizeof status->business_date);
    status->day_ends_at_ms = node->last.day_ends_at_ms;
}

static void retire(struct tb_node_report *status, const struct tb_node_retirement *retired,
                   int64_t now_ms)
{
    status->state = TB_NODE_RETIRED;
    status->retired = *retired;
    status->sends = status->last_seen_at_ms > retired->at_ms &&
                    now_ms - status->last_seen_at_ms < TB_NODE_SENDS_SHOWN_MS;
}

enum tb_code tb_node_report_make(const char *name, const struct tb_node *node,
                                 const struct tb_received_sequences *received,
                                 size_t received_count, const struct tb_node_findings *findings,
                                 int64_t now_ms, struct tb_arena *arena,
                                 struct tb_node_report *ret_status, struct tb_error *err)
{
    struct tb_node_report status = {.pending = -1,
                                    .late_orders = findings->late_orders,
                                    .conflicts = findings->conflicts,
                                    .parked = findings->parked};
    size_t len = strlen(name);

    TB_ASSERT(len < sizeof status.node);
    memcpy(status.node, name, len);
    if (node && tb_node_is_heard(node))
        add_heartbeat(&status, node);
    for (size_t i = 0; i < received_count; i++) {
        if (received[i].last_at_ms > status.last_seen_at_ms)
            status.last_seen_at_ms = received[i].last_at_ms;
    }
    TB_TRY(measure_all(node, received, received_count, arena, &status, err));
    status.complete_through_at_ms = findings->refuses_epochs ? 0 : complete_at(node, &status);
    /* The view lacks an event that has arrived: from then on it is not complete. */
    if (findings->held_since_ms > 0 && status.complete_through_at_ms >= findings->held_since_ms)
        status.complete_through_at_ms = findings->held_since_ms - 1;
    if (node && !tb_day_ends_last_over(&node->day_ends, status.complete_through_at_ms,
                                       status.complete_through_date))
        status.complete_through_date[0] = '\0';
    status.state = findings->refuses_epochs || is_forked(node, received, received_count, now_ms)
                       ? TB_NODE_FORKED
                       : state_of(&status, now_ms);
    if (node && node->retired.at_ms > 0)
        retire(&status, &node->retired, now_ms);
    *ret_status = status;
    return TB_OK;
}

int64_t tb_nodes_complete_through_ms(const struct tb_node_report_list *list)
{
    int64_t through_ms = INT64_MAX;

    for (size_t i = 0; i < list->count; i++) {
        const struct tb_node_report *node = &list->nodes[i];

        if (node->state != TB_NODE_RETIRED && node->complete_through_at_ms < through_ms)
            through_ms = node->complete_through_at_ms;
    }
    return through_ms < INT64_MAX ? through_ms : 0;
}

const char *tb_nodes_complete_through_date(const struct tb_node_report_list *list)
{
    const char *through = NULL;

    for (size_t i = 0; i < list->count; i++) {
        const struct tb_node_report *node = &list->nodes[i];

        if (node->state != TB_NODE_RETIRED &&
            (!through || strcmp(node->complete_through_date, through) < 0))
            through = node->complete_through_date;
    }
    return through ? through : "";
}

#include "query/mongo/driver/meta.h"
#include "query/mongo/fleet/documents.h"
#include "query/mongo/fleet/fleet.h"
#include <stdlib.h>

/* At most this many full chunks are read behind a hole. Later holes are listed only after the
 * first ones are filled. */
#define FULL_CHUNKS_MAX 1000
/* At most this many conflicts and parked events are counted, the oldest ones. */
#define HELD_MAX 5000

/* What is stored about one node. */
struct listed {
    char name[TB_NODE_MAX + 1];
    struct tb_str doc; /* of `nodes`: BSON; absent: no heartbeat arrived, nobody has retired it */
    struct tb_node_findings findings;
    struct tb_received_sequences *received;
    size_t received_count;
};
struct listing {
    const struct tb_mongo_client *client;
    const char *sequences, *sales; /* collections of the served view */
    const bson_t *only;            /* {$in: names} of the nodes to list; NULL: all */
    bool has_unstored;             /* of an epoch it is not stored through where it is complete */
    struct tb_arena *arena;
    struct listed **nodes; /* sorted by name */
    size_t count;
};

/* Restricts the filter to the nodes to list, by the field that has their name. */
static void put_only(const struct listing *run, bson_t *filter, const char *field)
{
    if (run->only)
        BSON_APPEND_DOCUMENT(filter, field, run->only);
}

/* Returns the list with room for one more element; the room doubles. NULL: out of memory. */
static void *make_room(const struct listing *run, void *list, size_t count, size_t size)
{
    void *copy;

    if (count > 0 && (count & (count - 1)) != 0)
        return list;
    copy = tb_arena_array(run->arena, count > 0 ? 2 * count : 1, size);
    return copy && count > 0 ? memcpy(copy, list, count * size) : copy;
}

/* The index of the node, or the index at which to insert it. */
static size_t place_of(const struct listing *run, const char *name)
{
    size_t low = 0, high = run->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(run->nodes[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct listed *find(const struct listing *run, const char *name)
{
    size_t at = place_of(run, name);

    return at < run->count && strcmp(run->nodes[at]->name, name) == 0 ? run->nodes[at] : NULL;
}

static enum tb_code find_or_add(struct listing *run, const char *name, struct listed **ret_node,
                                struct tb_error *err)
{
    size_t at = place_of(run, name);
    struct listed *node = find(run, name), **nodes;

    if (!node) {
        node = tb_arena_alloc(run->arena, sizeof *node);
        nodes = make_room(run, run->nodes, run->count, sizeof(struct listed *));
        if (!node || !nodes)
            return tb_mongo_no_memory(err);
        memcpy(node->name, name, strlen(name));
        memmove(&nodes[at + 1], &nodes[at], (run->count - at) * sizeof(struct listed *));
        nodes[at] = node;
        run->nodes = nodes;
        run->count++;
    }
    *ret_node = node;
    return TB_OK;
}

/* The node has sent no heartbeat, was retired, and is no more. */
static bool is_put_back(const bson_t *doc)
{
    return tb_bson_find_int(doc, "offset") < 0 && !bson_has_field(doc, "retiredAt");
}

static enum tb_code read_heartbeats(struct listing *run, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = bson_new();
    TB_CLEANUP(tb_bson_free) bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}");
    char name[TB_NODE_MAX + 1];
    struct listed *listed = NULL;
    const bson_t *doc;
    bson_iter_t iter;

    put_only(run, filter, "_id");
    tb_mongo_find(&cursor, run->client, "nodes", filter, opts);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        if (is_put_back(doc))
            continue; /* its events alone tell of it */
        name[0] = '\0';
        if (bson_iter_init_find(&iter, doc, "_id"))
            tb_bson_get_text(&iter, name, sizeof name);
        TB_TRY(find_or_add(run, name, &listed, err));
        listed->doc =
            tb_arena_copy(run->arena, (struct tb_str){(const char *)bson_get_data(doc), doc->len});
        if (!listed->doc.ptr)
            return tb_mongo_no_memory(err);
    }
    return tb_mongo_cursor_end(&cursor, "reading nodes", err);
}

static enum tb_code add_received(struct listing *run, struct listed *node,
                                 const struct tb_mongo_sequences *read, struct tb_error *err)
{
    struct tb_received_sequences *list =
        make_room(run, node->received, node->received_count, sizeof *list);

    if (!list)
        return tb_mongo_no_memory(err);
    node->received = list;
    list += node->received_count++;
    *list = (struct tb_received_sequences){.full_chunks = read->full_chunks,
                                           .last_sequence = read->last_sequence,
                                           .last_at_ms = read->last_at_ms,
                                           .complete_through = read->complete_through,
                                           .forked = read->forked > 0};
    run->has_unstored = run->has_unstored || read->complete_through < 0;
    memcpy(list->epoch, read->epoch, sizeof read->epoch);
    return TB_OK;
}

static enum tb_code read_epochs(struct listing *run, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = BCON_NEW("kind", BCON_UTF8("epoch"));
    struct tb_mongo_sequences read;
    struct listed *node = NULL;
    const bson_t *doc;

    put_only(run, filter, "node");
    tb_mongo_find(&cursor, run->client, run->sequences, filter, NULL);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        if (!tb_mongo_sequences_decode(doc, run->arena, &read))
            continue;
        TB_TRY(find_or_add(run, read.node, &node, err));
        if (strcmp(read.epoch, TB_MONGO_EPOCHS_REFUSED) == 0 ||
            node->received_count == TB_NODE_EPOCHS_FOLLOWED)
            node->findings.refuses_epochs = true;
        else
            TB_TRY(add_received(run, node, &read, err));
    }
    return tb_mongo_cursor_end(&cursor, "reading epochs", err);
}

static struct tb_received_sequences *find_received(struct listing *run, const char *name,
                                                   const char *epoch)
{
    struct listed *node = find(run, name);

    for (size_t i = 0; node && i < node->received_count; i++) {
        if (strcmp(node->received[i].epoch, epoch) == 0)
            return &node->received[i];
    }
    return NULL;
}

/* A chunk that the epoch counts as full is ignored: either a crash has kept it from being removed,
 * or its events arrived again. */
static enum tb_code add_chunk(struct listing *run, struct tb_received_sequences *received,
                              const struct tb_sequence_chunk *chunk, struct tb_error *err)
{
    struct tb_sequence_chunk *chunks;

    if (chunk->number < received->full_chunks)
        return TB_OK;
    chunks = make_room(run, received->chunks, received->chunk_count, sizeof *chunks);
    if (!chunks)
        return tb_mongo_no_memory(err);
    chunks[received->chunk_count++] = *chunk;
    received->chunks = chunks;
    return TB_OK;
}

static enum tb_code read_chunks(struct listing *run, const bson_t *filter, const bson_t *opts,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_received_sequences *received;
    struct tb_mongo_sequences read;
    struct tb_sequence_chunk chunk;
    const bson_t *doc;

    tb_mongo_find(&cursor, run->client, run->sequences, filter, opts);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        tb_arena_clear(&arena);
        if (!tb_mongo_sequences_decode(doc, &arena, &read) || read.chunk < 0)
            continue;
        tb_mongo_sequences_chunk(&read, &chunk);
        received = find_received(run, read.node, read.epoch);
        if (received)
            TB_TRY(add_chunk(run, received, &chunk, err));
    }
    return tb_mongo_cursor_end(&cursor, "reading sequences", err);
}

/* Reads the full chunks behind a hole: neither the epoch counts them nor were they read with the
 * chunks that are not full. */
static enum tb_code read_full_chunks(struct listing *run, const char *name,
                                     const struct tb_received_sequences *received,
                                     struct tb_error *err)
{
    int64_t last =
        received->last_sequence > 0 ? tb_sequence_chunk_of(received->last_sequence) : -1;
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    TB_CLEANUP(tb_bson_free) bson_t *opts = NULL;

    if (last - received->full_chunks + 1 <= (int64_t)received->chunk_count)
        return TB_OK;
    filter = tb_mongo_full_chunks_filter(name, received->epoch, received->full_chunks);
    opts =
        BCON_NEW("sort", "{", "chunk", BCON_INT32(1), "}", "limit", BCON_INT64(FULL_CHUNKS_MAX));
    return read_chunks(run, filter, opts, err);
}

static int by_number(const void *a, const void *b)
{
    const struct tb_sequence_chunk *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static enum tb_code read_sequences(struct listing *run, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("kind", BCON_UTF8("chunk"), "full", BCON_BOOL(false));

    put_only(run, filter, "node");
    TB_TRY(read_chunks(run, filter, NULL, err));
    for (size_t i = 0; i < run->count; i++) {
        for (size_t e = 0; e < run->nodes[i]->received_count; e++) {
            struct tb_received_sequences *received = &run->nodes[i]->received[e];

            TB_TRY(read_full_chunks(run, run->nodes[i]->name, received, err));
            if (received->chunk_count > 0)
                qsort(received->chunks, received->chunk_count, sizeof *received->chunks,
                      by_number);
        }
    }
    return TB_OK;
}

/* Few days have late orders, and the index has only those of a node. */
static enum tb_code read_late_orders(struct listing *run, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("lateOrders", "{", "$gt", BCON_INT64(0), "}");
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("projection", "{", "_id", BCON_INT32(0), "node", BCON_INT32(1),
                            "lateOrders", BCON_INT32(1), "}");
    char name[TB_NODE_MAX + 1];
    const bson_t *doc;
    bson_iter_t iter;

    put_only(run, filter, "node");
    tb_mongo_find(&cursor, run->client, run->sales, filter, opts);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        struct listed *node;

        name[0] = '\0';
        if (bson_iter_init_find(&iter, doc, "node"))
            tb_bson_get_text(&iter, name, sizeof name);
        node = find(run, name);
        if (node)
            node->findings.late_orders += tb_bson_find_int(doc, "lateOrders");
    }
    return tb_mongo_cursor_end(&cursor, "counting late orders", err);
}

static void note_held(struct listed *node, const bson_t *doc)
{
    struct tb_node_findings *findings = &node->findings;
    int64_t at_ms = tb_bson_find_int(doc, "occurredAt");
    bson_iter_t iter;

    if (at_ms <= 0)
        at_ms = tb_bson_find_int(doc, "timestamp");
    if (findings->held_since_ms == 0 || at_ms < findings->held_since_ms)
        findings->held_since_ms = at_ms > 0 ? at_ms : 1;
    if (bson_iter_init_find(&iter, doc, "reason") &&
        tb_str_eq(tb_bson_get_str(&iter), TB_STR(TB_REASON_PARKED)))
        findings->parked++;
    else
        findings->conflicts++;
}

/* Events that arrived and are not in the view, because of a conflict or because their node was
 * parked. */
static enum tb_code read_held(struct listing *run, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *filter =
        BCON_NEW("status", BCON_UTF8("open"), "reason", "{", "$in", "[",
                 BCON_UTF8(TB_REASON_CONFLICT), BCON_UTF8(TB_REASON_PARKED), "]", "}");
    TB_CLEANUP(tb_bson_free)
    bson_t *opts =
        BCON_NEW("sort", "{", "deadAt", BCON_INT32(1), "}", "limit", BCON_INT64(HELD_MAX),
                 "projection", "{", "node", BCON_INT32(1), "reason", BCON_INT32(1), "occurredAt",
                 BCON_INT32(1), "timestamp", BCON_INT32(1), "}");
    char name[TB_NODE_MAX + 1];
    const bson_t *doc;
    bson_iter_t iter;

    tb_mongo_find(&cursor, run->client, "dead_letters", filter, opts);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        struct listed *node;

        name[0] = '\0';
        if (bson_iter_init_find(&iter, doc, "node"))
            tb_bson_get_text(&iter, name, sizeof name);
        node = find(run, name);
        if (node)
            note_held(node, doc);
    }
    return tb_mongo_cursor_end(&cursor, "counting dead letters of nodes", err);
}

static enum tb_code make_report(const struct listing *run, const struct listed *one,
                                int64_t now_ms, struct tb_node_report *ret_report,
                                struct tb_error *err)
{
    struct tb_mongo_node node;
    bson_t doc;

    if (one->doc.ptr && !(bson_init_static(&doc, (const uint8_t *)one->doc.ptr, one->doc.len) &&
                          tb_mongo_node_decode(&doc, &node)))
        return tb_error_set(err, TB_CORRUPT, "nodes: a document is not as written");
    return tb_node_report_make(one->name, one->doc.ptr ? &node.node : NULL, one->received,
                               one->received_count, &one->findings, now_ms, run->arena, ret_report,
                               err);
}

static enum tb_code make_reports(struct listing *run, int64_t now_ms,
                                 struct tb_node_report_list *ret_list, struct tb_error *err)
{
    struct tb_node_report_list list = {.count = run->count};

    list.nodes = tb_arena_array(run->arena, run->count + 1, sizeof *list.nodes);
    if (!list.nodes)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < run->count; i++)
        TB_TRY(make_report(run, run->nodes[i], now_ms, &list.nodes[i], err));
    *ret_list = list;
    return TB_OK;
}

/* Reads heartbeats first: a node whose sequences are newer than its heartbeat does not look
 * behind.
 */
static enum tb_code list_nodes(struct tb_mongo *mongo, int64_t now_ms, const bson_t *only,
                               struct tb_arena *arena, struct tb_node_report_list *ret_list,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct listing run = {.client = &client, .only = only, .arena = arena};
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_client_acquire_if_up(mongo, &client, err));
    TB_TRY(tb_mongo_read_served(&client, &served, err));
    run.sequences = served.collections.sequences;
    run.sales = served.collections.sales;
    TB_TRY(read_heartbeats(&run, err));
    TB_TRY(read_epochs(&run, err));
    if (only || run.has_unstored)
        TB_TRY(read_sequences(&run, err));
    if (only)
        TB_TRY(read_late_orders(&run, err));
    TB_TRY(read_held(&run, err));
    return make_reports(&run, now_ms, ret_list, err);
}

enum tb_code tb_mongo_list_nodes(struct tb_mongo *mongo, int64_t now_ms, struct tb_arena *arena,
                                 struct tb_node_report_list *ret_list, struct tb_error *err)
{
    return list_nodes(mongo, now_ms, NULL, arena, ret_list, err);
}

/* A node that is not there any more stays as it was listed. */
static void replace(struct tb_node_report *nodes, size_t count,
                    const struct tb_node_report_list *list)
{
    for (size_t i = 0, at = 0; i < count; i++) {
        while (at < list->count && strcmp(list->nodes[at].node, nodes[i].node) < 0)
            at++;
        if (at < list->count && strcmp(list->nodes[at].node, nodes[i].node) == 0)
            nodes[i] = list->nodes[at];
    }
}

enum tb_code tb_mongo_detail_nodes(struct tb_mongo *mongo, int64_t now_ms, struct tb_arena *arena,
                                   struct tb_node_report *nodes, size_t count,
                                   struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *names = bson_new();
    TB_CLEANUP(tb_bson_free) bson_t *only = NULL;
    struct tb_node_report_list list = {0};
    bool failed = false;
    char scratch[16];

    for (size_t i = 0; i < count; i++)
        tb_bson_put_text((struct tb_bson_writer){names, &failed}, tb_bson_index_key(i, scratch),
                         nodes[i].node);
    if (failed)
        return tb_mongo_no_memory(err);
    only = BCON_NEW("$in", BCON_ARRAY(names));
    TB_TRY(list_nodes(mongo, now_ms, only, arena, &list, err));
    replace(nodes, count, &list);
    return TB_OK;
}

enum tb_code tb_mongo_list_arrived(const struct tb_mongo_client *client, const char *sequences,
                                   struct tb_arena *arena, struct tb_node_report_list *ret_list,
                                   struct tb_error *err)
{
    struct listing run = {.client = client, .sequences = sequences, .arena = arena};

    TB_TRY(read_epochs(&run, err));
    TB_TRY(read_sequences(&run, err));
    return make_reports(&run, 0, ret_list, err);
}

#include "query/mongo/view_mongo_priv.h"
#include <stdlib.h>

/* Full chunks behind a hole that are looked at: what lies beyond is listed as missing only once
 * the holes before it are filled. */
#define FULL_CHUNKS_MAX 1000

/* Everything about one node, as it is gathered. */
struct gathered {
    char name[TB_NODE_MAX + 1];
    struct tb_node node;
    bool has_node;
    int64_t late_orders;
    struct tb_received_sequences *received;
    size_t received_count;
};
struct gathering {
    const struct tb_mongo_client *lease;
    struct tb_arena *arena;
    struct gathered **nodes; /* by name; the list is owned, what it holds is in the arena */
    size_t count, max;
};

/* Where the name stands, or would. */
static size_t place_of(const struct gathering *run, const char *name)
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

/* The node of that name, new if it was not there. */
static enum tb_code node_of(struct gathering *run, const char *name, struct gathered **ret_node,
                            struct tb_error *err)
{
    size_t at = place_of(run, name), len = strlen(name);

    if (at < run->count && strcmp(run->nodes[at]->name, name) == 0) {
        *ret_node = run->nodes[at];
        return TB_OK;
    }
    if (run->count == run->max) {
        size_t max = run->max ? 2 * run->max : 64;
        struct gathered **nodes = realloc(run->nodes, max * sizeof(struct gathered *));

        if (!nodes)
            return tb_mongo_no_memory(err);
        run->nodes = nodes;
        run->max = max;
    }
    memmove(&run->nodes[at + 1], &run->nodes[at], (run->count - at) * sizeof(struct gathered *));
    run->nodes[at] = NULL;
    run->count++;
    *ret_node = run->nodes[at] = tb_arena_alloc(run->arena, sizeof **ret_node);
    if (!*ret_node) {
        run->count = 0; /* of no further use */
        return tb_mongo_no_memory(err);
    }
    memcpy((*ret_node)->name, name, len);
    return TB_OK;
}

static enum tb_code gather_heartbeats(struct gathering *run, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = bson_new();
    struct gathered *gathered = NULL;
    struct tb_node node;
    const bson_t *doc;
    int64_t offset;

    tb_mongo_find_begin(&find, run->lease, "nodes", filter, NULL);
    while ((doc = tb_mongo_find_next(&find))) {
        if (!tb_mongo_node_decode(doc, &node, &offset))
            return tb_error_set(err, TB_CORRUPT, "nodes: a document is not as written");
        TB_TRY(node_of(run, node.last.node, &gathered, err));
        gathered->node = node;
        gathered->has_node = true;
    }
    return tb_mongo_find_end(&find, "reading nodes", err);
}

/* Node and epoch of a document in sequences; false: it is no such. */
static bool read_whose(const bson_t *doc, char ret_node[TB_NODE_MAX + 1],
                       char ret_epoch[TB_EPOCH_SIZE])
{
    bson_iter_t iter;

    ret_node[0] = ret_epoch[0] = '\0';
    if (bson_iter_init_find(&iter, doc, "node"))
        tb_bson_get_text(&iter, ret_node, TB_NODE_MAX + 1);
    if (bson_iter_init_find(&iter, doc, "epoch"))
        tb_bson_get_text(&iter, ret_epoch, TB_EPOCH_SIZE);
    return ret_node[0] != '\0' && ret_epoch[0] != '\0';
}

static struct tb_received_sequences *add_received(struct gathering *run, struct gathered *gathered)
{
    struct tb_received_sequences *list =
        tb_arena_array(run->arena, gathered->received_count + 1, sizeof *list);

    if (!list)
        return NULL;
    if (gathered->received_count > 0)
        memcpy(list, gathered->received, gathered->received_count * sizeof *list);
    gathered->received = list;
    return &list[gathered->received_count++];
}

static enum tb_code gather_epochs(struct gathering *run, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = BCON_NEW("kind", BCON_UTF8("epoch"));
    struct gathered *gathered = NULL;
    struct tb_received_sequences *received;
    char name[TB_NODE_MAX + 1], epoch[TB_EPOCH_SIZE];
    const bson_t *doc;
    bson_iter_t iter;

    tb_mongo_find_begin(&find, run->lease, "sequences", filter, NULL);
    while ((doc = tb_mongo_find_next(&find))) {
        if (!read_whose(doc, name, epoch))
            continue;
        TB_TRY(node_of(run, name, &gathered, err));
        received = add_received(run, gathered);
        if (!received)
            return tb_mongo_no_memory(err);
        memcpy(received->epoch, epoch, sizeof epoch);
        if (bson_iter_init_find(&iter, doc, "fullChunks"))
            received->full_chunks = tb_bson_get_int(&iter);
        if (bson_iter_init_find(&iter, doc, "lastSequence"))
            received->last_sequence = tb_bson_get_int(&iter);
        if (bson_iter_init_find(&iter, doc, "lastReceivedAt"))
            received->last_at_ms = tb_bson_get_time(&iter);
        if (bson_iter_init_find(&iter, doc, "forked"))
            received->forked = tb_bson_get_int(&iter) > 0;
    }
    return tb_mongo_find_end(&find, "reading epochs", err);
}

static struct tb_received_sequences *find_received(struct gathering *run, const char *name,
                                                   const char *epoch)
{
    size_t at = place_of(run, name);

    if (at == run->count || strcmp(run->nodes[at]->name, name) != 0)
        return NULL;
    for (size_t i = 0; i < run->nodes[at]->received_count; i++) {
        if (strcmp(run->nodes[at]->received[i].epoch, epoch) == 0)
            return &run->nodes[at]->received[i];
    }
    return NULL;
}

/* Chunks that the epoch counts already are left over from a crash, or from a repetition. */
static enum tb_code keep_chunk(struct gathering *run, struct tb_received_sequences *received,
                               const struct tb_sequence_chunk *chunk, struct tb_error *err)
{
    struct tb_sequence_chunk *chunks;
    size_t count = received->chunk_count;

    if (chunk->number < received->full_chunks)
        return TB_OK;
    if (count == 0 || (count & (count - 1)) == 0) { /* room doubles at powers of two */
        chunks = tb_arena_array(run->arena, count ? 2 * count : 1, sizeof *chunks);
        if (!chunks)
            return tb_mongo_no_memory(err);
        if (count > 0)
            memcpy(chunks, received->chunks, count * sizeof *chunks);
        received->chunks = chunks;
    }
    received->chunks[received->chunk_count++] = *chunk;
    return TB_OK;
}

static enum tb_code gather_chunks(struct gathering *run, const bson_t *filter, const bson_t *opts,
                                  struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    char name[TB_NODE_MAX + 1], epoch[TB_EPOCH_SIZE];
    struct tb_received_sequences *received;
    struct tb_sequence_chunk chunk;
    const bson_t *doc;
    bool full;

    tb_mongo_find_begin(&find, run->lease, "sequences", filter, opts);
    while ((doc = tb_mongo_find_next(&find))) {
        if (!read_whose(doc, name, epoch) || !tb_mongo_chunk_decode(doc, &chunk, &full))
            continue;
        received = find_received(run, name, epoch);
        if (received)
            TB_TRY(keep_chunk(run, received, &chunk, err));
    }
    return tb_mongo_find_end(&find, "reading sequences", err);
}

/* Behind a hole there may be full ones, which the query for the others does not find. */
static enum tb_code gather_full(struct gathering *run, const char *name,
                                const struct tb_received_sequences *received, struct tb_error *err)
{
    int64_t last =
        received->last_sequence > 0 ? tb_sequence_chunk_of(received->last_sequence) : -1;
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    TB_CLEANUP(tb_bson_free) bson_t *opts = NULL;

    if (last - received->full_chunks + 1 <= (int64_t)received->chunk_count)
        return TB_OK;
    filter = BCON_NEW("node", BCON_UTF8(name), "epoch", BCON_UTF8(received->epoch), "chunk", "{",
                      "$gte", BCON_INT64(received->full_chunks), "}", "full", BCON_BOOL(true));
    opts =
        BCON_NEW("sort", "{", "chunk", BCON_INT32(1), "}", "limit", BCON_INT64(FULL_CHUNKS_MAX));
    return gather_chunks(run, filter, opts, err);
}

static int by_number(const void *a, const void *b)
{
    const struct tb_sequence_chunk *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static enum tb_code gather_sequences(struct gathering *run, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("kind", BCON_UTF8("chunk"), "full", BCON_BOOL(false));

    TB_TRY(gather_chunks(run, filter, NULL, err));
    for (size_t i = 0; i < run->count; i++) {
        for (size_t e = 0; e < run->nodes[i]->received_count; e++) {
            struct tb_received_sequences *received = &run->nodes[i]->received[e];

            TB_TRY(gather_full(run, run->nodes[i]->name, received, err));
            if (received->chunk_count > 0)
                qsort(received->chunks, received->chunk_count, sizeof *received->chunks,
                      by_number);
        }
    }
    return TB_OK;
}

static enum tb_code gather_late(struct gathering *run, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *pipeline = BCON_NEW("pipeline", "[", "{", "$group", "{", "_id", "$node", "late", "{",
                                "$sum", "$lateOrders", "}", "}", "}", "]");
    struct tb_mongo_collections names;
    char name[TB_NODE_MAX + 1];
    const bson_t *doc;
    bson_iter_t iter;
    size_t at;

    TB_TRY(tb_mongo_read_collections(run->lease, &names, err));
    tb_mongo_aggregate_begin(&find, run->lease, names.sales, pipeline);
    while ((doc = tb_mongo_find_next(&find))) {
        name[0] = '\0';
        if (bson_iter_init_find(&iter, doc, "_id"))
            tb_bson_get_text(&iter, name, sizeof name);
        at = place_of(run, name);
        if (at < run->count && strcmp(run->nodes[at]->name, name) == 0 &&
            bson_iter_init_find(&iter, doc, "late"))
            run->nodes[at]->late_orders = tb_bson_get_int(&iter);
    }
    return tb_mongo_find_end(&find, "counting late orders", err);
}

static enum tb_code judge_all(struct gathering *run, int64_t now_ms,
                              struct tb_node_report_list *ret_list, struct tb_error *err)
{
    struct tb_node_report_list list = {.count = run->count};

    list.nodes = tb_arena_array(run->arena, run->count + 1, sizeof *list.nodes);
    if (!list.nodes)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < run->count; i++) {
        const struct gathered *one = run->nodes[i];

        TB_TRY(tb_node_report_make(one->name, one->has_node ? &one->node : NULL, one->received,
                                   one->received_count, one->late_orders, now_ms, run->arena,
                                   &list.nodes[i], err));
    }
    *ret_list = list;
    return TB_OK;
}

static enum tb_code gather_all(struct gathering *run, struct tb_error *err)
{
    TB_TRY(gather_heartbeats(run, err));
    TB_TRY(gather_epochs(run, err));
    TB_TRY(gather_sequences(run, err));
    return gather_late(run, err);
}

enum tb_code tb_mongo_list_nodes(struct tb_mongo *mongo, int64_t now_ms, struct tb_arena *arena,
                                 struct tb_node_report_list *ret_list, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    struct gathering run = {.lease = &lease, .arena = arena};
    enum tb_code code;

    TB_TRY(tb_mongo_client_acquire_if_up(mongo, &lease, err));
    code = gather_all(&run, err);
    if (code == TB_OK)
        code = judge_all(&run, now_ms, ret_list, err);
    free(run.nodes);
    return code;
}

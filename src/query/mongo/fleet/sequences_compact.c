#include "query/mongo/fleet/sequences.h"
#include <stdlib.h>

/* A relay sends again at most what it had under way (TB_LOG_INFLIGHT_MAX): so long a chunk is
 * kept, and a sequence that comes again is compared with the one that came before. */
#define KEPT_CHUNKS (TB_LOG_INFLIGHT_MAX / TB_SEQUENCE_CHUNK_SIZE + 2)
/* Counted at once; the rest is counted when the next chunk fills. */
#define COUNTED_AT_ONCE 1000

bool tb_mongo_chunk_decode(const bson_t *doc, struct tb_sequence_chunk *ret_chunk,
                           bool *ret_marked_full)
{
    struct tb_sequence_chunk chunk = {.number = -1};
    bson_iter_t iter, list;
    bool full = false;

    if (bson_iter_init_find(&iter, doc, "chunk"))
        chunk.number = tb_bson_get_int(&iter);
    if (bson_iter_init_find(&iter, doc, "full") && BSON_ITER_HOLDS_BOOL(&iter))
        full = bson_iter_bool(&iter);
    if (bson_iter_init_find(&iter, doc, "came") && BSON_ITER_HOLDS_ARRAY(&iter) &&
        bson_iter_recurse(&iter, &list)) {
        while (bson_iter_next(&list))
            tb_sequence_chunk_add(&chunk, (int32_t)tb_bson_get_int(&list));
    }
    if (full)
        tb_sequence_chunk_fill(&chunk);
    *ret_chunk = chunk;
    *ret_marked_full = full;
    return chunk.number >= 0;
}

/* {_id: id} {op: {key: value}} */
static enum tb_code change(const struct tb_mongo_client *lease, const char *id, const char *op,
                           const char *key, int64_t value, struct tb_error *err)
{
    struct tb_mongo_op one = {.kind = TB_MONGO_UPDATE, .filter = BCON_NEW("_id", BCON_UTF8(id))};
    bool failed = false;
    enum tb_code code;

    one.document = bson_new();
    tb_bson_put_operator((struct tb_bson_writer){one.document, &failed}, op, key, value);
    code = failed ? tb_mongo_no_memory(err) : tb_mongo_upsert_sequences(lease, &one, 1, err);
    tb_mongo_ops_clear(&one, 1);
    return code;
}

static enum tb_code mark_full(const struct tb_mongo_client *lease, const char *id,
                              struct tb_error *err)
{
    struct tb_mongo_op one = {.kind = TB_MONGO_UPDATE,
                              .filter = BCON_NEW("_id", BCON_UTF8(id)),
                              .document = BCON_NEW("$set", "{", "full", BCON_BOOL(true), "}")};
    enum tb_code code = tb_mongo_upsert_sequences(lease, &one, 1, err);

    tb_mongo_ops_clear(&one, 1);
    return code;
}

static bson_t *full_chunks_filter(const struct tb_plan_origin *origin, int64_t from)
{
    return BCON_NEW("node", BCON_UTF8(origin->node.ptr), "epoch", BCON_UTF8(origin->epoch),
                    "chunk", "{", "$gte", BCON_INT64(from), "}", "full", BCON_BOOL(true));
}

static enum tb_code read_full_chunks(const struct tb_mongo_client *lease, const char *id,
                                     int64_t *ret_count, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = BCON_NEW("_id", BCON_UTF8(id));
    const bson_t *doc;
    bson_iter_t iter;
    int64_t count = 0;

    tb_mongo_find_begin(&find, lease, "sequences", filter, NULL);
    while ((doc = tb_mongo_find_next(&find))) {
        if (bson_iter_init_find(&iter, doc, "fullChunks"))
            count = tb_bson_get_int(&iter);
    }
    TB_TRY(tb_mongo_find_end(&find, "reading an epoch", err));
    *ret_count = count;
    return TB_OK;
}

/* How many full chunks there are from the start on. */
static enum tb_code count_full(const struct tb_mongo_client *lease,
                               const struct tb_plan_origin *origin, int64_t *count,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = full_chunks_filter(origin, *count);
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("projection", "{", "chunk", BCON_INT32(1), "}", "sort", "{", "chunk",
                            BCON_INT32(1), "}", "limit", BCON_INT64(COUNTED_AT_ONCE));
    const bson_t *doc;
    bson_iter_t iter;

    tb_mongo_find_begin(&find, lease, "sequences", filter, opts);
    while ((doc = tb_mongo_find_next(&find))) {
        if (bson_iter_init_find(&iter, doc, "chunk") && tb_bson_get_int(&iter) == *count)
            ++*count;
    }
    return tb_mongo_find_end(&find, "counting chunks", err);
}

/* What is counted is of no further use, once nobody sends it again. The count is confirmed
 * before: a crash in between leaves chunks that nobody reads. */
static enum tb_code remove_counted(const struct tb_mongo_client *lease,
                                   const struct tb_plan_origin *origin, int64_t count,
                                   struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *filter =
        BCON_NEW("node", BCON_UTF8(origin->node.ptr), "epoch", BCON_UTF8(origin->epoch), "chunk",
                 "{", "$lt", BCON_INT64(count - KEPT_CHUNKS), "}");
    int64_t removed = 0;

    return tb_mongo_remove(lease, "sequences", filter, &removed, err);
}

static enum tb_code advance(const struct tb_mongo_client *lease,
                            const struct tb_plan_origin *origin, struct tb_error *err)
{
    char id[TB_MONGO_EPOCH_ID_SIZE];
    int64_t before = 0, count;

    tb_mongo_epoch_id(origin, id);
    TB_TRY(read_full_chunks(lease, id, &before, err));
    count = before;
    TB_TRY(count_full(lease, origin, &count, err));
    if (count == before)
        return TB_OK;
    TB_TRY(change(lease, id, "$max", "fullChunks", count, err));
    return remove_counted(lease, origin, count, err);
}

/* The document says which node and epoch it is of. */
static bool origin_of(const bson_t *doc, struct tb_arena *arena, struct tb_plan_origin *ret_origin)
{
    struct tb_plan_origin origin = {0};
    bson_iter_t iter;

    if (bson_iter_init_find(&iter, doc, "node"))
        origin.node = tb_arena_copy(arena, tb_bson_get_str(&iter));
    if (bson_iter_init_find(&iter, doc, "epoch"))
        tb_bson_get_text(&iter, origin.epoch, sizeof origin.epoch);
    *ret_origin = origin;
    return origin.node.ptr && origin.node.len <= TB_NODE_MAX && origin.epoch[0] != '\0';
}

/* What a marked document says now. */
struct outcome {
    struct tb_plan_origin origin; /* sequence: the chunk's first; of an epoch 0 */
    struct tb_str id;
    int64_t counted; /* an epoch's: so many chunks from the start on are full */
    bool full;       /* a chunk's that was not before */
    bool forked;     /* a chunk's: two events bear one number */
};

static bool read_outcome(const bson_t *doc, struct tb_arena *arena, struct outcome *ret_outcome)
{
    struct outcome outcome = {0};
    struct tb_sequence_chunk chunk;
    bson_iter_t iter;
    bool marked;

    if (!origin_of(doc, arena, &outcome.origin) || !bson_iter_init_find(&iter, doc, "_id"))
        return false;
    outcome.id = tb_arena_copy(arena, tb_bson_get_str(&iter));
    if (tb_mongo_chunk_decode(doc, &chunk, &marked)) {
        outcome.origin.sequence = chunk.number * TB_SEQUENCE_CHUNK_SIZE + 1;
        outcome.full = !marked && tb_sequence_chunk_is_full(&chunk);
        outcome.forked = chunk.forked;
    } else if (bson_iter_init_find(&iter, doc, "fullChunks")) {
        outcome.counted = tb_bson_get_int(&iter);
    }
    *ret_outcome = outcome;
    return outcome.id.ptr != NULL;
}

static int by_epoch(const void *a, const void *b)
{
    return tb_mongo_compare_origins(&((const struct outcome *)a)->origin,
                                    &((const struct outcome *)b)->origin);
}

/* Each epoch in front of its chunks. */
static enum tb_code read_outcomes(const struct tb_mongo_client *lease, const struct tb_str *ids,
                                  size_t id_count, struct tb_arena *arena,
                                  struct outcome *outcomes, size_t *ret_count,
                                  struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = tb_mongo_ids_filter(ids, id_count);
    const bson_t *doc;
    size_t count = 0;

    if (!filter)
        return tb_mongo_no_memory(err);
    tb_mongo_find_begin(&find, lease, "sequences", filter, NULL);
    while (count < id_count && (doc = tb_mongo_find_next(&find)))
        count += read_outcome(doc, arena, &outcomes[count]);
    TB_TRY(tb_mongo_find_end(&find, "reading sequences", err));
    qsort(outcomes, count, sizeof *outcomes, by_epoch);
    *ret_count = count;
    return TB_OK;
}

static enum tb_code settle_chunk(const struct tb_mongo_client *lease, const struct outcome *chunk,
                                 struct tb_error *err)
{
    char id[TB_MONGO_EPOCH_ID_SIZE];

    tb_mongo_epoch_id(&chunk->origin, id);
    if (chunk->forked)
        TB_TRY(change(lease, id, "$max", "forked", 1, err));
    return chunk->full ? mark_full(lease, chunk->id.ptr, err) : TB_OK;
}

/* The epoch and its chunks. Of those that are counted some are gone already, and come back with
 * events that come again: they go once more. */
static enum tb_code settle_epoch(const struct tb_mongo_client *lease, struct outcome *outcomes,
                                 size_t count, struct tb_error *err)
{
    const struct tb_plan_origin *epoch = &outcomes[0].origin;
    int64_t counted = outcomes[0].counted;
    bool came_back = false, filled = false;

    for (size_t i = 0; i < count; i++) {
        int64_t sequence = outcomes[i].origin.sequence;

        if (sequence > 0 && tb_sequence_chunk_of(sequence) < counted - KEPT_CHUNKS) {
            came_back = true;
            outcomes[i].full = false;
        }
        TB_TRY(settle_chunk(lease, &outcomes[i], err));
        filled = filled || outcomes[i].full;
    }
    if (filled)
        TB_TRY(advance(lease, epoch, err));
    return came_back ? remove_counted(lease, epoch, counted, err) : TB_OK;
}

enum tb_code tb_mongo_compact_sequences(const struct tb_mongo_client *lease,
                                        const struct tb_str *ids, size_t id_count,
                                        struct tb_arena *arena, struct tb_error *err)
{
    struct outcome *outcomes = tb_arena_array(arena, id_count, sizeof *outcomes);
    size_t count = 0, first = 0;

    if (!outcomes)
        return tb_mongo_no_memory(err);
    TB_TRY(read_outcomes(lease, ids, id_count, arena, outcomes, &count, err));
    for (size_t i = 1; i <= count; i++) {
        if (i < count && tb_mongo_same_epoch(&outcomes[first].origin, &outcomes[i].origin))
            continue;
        TB_TRY(settle_epoch(lease, outcomes + first, i - first, err));
        first = i;
    }
    return TB_OK;
}

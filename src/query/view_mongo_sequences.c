#include "query/view_mongo_priv.h"
#include <stdio.h>
#include <stdlib.h>

/* The collection sequences holds two kinds of documents.
 *  epoch  "<node>/<epoch>": the highest sequence and the latest time, and how many chunks from the
 *         start on are full. All only rise.
 *  chunk  "<node>/<epoch>/<number>": which of its sequences came (nodes.h), `full` once all did.
 *         Those that the epoch counts are removed, but for the latest. */

/* A relay sends again at most what it had under way (TB_LOG_BATCH_MAX): so long a chunk is kept,
 * and a sequence that comes again is compared with the one that came before. */
#define KEPT_CHUNKS (TB_LOG_BATCH_MAX / TB_CHUNK_SIZE + 2)
/* Counted at once; the rest is counted when the next chunk fills. */
#define COUNTED_AT_ONCE 1000

#define EPOCH_ID_SIZE (TB_NODE_MAX + 1 + TB_EPOCH_SIZE)
#define CHUNK_ID_SIZE (EPOCH_ID_SIZE + 1 + 16)

/* Origins of one chunk stand together once they are sorted. */
struct marking {
    const struct tb_mongo_lease *lease;
    const struct tb_plan_origin **origins;
    size_t count;
    struct tb_mongo_op *ops;
    size_t op_count;
    struct tb_str *ids; /* of the documents that are marked */
    size_t id_count;
    struct tb_arena arena;
};

static int compare_places(const struct tb_plan_origin *x, const struct tb_plan_origin *y)
{
    size_t len = x->node.len < y->node.len ? x->node.len : y->node.len;
    int order = memcmp(x->node.ptr, y->node.ptr, len);

    if (order == 0 && x->node.len != y->node.len)
        order = x->node.len < y->node.len ? -1 : 1;
    if (order == 0)
        order = strcmp(x->epoch, y->epoch);
    if (order == 0 && x->sequence != y->sequence)
        order = x->sequence < y->sequence ? -1 : 1;
    return order;
}

static int by_place(const void *a, const void *b)
{
    return compare_places(*(const struct tb_plan_origin *const *)a,
                          *(const struct tb_plan_origin *const *)b);
}

static bool same_epoch(const struct tb_plan_origin *a, const struct tb_plan_origin *b)
{
    return tb_str_eq(a->node, b->node) && strcmp(a->epoch, b->epoch) == 0;
}

static void epoch_id(const struct tb_plan_origin *origin, char ret_id[EPOCH_ID_SIZE])
{
    snprintf(ret_id, EPOCH_ID_SIZE, "%.*s/%s", (int)origin->node.len, origin->node.ptr,
             origin->epoch);
}

static void chunk_id(const struct tb_plan_origin *origin, char ret_id[CHUNK_ID_SIZE])
{
    snprintf(ret_id, CHUNK_ID_SIZE, "%.*s/%s/%014lld", (int)origin->node.len, origin->node.ptr,
             origin->epoch, (long long)tb_chunk_of(origin->sequence));
}

/* *failed: out of memory. */
static struct tb_mongo_op *begin_op(struct marking *run, const char *id, bool *failed)
{
    struct tb_mongo_op *op = &run->ops[run->op_count++];
    struct tb_str *kept = &run->ids[run->id_count++];

    *op = (struct tb_mongo_op){.kind = TB_MONGO_UPDATE};
    op->filter = BCON_NEW("_id", BCON_UTF8(id));
    op->document = bson_new();
    *kept = tb_arena_copy(&run->arena, tb_str_of(id));
    *failed = *failed || !kept->ptr;
    return op;
}

static void put_whose(struct tb_put put, const char *kind, const struct tb_plan_origin *origin)
{
    tb_put_text(put, "kind", kind);
    tb_put_str(put, "node", origin->node);
    tb_put_text(put, "epoch", origin->epoch);
}

/* The origins first to end, all of one chunk. */
static enum tb_code mark_chunk(struct marking *run, size_t first, size_t end, struct tb_error *err)
{
    const struct tb_plan_origin *origin = run->origins[first];
    bool failed = false;
    struct tb_put put, add, came, each, whose;
    bson_t in_add, in_came, in_each, in_whose;
    char id[CHUNK_ID_SIZE], scratch[16];

    chunk_id(origin, id);
    put = (struct tb_put){begin_op(run, id, &failed)->document, &failed};
    add = tb_put_open(put, "$addToSet", &in_add);
    came = tb_put_open(add, "came", &in_came);
    each = tb_put_open_list(came, "$each", &in_each);
    for (size_t i = first; i < end; i++)
        tb_put_int(each, tb_put_index(i - first, scratch),
                   tb_chunk_entry(run->origins[i]->sequence, run->origins[i]->event_id));
    tb_put_close_list(came, each);
    tb_put_close(add, came);
    tb_put_close(put, add);
    whose = tb_put_open(put, "$setOnInsert", &in_whose);
    put_whose(whose, "chunk", origin);
    tb_put_int(whose, "chunk", tb_chunk_of(origin->sequence));
    tb_put_bool(whose, "full", false);
    tb_put_close(put, whose);
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

/* The origins first to end, all of one epoch. */
static enum tb_code mark_epoch(struct marking *run, size_t first, size_t end, struct tb_error *err)
{
    const struct tb_plan_origin *origin = run->origins[first];
    int64_t last_at_ms = origin->timestamp_ms;
    bool failed = false;
    struct tb_put put, most, whose;
    bson_t in_most, in_whose;
    char id[EPOCH_ID_SIZE];

    for (size_t i = first; i < end; i++) {
        if (run->origins[i]->timestamp_ms > last_at_ms)
            last_at_ms = run->origins[i]->timestamp_ms;
    }
    epoch_id(origin, id);
    put = (struct tb_put){begin_op(run, id, &failed)->document, &failed};
    most = tb_put_open(put, "$max", &in_most);
    tb_put_int(most, "lastSequence", run->origins[end - 1]->sequence);
    tb_put_time(most, "lastReceivedAt", last_at_ms);
    tb_put_close(put, most);
    whose = tb_put_open(put, "$setOnInsert", &in_whose);
    put_whose(whose, "epoch", origin);
    tb_put_close(put, whose);
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

static enum tb_code make_ops(struct marking *run, struct tb_error *err)
{
    size_t epoch = 0, chunk = 0;

    for (size_t i = 1; i <= run->count; i++) {
        bool epoch_ends = i == run->count || !same_epoch(run->origins[epoch], run->origins[i]);

        if (epoch_ends ||
            tb_chunk_of(run->origins[chunk]->sequence) != tb_chunk_of(run->origins[i]->sequence)) {
            TB_TRY(mark_chunk(run, chunk, i, err));
            chunk = i;
        }
        if (epoch_ends) {
            TB_TRY(mark_epoch(run, epoch, i, err));
            epoch = i;
        }
    }
    return TB_OK;
}

/* Upserts of one document may meet: the second then finds it when it comes again. */
static enum tb_code run_ops(const struct tb_mongo_lease *lease, struct tb_mongo_op *ops,
                            size_t count, struct tb_error *err)
{
    for (int race = 0; race < TB_MONGO_RACES_MAX; race++) {
        size_t left = 0;

        TB_TRY(tb_mongo_bulk(lease, "sequences", ops, count, err));
        for (size_t i = 0; i < count; i++) {
            if (ops[i].code != 0 && ops[i].code != TB_MONGO_DUPLICATE_KEY)
                return tb_mongo_op_error(err, &ops[i], "noting sequences");
            left += ops[i].code != 0;
        }
        if (left == 0)
            return TB_OK;
    }
    return tb_error_set(err, TB_BUSY, "others go on noting the same sequences");
}

bool tb_mongo_chunk_decode(const bson_t *doc, struct tb_chunk *ret_chunk, bool *ret_marked_full)
{
    struct tb_chunk chunk = {.number = -1};
    bson_iter_t iter, list;
    bool full = false;

    if (bson_iter_init_find(&iter, doc, "chunk"))
        chunk.number = tb_get_int(&iter);
    if (bson_iter_init_find(&iter, doc, "full") && BSON_ITER_HOLDS_BOOL(&iter))
        full = bson_iter_bool(&iter);
    if (bson_iter_init_find(&iter, doc, "came") && BSON_ITER_HOLDS_ARRAY(&iter) &&
        bson_iter_recurse(&iter, &list)) {
        while (bson_iter_next(&list))
            tb_chunk_add(&chunk, (int32_t)tb_get_int(&list));
    }
    if (full)
        tb_chunk_fill(&chunk);
    *ret_chunk = chunk;
    *ret_marked_full = full;
    return chunk.number >= 0;
}

/* {_id: id} {op: {key: value}} */
static enum tb_code change(const struct tb_mongo_lease *lease, const char *id, const char *op,
                           const char *key, int64_t value, struct tb_error *err)
{
    struct tb_mongo_op one = {.kind = TB_MONGO_UPDATE, .filter = BCON_NEW("_id", BCON_UTF8(id))};
    bool failed = false;
    enum tb_code code;

    one.document = bson_new();
    tb_put_limit((struct tb_put){one.document, &failed}, op, key, value);
    code = failed ? tb_mongo_no_memory(err) : run_ops(lease, &one, 1, err);
    tb_mongo_ops_clear(&one, 1);
    return code;
}

static enum tb_code mark_full(const struct tb_mongo_lease *lease, const char *id,
                              struct tb_error *err)
{
    struct tb_mongo_op one = {.kind = TB_MONGO_UPDATE,
                              .filter = BCON_NEW("_id", BCON_UTF8(id)),
                              .document = BCON_NEW("$set", "{", "full", BCON_BOOL(true), "}")};
    enum tb_code code = run_ops(lease, &one, 1, err);

    tb_mongo_ops_clear(&one, 1);
    return code;
}

static bson_t *full_chunks_filter(const struct tb_plan_origin *origin, int64_t from)
{
    return BCON_NEW("node", BCON_UTF8(origin->node.ptr), "epoch", BCON_UTF8(origin->epoch),
                    "chunk", "{", "$gte", BCON_INT64(from), "}", "full", BCON_BOOL(true));
}

static enum tb_code read_full_chunks(const struct tb_mongo_lease *lease, const char *id,
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
            count = tb_get_int(&iter);
    }
    TB_TRY(tb_mongo_find_end(&find, "reading an epoch", err));
    *ret_count = count;
    return TB_OK;
}

/* How many full chunks there are from the start on. */
static enum tb_code count_full(const struct tb_mongo_lease *lease,
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
        if (bson_iter_init_find(&iter, doc, "chunk") && tb_get_int(&iter) == *count)
            ++*count;
    }
    return tb_mongo_find_end(&find, "counting chunks", err);
}

/* What is counted is of no further use, once nobody sends it again. The count is confirmed
 * before: a crash in between leaves chunks that nobody reads. */
static enum tb_code remove_counted(const struct tb_mongo_lease *lease,
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

static enum tb_code advance(const struct tb_mongo_lease *lease,
                            const struct tb_plan_origin *origin, struct tb_error *err)
{
    char id[EPOCH_ID_SIZE];
    int64_t before = 0, count;

    epoch_id(origin, id);
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
        origin.node = tb_arena_copy(arena, tb_get_str(&iter));
    if (bson_iter_init_find(&iter, doc, "epoch"))
        tb_get_text(&iter, origin.epoch, sizeof origin.epoch);
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
    struct tb_chunk chunk;
    bson_iter_t iter;
    bool marked;

    if (!origin_of(doc, arena, &outcome.origin) || !bson_iter_init_find(&iter, doc, "_id"))
        return false;
    outcome.id = tb_arena_copy(arena, tb_get_str(&iter));
    if (tb_mongo_chunk_decode(doc, &chunk, &marked)) {
        outcome.origin.sequence = chunk.number * TB_CHUNK_SIZE + 1;
        outcome.full = !marked && tb_chunk_full(&chunk);
        outcome.forked = chunk.forked;
    } else if (bson_iter_init_find(&iter, doc, "fullChunks")) {
        outcome.counted = tb_get_int(&iter);
    }
    *ret_outcome = outcome;
    return outcome.id.ptr != NULL;
}

static int by_epoch(const void *a, const void *b)
{
    return compare_places(&((const struct outcome *)a)->origin,
                          &((const struct outcome *)b)->origin);
}

/* Each epoch in front of its chunks. */
static enum tb_code read_outcomes(struct marking *run, struct outcome *outcomes, size_t *ret_count,
                                  struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = tb_mongo_ids_filter(run->ids, run->id_count);
    const bson_t *doc;
    size_t count = 0;

    if (!filter)
        return tb_mongo_no_memory(err);
    tb_mongo_find_begin(&find, run->lease, "sequences", filter, NULL);
    while (count < run->id_count && (doc = tb_mongo_find_next(&find)))
        count += read_outcome(doc, &run->arena, &outcomes[count]);
    TB_TRY(tb_mongo_find_end(&find, "reading sequences", err));
    qsort(outcomes, count, sizeof *outcomes, by_epoch);
    *ret_count = count;
    return TB_OK;
}

static enum tb_code settle_chunk(const struct marking *run, const struct outcome *chunk,
                                 struct tb_error *err)
{
    char id[EPOCH_ID_SIZE];

    epoch_id(&chunk->origin, id);
    if (chunk->forked)
        TB_TRY(change(run->lease, id, "$max", "forked", 1, err));
    return chunk->full ? mark_full(run->lease, chunk->id.ptr, err) : TB_OK;
}

/* The epoch and its chunks. Of those that are counted some are gone already, and come back with
 * events that come again: they go once more. */
static enum tb_code settle_epoch(const struct marking *run, struct outcome *outcomes, size_t count,
                                 struct tb_error *err)
{
    const struct tb_plan_origin *epoch = &outcomes[0].origin;
    int64_t counted = outcomes[0].counted;
    bool came_back = false, filled = false;

    for (size_t i = 0; i < count; i++) {
        int64_t sequence = outcomes[i].origin.sequence;

        if (sequence > 0 && tb_chunk_of(sequence) < counted - KEPT_CHUNKS) {
            came_back = true;
            outcomes[i].full = false;
        }
        TB_TRY(settle_chunk(run, &outcomes[i], err));
        filled = filled || outcomes[i].full;
    }
    if (filled)
        TB_TRY(advance(run->lease, epoch, err));
    return came_back ? remove_counted(run->lease, epoch, counted, err) : TB_OK;
}

static enum tb_code settle(struct marking *run, struct tb_error *err)
{
    struct outcome *outcomes = tb_arena_array(&run->arena, run->id_count, sizeof *outcomes);
    size_t count = 0, first = 0;

    if (!outcomes)
        return tb_mongo_no_memory(err);
    TB_TRY(read_outcomes(run, outcomes, &count, err));
    for (size_t i = 1; i <= count; i++) {
        if (i < count && same_epoch(&outcomes[first].origin, &outcomes[i].origin))
            continue;
        TB_TRY(settle_epoch(run, outcomes + first, i - first, err));
        first = i;
    }
    return TB_OK;
}

static enum tb_code mark(struct marking *run, const struct tb_plan *plan, struct tb_error *err)
{
    run->count = plan->origin_count;
    run->origins = tb_arena_array(&run->arena, run->count, sizeof(const struct tb_plan_origin *));
    run->ids = tb_arena_array(&run->arena, 2 * run->count, sizeof *run->ids);
    if (!run->origins || !run->ids || !run->ops)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < run->count; i++)
        run->origins[i] = &plan->origins[i];
    qsort(run->origins, run->count, sizeof(const struct tb_plan_origin *), by_place);
    TB_TRY(make_ops(run, err));
    TB_TRY(run_ops(run->lease, run->ops, run->op_count, err));
    return settle(run, err);
}

enum tb_code tb_mongo_write_sequences(const struct tb_mongo_lease *lease,
                                      const struct tb_plan *plan, struct tb_error *err)
{
    struct marking run = {.lease = lease};
    enum tb_code code;

    if (plan->origin_count == 0)
        return TB_OK;
    run.ops = calloc(2 * plan->origin_count, sizeof *run.ops);
    code = mark(&run, plan, err);
    tb_mongo_ops_clear(run.ops, run.op_count);
    free(run.ops);
    tb_arena_release(&run.arena);
    return code;
}

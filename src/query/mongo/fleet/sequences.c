#include "query/mongo/fleet/sequences.h"
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_ID_SIZE (TB_MONGO_EPOCH_ID_SIZE + 1 + 16)

/* Origins of one chunk stand together once they are sorted. */
struct marking {
    const struct tb_mongo_client *lease;
    const struct tb_plan_origin **origins;
    size_t count;
    struct tb_mongo_op *ops;
    size_t op_count;
    struct tb_str *ids; /* of the documents that are marked */
    size_t id_count;
    struct tb_arena arena;
};

int tb_mongo_compare_origins(const struct tb_plan_origin *x, const struct tb_plan_origin *y)
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
    return tb_mongo_compare_origins(*(const struct tb_plan_origin *const *)a,
                                    *(const struct tb_plan_origin *const *)b);
}

bool tb_mongo_same_epoch(const struct tb_plan_origin *a, const struct tb_plan_origin *b)
{
    return tb_str_eq(a->node, b->node) && strcmp(a->epoch, b->epoch) == 0;
}

void tb_mongo_epoch_id(const struct tb_plan_origin *origin, char ret_id[TB_MONGO_EPOCH_ID_SIZE])
{
    snprintf(ret_id, TB_MONGO_EPOCH_ID_SIZE, "%.*s/%s", (int)origin->node.len, origin->node.ptr,
             origin->epoch);
}

static void chunk_id(const struct tb_plan_origin *origin, char ret_id[CHUNK_ID_SIZE])
{
    snprintf(ret_id, CHUNK_ID_SIZE, "%.*s/%s/%014lld", (int)origin->node.len, origin->node.ptr,
             origin->epoch, (long long)tb_sequence_chunk_of(origin->sequence));
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

static void put_whose(struct tb_bson_writer put, const char *kind,
                      const struct tb_plan_origin *origin)
{
    tb_bson_put_text(put, "kind", kind);
    tb_bson_put_str(put, "node", origin->node);
    tb_bson_put_text(put, "epoch", origin->epoch);
}

/* The origins first to end, all of one chunk. */
static enum tb_code mark_chunk(struct marking *run, size_t first, size_t end, struct tb_error *err)
{
    const struct tb_plan_origin *origin = run->origins[first];
    bool failed = false;
    struct tb_bson_writer put, add, came, each, whose;
    bson_t in_add, in_came, in_each, in_whose;
    char id[CHUNK_ID_SIZE], scratch[16];

    chunk_id(origin, id);
    put = (struct tb_bson_writer){begin_op(run, id, &failed)->document, &failed};
    add = tb_bson_open(put, "$addToSet", &in_add);
    came = tb_bson_open(add, "came", &in_came);
    each = tb_bson_open_array(came, "$each", &in_each);
    for (size_t i = first; i < end; i++)
        tb_bson_put_int(
            each, tb_bson_index_key(i - first, scratch),
            tb_sequence_chunk_entry(run->origins[i]->sequence, run->origins[i]->event_id));
    tb_bson_close_array(came, each);
    tb_bson_close(add, came);
    tb_bson_close(put, add);
    whose = tb_bson_open(put, "$setOnInsert", &in_whose);
    put_whose(whose, "chunk", origin);
    tb_bson_put_int(whose, "chunk", tb_sequence_chunk_of(origin->sequence));
    tb_bson_put_bool(whose, "full", false);
    tb_bson_close(put, whose);
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

/* The origins first to end, all of one epoch. */
static enum tb_code mark_epoch(struct marking *run, size_t first, size_t end, struct tb_error *err)
{
    const struct tb_plan_origin *origin = run->origins[first];
    int64_t last_at_ms = origin->timestamp_ms;
    bool failed = false;
    struct tb_bson_writer put, most, whose;
    bson_t in_most, in_whose;
    char id[TB_MONGO_EPOCH_ID_SIZE];

    for (size_t i = first; i < end; i++) {
        if (run->origins[i]->timestamp_ms > last_at_ms)
            last_at_ms = run->origins[i]->timestamp_ms;
    }
    tb_mongo_epoch_id(origin, id);
    put = (struct tb_bson_writer){begin_op(run, id, &failed)->document, &failed};
    most = tb_bson_open(put, "$max", &in_most);
    tb_bson_put_int(most, "lastSequence", run->origins[end - 1]->sequence);
    tb_bson_put_time(most, "lastReceivedAt", last_at_ms);
    tb_bson_close(put, most);
    whose = tb_bson_open(put, "$setOnInsert", &in_whose);
    put_whose(whose, "epoch", origin);
    tb_bson_close(put, whose);
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

static enum tb_code make_ops(struct marking *run, struct tb_error *err)
{
    size_t epoch = 0, chunk = 0;

    for (size_t i = 1; i <= run->count; i++) {
        bool epoch_ends =
            i == run->count || !tb_mongo_same_epoch(run->origins[epoch], run->origins[i]);

        if (epoch_ends || tb_sequence_chunk_of(run->origins[chunk]->sequence) !=
                              tb_sequence_chunk_of(run->origins[i]->sequence)) {
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
enum tb_code tb_mongo_upsert_sequences(const struct tb_mongo_client *lease,
                                       struct tb_mongo_op *ops, size_t count, struct tb_error *err)
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
    TB_TRY(tb_mongo_upsert_sequences(run->lease, run->ops, run->op_count, err));
    return tb_mongo_compact_sequences(run->lease, run->ids, run->id_count, &run->arena, err);
}

enum tb_code tb_mongo_write_sequences(const struct tb_mongo_client *lease,
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

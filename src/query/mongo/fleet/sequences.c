#include "query/mongo/fleet/sequences.h"
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_ID_SIZE (TB_MONGO_EPOCH_ID_SIZE + 1 + 16)

/* Adds the origins of a plan, sorted by node, epoch and sequence. */
struct marking {
    const struct tb_mongo_client *client;
    const struct tb_plan_origin **origins;
    size_t count;
    struct tb_mongo_op *ops;
    size_t op_count;
    struct tb_str *ids; /* of the documents that the ops write */
    size_t id_count;
    struct tb_arena arena;
};

static int by_origin(const void *a, const void *b)
{
    return tb_mongo_compare_origins(*(const struct tb_plan_origin *const *)a,
                                    *(const struct tb_plan_origin *const *)b);
}

static void chunk_id(const struct tb_plan_origin *origin, char ret_id[CHUNK_ID_SIZE])
{
    snprintf(ret_id, CHUNK_ID_SIZE, "%.*s/%s/%014lld", (int)origin->node.len, origin->node.ptr,
             origin->epoch, (long long)tb_sequence_chunk_of(origin->sequence));
}

static struct tb_mongo_op *begin_op(struct marking *run, const char *id, bool *failed)
{
    struct tb_mongo_op *op = &run->ops[run->op_count++];
    struct tb_str *kept = &run->ids[run->id_count++];

    *op = (struct tb_mongo_op){.kind = TB_MONGO_UPSERT};
    op->filter = BCON_NEW("_id", BCON_UTF8(id));
    op->document = bson_new();
    *kept = tb_arena_copy(&run->arena, tb_str_of(id));
    *failed = *failed || !kept->ptr;
    return op;
}

static void put_key(struct tb_bson_writer out, const char *kind,
                    const struct tb_plan_origin *origin)
{
    tb_bson_put_text(out, "kind", kind);
    tb_bson_put_str(out, "node", origin->node);
    tb_bson_put_text(out, "epoch", origin->epoch);
}

/* The origins from first up to end are of one chunk. */
static enum tb_code mark_chunk(struct marking *run, size_t first, size_t end, struct tb_error *err)
{
    const struct tb_plan_origin *origin = run->origins[first];
    bool failed = false;
    struct tb_bson_writer out, add, came, each, set;
    bson_t in_add, in_came, in_each, in_set;
    char id[CHUNK_ID_SIZE], scratch[16];

    chunk_id(origin, id);
    out = (struct tb_bson_writer){begin_op(run, id, &failed)->document, &failed};
    add = tb_bson_open(out, "$addToSet", &in_add);
    came = tb_bson_open(add, "came", &in_came);
    each = tb_bson_open_array(came, "$each", &in_each);
    for (size_t i = first; i < end; i++)
        tb_bson_put_int(
            each, tb_bson_index_key(i - first, scratch),
            tb_sequence_chunk_entry(run->origins[i]->sequence, run->origins[i]->event_id));
    tb_bson_close_array(came, each);
    tb_bson_close(add, came);
    tb_bson_close(out, add);
    set = tb_bson_open(out, "$setOnInsert", &in_set);
    put_key(set, "chunk", origin);
    tb_bson_put_int(set, "chunk", tb_sequence_chunk_of(origin->sequence));
    tb_bson_put_bool(set, "full", false);
    tb_bson_close(out, set);
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

/* The origins from first up to end are of one epoch. */
static enum tb_code mark_epoch(struct marking *run, size_t first, size_t end, struct tb_error *err)
{
    const struct tb_plan_origin *origin = run->origins[first];
    int64_t last_at_ms = origin->timestamp_ms;
    bool failed = false;
    struct tb_bson_writer out, max, set;
    bson_t in_max, in_set;
    char id[TB_MONGO_EPOCH_ID_SIZE];

    for (size_t i = first; i < end; i++) {
        if (run->origins[i]->timestamp_ms > last_at_ms)
            last_at_ms = run->origins[i]->timestamp_ms;
    }
    tb_mongo_epoch_id(origin, id);
    out = (struct tb_bson_writer){begin_op(run, id, &failed)->document, &failed};
    max = tb_bson_open(out, "$max", &in_max);
    tb_bson_put_int(max, "lastSequence", run->origins[end - 1]->sequence);
    tb_bson_put_time(max, "lastReceivedAt", last_at_ms);
    tb_bson_close(out, max);
    set = tb_bson_open(out, "$setOnInsert", &in_set);
    put_key(set, "epoch", origin);
    tb_bson_close(out, set);
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

/* If two upserts insert the same document at the same time, one gets a duplicate key. In the next
 * round it finds the document and updates it. */
enum tb_code tb_mongo_upsert_sequences(const struct tb_mongo_client *client,
                                       struct tb_mongo_op *ops, size_t count, struct tb_error *err)
{
    for (int race = 0; race < TB_MONGO_RACES_MAX; race++) {
        size_t left = 0;

        TB_TRY(tb_mongo_write(client, "sequences", ops, count, "marking sequences", err));
        for (size_t i = 0; i < count; i++)
            left += ops[i].code != 0;
        if (left == 0)
            return TB_OK;
    }
    return tb_error_set(err, TB_BUSY, "others go on marking the same sequences");
}

static enum tb_code mark(struct marking *run, const struct tb_plan *plan, struct tb_error *err)
{
    run->count = plan->origin_count;
    run->origins = tb_arena_array(&run->arena, run->count, sizeof(const struct tb_plan_origin *));
    run->ids = tb_arena_array(&run->arena, 2 * run->count, sizeof *run->ids);
    run->ops = tb_arena_array(&run->arena, 2 * run->count, sizeof *run->ops);
    if (!run->origins || !run->ids || !run->ops)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < run->count; i++)
        run->origins[i] = &plan->origins[i];
    qsort(run->origins, run->count, sizeof(const struct tb_plan_origin *), by_origin);
    TB_TRY(make_ops(run, err));
    TB_TRY(tb_mongo_upsert_sequences(run->client, run->ops, run->op_count, err));
    return tb_mongo_compact_sequences(run->client, run->ids, run->id_count, &run->arena, err);
}

enum tb_code tb_mongo_write_sequences(const struct tb_mongo_client *client,
                                      const struct tb_plan *plan, struct tb_error *err)
{
    struct marking run = {.client = client};
    enum tb_code code;

    if (plan->origin_count == 0)
        return TB_OK;
    code = mark(&run, plan, err);
    tb_mongo_ops_clear(run.ops, run.op_count);
    tb_arena_release(&run.arena);
    return code;
}

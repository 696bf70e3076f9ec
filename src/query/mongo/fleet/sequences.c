#include "query/mongo/fleet/documents.h"
#include <stdlib.h>

/* Adds the origins of a plan, sorted by node, epoch and sequence. */
struct marking {
    struct tb_plan_origin *origins; /* node: a NUL-terminated copy */
    size_t count;
    struct tb_mongo_op *ops;
    struct tb_str *ids; /* of the documents that the ops write */
    size_t op_count;
    struct tb_arena arena;
};

/* The op owns the document. */
static enum tb_code add_op(struct marking *run, const char *id, bson_t *document,
                           struct tb_error *err)
{
    struct tb_str *kept = &run->ids[run->op_count];

    run->ops[run->op_count++] = (struct tb_mongo_op){
        .kind = TB_MONGO_UPSERT, .filter = BCON_NEW("_id", BCON_UTF8(id)), .document = document};
    *kept = tb_arena_copy(&run->arena, tb_str_of(id));
    return kept->ptr ? TB_OK : tb_mongo_no_memory(err);
}

/* The origins from first up to end are of one chunk. */
static enum tb_code mark_chunk(struct marking *run, size_t first, size_t end, struct tb_error *err)
{
    const struct tb_plan_origin *origin = &run->origins[first];
    TB_CLEANUP(tb_bson_free) bson_t *came = bson_new();
    char id[TB_MONGO_CHUNK_ID_SIZE], scratch[16];

    for (size_t i = first; i < end; i++)
        BSON_APPEND_INT64(
            came, tb_bson_index_key(i - first, scratch),
            tb_sequence_chunk_entry(run->origins[i].sequence, run->origins[i].event_id));
    tb_mongo_chunk_id(origin, tb_sequence_chunk_of(origin->sequence), id);
    return add_op(run, id,
                  BCON_NEW("$addToSet", "{", "came", "{", "$each", BCON_ARRAY(came), "}", "}",
                           "$setOnInsert", "{", "kind", BCON_UTF8("chunk"), "node",
                           BCON_UTF8(origin->node.ptr), "epoch", BCON_UTF8(origin->epoch), "chunk",
                           BCON_INT64(tb_sequence_chunk_of(origin->sequence)), "full",
                           BCON_BOOL(false), "}"),
                  err);
}

/* The origins from first up to end are of one epoch. */
static enum tb_code mark_epoch(struct marking *run, size_t first, size_t end, struct tb_error *err)
{
    const struct tb_plan_origin *origin = &run->origins[first];
    int64_t last_at_ms = origin->timestamp_ms;
    char id[TB_MONGO_EPOCH_ID_SIZE];

    for (size_t i = first; i < end; i++) {
        if (run->origins[i].timestamp_ms > last_at_ms)
            last_at_ms = run->origins[i].timestamp_ms;
    }
    tb_mongo_epoch_id(origin, id);
    return add_op(run, id,
                  BCON_NEW("$max", "{", "lastSequence", BCON_INT64(run->origins[end - 1].sequence),
                           "lastReceivedAt", BCON_DATE_TIME(last_at_ms), "}", "$setOnInsert", "{",
                           "kind", BCON_UTF8("epoch"), "node", BCON_UTF8(origin->node.ptr),
                           "epoch", BCON_UTF8(origin->epoch), "}"),
                  err);
}

/* The origin is of an epoch beyond the limit. */
static enum tb_code mark_refused(struct marking *run, const struct tb_plan_origin *origin,
                                 struct tb_error *err)
{
    struct tb_plan_origin refused = {.node = origin->node, .epoch = TB_MONGO_EPOCHS_REFUSED};
    char id[TB_MONGO_EPOCH_ID_SIZE];

    tb_mongo_epoch_id(&refused, id);
    return add_op(run, id,
                  BCON_NEW("$max", "{", "lastReceivedAt", BCON_DATE_TIME(origin->timestamp_ms),
                           "}", "$setOnInsert", "{", "kind", BCON_UTF8("epoch"), "node",
                           BCON_UTF8(origin->node.ptr), "epoch",
                           BCON_UTF8(TB_MONGO_EPOCHS_REFUSED), "}"),
                  err);
}

/* Removes the origins of epochs that are not followed; one op says so of each node. */
static enum tb_code drop_refused(struct marking *run, const bool *admitted, struct tb_error *err)
{
    struct tb_str last = {0};
    size_t kept = 0;

    for (size_t i = 0; i < run->count; i++) {
        if (admitted[i]) {
            run->origins[kept++] = run->origins[i];
        } else if (!last.ptr || !tb_str_eq(last, run->origins[i].node)) {
            TB_TRY(mark_refused(run, &run->origins[i], err));
            last = run->origins[i].node;
        }
    }
    run->count = kept;
    return TB_OK;
}

static enum tb_code make_ops(struct marking *run, struct tb_error *err)
{
    size_t epoch = 0, chunk = 0;

    for (size_t i = 1; i <= run->count; i++) {
        bool epoch_ends =
            i == run->count || !tb_mongo_same_epoch(&run->origins[epoch], &run->origins[i]);

        if (epoch_ends || tb_sequence_chunk_of(run->origins[chunk].sequence) !=
                              tb_sequence_chunk_of(run->origins[i].sequence)) {
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
                                       const char *collection, struct tb_mongo_op *ops,
                                       size_t count, struct tb_error *err)
{
    for (int race = 0; race < TB_MONGO_RACES_MAX; race++) {
        size_t left = 0;

        TB_TRY(tb_mongo_write(client, collection, ops, count, "marking sequences", err));
        for (size_t i = 0; i < count; i++)
            left += ops[i].code != 0;
        if (left == 0)
            return TB_OK;
    }
    return tb_error_set(err, TB_BUSY, "others go on marking the same sequences");
}

static void release(struct marking *run)
{
    tb_mongo_ops_clear(run->ops, run->op_count);
    tb_arena_release(&run->arena);
}

enum tb_code tb_mongo_write_sequences(const struct tb_mongo_client *client, const char *collection,
                                      struct tb_mongo_known_epochs *known,
                                      const struct tb_plan *plan, struct tb_error *err)
{
    TB_CLEANUP(release) struct marking run = {.count = plan->origin_count};
    int64_t now_ms = tb_clock_wall_ms(client->mongo->clock);
    bool *admitted;

    if (run.count == 0)
        return TB_OK;
    run.origins = tb_arena_array(&run.arena, run.count, sizeof *run.origins);
    run.ids = tb_arena_array(&run.arena, 2 * run.count, sizeof *run.ids);
    run.ops = tb_arena_array(&run.arena, 2 * run.count, sizeof *run.ops);
    admitted = tb_arena_array(&run.arena, run.count, sizeof *admitted);
    if (!run.origins || !run.ids || !run.ops || !admitted)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < run.count; i++) {
        run.origins[i] = plan->origins[i];
        /* A sender whose clock is ahead was not seen in the future. */
        if (run.origins[i].sender_time && run.origins[i].timestamp_ms > now_ms)
            run.origins[i].timestamp_ms = now_ms;
        run.origins[i].node = tb_arena_copy(&run.arena, plan->origins[i].node);
        if (!run.origins[i].node.ptr)
            return tb_mongo_no_memory(err);
    }
    qsort(run.origins, run.count, sizeof *run.origins, tb_mongo_compare_origins);
    TB_TRY(tb_mongo_admit_epochs(client, collection, known, run.origins, run.count, &run.arena,
                                 admitted, err));
    TB_TRY(drop_refused(&run, admitted, err));
    TB_TRY(make_ops(&run, err));
    TB_TRY(tb_mongo_upsert_sequences(client, collection, run.ops, run.op_count, err));
    return tb_mongo_compact_sequences(client, collection, run.ids, run.op_count, &run.arena, err);
}

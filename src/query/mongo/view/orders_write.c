#include "query/mongo/driver/bulk.h"
#include "query/mongo/driver/find.h"
#include "query/mongo/view/view.h"
#include <stdio.h>

struct writing {
    const struct tb_mongo_client *client;
    const char *collection;
    const struct tb_plan *plan;
    struct tb_mongo_op *ops; /* one for each order still to be written; tag: its index */
    size_t count;
    struct tb_arena *texts;
    const char **refusals; /* indexes as plan->orders; the texts are in the arena above */
    struct tb_arena arena;
};

/* The order in the database has been replaced less often, or as often with a lower version. An
 * order that was never replaced has no field for it. */
static bson_t *older_than(const struct tb_planned_order *planned)
{
    const char *order_id = planned->order.order_id;
    int64_t version = planned->order.version, replaced = planned->lineage.replaced;

    if (replaced == 0)
        return BCON_NEW("_id", BCON_UTF8(order_id), "version", "{", "$lt", BCON_INT64(version),
                        "}", "replaced", "{", "$exists", BCON_BOOL(false), "}");
    return BCON_NEW("_id", BCON_UTF8(order_id), "$or", "[", "{", "replaced", "{", "$exists",
                    BCON_BOOL(false), "}", "}", "{", "replaced", "{", "$lt", BCON_INT64(replaced),
                    "}", "}", "{", "replaced", BCON_INT64(replaced), "version", "{", "$lt",
                    BCON_INT64(version), "}", "}", "]");
}

static const char as_it_stands[] = "MongoDB will never take it as it stands";

static enum tb_code add_op(struct writing *run, size_t tag, bool guarded, struct tb_error *err)
{
    const struct tb_planned_order *planned = run->plan->orders[tag];
    struct tb_mongo_op *op = &run->ops[run->count++];

    *op = (struct tb_mongo_op){.kind = guarded ? TB_MONGO_REPLACE : TB_MONGO_INSERT, .tag = tag};
    op->document = bson_new();
    if (guarded)
        op->filter = older_than(planned);
    TB_TRY(tb_mongo_order_encode(planned, op->document, err));
    if (op->document->len > run->client->mongo->document_max) {
        run->refusals[tag] = as_it_stands;
        run->count--;
        tb_mongo_ops_clear(op, 1);
    }
    return TB_OK;
}

/* Another order has what somebody's unique index allows only once. That may change, but not by
 * sending the order again, so the order must not stop those behind it. */
static enum tb_code note_index(struct writing *run, struct tb_mongo_op *op, struct tb_error *err)
{
    char text[200];
    struct tb_str copy;

    snprintf(text, sizeof text,
             "the unique index %.100s of %s, which is not tillbox's, refuses it", op->index,
             run->collection);
    copy = tb_arena_copy(run->texts, tb_str_of(text));
    run->refusals[op->tag] = copy.ptr;
    bson_free(op->index); /* keep_overtaken looks whether the order is there all the same */
    op->index = NULL;
    return copy.ptr ? TB_OK : tb_mongo_no_memory(err);
}

static enum tb_code note_refused(struct writing *run, struct tb_error *err)
{
    for (size_t i = 0; i < run->count; i++) {
        struct tb_mongo_op *op = &run->ops[i];

        if (op->index) {
            TB_TRY(note_index(run, op, err));
        } else if (tb_mongo_is_permanent(op->code)) {
            run->refusals[op->tag] = as_it_stands;
            op->code = 0;
        }
    }
    return tb_mongo_check_ops(run->ops, run->count, "writing an order", err);
}

/* An order that was not written, and what the database has of it. */
struct overtaken {
    size_t tag;
    int64_t version, replaced; /* 0: there is no such order any more, or it was never replaced */
};

static bool note_stored(void *ctx, size_t at, const bson_t *doc)
{
    struct overtaken *overtaken = ctx;

    overtaken[at].version = tb_bson_find_int(doc, "version");
    overtaken[at].replaced = tb_bson_find_int(doc, "replaced");
    return true;
}

static enum tb_code read_stored(const struct writing *run, const struct tb_str *ids, size_t count,
                                struct overtaken *overtaken, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *opts =
        BCON_NEW("projection", "{", "version", BCON_INT32(1), "replaced", BCON_INT32(1), "}");

    return tb_mongo_find_by_ids(run->client, run->collection, ids, count, opts, note_stored,
                                overtaken, err);
}

static bool is_older(const struct overtaken *stored, const struct tb_planned_order *planned)
{
    return stored->replaced < planned->lineage.replaced ||
           (stored->replaced == planned->lineage.replaced &&
            stored->version < planned->order.version);
}

/* A duplicate key means that the order is in the database already, unless another unique index
 * refuses it. If the order has this version or a later one, nothing is left to do. If another
 * program wrote an earlier version after this plan was made, the next round replaces the order. */
static enum tb_code keep_overtaken(struct writing *run, struct tb_error *err)
{
    struct tb_mongo_op *ops = run->ops;
    struct tb_str *ids = tb_arena_array(&run->arena, run->count, sizeof *ids);
    struct overtaken *overtaken = tb_arena_array(&run->arena, run->count, sizeof *overtaken);
    size_t count = 0;

    if (!ids || !overtaken)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < run->count; i++) {
        if (ops[i].code != TB_MONGO_DUPLICATE_KEY)
            continue;
        ids[count] = tb_str_of(run->plan->orders[ops[i].tag]->order.order_id);
        overtaken[count++] = (struct overtaken){.tag = ops[i].tag};
    }
    tb_mongo_ops_clear(ops, run->count);
    run->count = 0;
    if (count == 0)
        return TB_OK;
    TB_TRY(read_stored(run, ids, count, overtaken, err));
    for (size_t i = 0; i < count; i++) {
        size_t tag = overtaken[i].tag;

        if (!is_older(&overtaken[i], run->plan->orders[tag]))
            run->refusals[tag] = NULL;
        else if (!run->refusals[tag])
            TB_TRY(add_op(run, tag, true, err));
    }
    return TB_OK;
}

static void release(struct writing *run)
{
    tb_mongo_ops_clear(run->ops, run->count);
    tb_arena_release(&run->arena);
}

enum tb_code tb_mongo_write_orders(const struct tb_mongo_client *client, const char *collection,
                                   const struct tb_plan *plan, struct tb_arena *arena,
                                   const char **refusals, struct tb_error *err)
{
    TB_CLEANUP(release)
    struct writing run = {.client = client,
                          .collection = collection,
                          .plan = plan,
                          .texts = arena,
                          .refusals = refusals};

    run.ops = tb_arena_array(&run.arena, plan->order_count + 1, sizeof *run.ops);
    if (!run.ops)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < plan->order_count; i++) {
        /* An order that the view does not have is inserted: the server need not search for it. */
        if (plan->orders[i]->changed)
            TB_TRY(add_op(&run, i, /* guarded= */ plan->orders[i]->exists, err));
    }
    for (int race = 0; run.count > 0; race++) {
        if (race == TB_MONGO_RACES_MAX)
            return tb_error_set(err, TB_BUSY, "others go on writing the same orders");
        TB_TRY(tb_mongo_bulk(client, collection, run.ops, run.count, err));
        TB_TRY(note_refused(&run, err));
        TB_TRY(keep_overtaken(&run, err));
    }
    return TB_OK;
}

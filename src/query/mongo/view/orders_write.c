#include "query/mongo/view_mongo_priv.h"
#include <stdlib.h>

/* Orders on their way into the collection. */
struct writing {
    const struct tb_mongo_client *lease;
    const char *collection;
    const struct tb_plan *plan;
    struct tb_mongo_op *ops; /* one for each order still to be written; tag: in plan->orders */
    size_t count;
    bool *refused; /* by place in plan->orders */
};

static enum tb_code make_op(struct writing *run, size_t tag, bool guarded, struct tb_error *err)
{
    const struct tb_planned_order *planned = run->plan->orders[tag];
    struct tb_mongo_op *op = &run->ops[run->count++];
    bool failed = false;

    *op = (struct tb_mongo_op){.kind = guarded ? TB_MONGO_REPLACE : TB_MONGO_INSERT, .tag = tag};
    op->document = bson_new();
    if (guarded) {
        struct tb_bson_writer filter = {op->filter = bson_new(), &failed};

        tb_bson_put_text(filter, "_id", planned->order.order_id);
        tb_bson_put_operator(filter, "version", "$lt", planned->order.version);
    }
    TB_TRY(tb_mongo_order_encode(planned, op->document, err));
    if (failed)
        return tb_mongo_no_memory(err);
    if (op->document->len > run->lease->mongo->document_max) {
        run->refused[tag] = true;
        run->count--;
        tb_mongo_ops_clear(op, 1);
    }
    return TB_OK;
}

/* An order that the view has never seen is inserted: no server has to search for that. */
static enum tb_code make_ops(struct writing *run, struct tb_error *err)
{
    for (size_t i = 0; i < run->plan->order_count; i++) {
        if (run->plan->orders[i]->changed)
            TB_TRY(make_op(run, i, run->plan->orders[i]->exists, err));
    }
    return TB_OK;
}

static enum tb_code sort_out(struct writing *run, size_t *ret_contested, struct tb_error *err)
{
    size_t contested = 0;

    for (size_t i = 0; i < run->count; i++) {
        struct tb_mongo_op *op = &run->ops[i];

        if (op->code == TB_MONGO_DUPLICATE_KEY)
            contested++;
        else if (tb_mongo_is_permanent(op->code))
            run->refused[op->tag] = true;
        else if (op->code != 0)
            return tb_mongo_op_error(err, op, "writing an order");
    }
    *ret_contested = contested;
    return TB_OK;
}

static bool is_contested(const struct writing *run, struct tb_str order_id, size_t *ret_at)
{
    for (size_t i = 0; i < run->count; i++) {
        const struct tb_planned_order *planned = run->plan->orders[run->ops[i].tag];

        if (run->ops[i].code == TB_MONGO_DUPLICATE_KEY &&
            tb_str_eq(order_id, tb_str_of(planned->order.order_id))) {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

/* A duplicate key says that somebody wrote the order: the same version or a later one, then it is
 * applied; or an earlier one between our look and our write. */
static enum tb_code read_back(struct writing *run, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("projection", "{", "version", BCON_INT32(1), "}");
    struct tb_str *ids = calloc(run->count, sizeof *ids);
    const bson_t *doc;
    bson_iter_t iter;
    size_t count = 0, at;

    for (size_t i = 0; ids && i < run->count; i++) {
        if (run->ops[i].code == TB_MONGO_DUPLICATE_KEY)
            ids[count++] = tb_str_of(run->plan->orders[run->ops[i].tag]->order.order_id);
    }
    if (ids)
        filter = tb_mongo_ids_filter(ids, count);
    free(ids);
    if (!filter)
        return tb_mongo_no_memory(err);
    tb_mongo_find_begin(&find, run->lease, run->collection, filter, opts);
    while ((doc = tb_mongo_find_next(&find))) {
        if (!bson_iter_init_find(&iter, doc, "_id") ||
            !is_contested(run, tb_bson_get_str(&iter), &at) ||
            !bson_iter_init_find(&iter, doc, "version"))
            continue;
        if (tb_bson_get_int(&iter) >= run->plan->orders[run->ops[at].tag]->order.version)
            run->ops[at].code = 0;
    }
    return tb_mongo_find_end(&find, "reading versions", err);
}

/* Keeps what is still contested, now guarded. */
static enum tb_code keep_contested(struct writing *run, struct tb_error *err)
{
    size_t count = run->count;
    enum tb_code code = TB_OK;

    run->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct tb_mongo_op old = run->ops[i];

        run->ops[i] = (struct tb_mongo_op){0};
        if (code == TB_OK && old.code == TB_MONGO_DUPLICATE_KEY)
            code = make_op(run, old.tag, true, err);
        tb_mongo_ops_clear(&old, 1);
    }
    return code;
}

static enum tb_code write_ops(struct writing *run, struct tb_error *err)
{
    size_t contested = 0;

    TB_TRY(make_ops(run, err));
    for (int race = 0; run->count > 0; race++) {
        if (race == TB_MONGO_RACES_MAX)
            return tb_error_set(err, TB_BUSY, "others go on writing the same orders");
        TB_TRY(tb_mongo_bulk(run->lease, run->collection, run->ops, run->count, err));
        TB_TRY(sort_out(run, &contested, err));
        if (contested > 0)
            TB_TRY(read_back(run, err));
        TB_TRY(keep_contested(run, err));
    }
    return TB_OK;
}

enum tb_code tb_mongo_write_orders(const struct tb_mongo_client *lease, const char *collection,
                                   const struct tb_plan *plan, bool *refused, struct tb_error *err)
{
    struct writing run = {
        .lease = lease, .collection = collection, .plan = plan, .refused = refused};
    enum tb_code code;

    run.ops = calloc(plan->order_count + 1, sizeof *run.ops);
    if (!run.ops)
        return tb_mongo_no_memory(err);
    code = write_ops(&run, err);
    tb_mongo_ops_clear(run.ops, plan->order_count + 1);
    free(run.ops);
    return code;
}

#include "query/mongo/driver/bulk.h"
#include "query/mongo/driver/find.h"

struct swapping {
    const struct tb_mongo_client *client;
    const struct tb_mongo_swap_op *swap;
    struct item {
        bson_t *stored; /* owned; NULL: there is none */
        bool done;
    } * items;
    size_t left; /* items that are not done */
    struct tb_mongo_op *ops;
    size_t op_count;
};

static bool keep_stored(void *ctx, size_t at, const bson_t *doc)
{
    struct item *item = &((struct swapping *)ctx)->items[at];

    if (!item->done && !item->stored)
        item->stored = bson_copy(doc);
    return item->done || item->stored;
}

/* A field that the document lacks is still missing, or null. */
static void add_guard(bson_t *filter, const bson_t *stored, const char *name, bool *failed)
{
    bson_iter_t iter;

    *failed |= bson_iter_init_find(&iter, stored, name) ? !bson_append_iter(filter, NULL, 0, &iter)
                                                        : !bson_append_null(filter, name, -1);
}

/* Adds the op for one item, unless the item stays as it is. */
static enum tb_code add_op(struct swapping *run, size_t at, struct tb_error *err)
{
    const struct tb_mongo_swap_op *swap = run->swap;
    const bson_t *stored = run->items[at].stored;
    struct tb_mongo_op *op = &run->ops[run->op_count++];
    bool failed = false;

    *op = (struct tb_mongo_op){
        .kind = stored ? TB_MONGO_REPLACE : TB_MONGO_INSERT, .document = bson_new(), .tag = at};
    TB_TRY(swap->change(swap->ctx, at, stored, op->document, err));
    if (bson_empty(op->document)) {
        tb_mongo_ops_clear(op, 1);
        run->op_count--;
        run->items[at].done = true;
        run->left--;
    } else if (stored) { /* without BCON, which would end an id at a NUL byte */
        struct tb_bson_writer filter = {op->filter = bson_new(), &failed};

        tb_bson_put_str(filter, "_id", swap->ids[at]);
        for (size_t i = 0; i < 2 && swap->guards[i]; i++)
            add_guard(op->filter, stored, swap->guards[i], &failed);
    }
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

static enum tb_code try_once(struct swapping *run, struct tb_error *err)
{
    const struct tb_mongo_swap_op *swap = run->swap;

    TB_TRY(tb_mongo_find_by_ids(run->client, swap->collection, swap->ids, swap->count, NULL,
                                keep_stored, run, err));
    for (size_t i = 0; i < swap->count; i++) {
        if (!run->items[i].done)
            TB_TRY(add_op(run, i, err));
    }
    TB_TRY(
        tb_mongo_write(run->client, swap->collection, run->ops, run->op_count, swap->what, err));
    for (size_t i = 0; i < run->op_count; i++) {
        if (run->ops[i].code == 0) {
            run->items[run->ops[i].tag].done = true;
            run->left--;
        }
    }
    return TB_OK;
}

enum tb_code tb_mongo_swap(const struct tb_mongo_client *client,
                           const struct tb_mongo_swap_op *swap, struct tb_error *err)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct swapping run = {.client = client, .swap = swap, .left = swap->count};
    enum tb_code code = TB_OK;

    run.items = tb_arena_array(&arena, run.left, sizeof *run.items);
    run.ops = tb_arena_array(&arena, run.left, sizeof *run.ops);
    if (!run.items || !run.ops)
        return tb_mongo_no_memory(err);
    for (int race = 0; code == TB_OK && run.left > 0 && race < TB_MONGO_RACES_MAX; race++) {
        code = try_once(&run, err);
        tb_mongo_ops_clear(run.ops, run.op_count);
        run.op_count = 0;
        for (size_t i = 0; i < swap->count; i++)
            tb_bson_free(&run.items[i].stored);
    }
    if (code == TB_OK && run.left > 0)
        code = tb_error_set(err, TB_BUSY, "others go on %s", swap->what);
    return code;
}

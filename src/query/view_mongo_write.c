#include "query/view_mongo_priv.h"
#include <stdlib.h>

/* What a prefetch found of one order. */
struct fetched {
    char order_id[TB_UUID_SIZE];
    bson_t *doc; /* owned; NULL: there is none */
};
struct tb_view_mongo {
    struct tb_view view;
    struct tb_mongo *mongo;  /* borrowed */
    struct fetched *fetched; /* by order id */
    size_t fetched_count;
};

static void forget(struct tb_view_mongo *view)
{
    for (size_t i = 0; i < view->fetched_count; i++)
        tb_bson_free(&view->fetched[i].doc);
    free(view->fetched);
    view->fetched = NULL;
    view->fetched_count = 0;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(((const struct fetched *)a)->order_id, ((const struct fetched *)b)->order_id,
                  TB_UUID_SIZE);
}

static struct fetched *find_fetched(const struct tb_view_mongo *view, struct tb_str order_id)
{
    struct fetched key = {0};

    if (view->fetched_count == 0 || order_id.len != TB_UUID_LEN)
        return NULL;
    memcpy(key.order_id, order_id.ptr, TB_UUID_LEN);
    return bsearch(&key, view->fetched, view->fetched_count, sizeof key, by_id);
}

/* Adds what is there of the orders to view->fetched. */
static enum tb_code fetch(struct tb_view_mongo *view, const struct tb_mongo_lease *lease,
                          const char *collection, const bson_t *filter, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    const bson_t *doc;
    bson_iter_t iter;

    tb_mongo_find_begin(&find, lease, collection, filter, NULL);
    while ((doc = tb_mongo_find_next(&find))) {
        struct fetched *found = NULL;

        if (bson_iter_init_find(&iter, doc, "_id"))
            found = find_fetched(view, tb_get_str(&iter));
        if (found && !found->doc && !(found->doc = bson_copy(doc)))
            return tb_mongo_no_memory(err);
    }
    return tb_mongo_find_end(&find, "reading orders", err);
}

static enum tb_code fetch_all(struct tb_view_mongo *view, const char (*order_ids)[TB_UUID_SIZE],
                              size_t count, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_give) struct tb_mongo_lease lease = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    struct tb_mongo_names names;
    struct tb_str *ids = calloc(count, sizeof *ids);

    view->fetched = calloc(count, sizeof *view->fetched);
    for (size_t i = 0; ids && view->fetched && i < count; i++) {
        memcpy(view->fetched[i].order_id, order_ids[i], TB_UUID_SIZE);
        ids[i] = (struct tb_str){order_ids[i], TB_UUID_LEN};
    }
    if (ids && view->fetched)
        filter = tb_mongo_ids_filter(ids, count);
    free(ids);
    if (!filter)
        return tb_mongo_no_memory(err);
    view->fetched_count = count;
    qsort(view->fetched, count, sizeof *view->fetched, by_id);
    TB_TRY(tb_mongo_take(view->mongo, &lease, err));
    TB_TRY(tb_mongo_read_names(&lease, &names, err));
    return fetch(view, &lease, names.orders, filter, err);
}

static enum tb_code view_prefetch(struct tb_view *base, const char (*order_ids)[TB_UUID_SIZE],
                                  size_t count, struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    enum tb_code code;

    forget(view);
    if (count == 0)
        return TB_OK;
    code = fetch_all(view, order_ids, count, err);
    if (code != TB_OK)
        forget(view);
    return code;
}

static enum tb_code decode_fetched(const struct fetched *found, struct tb_arena *arena,
                                   struct tb_planned *ret_order, struct tb_error *err)
{
    if (found->doc)
        return tb_mongo_order_decode(found->doc, arena, ret_order, err);
    *ret_order = (struct tb_planned){0};
    return TB_OK;
}

static enum tb_code view_load(struct tb_view *base, const char *order_id, struct tb_arena *arena,
                              struct tb_planned *ret_order, struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    const struct fetched *found = find_fetched(view, tb_str_of(order_id));
    struct tb_view_mongo single = {.mongo = view->mongo};
    char ids[1][TB_UUID_SIZE];
    enum tb_code code;

    if (found)
        return decode_fetched(found, arena, ret_order, err);
    memcpy(ids[0], order_id, TB_UUID_SIZE);
    code = fetch_all(&single, (const char(*)[TB_UUID_SIZE])ids, 1, err);
    if (code == TB_OK)
        code = decode_fetched(single.fetched, arena, ret_order, err);
    forget(&single);
    return code;
}

/* Orders on their way into the collection. */
struct writing {
    const struct tb_mongo_lease *lease;
    const char *collection;
    const struct tb_plan *plan;
    struct tb_mongo_op *ops; /* one for each order still to be written; tag: in plan->orders */
    size_t count;
    bool *refused; /* by place in plan->orders */
};

static enum tb_code make_op(struct writing *run, size_t tag, bool guarded, struct tb_error *err)
{
    const struct tb_planned *planned = run->plan->orders[tag];
    struct tb_mongo_op *op = &run->ops[run->count++];
    bool failed = false;

    *op = (struct tb_mongo_op){.kind = guarded ? TB_MONGO_REPLACE : TB_MONGO_INSERT, .tag = tag};
    op->document = bson_new();
    if (guarded) {
        struct tb_put filter = {op->filter = bson_new(), &failed};

        tb_put_text(filter, "_id", planned->order.order_id);
        tb_put_limit(filter, "version", "$lt", planned->order.version);
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
        else if (tb_mongo_never(op->code))
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
        const struct tb_planned *planned = run->plan->orders[run->ops[i].tag];

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
            !is_contested(run, tb_get_str(&iter), &at) ||
            !bson_iter_init_find(&iter, doc, "version"))
            continue;
        if (tb_get_int(&iter) >= run->plan->orders[run->ops[at].tag]->order.version)
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

static enum tb_code write_orders(const struct tb_mongo_lease *lease, const char *collection,
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

static enum tb_code refuse(struct tb_view_mongo *view, size_t index, const struct tb_plan *plan,
                           struct tb_error *err)
{
    view->view.refused = index;
    return tb_error_set(err, TB_INVALID, "MongoDB will never take order %s as it stands",
                        plan->orders[index]->order.order_id);
}

/* Every refused one is taken out of its day; the first one is told. */
static enum tb_code undo_refused(struct tb_view_mongo *view, const struct tb_mongo_lease *lease,
                                 const struct tb_mongo_names *names, const struct tb_plan *plan,
                                 const bool *refused, struct tb_error *err)
{
    size_t first = plan->order_count;

    for (size_t i = 0; i < plan->order_count; i++) {
        if (!refused[i])
            continue;
        TB_TRY(tb_mongo_undo_sales(lease, names, plan, plan->orders[i], err));
        first = first < i ? first : i;
    }
    return first < plan->order_count ? refuse(view, first, plan, err) : TB_OK;
}

static size_t place_of(const struct tb_plan *plan, const struct tb_planned *planned)
{
    size_t at = 0;

    while (plan->orders[at] != planned)
        at++;
    return at;
}

static enum tb_code commit_orders(struct tb_view_mongo *view, const struct tb_mongo_lease *lease,
                                  const struct tb_mongo_names *names, const struct tb_plan *plan,
                                  struct tb_error *err)
{
    const struct tb_planned *overflows = NULL;
    bool *refused;
    enum tb_code code;

    code = tb_mongo_write_sales(lease, names, plan, &overflows, err);
    if (code == TB_INVALID)
        view->view.refused = place_of(plan, overflows);
    if (code != TB_OK)
        return code;

    refused = calloc(plan->order_count + 1, sizeof *refused);
    if (!refused)
        return tb_mongo_no_memory(err);
    code = write_orders(lease, names->orders, plan, refused, err);
    if (code == TB_OK)
        code = undo_refused(view, lease, names, plan, refused, err);
    free(refused);
    return code;
}

static enum tb_code view_commit(struct tb_view *base, const struct tb_plan *plan,
                                struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_give) struct tb_mongo_lease lease = {0};
    struct tb_mongo_names names;

    forget(view);
    TB_TRY(tb_mongo_take(view->mongo, &lease, err));
    TB_TRY(tb_mongo_read_names(&lease, &names, err));
    TB_TRY(commit_orders(view, &lease, &names, plan, err));
    TB_TRY(tb_mongo_write_dead(&lease, plan, err));
    return tb_mongo_write_sequences(&lease, plan, err);
}

static enum tb_code view_expire_dead(struct tb_view *base, int64_t before_ms, int64_t limit,
                                     int64_t *ret_removed, struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_give) struct tb_mongo_lease lease = {0};

    TB_TRY(tb_mongo_take(view->mongo, &lease, err));
    return tb_mongo_expire_dead(&lease, before_ms, limit, ret_removed, err);
}

static enum tb_code view_ready_letters(struct tb_view *base, struct tb_letter_scan *scan,
                                       size_t max,
                                       bool (*each)(void *ctx, const struct tb_letter *letter),
                                       void *ctx, struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_give) struct tb_mongo_lease lease = {0};
    struct tb_mongo_names names;

    TB_TRY(tb_mongo_take(view->mongo, &lease, err));
    TB_TRY(tb_mongo_read_names(&lease, &names, err));
    return tb_mongo_ready_letters(&lease, names.orders, scan, max, each, ctx, err);
}

static enum tb_code view_drop_letter(struct tb_view *base, struct tb_letter_place place,
                                     int64_t at_ms, struct tb_error *err)
{
    return tb_mongo_drop_letter(((struct tb_view_mongo *)base)->mongo, place, at_ms, err);
}

static void view_free(struct tb_view *base)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;

    forget(view);
    free(view);
}

static const struct tb_view_ops ops = {
    .prefetch = view_prefetch,
    .load = view_load,
    .commit = view_commit,
    .offset = NULL, /* the log's committed offsets rule */
    .expire_dead = view_expire_dead,
    .ready_letters = view_ready_letters,
    .drop_letter = view_drop_letter,
    .free = view_free,
};

enum tb_code tb_view_mongo_open(struct tb_mongo *mongo, struct tb_view **ret_view,
                                struct tb_error *err)
{
    struct tb_view_mongo *view = calloc(1, sizeof *view);

    if (!view)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    *view = (struct tb_view_mongo){.view.ops = &ops, .mongo = mongo};
    *ret_view = &view->view;
    return TB_OK;
}

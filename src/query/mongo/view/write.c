#include "query/mongo/view_mongo_priv.h"
#include <stdlib.h>

/* What a prefetch found of one order. */
struct fetched {
    char order_id[TB_UUID_SIZE];
    bson_t *doc; /* owned; NULL: there is none */
};
struct tb_view_mongo {
    struct tb_view view;
    struct tb_mongo *mongo; /* borrowed */
    bool stays;             /* at `names`, whatever is served */
    bool named;             /* names are those that the next plan is made for */
    struct tb_mongo_collections names;
    int64_t fences[TB_LOG_PARTITIONS_MAX]; /* for sales.h; 0: this view never owned it */
    int64_t planned;         /* the generation that the last plan was made for; 0: none was */
    struct fetched *fetched; /* by order id */
    size_t fetched_count;
    struct tb_mongo_write_barrier hold;  /* the last one that was in the way */
    int64_t hold_since_ms;               /* its beat was seen first; monotonic */
    int64_t next[TB_LOG_PARTITIONS_MAX]; /* of one that stays, once */
    bool next_known;
};

static void forget(struct tb_view_mongo *view)
{
    for (size_t i = 0; i < view->fetched_count; i++)
        tb_bson_free(&view->fetched[i].doc);
    free(view->fetched);
    view->fetched = NULL;
    view->fetched_count = 0;
}

static void name(struct tb_view_mongo *view, const struct tb_mongo_collections *names)
{
    view->names = *names;
    view->named = true;
    view->planned = names->generation;
}

/* The names that a plan is made for, from its first question on. */
static enum tb_code find_names(struct tb_view_mongo *view, const struct tb_mongo_client *lease,
                               struct tb_error *err)
{
    struct tb_mongo_collections names;

    if (view->stays || view->named)
        return TB_OK;
    TB_TRY(tb_mongo_read_collections(lease, &names, err));
    name(view, &names);
    return TB_OK;
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
static enum tb_code fetch(struct tb_view_mongo *view, const struct tb_mongo_client *lease,
                          const char *collection, const bson_t *filter, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    const bson_t *doc;
    bson_iter_t iter;

    tb_mongo_find_begin(&find, lease, collection, filter, NULL);
    while ((doc = tb_mongo_find_next(&find))) {
        struct fetched *found = NULL;

        if (bson_iter_init_find(&iter, doc, "_id"))
            found = find_fetched(view, tb_bson_get_str(&iter));
        if (found && !found->doc && !(found->doc = bson_copy(doc)))
            return tb_mongo_no_memory(err);
    }
    return tb_mongo_find_end(&find, "reading orders", err);
}

static enum tb_code fetch_all(struct tb_view_mongo *view, const char (*order_ids)[TB_UUID_SIZE],
                              size_t count, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
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
    TB_TRY(tb_mongo_client_acquire(view->mongo, &lease, err));
    TB_TRY(find_names(view, &lease, err));
    return fetch(view, &lease, view->names.orders, filter, err);
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
                                   struct tb_planned_order *ret_order, struct tb_error *err)
{
    if (found->doc)
        return tb_mongo_order_decode(found->doc, arena, ret_order, err);
    *ret_order = (struct tb_planned_order){0};
    return TB_OK;
}

static enum tb_code view_load(struct tb_view *base, const char *order_id, struct tb_arena *arena,
                              struct tb_planned_order *ret_order, struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    const struct fetched *found = find_fetched(view, tb_str_of(order_id));
    struct tb_view_mongo single = {
        .mongo = view->mongo, .stays = view->stays || view->named, .names = view->names};
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

static enum tb_code refuse(struct tb_view_mongo *view, size_t index, const struct tb_plan *plan,
                           struct tb_error *err)
{
    view->view.refused_index = index;
    return tb_error_set(err, TB_INVALID, "MongoDB will never take order %s as it stands",
                        plan->orders[index]->order.order_id);
}

/* Every refused one is taken out of its day; the first one is told. */
static enum tb_code undo_refused(struct tb_view_mongo *view, const struct tb_mongo_client *lease,
                                 const struct tb_mongo_collections *names,
                                 const struct tb_plan *plan, const bool *refused,
                                 struct tb_error *err)
{
    size_t first = plan->order_count;

    for (size_t i = 0; i < plan->order_count; i++) {
        if (!refused[i])
            continue;
        TB_TRY(tb_mongo_undo_sales(lease, names, plan, view->fences[plan->partition],
                                   plan->orders[i], err));
        first = first < i ? first : i;
    }
    return first < plan->order_count ? refuse(view, first, plan, err) : TB_OK;
}

static size_t place_of(const struct tb_plan *plan, const struct tb_planned_order *planned)
{
    size_t at = 0;

    while (plan->orders[at] != planned)
        at++;
    return at;
}

static enum tb_code commit_orders(struct tb_view_mongo *view, const struct tb_mongo_client *lease,
                                  const struct tb_mongo_collections *names,
                                  const struct tb_plan *plan, struct tb_error *err)
{
    const struct tb_planned_order *overflows = NULL;
    bool *refused;
    enum tb_code code;

    code =
        tb_mongo_write_sales(lease, names, plan, view->fences[plan->partition], &overflows, err);
    if (code == TB_INVALID)
        view->view.refused_index = place_of(plan, overflows);
    if (code != TB_OK)
        return code;

    refused = calloc(plan->order_count + 1, sizeof *refused);
    if (!refused)
        return tb_mongo_no_memory(err);
    code = tb_mongo_write_orders(lease, names->orders, plan, refused, err);
    if (code == TB_OK)
        code = undo_refused(view, lease, names, plan, refused, err);
    free(refused);
    return code;
}

/* Has the view moved, or is it to stand still, since the plan was made? Then what was planned for
 * the old one is not for the new one: it may differ in what it has. */
static enum tb_code check_names(struct tb_view_mongo *view, const struct tb_mongo_client *lease,
                                const struct tb_plan *plan, struct tb_mongo_collections *ret_names,
                                struct tb_error *err)
{
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_read_served(lease, &served, err));
    if ((view->planned != 0 && view->planned != served.names.generation) ||
        (served.hold.held && plan->next_offset > served.hold.until[plan->partition]))
        return tb_error_set(err, TB_CONFLICT, "the view is being moved");
    *ret_names = served.names;
    return TB_OK;
}

static enum tb_code write_plan(struct tb_view_mongo *view, const struct tb_mongo_client *lease,
                               const struct tb_mongo_collections *names,
                               const struct tb_plan *plan, struct tb_error *err)
{
    TB_TRY(commit_orders(view, lease, names, plan, err));
    return tb_mongo_write_dead_letters(lease, names->letters, plan, err);
}

static enum tb_code view_commit(struct tb_view *base, const struct tb_plan *plan,
                                struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    struct tb_mongo_collections names;

    forget(view);
    view->named = false;
    TB_TRY(tb_mongo_client_acquire(view->mongo, &lease, err));
    TB_TRY(check_names(view, &lease, plan, &names, err));
    TB_TRY(write_plan(view, &lease, &names, plan, err));
    return tb_mongo_write_sequences(&lease, plan, err);
}

static enum tb_code view_own(struct tb_view *base, int32_t partition, struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};

    TB_TRY(tb_mongo_client_acquire(view->mongo, &lease, err));
    return tb_mongo_acquire_fence(&lease, &view->fences[partition], err);
}

/* A hold whose owner is gone is lifted by whoever it stops. */
static enum tb_code lift_if_left(struct tb_view_mongo *view, const struct tb_mongo_client *lease,
                                 const struct tb_mongo_write_barrier *hold, struct tb_error *err)
{
    int64_t now_ms = tb_clock_mono_ms(view->mongo->clock);

    if (view->hold.beat != hold->beat || strcmp(view->hold.token, hold->token) != 0) {
        view->hold = *hold;
        view->hold_since_ms = now_ms;
    }
    if (now_ms - view->hold_since_ms < TB_MONGO_BARRIER_STALE_MS)
        return TB_OK;
    return tb_mongo_remove_stale_barrier(lease, hold, err);
}

static enum tb_code view_until(struct tb_view *base, int32_t partition, int64_t *ret_until,
                               struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_client_acquire(view->mongo, &lease, err));
    TB_TRY(tb_mongo_read_served(&lease, &served, err));
    if (served.hold.held)
        TB_TRY(lift_if_left(view, &lease, &served.hold, err));
    name(view, &served.names);
    *ret_until = served.hold.held ? served.hold.until[partition] : INT64_MAX;
    return TB_OK;
}

/* The views of generations that are not served, or whatever is. */

static enum tb_code read_next(struct tb_view_mongo *view, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};

    if (view->next_known)
        return TB_OK;
    TB_TRY(tb_mongo_client_acquire(view->mongo, &lease, err));
    TB_TRY(tb_mongo_read_offsets(&lease, view->names.generation, view->next, err));
    view->next_known = true;
    return TB_OK;
}

static enum tb_code staying_offset(struct tb_view *base, int32_t partition, int64_t *ret_next,
                                   struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;

    TB_TRY(read_next(view, err));
    *ret_next = view->next[partition];
    return TB_OK;
}

/* The offset last: what is in front of it is all there. */
static enum tb_code staying_commit(struct tb_view *base, const struct tb_plan *plan,
                                   struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};

    forget(view);
    TB_TRY(tb_mongo_client_acquire(view->mongo, &lease, err));
    TB_TRY(write_plan(view, &lease, &view->names, plan, err));
    TB_TRY(tb_mongo_write_offset(&lease, view->names.generation, plan->partition,
                                 plan->next_offset, err));
    view->next[plan->partition] = plan->next_offset;
    return TB_OK;
}

static enum tb_code view_expire_dead(struct tb_view *base, int64_t before_ms, int64_t limit,
                                     int64_t *ret_removed, struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};

    TB_TRY(tb_mongo_client_acquire(view->mongo, &lease, err));
    return tb_mongo_expire_dead_letters(&lease, before_ms, limit, ret_removed, err);
}

static enum tb_code
view_ready_letters(struct tb_view *base, struct tb_redrive_scan *scan, size_t max,
                   bool (*each)(void *ctx, const struct tb_dead_letter *letter), void *ctx,
                   struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    struct tb_mongo_collections names;

    TB_TRY(tb_mongo_client_acquire(view->mongo, &lease, err));
    TB_TRY(tb_mongo_read_collections(&lease, &names, err));
    return tb_mongo_redrivable(&lease, names.orders, scan, max, each, ctx, err);
}

static enum tb_code view_drop_letter(struct tb_view *base, struct tb_dead_letter_position place,
                                     int64_t at_ms, struct tb_error *err)
{
    return tb_mongo_drop_dead_letter(((struct tb_view_mongo *)base)->mongo, place, at_ms, err);
}

static void view_free(struct tb_view *base)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;

    forget(view);
    free(view);
}

static const struct tb_view_ops ops = {
    .plan_limit = view_until,
    .acquire_fence = view_own,
    .prefetch = view_prefetch,
    .load = view_load,
    .commit = view_commit,
    .offset = NULL, /* the log's committed offsets rule */
    .expire_dead_letters = view_expire_dead,
    .redrivable = view_ready_letters,
    .drop_dead_letter = view_drop_letter,
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

static const struct tb_view_ops staying_ops = {
    .prefetch = view_prefetch,
    .load = view_load,
    .commit = staying_commit,
    .offset = staying_offset,
    .free = view_free,
};

enum tb_code tb_view_mongo_open_at(struct tb_mongo *mongo,
                                   const struct tb_mongo_collections *names,
                                   struct tb_view **ret_view, struct tb_error *err)
{
    struct tb_view_mongo *view;

    TB_TRY(tb_view_mongo_open(mongo, ret_view, err));
    view = (struct tb_view_mongo *)*ret_view;
    view->view.ops = &staying_ops;
    view->stays = true;
    view->names = *names;
    return TB_OK;
}

#include "query/mongo/dead_letters/dead_letters.h"
#include "query/mongo/dead_letters/drop.h"
#include "query/mongo/sales/sales.h"
#include "query/mongo/view/view.h"
#include <stdlib.h>

/* undo: as tb_mongo_write_sales. */
static enum tb_code write_sales(struct tb_view_mongo *view, const struct tb_mongo_client *client,
                                const struct tb_mongo_collections *collections,
                                const struct tb_plan *plan,
                                const struct tb_sales_day_ends *day_ends,
                                const struct tb_planned_order *undo, struct tb_error *err)
{
    const struct tb_sales_fence *fence = &view->fences[plan->partition];

    TB_TRY(tb_mongo_write_sales(client, collections->sales, plan, day_ends, fence, undo,
                                &view->fence_seen, err));
    return collections->totals[0] ? tb_mongo_write_sales(client, collections->totals, plan, NULL,
                                                         fence, undo, &view->fence_seen, err)
                                  : TB_OK;
}

/* Takes every refused order out of its day, and reports the first one. */
static enum tb_code undo_refused(struct tb_view_mongo *view, const struct tb_mongo_client *client,
                                 const struct tb_mongo_collections *collections,
                                 const struct tb_plan *plan,
                                 const struct tb_sales_day_ends *day_ends,
                                 const char *const *refusals, struct tb_error *err)
{
    size_t first = plan->order_count;

    for (size_t i = 0; i < plan->order_count; i++) {
        if (!refusals[i])
            continue;
        TB_TRY(write_sales(view, client, collections, plan, day_ends, plan->orders[i], err));
        first = first < i ? first : i;
    }
    if (first == plan->order_count)
        return TB_OK;
    view->view.refused_index = first;
    return tb_error_set(err, TB_INVALID, "order %s: %s", plan->orders[first]->order.order_id,
                        refusals[first]);
}

static enum tb_code write_plan(struct tb_view_mongo *view, const struct tb_mongo_client *client,
                               const struct tb_mongo_collections *collections,
                               const struct tb_plan *plan, struct tb_error *err)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    const char **refusals = tb_arena_array(&arena, plan->order_count + 1, sizeof(const char *));
    struct tb_node_day_ends *nodes = NULL;
    struct tb_sales_day_ends ends = {0};

    if (!refusals)
        return tb_mongo_no_memory(err);
    TB_TRY(tb_mongo_read_day_ends(client, plan, &arena, &nodes, &ends.count, err));
    ends.nodes = nodes;
    TB_TRY(write_sales(view, client, collections, plan, &ends, NULL, err));
    TB_TRY(tb_mongo_write_orders(client, collections->orders, plan, &arena, refusals, err));
    TB_TRY(undo_refused(view, client, collections, plan, &ends, refusals, err));
    TB_TRY(tb_mongo_write_dead_letters(client, collections->dead_letters, plan, err));
    return tb_mongo_overtake_dead_letters(client, collections->dead_letters, plan, err);
}

/* TB_CONFLICT: since the plan was made, a rebuild has swapped the served view, or has set the
 * write barrier. The plan is useless then: the other view may have other versions of orders. */
static enum tb_code check_collections(const struct tb_view_mongo *view,
                                      const struct tb_mongo_client *client,
                                      const struct tb_plan *plan,
                                      struct tb_mongo_collections *ret_collections,
                                      struct tb_error *err)
{
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_read_served(client, &served, err));
    TB_TRY(tb_view_mongo_check_id(view, &served, err));
    if ((view->collections.generation != 0 &&
         view->collections.generation != served.collections.generation) ||
        (served.barrier.is_set && plan->next_offset > served.barrier.limit[plan->partition]))
        return tb_error_set(err, TB_CONFLICT, "the view is being moved");
    *ret_collections = served.collections;
    return TB_OK;
}

static enum tb_code view_commit(struct tb_view *base, const struct tb_plan *plan,
                                struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_mongo_collections collections;
    struct tb_log_place stored;

    tb_view_mongo_clear_fetched(view);
    view->has_collections = false;
    TB_TRY(tb_mongo_client_acquire(view->mongo, &client, err));
    TB_TRY(check_collections(view, &client, plan, &collections, err));
    TB_TRY(tb_view_mongo_check_place(view, &client, plan, &stored, err));
    TB_TRY(write_plan(view, &client, &collections, plan, err));
    TB_TRY(
        tb_mongo_write_sequences(&client, collections.sequences, &view->known_epochs, plan, err));
    TB_TRY(tb_mongo_advance_place(&client, &view->positions, plan->partition, &stored,
                                  &plan->place, err));
    if (view->places[plan->partition].next >= 0)
        view->places[plan->partition] = plan->place;
    return TB_OK;
}

static enum tb_code view_acquire_fence(struct tb_view *base, int32_t partition,
                                       struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_sales_fence *fence = &view->fences[partition];
    struct tb_log_place place;
    int64_t unused;

    TB_TRY(tb_mongo_client_acquire(view->mongo, &client, err));
    TB_TRY(tb_mongo_acquire_fence(&client, view->fence_seen, &fence->number, err));
    TB_TRY(tb_mongo_read_place(&client, &view->positions, partition, &place, &unused, err));
    fence->from = place.next < 0 ? 0 : place.next;
    return TB_OK;
}

/* Whatever the owner of the barrier does: it may have ended, or hang. */
static bool is_over(struct tb_view_mongo *view, const struct tb_mongo_write_barrier *barrier)
{
    int64_t now_ms = tb_clock_mono_ms(view->mongo->clock);

    if (strcmp(view->barrier_token, barrier->token) != 0) {
        memcpy(view->barrier_token, barrier->token, sizeof view->barrier_token);
        view->barrier_since_ms = now_ms;
    }
    return now_ms - view->barrier_since_ms >= TB_MONGO_BARRIER_MS;
}

static enum tb_code view_plan_limit(struct tb_view *base, int32_t partition, int64_t *ret_limit,
                                    struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_client_acquire(view->mongo, &client, err));
    TB_TRY(tb_mongo_read_served(&client, &served, err));
    TB_TRY(tb_view_mongo_check_id(view, &served, err));
    if (served.barrier.is_set && is_over(view, &served.barrier))
        TB_TRY(tb_mongo_remove_barrier(&client, &served.barrier, err));
    tb_view_mongo_set_collections(view, &served.collections);
    *ret_limit = served.barrier.is_set ? served.barrier.limit[partition] : INT64_MAX;
    return TB_OK;
}

static enum tb_code view_knows_node(struct tb_view *base, const char *node, bool *ret_known,
                                    struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};

    TB_TRY(tb_mongo_client_acquire(view->mongo, &client, err));
    return tb_mongo_knows_node(&client, node, ret_known, err);
}

static enum tb_code view_expire_dead_letters(struct tb_view *base, int64_t before_ms,
                                             int64_t limit, int64_t *ret_removed,
                                             struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};

    TB_TRY(tb_mongo_client_acquire(view->mongo, &client, err));
    return tb_mongo_expire_dead_letters(&client, before_ms, limit, ret_removed, err);
}

static enum tb_code view_redrivable(struct tb_view *base, struct tb_redrive_scan *scan, size_t max,
                                    tb_dead_letter_fn *each, void *ctx, struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_client_acquire(view->mongo, &client, err));
    TB_TRY(tb_mongo_read_served(&client, &served, err));
    return tb_mongo_redrivable(&client, served.collections.orders, scan, max, each, ctx, err);
}

static enum tb_code view_drop_dead_letter(struct tb_view *base,
                                          struct tb_dead_letter_position position, int64_t at_ms,
                                          struct tb_error *err)
{
    return tb_mongo_drop_dead_letter(((struct tb_view_mongo *)base)->mongo, position, at_ms, err);
}

static void view_free(struct tb_view *base)
{
    tb_view_mongo_clear_fetched((struct tb_view_mongo *)base);
    free(base);
}

static const struct tb_view_ops ops = {
    .plan_limit = view_plan_limit,
    .acquire_fence = view_acquire_fence,
    .prefetch = tb_view_mongo_prefetch,
    .load = tb_view_mongo_load,
    .commit = view_commit,
    .offset = NULL, /* tb_view_mongo_places */
    .knows_node = view_knows_node,
    .expire_dead_letters = view_expire_dead_letters,
    .redrivable = view_redrivable,
    .drop_dead_letter = view_drop_dead_letter,
    .free = view_free,
};

enum tb_code tb_view_mongo_open(struct tb_mongo *mongo, struct tb_view **ret_view,
                                struct tb_error *err)
{
    struct tb_view_mongo *view = calloc(1, sizeof *view);

    if (!view)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    *view = (struct tb_view_mongo){
        .view.ops = &ops,
        .mongo = mongo,
        .positions = {.mongo = mongo, .topic = mongo->topic, .feeds = "orders"},
    };
    for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX; p++)
        view->places[p] = TB_LOG_NO_PLACE;
    *ret_view = &view->view;
    return TB_OK;
}

/* A pinned view always writes one generation, which a rebuild fills. */

static enum tb_code pinned_offset(struct tb_view *base, int32_t partition, int64_t *ret_next,
                                  struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};

    if (!view->has_next) {
        TB_TRY(tb_mongo_client_acquire(view->mongo, &client, err));
        TB_TRY(tb_mongo_read_offsets(&client, view->collections.generation, view->next, err));
        view->has_next = true;
    }
    *ret_next = view->next[partition];
    return TB_OK;
}

/* Writes the offset last, so that the view has every record before a stored offset. */
static enum tb_code pinned_commit(struct tb_view *base, const struct tb_plan *plan,
                                  struct tb_error *err)
{
    struct tb_view_mongo *view = (struct tb_view_mongo *)base;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};

    tb_view_mongo_clear_fetched(view);
    TB_TRY(tb_mongo_client_acquire(view->mongo, &client, err));
    TB_TRY(write_plan(view, &client, &view->collections, plan, err));
    TB_TRY(tb_mongo_write_sequences(&client, view->collections.sequences, &view->known_epochs,
                                    plan, err));
    TB_TRY(tb_mongo_write_offset(&client, view->collections.generation, plan->partition,
                                 plan->next_offset, err));
    view->next[plan->partition] = plan->next_offset;
    return TB_OK;
}

static const struct tb_view_ops pinned_ops = {
    .prefetch = tb_view_mongo_prefetch,
    .load = tb_view_mongo_load,
    .commit = pinned_commit,
    .offset = pinned_offset,
    .free = view_free,
};

enum tb_code tb_view_mongo_open_at(struct tb_mongo *mongo,
                                   const struct tb_mongo_collections *collections,
                                   struct tb_view **ret_view, struct tb_error *err)
{
    TB_TRY(tb_view_mongo_open(mongo, ret_view, err));
    (*ret_view)->ops = &pinned_ops;
    tb_view_mongo_set_collections((struct tb_view_mongo *)*ret_view, collections);
    return TB_OK;
}

#include "query/mongo/driver/bulk.h"
#include "query/mongo/sales/sales.h"
#include <stdlib.h>

/* A day that the plan changes. */
struct changed {
    struct tb_sales_day day;
    size_t first, end; /* its deltas */
};
struct changing {
    const char *collection;
    const struct tb_plan *plan;
    const struct tb_sales_fence *fence;
    int64_t *highest;                         /* a fence that has refused ours */
    int day_start_minutes;                    /* of the central */
    const struct tb_sales_day_ends *day_ends; /* NULL: the days are of all nodes */
    const struct tb_planned_order *undo;      /* as tb_mongo_write_sales */
    struct tb_arena *arena;
    const struct tb_plan_sales_delta **deltas; /* sorted by day, then as in the plan */
    size_t delta_count;
    struct changed *days;
    struct tb_str *ids; /* of the days */
    size_t count;
};

static int by_day(const void *a, const void *b)
{
    const struct tb_plan_sales_delta *x = *(const struct tb_plan_sales_delta *const *)a;
    const struct tb_plan_sales_delta *y = *(const struct tb_plan_sales_delta *const *)b;
    int order = tb_str_compare(x->day->node, y->day->node);

    if (order == 0)
        order = strcmp(x->day->business_date, y->day->business_date);
    if (order == 0)
        order = strcmp(x->day->currency, y->day->currency);
    return order != 0 ? order : (x > y) - (x < y); /* both are in one array */
}

/* The same for the days of all nodes. */
static int by_total(const void *a, const void *b)
{
    const struct tb_plan_sales_delta *x = *(const struct tb_plan_sales_delta *const *)a;
    const struct tb_plan_sales_delta *y = *(const struct tb_plan_sales_delta *const *)b;
    int order = strcmp(x->day->business_date, y->day->business_date);

    if (order == 0)
        order = strcmp(x->day->currency, y->day->currency);
    return order != 0 ? order : (x > y) - (x < y);
}

/* A batch may be of as many nodes as it has records, so the deltas are sorted, not searched. */
static bool sort_deltas(struct changing *run)
{
    const struct tb_plan *plan = run->plan;
    size_t size = sizeof(const struct tb_plan_sales_delta *);

    run->deltas = tb_arena_array(run->arena, plan->sales_delta_count, size);
    if (!run->deltas)
        return false;
    for (size_t i = 0; i < plan->sales_delta_count; i++) {
        if (!run->undo || plan->sales_deltas[i].planned == run->undo)
            run->deltas[run->delta_count++] = &plan->sales_deltas[i];
    }
    qsort(run->deltas, run->delta_count, size, run->day_ends ? by_day : by_total);
    return true;
}

static enum tb_code collect_days(struct changing *run, struct tb_error *err)
{
    if (!sort_deltas(run))
        return tb_mongo_no_memory(err);
    run->days = tb_arena_array(run->arena, run->delta_count + 1, sizeof *run->days);
    run->ids = tb_arena_array(run->arena, run->delta_count + 1, sizeof *run->ids);
    if (!run->days || !run->ids)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < run->delta_count; i++) {
        const struct tb_order *order = run->deltas[i]->day;
        struct changed *changed = run->count > 0 ? &run->days[run->count - 1] : NULL;

        if (!changed || !tb_sales_is_of_day(&changed->day, order)) {
            changed = &run->days[run->count];
            TB_TRY(run->day_ends ? tb_sales_day_of(order, run->arena, &changed->day, err)
                                 : tb_sales_total_of(order, run->plan->partition, run->arena,
                                                     &changed->day, err));
            changed->first = i;
            run->ids[run->count++] = changed->day.id;
        }
        changed->end = i + 1;
    }
    return TB_OK;
}

static const struct tb_day_ends *find_day_ends(const struct changing *run, struct tb_str node)
{
    size_t low = 0, high = run->day_ends->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = tb_str_compare(run->day_ends->nodes[middle].node, node);

        if (order == 0)
            return &run->day_ends->nodes[middle].ends;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The node has not told when its days end: then they end with the central's. An order whose date
 * is not the central's of when it was placed shows that the node lives by another zone or start of
 * the day. It is not late before the central's date changes. */
static bool is_late_here(const struct changing *run, const struct tb_plan_sales_delta *delta)
{
    char date[TB_DATE_SIZE], placed[TB_DATE_SIZE];

    tb_business_date(delta->timestamp_ms, run->day_start_minutes, date);
    tb_business_date(delta->day->placed_at_ms, run->day_start_minutes, placed);
    return strcmp(date, delta->day->business_date) > 0 && strcmp(date, placed) > 0;
}

/* Lateness is told of nodes only. */
static bool is_late(const struct changing *run, const struct tb_plan_sales_delta *delta)
{
    const struct tb_day_ends *ends = run->day_ends ? find_day_ends(run, delta->day->node) : NULL;
    int64_t ends_at_ms;

    if (!run->day_ends)
        return false;
    return ends && tb_day_ends_find(ends, tb_str_of(delta->day->business_date), &ends_at_ms)
               ? delta->timestamp_ms >= ends_at_ms
               : is_late_here(run, delta);
}

static enum tb_code apply_deltas(struct changing *run, struct changed *changed,
                                 struct tb_error *err)
{
    int32_t partition = run->plan->partition;

    TB_TRY(
        tb_sales_check_fence(&changed->day, partition, run->fence, run->highest, run->arena, err));
    TB_TRY(
        tb_sales_begin_batch(&changed->day, partition, run->plan->first_offset, run->arena, err));
    for (size_t i = changed->first; i < changed->end; i++) {
        const struct tb_plan_sales_delta *delta = run->deltas[i];

        TB_TRY((run->undo ? tb_sales_undo : tb_sales_add)(&changed->day, partition, delta,
                                                          is_late(run, delta), run->arena, err));
    }
    return TB_OK;
}

static enum tb_code change_day(void *ctx, size_t at, const bson_t *stored, bson_t *ret_doc,
                               struct tb_error *err)
{
    struct changing *run = ctx;
    struct tb_sales_day *day = &run->days[at].day;
    int64_t before;

    day->changes = 0;
    day->has_statuses = true;
    day->parts = NULL;
    day->part_count = 0;
    if (stored && !tb_mongo_day_decode(stored, run->arena, day))
        return tb_error_set(err, TB_CORRUPT, "%s %s is not as written", run->collection,
                            day->id.ptr);
    before = day->changes;
    TB_TRY(apply_deltas(run, &run->days[at], err));
    return day->changes != before ? tb_mongo_day_encode(day, ret_doc, err) : TB_OK;
}

enum tb_code tb_mongo_write_sales(const struct tb_mongo_client *client, const char *collection,
                                  const struct tb_plan *plan,
                                  const struct tb_sales_day_ends *day_ends,
                                  const struct tb_sales_fence *fence,
                                  const struct tb_planned_order *undo, int64_t *ret_highest,
                                  struct tb_error *err)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct changing run = {.collection = collection,
                           .plan = plan,
                           .fence = fence,
                           .highest = ret_highest,
                           .day_start_minutes = client->mongo->day_start_minutes,
                           .day_ends = day_ends,
                           .undo = undo,
                           .arena = &arena};
    struct tb_mongo_swap_op swap = {.collection = collection,
                                    .guards = {"changes"},
                                    .what = "changing the same days",
                                    .change = change_day,
                                    .ctx = &run};

    if (plan->sales_delta_count == 0)
        return TB_OK;
    TB_TRY(collect_days(&run, err));
    swap.ids = run.ids;
    swap.count = run.count;
    return tb_mongo_swap(client, &swap, err);
}

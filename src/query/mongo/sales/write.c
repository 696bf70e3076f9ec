#include "query/mongo/driver/swap.h"
#include "query/mongo/sales/sales.h"

/* A day that the plan changes. */
struct changed {
    struct tb_sales_day day;
    size_t first, last; /* of the plan's deltas that belong to the day */
};
struct changing {
    const struct tb_plan *plan;
    int64_t fence;
    int day_start_minutes;
    const struct tb_planned_order *undo;       /* as tb_mongo_write_sales */
    const struct tb_plan_sales_delta *current; /* the last one applied: the cause of an error */
    struct tb_arena *arena;
    struct changed *days;
    struct tb_str *ids; /* of the days */
    size_t count;
};

static bool is_wanted(const struct changing *run, const struct tb_plan_sales_delta *delta)
{
    return !run->undo || delta->planned == run->undo;
}

static struct changed *find_day(struct changing *run, const struct tb_order *order)
{
    /* Deltas of one day often follow each other, so the search begins with the last day. */
    for (size_t i = run->count; i > 0; i--) {
        if (tb_sales_is_of_day(&run->days[i - 1].day, order))
            return &run->days[i - 1];
    }
    return NULL;
}

static enum tb_code collect_days(struct changing *run, struct tb_error *err)
{
    const struct tb_plan *plan = run->plan;

    run->days = tb_arena_array(run->arena, plan->sales_delta_count, sizeof *run->days);
    run->ids = tb_arena_array(run->arena, plan->sales_delta_count, sizeof *run->ids);
    if (!run->days || !run->ids)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < plan->sales_delta_count; i++) {
        const struct tb_order *order = &plan->sales_deltas[i].planned->order;
        struct changed *changed;

        if (!is_wanted(run, &plan->sales_deltas[i]))
            continue;
        changed = find_day(run, order);
        if (!changed) {
            changed = &run->days[run->count];
            TB_TRY(tb_sales_day_of(order, run->arena, &changed->day, err));
            changed->first = i;
            run->ids[run->count++] = changed->day.id;
        }
        changed->last = i;
    }
    return TB_OK;
}

static bool is_late(const struct changing *run, const struct tb_plan_sales_delta *delta)
{
    char date[TB_DATE_SIZE];

    tb_business_date(delta->timestamp_ms, run->day_start_minutes, date);
    return strcmp(date, delta->planned->order.business_date) > 0;
}

static enum tb_code apply_deltas(struct changing *run, struct changed *changed,
                                 struct tb_error *err)
{
    int32_t partition = run->plan->partition;

    TB_TRY(tb_sales_check_fence(&changed->day, partition, run->fence, run->arena, err));
    for (size_t i = changed->first; i <= changed->last; i++) {
        const struct tb_plan_sales_delta *delta = &run->plan->sales_deltas[i];

        if (!is_wanted(run, delta) || !tb_sales_is_of_day(&changed->day, &delta->planned->order))
            continue;
        run->current = delta;
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
    day->parts = NULL;
    day->part_count = 0;
    if (stored && !tb_mongo_day_decode(stored, run->arena, day))
        return tb_error_set(err, TB_CORRUPT, "sales_by_day %s is not as written", day->id.ptr);
    before = day->changes;
    TB_TRY(apply_deltas(run, &run->days[at], err));
    return day->changes != before ? tb_mongo_day_encode(day, ret_doc, err) : TB_OK;
}

enum tb_code tb_mongo_write_sales(const struct tb_mongo_client *client, const char *collection,
                                  const struct tb_plan *plan, int64_t fence,
                                  const struct tb_planned_order *undo,
                                  const struct tb_planned_order **ret_refused,
                                  struct tb_error *err)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct changing run = {.plan = plan,
                           .fence = fence,
                           .day_start_minutes = client->mongo->day_start_minutes,
                           .undo = undo,
                           .arena = &arena};
    struct tb_mongo_swap_op swap = {.collection = collection,
                                    .guard = "changes",
                                    .what = "changing the same days",
                                    .change = change_day,
                                    .ctx = &run};
    enum tb_code code;

    if (plan->sales_delta_count == 0)
        return TB_OK;
    TB_TRY(collect_days(&run, err));
    swap.ids = run.ids;
    swap.count = run.count;
    code = tb_mongo_swap(client, &swap, err);
    if (code == TB_INVALID)
        *ret_refused = run.current->planned;
    return code;
}

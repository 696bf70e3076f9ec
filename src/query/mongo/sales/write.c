#include "query/mongo/view_mongo_priv.h"
#include <stdlib.h>

/* One day that a plan changes. */
struct touched {
    struct tb_sales_day day;
    size_t first, last; /* of the plan's changes that may be its */
    bool done;
    int64_t changes_read; /* what the stored one must still say */
};
struct touching {
    const struct tb_mongo_client *lease;
    const struct tb_mongo_collections *names;
    const struct tb_plan *plan;
    int64_t fence;
    const struct tb_planned_order
        *undo; /* NULL: all is added; else only its changes are taken out */
    struct tb_arena arena;
    struct touched *days;
    size_t day_count;
};

static bool is_wanted(const struct touching *run, const struct tb_plan_sales_delta *change)
{
    return !run->undo || change->planned == run->undo;
}

static struct touched *find_day(struct touching *run, const struct tb_order *order)
{
    /* Orders of one day stand together: from the newest on. */
    for (size_t i = run->day_count; i > 0; i--) {
        if (tb_sales_is_of_day(&run->days[i - 1].day, order))
            return &run->days[i - 1];
    }
    return NULL;
}

static enum tb_code collect_days(struct touching *run, struct tb_error *err)
{
    const struct tb_plan *plan = run->plan;

    run->days = tb_arena_array(&run->arena, plan->sales_delta_count, sizeof *run->days);
    if (!run->days)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < plan->sales_delta_count; i++) {
        const struct tb_order *order = &plan->sales_deltas[i].planned->order;
        struct touched *touched;

        if (!is_wanted(run, &plan->sales_deltas[i]))
            continue;
        touched = find_day(run, order);
        if (!touched) {
            touched = &run->days[run->day_count];
            TB_TRY(tb_sales_day_of(order, &run->arena, &touched->day, err));
            touched->first = i;
            run->day_count++;
        }
        touched->last = i;
    }
    return TB_OK;
}

static enum tb_code read_day(struct touching *run, const bson_t *doc, struct tb_error *err)
{
    struct tb_str id = {0};
    bson_iter_t iter;

    if (bson_iter_init_find(&iter, doc, "_id"))
        id = tb_bson_get_str(&iter);
    for (size_t i = 0; i < run->day_count; i++) {
        struct tb_sales_day *day = &run->days[i].day;

        if (run->days[i].done || !tb_str_eq(id, day->id))
            continue;
        if (!tb_mongo_day_decode(doc, &run->arena, day))
            return tb_error_set(err, TB_CORRUPT, "sales_by_day %s is not as written", day->id.ptr);
    }
    return TB_OK;
}

/* The days that are not done, as they are stored now. */
static enum tb_code read_days(struct touching *run, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    struct tb_str *ids = tb_arena_array(&run->arena, run->day_count, sizeof *ids);
    const bson_t *doc;
    size_t count = 0;

    for (size_t i = 0; ids && i < run->day_count; i++) {
        struct tb_sales_day *day = &run->days[i].day;

        if (run->days[i].done)
            continue;
        day->changes = 0;
        day->parts = NULL;
        day->part_count = 0;
        ids[count++] = day->id;
    }
    if (!ids || !(filter = tb_mongo_ids_filter(ids, count)))
        return tb_mongo_no_memory(err);
    tb_mongo_find_begin(&find, run->lease, run->names->sales, filter, NULL);
    while ((doc = tb_mongo_find_next(&find)))
        TB_TRY(read_day(run, doc, err));
    return tb_mongo_find_end(&find, "reading days", err);
}

static bool is_late(const struct touching *run, const struct tb_plan_sales_delta *change)
{
    char date[TB_DATE_SIZE];

    tb_business_date(change->timestamp_ms, run->lease->mongo->day_start_minutes, date);
    return strcmp(date, change->planned->order.business_date) > 0;
}

/* *ret_change: at which change it failed. */
static enum tb_code change_day(struct touching *run, struct touched *touched,
                               const struct tb_plan_sales_delta **ret_change, struct tb_error *err)
{
    int32_t partition = run->plan->partition;

    touched->changes_read = touched->day.changes;
    TB_TRY(tb_sales_check_fence(&touched->day, partition, run->fence, &run->arena, err));
    for (size_t i = touched->first; i <= touched->last; i++) {
        const struct tb_plan_sales_delta *change = &run->plan->sales_deltas[i];
        bool late;

        if (!is_wanted(run, change) || !tb_sales_is_of_day(&touched->day, &change->planned->order))
            continue;
        *ret_change = change;
        late = is_late(run, change);
        if (run->undo)
            TB_TRY(tb_sales_undo(&touched->day, partition, change, late, &run->arena, err));
        else
            TB_TRY(tb_sales_add(&touched->day, partition, change, late, &run->arena, err));
    }
    touched->done = touched->day.changes == touched->changes_read;
    return TB_OK;
}

static enum tb_code make_op(const struct touched *touched, size_t tag, struct tb_mongo_op *op,
                            struct tb_error *err)
{
    bool failed = false;

    op->kind = touched->changes_read > 0 ? TB_MONGO_REPLACE : TB_MONGO_INSERT;
    op->tag = tag;
    op->document = bson_new();
    if (op->kind == TB_MONGO_REPLACE) {
        struct tb_bson_writer filter = {op->filter = bson_new(), &failed};

        tb_bson_put_str(filter, "_id", touched->day.id);
        tb_bson_put_int(filter, "changes", touched->changes_read);
    }
    TB_TRY(tb_mongo_day_encode(&touched->day, op->document, err));
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

/* Writes the days that changed; those that somebody else changed meanwhile are left undone. */
static enum tb_code write_days(struct touching *run, struct tb_mongo_op *ops, struct tb_error *err)
{
    size_t count = 0;

    for (size_t i = 0; i < run->day_count; i++) {
        if (!run->days[i].done)
            TB_TRY(make_op(&run->days[i], i, &ops[count++], err));
    }
    TB_TRY(tb_mongo_bulk(run->lease, run->names->sales, ops, count, err));
    for (size_t i = 0; i < count; i++) {
        if (ops[i].code != 0 && ops[i].code != TB_MONGO_DUPLICATE_KEY)
            return tb_mongo_op_error(err, &ops[i], "writing a day's figures");
        run->days[ops[i].tag].done = ops[i].code == 0;
    }
    return TB_OK;
}

static bool all_done(const struct touching *run)
{
    for (size_t i = 0; i < run->day_count; i++) {
        if (!run->days[i].done)
            return false;
    }
    return true;
}

static enum tb_code move_forward(struct touching *run,
                                 const struct tb_plan_sales_delta **ret_change,
                                 struct tb_error *err)
{
    struct tb_mongo_op *ops;
    enum tb_code code;

    TB_TRY(collect_days(run, err));
    for (int race = 0; race < TB_MONGO_RACES_MAX; race++) {
        TB_TRY(read_days(run, err));
        for (size_t i = 0; i < run->day_count; i++) {
            if (!run->days[i].done)
                TB_TRY(change_day(run, &run->days[i], ret_change, err));
        }
        if (all_done(run))
            return TB_OK;
        ops = calloc(run->day_count, sizeof *ops);
        if (!ops)
            return tb_mongo_no_memory(err);
        code = write_days(run, ops, err);
        tb_mongo_ops_clear(ops, run->day_count);
        free(ops);
        if (code != TB_OK || all_done(run))
            return code;
    }
    return tb_error_set(err, TB_BUSY, "others go on changing the same days");
}

enum tb_code tb_mongo_write_sales(const struct tb_mongo_client *lease,
                                  const struct tb_mongo_collections *names,
                                  const struct tb_plan *plan, int64_t fence,
                                  const struct tb_planned_order **ret_refused,
                                  struct tb_error *err)
{
    struct touching run = {.lease = lease, .names = names, .plan = plan, .fence = fence};
    const struct tb_plan_sales_delta *change = NULL;
    enum tb_code code;

    if (plan->sales_delta_count == 0)
        return TB_OK;
    code = move_forward(&run, &change, err);
    if (code == TB_INVALID)
        *ret_refused = change->planned;
    tb_arena_release(&run.arena);
    return code;
}

enum tb_code tb_mongo_undo_sales(const struct tb_mongo_client *lease,
                                 const struct tb_mongo_collections *names,
                                 const struct tb_plan *plan, int64_t fence,
                                 const struct tb_planned_order *planned, struct tb_error *err)
{
    struct touching run = {
        .lease = lease, .names = names, .plan = plan, .fence = fence, .undo = planned};
    const struct tb_plan_sales_delta *change = NULL;
    enum tb_code code = TB_OK;

    if (plan->sales_delta_count > 0)
        code = move_forward(&run, &change, err);
    tb_arena_release(&run.arena);
    return code;
}

#include "query/mongo/sales/day.h"

static enum tb_code out_of_memory(struct tb_error *err)
{
    return tb_error_set(err, TB_INTERNAL, "out of memory adding up a day");
}

/* node absent: of all nodes. */
static enum tb_code make_day(const struct tb_order *order, const struct tb_buf *id,
                             struct tb_str node, struct tb_arena *arena,
                             struct tb_sales_day *ret_day, struct tb_error *err)
{
    struct tb_sales_day day = {.has_statuses = true};

    if (tb_buf_ok(id))
        day.id = tb_arena_copy(arena, tb_buf_str(id));
    if (node.ptr)
        day.node = tb_arena_copy(arena, node);
    if (!day.id.ptr || (node.ptr && !day.node.ptr))
        return out_of_memory(err);
    memcpy(day.business_date, order->business_date, sizeof day.business_date);
    memcpy(day.currency, order->currency, sizeof day.currency);
    *ret_day = day;
    return TB_OK;
}

enum tb_code tb_sales_day_of(const struct tb_order *order, struct tb_arena *arena,
                             struct tb_sales_day *ret_day, struct tb_error *err)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf id = {0};

    tb_buf_add_str(&id, order->node);
    tb_buf_addf(&id, "/%s/%s", order->business_date, order->currency);
    return make_day(order, &id, order->node.ptr ? order->node : TB_STR(""), arena, ret_day, err);
}

enum tb_code tb_sales_total_of(const struct tb_order *order, int32_t partition,
                               struct tb_arena *arena, struct tb_sales_day *ret_day,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf id = {0};

    tb_buf_addf(&id, "%s/%s/%d", order->business_date, order->currency, (int)partition);
    return make_day(order, &id, (struct tb_str){0}, arena, ret_day, err);
}

bool tb_sales_is_of_day(const struct tb_sales_day *day, const struct tb_order *order)
{
    return memcmp(day->business_date, order->business_date, sizeof day->business_date) == 0 &&
           memcmp(day->currency, order->currency, sizeof day->currency) == 0 &&
           (!day->node.ptr || tb_str_eq(day->node, order->node));
}

/* Finds the partition's part, or inserts an empty one: parts are sorted by partition. NULL: out of
 * memory. */
static struct tb_sales_part *part_of(struct tb_sales_day *day, int64_t partition,
                                     struct tb_arena *arena)
{
    struct tb_sales_part *parts;
    size_t at = 0;

    while (at < day->part_count && day->parts[at].partition < partition)
        at++;
    if (at < day->part_count && day->parts[at].partition == partition)
        return &day->parts[at];
    parts = tb_arena_array(arena, day->part_count + 1, sizeof *parts);
    if (!parts)
        return NULL;
    for (size_t i = 0; i < day->part_count; i++)
        parts[i + (i >= at)] = day->parts[i];
    parts[at] = (struct tb_sales_part){.partition = partition, .through = -1};
    day->parts = parts;
    day->part_count++;
    return &parts[at];
}

enum tb_code tb_sales_check_fence(struct tb_sales_day *day, int32_t partition,
                                  const struct tb_sales_fence *fence, int64_t *ret_highest,
                                  struct tb_arena *arena, struct tb_error *err)
{
    struct tb_sales_part *part;

    if (fence->number == 0)
        return TB_OK;
    part = part_of(day, partition, arena);
    if (!part)
        return out_of_memory(err);
    if (part->fence > fence->number)
        *ret_highest = part->fence;
    if (part->fence > fence->number)
        return tb_error_set(err, TB_BUSY, "partition %d is read by another one by now",
                            (int)partition);
    if (part->fence < fence->number) {
        part->fence = fence->number;
        tb_sales_unsettle(part, fence->from);
        day->changes++;
    }
    return TB_OK;
}

/* The index of the offset in `undone`, or the index at which to insert it. */
static size_t undone_at(const struct tb_sales_part *part, int64_t offset)
{
    size_t at = 0;

    while (at < part->undone_count && part->undone[at] < offset)
        at++;
    return at;
}

static bool is_undone(const struct tb_sales_part *part, int64_t offset)
{
    size_t at = undone_at(part, offset);

    return at < part->undone_count && part->undone[at] == offset;
}

static bool contains(const struct tb_sales_part *part, const struct tb_plan_sales_delta *delta)
{
    if (part->recent_from > 0 && delta->offset >= part->recent_from - 1)
        return tb_sales_remembers(part, delta);
    return delta->offset <= part->through && !is_undone(part, delta->offset);
}

enum tb_code tb_sales_begin_batch(struct tb_sales_day *day, int32_t partition, int64_t first,
                                  struct tb_arena *arena, struct tb_error *err)
{
    struct tb_sales_part *part = part_of(day, partition, arena);

    if (!part)
        return out_of_memory(err);
    if (part->recent_from == 0 && part->through >= first)
        part->recent_from = 1 + part->through + 1;
    if (part->recent_from < 1 + first)
        part->recent_from = 1 + first;
    tb_sales_forget_before(part, first);
    return TB_OK;
}

static void add_delta(struct tb_sales_day *day, struct tb_sales_part *part,
                      const struct tb_plan_sales_delta *delta, bool late, int64_t sign)
{
    part->cancelled_returns += sign * delta->cancelled_returns;
    part->shipped += sign * delta->shipped;
    part->shipped_returns += sign * delta->shipped_returns;
    part->shipped_minor += sign * (tb_sum)delta->shipped_minor;
    part->orders += sign * delta->orders;
    part->returns += sign * delta->returns;
    part->cancelled += sign * delta->cancelled;
    part->late_orders += late && delta->placed ? sign : 0;
    part->late_changes += late ? sign : 0;
    part->total_minor += sign * (tb_sum)delta->total_minor;
    day->changes++;
}

enum tb_code tb_sales_add(struct tb_sales_day *day, int32_t partition,
                          const struct tb_plan_sales_delta *delta, bool late,
                          struct tb_arena *arena, struct tb_error *err)
{
    struct tb_sales_part *part = part_of(day, partition, arena);
    size_t at;

    late = late && tb_plan_changes_sums(delta);
    if (!part)
        return out_of_memory(err);
    if (contains(part, delta))
        return TB_OK;
    at = undone_at(part, delta->offset);
    if (is_undone(part, delta->offset)) {
        part->undone_count--;
        memmove(&part->undone[at], &part->undone[at + 1],
                (part->undone_count - at) * sizeof *part->undone);
    }
    if (delta->offset > part->through)
        part->through = delta->offset;
    tb_sales_take_back(day, delta);
    if (!tb_sales_remember(part, delta, late, arena))
        return out_of_memory(err);
    add_delta(day, part, delta, late, 1);
    return TB_OK;
}

enum tb_code tb_sales_undo(struct tb_sales_day *day, int32_t partition,
                           const struct tb_plan_sales_delta *delta, bool late,
                           struct tb_arena *arena, struct tb_error *err)
{
    struct tb_sales_part *part = part_of(day, partition, arena);
    int64_t *undone, *old;
    size_t at, drop;

    late = late && tb_plan_changes_sums(delta);
    if (!part)
        return out_of_memory(err);
    if (!contains(part, delta))
        return TB_OK;
    undone = tb_arena_array(arena, part->undone_count + 1, sizeof *undone);
    if (!undone)
        return out_of_memory(err);
    at = undone_at(part, delta->offset);
    old = part->undone;
    for (size_t i = 0; i <= part->undone_count; i++)
        undone[i] = i < at ? old[i] : i > at ? old[i - 1] : delta->offset;
    part->undone_count++;
    drop = part->undone_count > TB_SALES_UNDONE_MAX ? part->undone_count - TB_SALES_UNDONE_MAX : 0;
    part->undone = undone + drop;
    part->undone_count -= drop;
    late = tb_sales_was_late(part, delta, late);
    tb_sales_forget(part, delta);
    add_delta(day, part, delta, late, -1);
    return TB_OK;
}

struct tb_sales_part tb_sales_sum(const struct tb_sales_day *day)
{
    struct tb_sales_part sum = {0};

    for (size_t i = 0; i < day->part_count; i++) {
        const struct tb_sales_part *part = &day->parts[i];

        sum.orders += part->orders;
        sum.returns += part->returns;
        sum.cancelled += part->cancelled;
        sum.late_orders += part->late_orders;
        sum.late_changes += part->late_changes;
        sum.total_minor += part->total_minor;
        sum.cancelled_returns += part->cancelled_returns;
        sum.shipped += part->shipped;
        sum.shipped_returns += part->shipped_returns;
        sum.shipped_minor += part->shipped_minor;
    }
    return sum;
}

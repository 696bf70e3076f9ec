#include "query/projection/plan_priv.h"

/* Adds the order to the sales of its day, or with sign -1 takes it out. */
static void add_order(struct tb_plan_sales_delta *change, const struct tb_order *order, int sign)
{
    bool cancelled = order->status == TB_CANCELLED, shipped = order->status == TB_SHIPPED;
    bool is_return = order->kind == TB_RETURN;

    change->orders += order->kind == TB_SALE ? sign : 0;
    change->returns += order->kind == TB_RETURN ? sign : 0;
    change->cancelled += cancelled ? sign : 0;
    change->total_minor += cancelled ? 0 : sign * order->total_minor;
    change->cancelled_returns += cancelled && is_return ? sign : 0;
    change->shipped += shipped ? sign : 0;
    change->shipped_returns += shipped && is_return ? sign : 0;
    change->shipped_minor += shipped ? sign * order->total_minor : 0;
}

static void add_delta(struct tb_plan *plan, const struct tb_plan_sales_delta *change)
{
    if (tb_plan_changes_sums(change) || change->cancelled_returns || change->shipped ||
        change->shipped_returns || change->shipped_minor)
        plan->sales_deltas[plan->sales_delta_count++] = *change;
}

/* The order leaves its day: what earlier records of the batch have added there stays there. */
static bool leave_day(struct tb_plan *plan, const struct tb_planned_order *planned,
                      struct tb_plan_sales_delta *change)
{
    struct tb_order *before = tb_arena_alloc(&plan->arena, sizeof *before);

    if (!before)
        return false;
    *before = planned->order;
    for (size_t i = 0; i < plan->sales_delta_count; i++) {
        if (plan->sales_deltas[i].day == &planned->order)
            plan->sales_deltas[i].day = before;
    }
    change->day = before;
    add_order(change, before, -1);
    add_delta(plan, change);
    return true;
}

bool tb_plan_apply_event(struct tb_plan *plan, const struct tb_event *event,
                         const struct tb_record *record, struct tb_planned_order *planned)
{
    const struct tb_order *before = &planned->order;
    struct tb_plan_sales_delta change = {.planned = planned,
                                         .day = &planned->order,
                                         .offset = record->offset,
                                         .timestamp_ms = record->timestamp_ms};
    bool was_shown = before->version > 0 && !planned->stub;

    if (was_shown && event->type == TB_EVENT_SNAPSHOT &&
        (strcmp(before->business_date, event->order.business_date) != 0 ||
         strcmp(before->currency, event->order.currency) != 0)) {
        struct tb_plan_sales_delta leaving = change;

        if (!leave_day(plan, planned, &leaving))
            return false;
        was_shown = false;
    }
    change.placed = !was_shown;
    if (was_shown)
        add_order(&change, before, -1);
    tb_event_apply(event, &planned->order);
    add_order(&change, &planned->order, 1);
    add_delta(plan, &change);
    return true;
}

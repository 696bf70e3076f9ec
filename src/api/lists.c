#include "api/api_priv.h"
#include "api/cursor.h"
#include "api/problem.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 500

bool tb_param_refuse(struct tb_exchange *x, const char *name, const char *allowed)
{
    tb_refuse(&x->reply, 400, "Query parameter %s: %s.", name, allowed);
    return false;
}

bool tb_param_time(struct tb_exchange *x, const struct tb_params *params, const char *name,
                   bool *ret_has, int64_t *ret_ms)
{
    struct tb_str text = tb_param(params, name);

    if (text.ptr == NULL)
        return true;
    *ret_has = true;
    if (tb_date_valid(text)) {
        *ret_ms = tb_date_start_ms(text);
        return true;
    }
    if (tb_time_parse(text, ret_ms))
        return true;
    return tb_param_refuse(x, name,
                           "a time such as 2026-11-23T08:20:42Z (write a + as %2B) or a date");
}

static bool take_cursor(struct tb_exchange *x, struct tb_str text, struct tb_list_filter *filter)
{
    if (text.ptr == NULL)
        return true;
    filter->has_after = true;
    if (tb_cursor_parse(text, &filter->after_placed_at_ms, filter->after_order_id))
        return true;
    return tb_param_refuse(x, "cursor", "one that a list gave as next");
}

static bool take_filter(struct tb_exchange *x, struct tb_list_filter *filter)
{
    static const char *const allowed[] = {"customerId",   "status", "node", "source",
                                          "businessDate", "from",   "to",   "limit",
                                          "cursor",       NULL};
    struct tb_params params;
    struct tb_error err = {0};
    int64_t limit = LIMIT_DEFAULT;

    if (tb_params_parse(x->query, allowed, &x->arena, &params, &err) != TB_OK) {
        tb_refuse_error(&x->reply, &err);
        return false;
    }
    filter->customer_id = tb_param(&params, "customerId");
    filter->node = tb_param(&params, "node");
    filter->source = tb_param(&params, "source");
    filter->business_date = tb_param(&params, "businessDate");
    struct tb_str status = tb_param(&params, "status");
    struct tb_str limit_text = tb_param(&params, "limit");
    filter->has_status = status.ptr != NULL;
    if (filter->has_status && !tb_order_status_parse(status, &filter->status))
        return tb_param_refuse(x, "status", "PLACED, SHIPPED or CANCELLED");
    if (filter->business_date.ptr != NULL && !tb_date_valid(filter->business_date))
        return tb_param_refuse(x, "businessDate", "a date such as 2026-11-23");
    if (limit_text.ptr != NULL && !tb_digits_parse(limit_text, 1, LIMIT_MAX, &limit))
        return tb_param_refuse(x, "limit", "a whole number from 1 to 500");
    filter->limit = (int)limit;
    return tb_param_time(x, &params, "from", &filter->has_from, &filter->from_ms) &&
           tb_param_time(x, &params, "to", &filter->has_to, &filter->to_ms) &&
           take_cursor(x, tb_param(&params, "cursor"), filter);
}

static bool take_group_by(struct tb_exchange *x, struct tb_str text,
                          enum tb_group_by *ret_group_by)
{
    static const char *const names[] = {
        [TB_GROUP_DAY] = "day", [TB_GROUP_NODE] = "node", [TB_GROUP_STATUS] = "status"};

    if (text.ptr == NULL)
        return true;
    for (enum tb_group_by g = TB_GROUP_DAY; g <= TB_GROUP_STATUS; g++) {
        if (tb_str_eq(text, tb_str_of(names[g]))) {
            *ret_group_by = g;
            return true;
        }
    }
    return tb_param_refuse(x, "groupBy", "day, node or status");
}

static bool take_sums(struct tb_exchange *x, struct tb_stats_filter *filter)
{
    static const char *const allowed[] = {"from", "to", "groupBy", NULL};
    struct tb_params params;
    struct tb_error err = {0};

    if (tb_params_parse(x->query, allowed, &x->arena, &params, &err) != TB_OK) {
        tb_refuse_error(&x->reply, &err);
        return false;
    }
    return tb_param_time(x, &params, "from", &filter->has_from, &filter->from_ms) &&
           tb_param_time(x, &params, "to", &filter->has_to, &filter->to_ms) &&
           take_group_by(x, tb_param(&params, "groupBy"), &filter->group_by);
}

void tb_orders_serve(struct tb_api *api, struct tb_exchange *x)
{
    if (take_filter(x, &x->lookup.list))
        tb_find_in(api, &api->lists, x, tb_find_list);
}

void tb_stats_serve(struct tb_api *api, struct tb_exchange *x)
{
    if (take_sums(x, &x->lookup.sums))
        tb_find_in(api, &api->lists, x, tb_find_stats);
}

void tb_nodes_serve(struct tb_api *api, struct tb_exchange *x)
{
    tb_find_in(api, &api->lists, x, tb_find_nodes);
}

#include "api/handlers/context.h"
#include "api/handlers/cursor.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 500

static bool take_cursor(struct tb_request *req, struct tb_str text, struct tb_list_filter *filter)
{
    if (text.ptr == NULL)
        return true;
    filter->has_after = true;
    if (tb_order_cursor_parse(text, &filter->after_placed_at_ms, filter->after_order_id))
        return true;
    return tb_param_refuse(req, "cursor", "one that a list gave as next");
}

static bool take_filter(struct tb_request *req, struct tb_list_filter *filter)
{
    static const char *const allowed[] = {"customerId",   "status", "node", "source",
                                          "businessDate", "from",   "to",   "limit",
                                          "cursor",       NULL};
    struct tb_params params;

    if (!tb_params_read(req, allowed, &params))
        return false;
    filter->customer_id = tb_param(&params, "customerId");
    filter->node = tb_param(&params, "node");
    filter->source = tb_param(&params, "source");
    filter->business_date = tb_param(&params, "businessDate");
    struct tb_str status = tb_param(&params, "status");
    filter->has_status = status.ptr != NULL;
    if (filter->has_status && !tb_order_status_parse(status, &filter->status))
        return tb_param_refuse(req, "status", "PLACED, SHIPPED or CANCELLED");
    if (filter->business_date.ptr != NULL && !tb_date_valid(filter->business_date))
        return tb_param_refuse(req, "businessDate", "a date such as 2026-11-23");
    filter->limit = LIMIT_DEFAULT;
    return tb_param_limit(req, &params, LIMIT_MAX, &filter->limit) &&
           tb_param_time(req, &params, "from", &filter->has_from, &filter->from_ms) &&
           tb_param_time(req, &params, "to", &filter->has_to, &filter->to_ms) &&
           take_cursor(req, tb_param(&params, "cursor"), filter);
}

static bool take_group_by(struct tb_request *req, struct tb_str text,
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
    return tb_param_refuse(req, "groupBy", "day, node or status");
}

static bool take_sums(struct tb_request *req, struct tb_stats_filter *filter)
{
    static const char *const allowed[] = {"from", "to", "groupBy", NULL};
    struct tb_params params;

    if (!tb_params_read(req, allowed, &params))
        return false;
    return tb_param_time(req, &params, "from", &filter->has_from, &filter->from_ms) &&
           tb_param_time(req, &params, "to", &filter->has_to, &filter->to_ms) &&
           take_group_by(req, tb_param(&params, "groupBy"), &filter->group_by);
}

void tb_orders_serve(struct tb_api *api, struct tb_request *req)
{
    struct tb_list_filter *filter = tb_request_data(req, sizeof *filter);

    if (filter && take_filter(req, filter))
        tb_query_submit(&api->lists, req, tb_query_order_list);
}

void tb_stats_serve(struct tb_api *api, struct tb_request *req)
{
    struct tb_stats_filter *filter = tb_request_data(req, sizeof *filter);

    if (filter && take_sums(req, filter))
        tb_query_submit(&api->lists, req, tb_query_order_stats);
}

void tb_nodes_serve(struct tb_api *api, struct tb_request *req)
{
    tb_query_submit(&api->lists, req, tb_query_nodes);
}

#include "api/handlers/context.h"
#include "api/handlers/cursor.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"
#include <stdio.h>

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 500

bool tb_orders_read(struct tb_request *req)
{
    struct tb_list_filter *filter = tb_request_data(req, sizeof *filter);

    if (!filter)
        return false;
    filter->customer_id = tb_param(req->params, "customerId");
    filter->node = tb_param(req->params, "node");
    filter->source = tb_param(req->params, "source");
    filter->business_date = tb_param(req->params, "businessDate");
    struct tb_str status = tb_param(req->params, "status");
    struct tb_str cursor = tb_param(req->params, "cursor");
    filter->has_status = status.ptr;
    filter->has_after = cursor.ptr;
    if (filter->has_status && !tb_order_status_parse(status, &filter->status))
        return tb_param_refuse(req, "status", "PLACED, SHIPPED or CANCELLED");
    if (filter->business_date.ptr && !tb_date_valid(filter->business_date))
        return tb_param_refuse(req, "businessDate", "a date such as 2026-11-23");
    return tb_param_limit(req, LIMIT_DEFAULT, LIMIT_MAX, &filter->limit) &&
           tb_param_time(req, "from", &filter->has_from, &filter->from_ms) &&
           tb_param_time(req, "to", &filter->has_to, &filter->to_ms) &&
           (!cursor.ptr ||
            tb_order_cursor_parse(cursor, &filter->after_placed_at_ms, filter->after_order_id) ||
            tb_param_refuse(req, "cursor", "one that a list gave as next"));
}

struct page {
    const struct tb_api *api;
    const struct tb_query_context *context;
    struct tb_buf *out;
    int64_t last_placed_at_ms;
    char last_order_id[TB_UUID_SIZE]; /* "": the page is empty */
};

/* A page holds at least one order, however large that is. */
static bool add_order(void *ctx, struct tb_str order_id, int64_t placed_at_ms, struct tb_str doc)
{
    struct page *page = ctx;

    if (page->last_order_id[0] != '\0' && page->out->len + doc.len > TB_PAGE_BYTES_MAX)
        return false;
    tb_json_separate(page->out);
    tb_buf_add_str(page->out, doc);
    tb_delivery_add(page->api, page->context, order_id, page->out);
    page->last_placed_at_ms = placed_at_ms;
    snprintf(page->last_order_id, sizeof page->last_order_id, "%.*s", (int)order_id.len,
             order_id.ptr);
    return true;
}

enum tb_code tb_orders_query(struct tb_api *api, const struct tb_query_context *context,
                             struct tb_request *req, struct tb_reply *reply, struct tb_error *err)
{
    struct page page = {.api = api, .context = context, .out = &reply->answer.body};
    char cursor[TB_PAGE_CURSOR_SIZE] = "";
    bool more = false;

    tb_buf_adds(page.out, "{\"orders\":[");
    TB_TRY(
        context->view->ops->list(context->view, req->handler_data, add_order, &page, &more, err));
    if (more && page.last_order_id[0] != '\0')
        tb_order_cursor_format(page.last_placed_at_ms, page.last_order_id, cursor);
    return tb_list_end(req, cursor, reply, err);
}

#include "api/handlers/context.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"

/* Digests: a few fields and a hash of each order, for comparing an edge with a central, or with
 * its own view. An edge reads its store, where its orders are decided, unless it is asked for its
 * view; a central reads its view. */

#define LIMIT_DEFAULT 500
#define LIMIT_MAX 1000

struct digest_query {
    char
        start[TB_UUID_SIZE]; /* the page begins with this id or the next one; "": the first page */
    int limit;
    bool of_view; /* of an edge too */
};

struct page {
    struct tb_buf *out;
    int limit, count;
    char next[TB_UUID_SIZE]; /* the first order of the next page; "": this page is the last */
};

/* Adds the digest without its closing brace. False: the page is full. */
static bool open_digest(struct page *page, const struct tb_order *order)
{
    struct tb_buf *out = page->out;
    char hash[65];

    if (page->count++ == page->limit) {
        memcpy(page->next, order->order_id, TB_UUID_SIZE);
        return false;
    }
    tb_order_hash(order, hash);
    if (hash[0] == '\0')
        out->failed = true; /* out of memory */
    tb_json_open(out, NULL, '{');
    tb_json_member_str(out, "orderId", tb_str_of(order->order_id));
    tb_json_member_str(out, "node", order->node);
    tb_json_member_int(out, "version", order->version);
    tb_json_member_str(out, "status", tb_str_of(tb_order_status_name(order->status)));
    tb_json_member_int(out, "totalMinor", order->total_minor);
    tb_json_member_str(out, "currency", tb_str_of(order->currency));
    tb_json_member_str(out, "hash", tb_str_of(hash));
    tb_json_member_str(out, "kind", tb_str_of(tb_order_kind_name(order->kind)));
    tb_json_member_str(out, "businessDate", tb_str_of(order->business_date));
    return true;
}

static void add_from_view(void *ctx, const struct tb_order *order, const char *other_column)
{
    struct page *page = ctx;

    if (!open_digest(page, order))
        return;
    if (other_column)
        tb_json_member_str(page->out, "columnDiffers", tb_str_of(other_column));
    tb_buf_addc(page->out, '}');
}

static void add_from_store(void *ctx, const struct tb_stored_order *stored)
{
    struct page *page = ctx;
    bool delivered = stored->delivered && !stored->parked.ptr;

    if (!open_digest(page, &stored->order))
        return;
    tb_json_member_str(page->out, "delivery", delivered ? TB_STR("delivered") : TB_STR("pending"));
    if (stored->parked.ptr)
        tb_json_member_str(page->out, "parked", stored->parked);
    tb_buf_addc(page->out, '}');
}

/* Reads one order more than the page holds: the next page begins with that order. */
enum tb_code tb_digests_query(struct tb_api *api, const struct tb_query_context *context,
                              struct tb_request *req, struct tb_reply *reply, struct tb_error *err)
{
    const struct digest_query *query = req->handler_data;
    struct page page = {.out = &reply->answer.body, .limit = query->limit};
    int limit = query->limit + 1;

    tb_buf_adds(page.out, "{\"digests\":[");
    if (context->store && !query->of_view)
        TB_TRY(tb_order_reader_scan(context->store, api->options.edge->cursor_name, query->start,
                                    limit, add_from_store, &page, err));
    else
        TB_TRY(context->view->ops->scan(context->view, query->start, limit, add_from_view, &page,
                                        err));
    tb_buf_addc(page.out, ']');
    if (page.next[0] != '\0')
        tb_json_member_str(page.out, "next", tb_str_of(page.next));
    tb_buf_addc(page.out, '}');
    return TB_OK;
}

bool tb_digests_read(struct tb_request *req)
{
    struct digest_query *query = tb_request_data(req, sizeof *query);

    if (!query)
        return false;
    struct tb_str start = tb_param(req->params, "start");
    if (start.ptr && !tb_uuid_parse(start, query->start))
        return tb_param_refuse(req, "start", "an order id");
    struct tb_str of = tb_param(req->params, "of");
    query->of_view = tb_str_eq(of, TB_STR("view"));
    if (of.ptr && !query->of_view && (!req->api->options.edge || !tb_str_eq(of, TB_STR("store"))))
        return tb_param_refuse(req, "of", req->api->options.edge ? "store or view" : "view");
    return tb_param_limit(req, LIMIT_DEFAULT, LIMIT_MAX, &query->limit);
}

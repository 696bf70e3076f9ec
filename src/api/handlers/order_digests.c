#include "api/handlers/context.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"

/* Digests: one line for each order that there is, for comparing two sides: on an edge those of the
 * store, which is the truth there, on a central those of the view. */

#define LIMIT_DEFAULT 500
#define LIMIT_MAX 1000

/* What is asked for, in the arena of the request. */
struct digest_query {
    char start[TB_UUID_SIZE]; /* the first id; "": any */
    int limit;
};

struct digesting {
    struct tb_buf *out;
    int limit, count;
    char next[TB_UUID_SIZE]; /* the first order of the next page; "": this is the last */
};

/* False: the page is full. */
static bool begin_digest(struct digesting *page, const struct tb_order *order)
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
    tb_buf_adds(out, page->count > 1 ? ",{" : "{");
    tb_json_member_str(out, "orderId", tb_str_of(order->order_id));
    tb_json_member_str(out, "node", order->node);
    tb_json_member_int(out, "version", order->version);
    tb_json_member_str(out, "status", tb_str_of(tb_order_status_name(order->status)));
    tb_json_member_int(out, "totalMinor", order->total_minor);
    tb_json_member_str(out, "currency", tb_str_of(order->currency));
    tb_json_member_str(out, "hash", tb_str_of(hash));
    return true;
}

static void add_viewed(void *ctx, const struct tb_order *order)
{
    struct digesting *page = ctx;

    if (begin_digest(page, order))
        tb_buf_addc(page->out, '}');
}

static void add_stored(void *ctx, const struct tb_stored_order *stored)
{
    struct digesting *page = ctx;
    bool delivered = stored->delivered && stored->parked.ptr == NULL;

    if (!begin_digest(page, &stored->order))
        return;
    tb_json_member_str(page->out, "delivery", delivered ? TB_STR("delivered") : TB_STR("pending"));
    if (stored->parked.ptr != NULL)
        tb_json_member_str(page->out, "parked", stored->parked);
    tb_buf_addc(page->out, '}');
}

static enum tb_code add_all(struct tb_api *api, const struct tb_query_context *context,
                            const struct tb_request *req, struct digesting *page,
                            struct tb_error *err)
{
    const struct tb_view_reader_ops *ops = context->view->ops;
    const struct digest_query *query = req->handler_data;
    int limit = page->limit + 1; /* one more tells where the next page begins */

    if (context->store != NULL)
        return tb_order_reader_scan(context->store, api->options.edge->cursor_name, query->start,
                                    limit, add_stored, page, err);
    return ops->scan(context->view, query->start, limit, add_viewed, page, err);
}

static void find_digests(struct tb_api *api, const struct tb_query_context *context,
                         struct tb_request *req, struct tb_reply *reply)
{
    struct tb_buf *out = &reply->answer.body;
    const struct digest_query *query = req->handler_data;
    struct digesting page = {.out = out, .limit = query->limit};
    struct tb_error err = {0};

    tb_buf_adds(out, "{\"digests\":[");
    if (add_all(api, context, req, &page, &err) != TB_OK) {
        tb_refuse_error(reply, &err);
        return;
    }
    tb_buf_addc(out, ']');
    if (page.next[0] != '\0')
        tb_json_member_str(out, "next", tb_str_of(page.next));
    tb_buf_addc(out, '}');
    tb_reply_done(reply, 200);
}

static bool take_params(struct tb_request *req, struct digest_query *query)
{
    static const char *const allowed[] = {"start", "limit", NULL};
    struct tb_params params;

    if (!tb_params_read(req, allowed, &params))
        return false;
    struct tb_str start = tb_param(&params, "start");
    if (start.ptr != NULL && !tb_uuid_parse(start, query->start))
        return tb_param_refuse(req, "start", "an order id");
    query->limit = LIMIT_DEFAULT;
    return tb_param_limit(req, &params, LIMIT_MAX, &query->limit);
}

void tb_digests_serve(struct tb_api *api, struct tb_request *req)
{
    struct digest_query *query = tb_request_data(req, sizeof *query);

    if (query && take_params(req, query))
        tb_query_submit(&api->lists, req, find_digests);
}

#include "api/context.h"
#include "api/handlers/delivery.h"
#include "api/http/problem.h"

/* `wait` at most this (INTERFACES). */
#define WAIT_MAX_MS 30000

static bool visible(const struct tb_request *req)
{
    return req->view_query.version >= req->wait.min_version;
}

/* The reply is ready if the order has come far enough, is not there and not waited for, or cannot
 * be read. */
static void find_order(struct tb_api *api, const struct tb_query_context *context,
                       struct tb_request *req, struct tb_reply *reply)
{
    struct tb_str order_id = tb_str_of(req->order_id);
    struct tb_error err = {0};

    req->view_query.version = 0;
    tb_buf_clear(&reply->answer.body);
    enum tb_code code = context->view->ops->get(context->view, order_id, &reply->answer.body,
                                                &req->view_query.version, &err);
    if (code != TB_OK && code != TB_NOT_FOUND) {
        tb_refuse_error(reply, &err);
    } else if (code == TB_NOT_FOUND && visible(req)) {
        tb_refuse(reply, 404, "The view has no such order.");
    } else if (visible(req)) {
        if (context->outbox != NULL)
            tb_delivery_add(context->outbox, api->options.edge->cursor_name, order_id,
                            &reply->answer.body);
        reply->answer.version = req->view_query.version;
        tb_reply_done(reply, 200);
    }
}

static void reply_pending(struct tb_reply *reply, int64_t version)
{
    struct tb_buf *out = &reply->answer.body;

    tb_buf_clear(out);
    tb_buf_adds(out, "{\"status\":\"pending\"");
    tb_json_member_int(out, "version", version);
    tb_buf_addc(out, '}');
    reply->answer.retry_after_s = 1;
    tb_reply_done(reply, 202);
}

/* minVersion and wait; false: refused. */
static bool take_params(struct tb_request *req, int64_t *ret_wait_ms)
{
    static const char *const allowed[] = {"minVersion", "wait", NULL};
    struct tb_params params;

    if (!tb_params_read(req, allowed, &params))
        return false;
    struct tb_str min_version = tb_param(&params, "minVersion");
    struct tb_str wait = tb_param(&params, "wait");
    if (min_version.ptr != NULL &&
        !tb_digits_parse(min_version, 1, TB_JSON_INT_MAX, &req->wait.min_version))
        return tb_param_refuse(req, "minVersion", "a whole number from 1");
    if (wait.ptr != NULL && (!tb_duration_parse(wait, ret_wait_ms) || *ret_wait_ms > WAIT_MAX_MS))
        return tb_param_refuse(req, "wait", "a time such as 5s or 500ms, at most 30s");
    if (wait.ptr != NULL && min_version.ptr == NULL)
        req->wait.min_version = 1; /* waits for it to be there at all */
    return true;
}

/* Where the view is at hand: one look on this thread; true: x has its reply. */
static bool look_here(struct tb_api *api, struct tb_request *req)
{
    find_order(api, &api->options.here, req, &req->reply);
    req->seen_version = req->view_query.version;
    return req->reply.ready;
}

static void answer(struct tb_api *api, struct tb_request *req)
{
    tb_waiters_remove(&api->waiters, &req->wait);
    tb_mhd_answer(api->server, req);
}

static bool order_landed(struct tb_api *api, struct tb_request *req);

/* With no room for the question, whoever waits anyway has it asked by the next glance. */
static void look_elsewhere(struct tb_api *api, struct tb_request *req)
{
    req->view_query.landed = order_landed;
    req->query_again = false;
    if (req->wait.waiting) {
        (void)!tb_query_try_submit(api, &api->singles, req, find_order);
        return;
    }
    tb_query_submit(api, &api->singles, req, find_order);
    if (req->reply.ready)
        tb_mhd_answer(api->server, req);
}

static bool order_landed(struct tb_api *api, struct tb_request *req)
{
    struct tb_reply *found = &req->view_query.found;

    if (req->conn == NULL || req->reply.ready)
        return false; /* answered meanwhile */
    req->seen_version = req->view_query.version;
    if (!found->ready && req->wait.waiting) {
        tb_reply_release(found);
        if (req->query_again)
            look_elsewhere(api, req);
        return false;
    }
    if (!found->ready)
        reply_pending(found, req->seen_version);
    tb_waiters_remove(&api->waiters, &req->wait);
    return true;
}

static struct tb_request *exchange_of(struct tb_waiter *wait)
{
    return (struct tb_request *)(void *)((char *)wait - offsetof(struct tb_request, wait));
}

static void query_again(struct tb_api *api, struct tb_request *req)
{
    if (api->options.here.view == NULL) {
        req->query_again = true;
        if (!req->at_worker)
            look_elsewhere(api, req);
    } else if (look_here(api, req)) {
        answer(api, req);
    }
}

/* tb_waiter_on_version: the order itself is wanted too, so the version alone is of no use. */
static void heard(void *ctx, struct tb_waiter *wait, int64_t version)
{
    (void)version;
    query_again(ctx, exchange_of(wait));
}

/* A waiter is added before the view is asked, or asked again after: no version slips between. */
void tb_order_serve(struct tb_api *api, struct tb_request *req)
{
    bool here = api->options.here.view != NULL;
    int64_t wait_ms = 0;

    if (!take_params(req, &wait_ms) || (here && look_here(api, req)))
        return;
    if (wait_ms > 0 && api->drain_ms == 0) {
        req->wait.order_id = req->order_id;
        req->wait.until_ms = api->now_ms + wait_ms;
        req->wait.heard = heard;
        tb_waiters_add(&api->waiters, &req->wait);
        query_again(api, req);
    } else if (here) {
        reply_pending(&req->reply, req->seen_version);
    } else {
        look_elsewhere(api, req);
    }
}

void tb_order_wait_expired(void *ctx, struct tb_waiter *wait)
{
    struct tb_api *api = ctx;
    struct tb_request *req = exchange_of(wait);

    if (api->options.here.view == NULL || !look_here(api, req))
        reply_pending(&req->reply, req->seen_version);
    answer(api, req);
}

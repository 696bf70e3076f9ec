#include "api/handlers/context.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"
#include "base/values/quantity.h"

/* The longest `wait` that a client may request. */
#define WAIT_MAX_MS 30000

/* A GET of an order, in the arena of its request. With `wait` it is a long poll. */
struct get_order {
    struct tb_waiter waiter; /* of a long poll; other GETs use its min_version only */
    struct tb_request *req;
    int64_t found_version; /* result of the last read; 0: the view has no such order. While a query
                            * thread reads, only that thread may use it. */
    int64_t seen_version;  /* copy of found_version that the api thread may always use */
    int64_t wait_ms;       /* 0: no long poll */
    bool read_again;       /* the order has changed while a query thread was reading */
};

static bool is_waiting(const struct get_order *get)
{
    return tb_list_is_linked(&get->waiter.node);
}

/* Fills the reply if the order has the wanted version, or is missing and no version is wanted. */
static enum tb_code read_order(struct tb_api *api, const struct tb_query_context *context,
                               struct tb_request *req, struct tb_reply *reply,
                               struct tb_error *err)
{
    struct get_order *get = req->handler_data;
    struct tb_str order_id = tb_str_of(req->order_id);
    struct tb_buf *out = &reply->answer.body;
    const struct tb_view_reader_ops *ops = context->view->ops;
    bool latest = get->waiter.min_version > 0 && ops->get_latest;

    get->found_version = 0;
    tb_buf_clear(out);
    enum tb_code code = (latest ? ops->get_latest : ops->get)(context->view, order_id, out,
                                                              &get->found_version, err);
    if (code != TB_OK && code != TB_NOT_FOUND)
        return code;
    if (get->found_version < get->waiter.min_version) {
        tb_buf_clear(out);
    } else if (code == TB_NOT_FOUND) {
        tb_refuse(reply, 404, "The view has no such order.");
    } else {
        tb_delivery_add(api, context, order_id, out);
        reply->answer.version = get->found_version;
    }
    return TB_OK;
}

static void reply_pending(struct get_order *get)
{
    struct tb_reply *reply = &get->req->reply;
    struct tb_buf *out = &reply->answer.body;

    tb_buf_clear(out);
    tb_buf_adds(out, "{\"status\":\"pending\"");
    tb_json_member_int(out, "version", get->seen_version);
    tb_buf_addc(out, '}');
    reply->answer.retry_after_s = 1;
    tb_reply_done(reply, 202);
}

/* Reads minVersion and wait. False: req is refused. */
static bool read_params(struct tb_request *req, struct get_order *get)
{
    struct tb_str min_version = tb_param(req->params, "minVersion");
    struct tb_str wait = tb_param(req->params, "wait");
    if (min_version.ptr &&
        !tb_digits_parse(min_version, 1, TB_JSON_INT_MAX, &get->waiter.min_version))
        return tb_param_refuse(req, "minVersion", "a whole number from 1");
    if (wait.ptr &&
        (!tb_quantity_parse(wait, tb_unit_durations, &get->wait_ms) || get->wait_ms > WAIT_MAX_MS))
        return tb_param_refuse(req, "wait", "a time such as 5s or 500ms, at most 30s");
    if (wait.ptr && !min_version.ptr)
        get->waiter.min_version = 1; /* waits until the order exists */
    return true;
}

/* Sends the reply if it is filled. */
static void send_filled(struct get_order *get)
{
    struct tb_api *api = get->req->api;

    if (!tb_reply_filled(&get->req->reply))
        return;
    tb_waiters_remove(&api->waiters, &get->waiter);
    tb_mhd_answer(api->server, get->req);
}

static void on_query_done(struct tb_request *req);

/* Lets a query thread read the order. If the queue is full, a request without a long poll is
 * refused. A long poll is not: while it waits, api/view_poll.c reads the order's version
 * regularly, and calls on_version once the version is high enough. */
static void submit_read(struct get_order *get)
{
    get->read_again = false;
    if (!tb_query_try_submit(&get->req->api->singles, get->req, read_order, on_query_done) &&
        !is_waiting(get))
        tb_query_refuse_busy(get->req);
}

static void on_query_done(struct tb_request *req)
{
    struct get_order *get = req->handler_data;

    if (!tb_request_awaits_reply(req))
        return;
    get->seen_version = get->found_version;
    if (!tb_reply_filled(&req->result) && is_waiting(get)) {
        tb_reply_release(&req->result);
        if (get->read_again)
            submit_read(get);
        return;
    }
    tb_waiters_remove(&req->api->waiters, &get->waiter);
    if (tb_reply_filled(&req->result))
        tb_query_take_result(req);
    else
        reply_pending(get);
}

static void on_query_timeout(struct tb_request *req)
{
    struct get_order *get = req->handler_data;

    tb_waiters_remove(&req->api->waiters, &get->waiter);
    tb_query_refuse_slow(req);
}

/* True: the api thread reads the view itself, at once. False: a query thread reads it. */
static bool is_inline(const struct tb_api *api)
{
    return api->singles.inline_context.view;
}

static void read_inline(struct tb_api *api, struct get_order *get)
{
    tb_query_submit(&api->singles, get->req, read_order);
    get->seen_version = get->found_version;
}

/* Reads the order although its version is given, because the reply needs the whole order. */
static void on_version(struct tb_waiter *waiter, int64_t version)
{
    struct get_order *get = TB_CONTAINER_OF(waiter, struct get_order, waiter);
    struct tb_request *req = get->req;

    (void)version;
    if (is_inline(req->api)) {
        read_inline(req->api, get);
        send_filled(get);
    } else if (tb_list_is_linked(&req->inflight_node)) {
        get->read_again = true;
    } else {
        submit_read(get);
    }
}

static void on_deadline(struct tb_waiter *waiter)
{
    struct get_order *get = TB_CONTAINER_OF(waiter, struct get_order, waiter);

    if (is_inline(get->req->api))
        read_inline(get->req->api, get);
    if (!tb_reply_filled(&get->req->reply))
        reply_pending(get);
    send_filled(get);
}

void tb_order_serve(struct tb_request *req)
{
    struct get_order *get = tb_request_data(req, sizeof *get);
    struct tb_api *api = req->api;

    if (!get || !read_params(req, get))
        return;
    get->req = req;
    req->on_timeout = on_query_timeout;
    if (is_inline(api))
        read_inline(api, get);
    if (tb_reply_filled(&req->reply))
        return;
    if (get->wait_ms > 0 && api->drain_ms == 0) {
        get->waiter.order_id = req->order_id;
        get->waiter.deadline_ms = api->now_ms + get->wait_ms;
        get->waiter.on_version = on_version;
        get->waiter.on_deadline = on_deadline;
        tb_waiters_add(&api->waiters, &get->waiter);
        on_version(&get->waiter, 0); /* the order may have changed before the waiter was added */
    } else if (is_inline(api)) {
        reply_pending(get);
    } else {
        submit_read(get);
    }
}

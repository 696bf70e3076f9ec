#include "api/context.h"
#include "api/handlers/delivery.h"
#include "api/http/problem.h"

/* `wait` at most this (INTERFACES). */
#define WAIT_MAX_MS 30000

static bool visible(const struct tb_exchange *x)
{
    return x->lookup.version >= x->wait.min_version;
}

/* The reply is ready if the order has come far enough, is not there and not waited for, or cannot
 * be read. */
static void find_order(struct tb_api *api, const struct tb_asker *asker, struct tb_exchange *x,
                       struct tb_reply *reply)
{
    struct tb_str order_id = tb_str_of(x->order_id);
    struct tb_error err = {0};

    x->lookup.version = 0;
    tb_buf_clear(&reply->answer.body);
    enum tb_code code = asker->view->ops->get(asker->view, order_id, &reply->answer.body,
                                              &x->lookup.version, &err);
    if (code != TB_OK && code != TB_NOT_FOUND) {
        tb_refuse_error(reply, &err);
    } else if (code == TB_NOT_FOUND && visible(x)) {
        tb_refuse(reply, 404, "The view has no such order.");
    } else if (visible(x)) {
        if (asker->outbox != NULL)
            tb_delivery_add(asker->outbox, api->options.edge->cursor_name, order_id,
                            &reply->answer.body);
        reply->answer.version = x->lookup.version;
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
static bool take_params(struct tb_exchange *x, int64_t *ret_wait_ms)
{
    static const char *const allowed[] = {"minVersion", "wait", NULL};
    struct tb_params params;

    if (!tb_params_take(x, allowed, &params))
        return false;
    struct tb_str min_version = tb_param(&params, "minVersion");
    struct tb_str wait = tb_param(&params, "wait");
    if (min_version.ptr != NULL &&
        !tb_digits_parse(min_version, 1, TB_JSON_INT_MAX, &x->wait.min_version))
        return tb_param_refuse(x, "minVersion", "a whole number from 1");
    if (wait.ptr != NULL && (!tb_duration_parse(wait, ret_wait_ms) || *ret_wait_ms > WAIT_MAX_MS))
        return tb_param_refuse(x, "wait", "a time such as 5s or 500ms, at most 30s");
    if (wait.ptr != NULL && min_version.ptr == NULL)
        x->wait.min_version = 1; /* waits for it to be there at all */
    return true;
}

/* Where the view is at hand: one look on this thread; true: x has its reply. */
static bool look_here(struct tb_api *api, struct tb_exchange *x)
{
    find_order(api, &api->options.here, x, &x->reply);
    x->seen_version = x->lookup.version;
    return x->reply.ready;
}

static void answer(struct tb_api *api, struct tb_exchange *x)
{
    tb_waiters_remove(&api->waiters, &x->wait);
    tb_server_answer(api->server, x);
}

static bool order_landed(struct tb_api *api, struct tb_exchange *x);

/* With no room for the question, whoever waits anyway has it asked by the next glance. */
static void look_elsewhere(struct tb_api *api, struct tb_exchange *x)
{
    x->lookup.landed = order_landed;
    x->look_again = false;
    if (x->wait.waiting) {
        (void)!tb_find_elsewhere(api, &api->singles, x, find_order);
        return;
    }
    tb_find_in(api, &api->singles, x, find_order);
    if (x->reply.ready)
        tb_server_answer(api->server, x);
}

static bool order_landed(struct tb_api *api, struct tb_exchange *x)
{
    struct tb_reply *found = &x->lookup.found;

    if (x->conn == NULL || x->reply.ready)
        return false; /* answered meanwhile */
    x->seen_version = x->lookup.version;
    if (!found->ready && x->wait.waiting) {
        tb_reply_release(found);
        if (x->look_again)
            look_elsewhere(api, x);
        return false;
    }
    if (!found->ready)
        reply_pending(found, x->seen_version);
    tb_waiters_remove(&api->waiters, &x->wait);
    return true;
}

static struct tb_exchange *exchange_of(struct tb_wait *wait)
{
    return (struct tb_exchange *)(void *)((char *)wait - offsetof(struct tb_exchange, wait));
}

static void look_again(struct tb_api *api, struct tb_exchange *x)
{
    if (api->options.here.view == NULL) {
        x->look_again = true;
        if (!x->at_worker)
            look_elsewhere(api, x);
    } else if (look_here(api, x)) {
        answer(api, x);
    }
}

/* tb_wait_heard: the order itself is wanted too, so the version alone is of no use. */
static void heard(void *ctx, struct tb_wait *wait, int64_t version)
{
    (void)version;
    look_again(ctx, exchange_of(wait));
}

/* A waiter is added before the view is asked, or asked again after: no version slips between. */
void tb_order_serve(struct tb_api *api, struct tb_exchange *x)
{
    bool here = api->options.here.view != NULL;
    int64_t wait_ms = 0;

    if (!take_params(x, &wait_ms) || (here && look_here(api, x)))
        return;
    if (wait_ms > 0 && api->drain_ms == 0) {
        x->wait.order_id = x->order_id;
        x->wait.until_ms = api->now_ms + wait_ms;
        x->wait.heard = heard;
        tb_waiters_add(&api->waiters, &x->wait);
        look_again(api, x);
    } else if (here) {
        reply_pending(&x->reply, x->seen_version);
    } else {
        look_elsewhere(api, x);
    }
}

void tb_order_late(void *ctx, struct tb_wait *wait)
{
    struct tb_api *api = ctx;
    struct tb_exchange *x = exchange_of(wait);

    if (api->options.here.view == NULL || !look_here(api, x))
        reply_pending(&x->reply, x->seen_version);
    answer(api, x);
}

#include "api/api_priv.h"
#include "api/delivery.h"
#include "api/problem.h"

/* `wait` at most this (INTERFACES). */
#define WAIT_MAX_MS 30000

/* Reads the order into the reply's body. *ret_version is 0 when the view has none. */
static bool read_order(struct tb_api *api, struct tb_exchange *x, int64_t *ret_version)
{
    struct tb_view_reader *view = api->options.view;
    struct tb_error err = {0};

    *ret_version = 0;
    tb_buf_clear(&x->reply.answer.body);
    enum tb_code code =
        view->ops->get(view, tb_str_of(x->order_id), &x->reply.answer.body, ret_version, &err);
    if (code == TB_OK || code == TB_NOT_FOUND)
        return true;
    tb_refuse_error(x, &err);
    return false;
}

static void reply_order(struct tb_api *api, struct tb_exchange *x, int64_t version)
{
    if (version == 0) {
        tb_refuse(x, 404, "The view has no such order.");
        return;
    }
    tb_delivery_add(api->options.outbox, api->options.cursor_name, tb_str_of(x->order_id),
                    &x->reply.answer.body);
    x->reply.answer.version = version;
    tb_reply_done(x, 200);
}

static void reply_pending(struct tb_exchange *x, int64_t version)
{
    struct tb_buf *out = &x->reply.answer.body;

    tb_buf_clear(out);
    tb_buf_adds(out, "{\"status\":\"pending\"");
    tb_json_member_int(out, "version", version);
    tb_buf_addc(out, '}');
    x->reply.answer.retry_after_s = 1;
    tb_reply_done(x, 202);
}

/* minVersion and wait; false: refused. */
static bool take_params(struct tb_exchange *x, int64_t *ret_wait_ms)
{
    static const char *const allowed[] = {"minVersion", "wait", NULL};
    struct tb_params params;
    struct tb_error err = {0};

    if (tb_params_parse(x->query, allowed, &x->arena, &params, &err) != TB_OK) {
        tb_refuse_error(x, &err);
        return false;
    }
    struct tb_str min_version = tb_param(&params, "minVersion");
    struct tb_str wait = tb_param(&params, "wait");
    if (min_version.ptr != NULL &&
        !tb_digits_parse(min_version, 1, TB_JSON_INT_MAX, &x->wait.min_version)) {
        tb_refuse(x, 400, "Query parameter minVersion: a whole number from 1.");
        return false;
    }
    if (wait.ptr != NULL &&
        (!tb_duration_parse(wait, ret_wait_ms) || *ret_wait_ms > WAIT_MAX_MS)) {
        tb_refuse(x, 400, "Query parameter wait: a time such as 5s or 500ms, at most 30s.");
        return false;
    }
    if (wait.ptr != NULL && min_version.ptr == NULL)
        x->wait.min_version = 1; /* waits for it to be there at all */
    return true;
}

void tb_order_serve(struct tb_api *api, struct tb_exchange *x)
{
    int64_t version = 0, wait_ms = 0;

    if (!take_params(x, &wait_ms) || !read_order(api, x, &version))
        return;
    if (version >= x->wait.min_version) {
        reply_order(api, x, version);
        return;
    }
    if (wait_ms > 0 && api->drain_ms == 0) {
        x->wait.until_ms = api->now_ms + wait_ms;
        tb_waiters_add(&api->waiters, x);
        /* It may have come between the look and the waiting. */
        tb_order_wake(api, x);
        return;
    }
    reply_pending(x, version);
}

static void answer(struct tb_api *api, struct tb_exchange *x)
{
    tb_waiters_remove(&api->waiters, x);
    tb_server_answer(api->server, x);
}

void tb_order_wake(void *ctx, struct tb_exchange *x)
{
    struct tb_api *api = ctx;
    int64_t version = 0;

    if (!read_order(api, x, &version)) {
        answer(api, x);
    } else if (version >= x->wait.min_version) {
        reply_order(api, x, version);
        answer(api, x);
    }
}

void tb_order_expire(void *ctx, struct tb_exchange *x)
{
    struct tb_api *api = ctx;
    int64_t version = 0;

    if (read_order(api, x, &version)) {
        if (version >= x->wait.min_version)
            reply_order(api, x, version);
        else
            reply_pending(x, version);
    }
    answer(api, x);
}

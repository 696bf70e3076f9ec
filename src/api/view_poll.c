/* View poll: reads the versions of the orders that clients wait for, in case no notification
 * comes.
 *
 * Another process may fill the view of a central, and its notifications can be lost. So while
 * clients wait, a query thread reads the view every TB_VIEW_POLL_MS. The query is a request of its
 * own, without a connection. The next poll repeats a failed read. */
#include "api/loop.h"

/* The orders of one poll, in the arena of its request. */
struct poll {
    char (*order_ids)[TB_UUID_SIZE];
    int64_t *versions; /* 0: the view does not have the order */
    size_t count;
};

static enum tb_code read_versions(struct tb_api *api, const struct tb_query_context *context,
                                  struct tb_request *req, struct tb_reply *reply,
                                  struct tb_error *err)
{
    struct poll *poll = req->handler_data;
    enum tb_code code;

    (void)api, (void)reply;
    code =
        context->view->ops->versions(context->view, (const char(*)[TB_UUID_SIZE])poll->order_ids,
                                     poll->count, poll->versions, err);
    if (code != TB_OK)
        poll->count = 0;
    return code;
}

static void notify_waiters(struct tb_request *req)
{
    const struct poll *poll = req->handler_data;

    tb_api_loop_of(req->api)->view_poll.is_running = false;
    for (size_t i = 0; i < poll->count; i++) {
        if (poll->versions[i] > 0)
            tb_waiters_notify(&req->api->waiters, poll->order_ids[i], poll->versions[i]);
    }
}

static struct poll *new_poll(struct tb_api_loop *loop, struct tb_arena *arena)
{
    struct poll *poll = tb_arena_alloc(arena, sizeof *poll);

    if (!poll)
        return NULL;
    poll->order_ids = tb_arena_array(arena, TB_VIEW_POLL_ORDERS_MAX, TB_UUID_SIZE);
    poll->versions = tb_arena_array(arena, TB_VIEW_POLL_ORDERS_MAX, sizeof *poll->versions);
    if (!poll->order_ids || !poll->versions)
        return NULL;
    poll->count = tb_ws_take_initial_reads(&loop->ws, poll->order_ids, TB_VIEW_POLL_ORDERS_MAX);
    if (poll->count == 0)
        poll->count = tb_waiters_order_ids(&loop->api.waiters, &loop->view_poll.bucket,
                                           poll->order_ids, TB_VIEW_POLL_ORDERS_MAX);
    return poll;
}

static void start_poll(struct tb_api_loop *loop)
{
    struct tb_request *req = tb_request_new();

    if (!req)
        return;
    tb_request_move(req, TB_REQUEST_DETACHED);
    req->api = &loop->api;
    req->handler_data = new_poll(loop, &req->arena);
    loop->view_poll.is_running =
        req->handler_data &&
        tb_query_try_submit(&loop->api.singles, req, read_versions, notify_waiters);
    if (!loop->view_poll.is_running)
        tb_request_free(req);
}

static bool may_poll(const struct tb_api_loop *loop)
{
    return !loop->api.singles.inline_context.view && loop->api.waiters.count > 0 &&
           !loop->view_poll.is_running && !atomic_load(&loop->stopping);
}

int64_t tb_view_poll_next_ms(const struct tb_api_loop *loop)
{
    if (!may_poll(loop))
        return INT64_MAX;
    /* The view was not read yet for new subscriptions: they do not wait for the period. */
    return tb_ws_has_initial_reads(&loop->ws) ? 0 : loop->view_poll.next_ms;
}

void tb_view_poll_step(struct tb_api_loop *loop)
{
    int64_t now_ms = loop->api.now_ms, due_ms = tb_view_poll_next_ms(loop);

    /* The period begins when the first client starts to wait: it has just read the view. A poll
     * for new subscriptions does not delay the next one. */
    if (loop->api.waiters.count == 0 || (due_ms > 0 && due_ms <= now_ms))
        loop->view_poll.next_ms = now_ms + TB_VIEW_POLL_MS;
    if (due_ms <= now_ms)
        start_poll(loop);
}

#include "api/view_poll.h"
#include "api/context.h"

/* What one glance asks, in its exchange's arena. */
struct question {
    char (*order_ids)[TB_UUID_SIZE];
    int64_t *versions; /* 0: none */
    size_t count;
};

static void find_versions(struct tb_api *api, const struct tb_query_context *context,
                          struct tb_request *req, struct tb_reply *reply)
{
    struct question *question = req->view_query.ctx;
    struct tb_error err = {0};

    (void)api, (void)reply;
    if (context->view->ops->versions(context->view,
                                     (const char(*)[TB_UUID_SIZE])question->order_ids,
                                     question->count, question->versions, &err) != TB_OK)
        question->count = 0;
}

static bool landed(struct tb_api *api, struct tb_request *req)
{
    const struct question *question = req->view_query.ctx;

    api->glance.flying = false;
    for (size_t i = 0; i < question->count; i++) {
        if (question->versions[i] > 0)
            tb_waiters_notify(&api->waiters, question->order_ids[i], question->versions[i], api);
    }
    return false;
}

static struct question *ask_for(struct tb_api *api, struct tb_request *req)
{
    struct question *question = tb_arena_alloc(&req->arena, sizeof *question);

    if (question == NULL)
        return NULL;
    question->order_ids = tb_arena_array(&req->arena, TB_VIEW_POLL_ORDERS_MAX, TB_UUID_SIZE);
    question->versions =
        tb_arena_array(&req->arena, TB_VIEW_POLL_ORDERS_MAX, sizeof *question->versions);
    if (question->order_ids == NULL || question->versions == NULL)
        return NULL;
    question->count =
        tb_ws_take_initial_reads(&api->ws, question->order_ids, TB_VIEW_POLL_ORDERS_MAX);
    if (question->count > 0)
        return question;
    question->count = tb_waiters_order_ids(&api->waiters, &api->glance.bucket, question->order_ids,
                                           TB_VIEW_POLL_ORDERS_MAX);
    return question;
}

static void look(struct tb_api *api)
{
    struct tb_request *req = tb_request_new();

    if (req == NULL)
        return;
    req->view_query.ctx = ask_for(api, req);
    req->view_query.landed = landed;
    api->glance.flying =
        req->view_query.ctx != NULL && tb_query_try_submit(api, &api->singles, req, find_versions);
    if (!api->glance.flying)
        tb_request_free(req);
}

static bool is_due(const struct tb_api *api)
{
    return api->options.here.view == NULL && api->waiters.count > 0 && !api->glance.flying &&
           !atomic_load(&((struct tb_api *)(uintptr_t)api)->stopping);
}

void tb_view_poll_step(struct tb_api *api)
{
    if (!is_due(api)) {
        if (api->waiters.count == 0) /* the first to wait has looked just before */
            api->glance.next_ms = api->now_ms + TB_VIEW_POLL_MS;
        return;
    }
    /* Whoever has just subscribed has not looked yet: for these at once. */
    if (api->ws.fresh == NULL) {
        if (api->now_ms < api->glance.next_ms)
            return;
        api->glance.next_ms = api->now_ms + TB_VIEW_POLL_MS;
    }
    look(api);
}

int64_t tb_view_poll_next_ms(const struct tb_api *api)
{
    if (!is_due(api))
        return INT64_MAX;
    return api->ws.fresh != NULL ? 0 : api->glance.next_ms;
}

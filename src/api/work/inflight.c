#include "api/work/inflight.h"
#include "api/http/problem.h"

/* A request is refused after WAIT_MS, and after REPEAT_WAIT_MS if it repeats a command that still
 * runs. */
#define REPEAT_WAIT_MS 10000
#define WAIT_MS 30000

void tb_inflight_init(struct tb_inflight *inflight, void (*wake)(void *ctx), void *wake_ctx)
{
    *inflight = (struct tb_inflight){.wake = wake, .wake_ctx = wake_ctx};
    TB_ASSERT(pthread_mutex_init(&inflight->lock, NULL) == 0);
}

void tb_inflight_release(struct tb_inflight *inflight)
{
    TB_ASSERT(!inflight->requests.first);
    pthread_mutex_destroy(&inflight->lock);
}

static struct tb_request *request_of(struct tb_list_node *node)
{
    return TB_LIST_ELEMENT(node, struct tb_request, inflight_node);
}

void tb_inflight_add(struct tb_inflight *inflight, struct tb_request *req)
{
    req->started_ms = inflight->now_ms;
    tb_list_append(&inflight->requests, &req->inflight_node);
}

void tb_inflight_remove(struct tb_inflight *inflight, struct tb_request *req)
{
    tb_list_remove(&inflight->requests, &req->inflight_node);
}

const struct tb_request *tb_inflight_single(const struct tb_inflight *inflight)
{
    const struct tb_list *requests = &inflight->requests;

    return requests->first == requests->last ? request_of(requests->first) : NULL;
}

void tb_completion_post(struct tb_inflight *inflight, struct tb_request *req)
{
    pthread_mutex_lock(&inflight->lock);
    tb_request_queue_push(&inflight->completions, req);
    atomic_store(&inflight->has_completions, true);
    pthread_mutex_unlock(&inflight->lock);
    inflight->wake(inflight->wake_ctx);
}

void tb_inflight_complete(struct tb_inflight *inflight)
{
    if (!atomic_load(&inflight->has_completions))
        return;
    pthread_mutex_lock(&inflight->lock);
    struct tb_request_queue queue = inflight->completions;
    inflight->completions = (struct tb_request_queue){0};
    atomic_store(&inflight->has_completions, false);
    pthread_mutex_unlock(&inflight->lock);

    struct tb_request *req;
    while ((req = tb_request_queue_pop(&queue))) {
        tb_inflight_remove(inflight, req);
        req->on_done(req);
        if (tb_request_awaits_reply(req) && tb_reply_filled(&req->reply))
            tb_mhd_answer(inflight->server, req);
        tb_mhd_release(inflight->server, req);
    }
}

/* Is an earlier request with the same key in flight? Then req only waits for that one. */
static bool repeats_another(const struct tb_inflight *inflight, const struct tb_request *req)
{
    struct tb_list_node *node = inflight->requests.first;

    if (!req->work_key.ptr)
        return false;
    for (; node != &req->inflight_node; node = node->next) {
        if (request_of(node)->work_key.ptr && tb_str_eq(request_of(node)->work_key, req->work_key))
            return true;
    }
    return false;
}

static void fail(struct tb_inflight *inflight, struct tb_request *req)
{
    req->on_timeout(req);
    tb_mhd_answer(inflight->server, req);
}

void tb_inflight_expire(struct tb_inflight *inflight)
{
    struct tb_list_node *node = inflight->requests.first;

    for (; node; node = node->next) {
        struct tb_request *req = request_of(node);
        int64_t age_ms = inflight->now_ms - req->started_ms;
        if (age_ms < REPEAT_WAIT_MS)
            return;
        if (!tb_request_awaits_reply(req))
            continue;
        if (age_ms >= WAIT_MS) {
            fail(inflight, req);
        } else if (repeats_another(inflight, req)) {
            tb_refuse_for_now(&req->reply, 409, 1,
                              "The first request with this Idempotency-Key still runs.");
            tb_mhd_answer(inflight->server, req);
        }
    }
}

void tb_inflight_fail_all(struct tb_inflight *inflight)
{
    struct tb_list_node *node = inflight->requests.first;

    for (; node; node = node->next) {
        if (tb_request_awaits_reply(request_of(node)))
            fail(inflight, request_of(node));
    }
}

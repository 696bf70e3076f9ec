#include "api/context.h"
#include "api/http/problem.h"

void tb_inflight_add(struct tb_api *api, struct tb_request *req)
{
    req->at_worker = true;
    req->owner = api;
    req->taken_ms = api->now_ms;
    req->next = NULL;
    req->prev = api->flying_last;
    if (req->prev != NULL)
        req->prev->next = req;
    else
        api->flying = req;
    api->flying_last = req;
}

void tb_inflight_remove(struct tb_api *api, struct tb_request *req)
{
    if (req->prev != NULL)
        req->prev->next = req->next;
    else
        api->flying = req->next;
    if (req->next != NULL)
        req->next->prev = req->prev;
    else
        api->flying_last = req->prev;
    req->next = req->prev = NULL;
    req->at_worker = false;
}

/* What a query thread found is the reply, if x is to be answered with it. */
static bool take_found(struct tb_api *api, struct tb_request *req, bool wanted)
{
    bool answer = req->view_query.landed == NULL || req->view_query.landed(api, req);

    if (!wanted || !answer)
        return false;
    tb_reply_release(&req->reply);
    req->reply = req->view_query.found;
    req->view_query.found = (struct tb_reply){0};
    return true;
}

static void land(struct tb_api *api, struct tb_request *req)
{
    bool wanted = req->conn != NULL && !req->reply.ready; /* else it came too late */

    tb_inflight_remove(api, req);
    if (req->view_query.asked) {
        wanted = take_found(api, req, wanted);
    } else if (req->job.type == TB_JOB_LINK) {
        tb_link_done(api, req); /* carried out, wanted or not */
    } else if (wanted) {
        req->reply.answer = req->job.answer;
    } else {
        tb_answer_release(&req->job.answer);
    }
    if (wanted)
        tb_mhd_answer(api->server, req);
    tb_mhd_release(api->server, req);
}

void tb_inflight_complete(struct tb_api *api)
{
    struct tb_completion_queue *returns = &api->returns;

    if (!atomic_load(&returns->any))
        return;
    (void)pthread_mutex_lock(&returns->lock);
    struct tb_request *req = returns->first;
    returns->first = returns->last = NULL;
    atomic_store(&returns->any, false);
    (void)pthread_mutex_unlock(&returns->lock);

    for (struct tb_request *next = NULL; req != NULL; req = next) {
        next = req->next_done;
        req->next_done = NULL;
        land(api, req);
    }
}

/* Is an earlier command with x's key still at the writer? Then x only waits for its answer. */
static bool repeats_one_in_flight(const struct tb_api *api, const struct tb_request *req)
{
    if (req->view_query.asked || req->job.idempotency_key.ptr == NULL)
        return false;
    for (const struct tb_request *one = api->flying; one != req; one = one->next) {
        if (!one->view_query.asked && one->job.idempotency_key.ptr != NULL &&
            tb_str_eq(one->job.idempotency_key, req->job.idempotency_key))
            return true;
    }
    return false;
}

static void give_up(struct tb_api *api, struct tb_request *req)
{
    tb_waiters_remove(&api->waiters, &req->wait);
    if (req->view_query.asked)
        tb_refuse_for_now(&req->reply, 503, 1, "The query takes too long.");
    else
        tb_refuse_for_now(&req->reply, 503, 1,
                          "The command is not finished: whether it will be carried out is not "
                          "known. Repeat it with the same Idempotency-Key.");
    tb_mhd_answer(api->server, req);
}

void tb_inflight_expire(struct tb_api *api)
{
    for (struct tb_request *req = api->flying; req != NULL; req = req->next) {
        int64_t age_ms = api->now_ms - req->taken_ms;
        if (age_ms < TB_REPEAT_WAIT_MS)
            return;
        if (req->reply.ready || req->conn == NULL)
            continue;
        if (age_ms >= TB_WORK_WAIT_MS) {
            give_up(api, req);
        } else if (repeats_one_in_flight(api, req)) {
            tb_refuse_for_now(&req->reply, 409, 1,
                              "The first request with this Idempotency-Key still runs.");
            tb_mhd_answer(api->server, req);
        }
    }
}

void tb_inflight_fail_all(struct tb_api *api)
{
    for (struct tb_request *req = api->flying; req != NULL; req = req->next) {
        if (!req->reply.ready && req->conn != NULL)
            give_up(api, req);
    }
}

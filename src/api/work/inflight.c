#include "api/context.h"
#include "api/http/problem.h"

void tb_flight_begin(struct tb_api *api, struct tb_exchange *x)
{
    x->at_worker = true;
    x->owner = api;
    x->taken_ms = api->now_ms;
    x->next = NULL;
    x->prev = api->flying_last;
    if (x->prev != NULL)
        x->prev->next = x;
    else
        api->flying = x;
    api->flying_last = x;
}

void tb_flight_cancel(struct tb_api *api, struct tb_exchange *x)
{
    if (x->prev != NULL)
        x->prev->next = x->next;
    else
        api->flying = x->next;
    if (x->next != NULL)
        x->next->prev = x->prev;
    else
        api->flying_last = x->prev;
    x->next = x->prev = NULL;
    x->at_worker = false;
}

/* What a query thread found is the reply, if x is to be answered with it. */
static bool take_found(struct tb_api *api, struct tb_exchange *x, bool wanted)
{
    bool answer = x->lookup.landed == NULL || x->lookup.landed(api, x);

    if (!wanted || !answer)
        return false;
    tb_reply_release(&x->reply);
    x->reply = x->lookup.found;
    x->lookup.found = (struct tb_reply){0};
    return true;
}

static void land(struct tb_api *api, struct tb_exchange *x)
{
    bool wanted = x->conn != NULL && !x->reply.ready; /* else it came too late */

    tb_flight_cancel(api, x);
    if (x->lookup.asked) {
        wanted = take_found(api, x, wanted);
    } else if (x->job.type == TB_JOB_LINK) {
        tb_link_done(api, x); /* carried out, wanted or not */
    } else if (wanted) {
        x->reply.answer = x->job.answer;
    } else {
        tb_answer_release(&x->job.answer);
    }
    if (wanted)
        tb_server_answer(api->server, x);
    tb_server_let_go(api->server, x);
}

void tb_flight_land(struct tb_api *api)
{
    struct tb_returns *returns = &api->returns;

    if (!atomic_load(&returns->any))
        return;
    (void)pthread_mutex_lock(&returns->lock);
    struct tb_exchange *x = returns->first;
    returns->first = returns->last = NULL;
    atomic_store(&returns->any, false);
    (void)pthread_mutex_unlock(&returns->lock);

    for (struct tb_exchange *next = NULL; x != NULL; x = next) {
        next = x->next_done;
        x->next_done = NULL;
        land(api, x);
    }
}

/* Is an earlier command with x's key still at the writer? Then x only waits for its answer. */
static bool repeats_one_in_flight(const struct tb_api *api, const struct tb_exchange *x)
{
    if (x->lookup.asked || x->job.idempotency_key.ptr == NULL)
        return false;
    for (const struct tb_exchange *one = api->flying; one != x; one = one->next) {
        if (!one->lookup.asked && one->job.idempotency_key.ptr != NULL &&
            tb_str_eq(one->job.idempotency_key, x->job.idempotency_key))
            return true;
    }
    return false;
}

static void give_up(struct tb_api *api, struct tb_exchange *x)
{
    tb_waiters_remove(&api->waiters, &x->wait);
    if (x->lookup.asked)
        tb_refuse_for_now(&x->reply, 503, 1, "The query takes too long.");
    else
        tb_refuse_for_now(&x->reply, 503, 1,
                          "The command is not finished: whether it will be carried out is not "
                          "known. Repeat it with the same Idempotency-Key.");
    tb_server_answer(api->server, x);
}

void tb_flight_expire(struct tb_api *api)
{
    for (struct tb_exchange *x = api->flying; x != NULL; x = x->next) {
        int64_t age_ms = api->now_ms - x->taken_ms;
        if (age_ms < TB_REPEAT_WAIT_MS)
            return;
        if (x->reply.ready || x->conn == NULL)
            continue;
        if (age_ms >= TB_WORK_WAIT_MS) {
            give_up(api, x);
        } else if (repeats_one_in_flight(api, x)) {
            tb_refuse_for_now(&x->reply, 409, 1,
                              "The first request with this Idempotency-Key still runs.");
            tb_server_answer(api->server, x);
        }
    }
}

void tb_flight_abandon(struct tb_api *api)
{
    for (struct tb_exchange *x = api->flying; x != NULL; x = x->next) {
        if (!x->reply.ready && x->conn != NULL)
            give_up(api, x);
    }
}

/* Promise: slow sums do not keep lists waiting. Method: a sum that is blocked, and requests
 * without a server. */
#include "api/work/query_pool.h"
#include "support/support.h"
#include <pthread.h>
#include <time.h>

#define REQUESTS 3
#define WAIT_S 20

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    int sums, most_sums, lists_done, posted;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static enum tb_code sum(struct tb_api *api, const struct tb_query_context *context,
                        struct tb_request *req, struct tb_reply *reply, struct tb_error *err)
{
    (void)api, (void)context, (void)req, (void)reply, (void)err;
    pthread_mutex_lock(&gate.lock);
    gate.sums++;
    if (gate.sums > gate.most_sums)
        gate.most_sums = gate.sums;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    gate.sums--;
    pthread_mutex_unlock(&gate.lock);
    return TB_OK;
}

static enum tb_code list(struct tb_api *api, const struct tb_query_context *context,
                         struct tb_request *req, struct tb_reply *reply, struct tb_error *err)
{
    (void)api, (void)context, (void)req, (void)reply, (void)err;
    pthread_mutex_lock(&gate.lock);
    gate.lists_done++;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    return TB_OK;
}

static void on_wake(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&gate.lock);
    gate.posted++;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void wait_for(const int *count, int wanted)
{
    struct timespec until;
    int failed = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&gate.lock);
    while (*count < wanted && failed == 0)
        failed = pthread_cond_timedwait(&gate.changed, &gate.lock, &until);
    pthread_mutex_unlock(&gate.lock);
    ck_assert_int_eq(failed, 0);
}

static void never(struct tb_request *req)
{
    (void)req;
}

static struct tb_request *submit(struct tb_query_pool *pool, tb_query_fn *query,
                                 enum tb_query_cost cost)
{
    struct tb_request *req = tb_request_new();

    ck_assert_ptr_nonnull(req);
    req->cost = cost;
    ck_assert(tb_query_try_submit(pool, req, query, never));
    return req;
}

START_TEST(a_list_does_not_wait_for_two_sums)
{
    struct tb_view_reader view = {0};
    const struct tb_query_context contexts[TB_QUERY_CONTEXTS_MAX] = {{.view = &view},
                                                                     {.view = &view}};
    struct tb_inflight inflight;
    struct tb_query_pool pool;
    struct tb_request *requests[REQUESTS];
    struct tb_error err = {0};

    tb_inflight_init(&inflight, on_wake, NULL);
    tb_query_pool_init(&pool, &inflight);
    ck_ok(tb_query_pool_start(&pool, contexts, &err));
    requests[0] = submit(&pool, sum, TB_QUERY_SUM);
    wait_for(&gate.sums, 1);
    requests[1] = submit(&pool, sum, TB_QUERY_SUM);
    requests[2] = submit(&pool, list, TB_QUERY_LIST);
    wait_for(&gate.lists_done, 1);
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    wait_for(&gate.posted, REQUESTS);
    ck_assert_int_eq(gate.most_sums, 1);
    tb_query_pool_stop(&pool);
    for (size_t i = 0; i < REQUESTS; i++) {
        tb_inflight_remove(&inflight, requests[i]);
        tb_request_free(requests[i]);
    }
}
END_TEST

/* When the pool stops, the sums that wait come back too. */
START_TEST(waiting_sums_come_back_at_the_end)
{
    struct tb_view_reader view = {0};
    const struct tb_query_context contexts[TB_QUERY_CONTEXTS_MAX] = {{.view = &view}};
    struct tb_inflight inflight;
    struct tb_query_pool pool;
    struct tb_request *requests[REQUESTS];
    struct tb_error err = {0};

    tb_inflight_init(&inflight, on_wake, NULL);
    tb_query_pool_init(&pool, &inflight);
    for (size_t i = 0; i < REQUESTS; i++)
        requests[i] = submit(&pool, sum, TB_QUERY_SUM);
    gate.open = true;
    ck_ok(tb_query_pool_start(&pool, contexts, &err));
    tb_query_pool_stop(&pool);
    ck_assert_int_eq(gate.posted, REQUESTS);
    for (size_t i = 0; i < REQUESTS; i++) {
        tb_inflight_remove(&inflight, requests[i]);
        tb_request_free(requests[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query_pool");
    TCase *tc = tcase_create("sums");

    tcase_add_test(tc, a_list_does_not_wait_for_two_sums);
    tcase_add_test(tc, waiting_sums_come_back_at_the_end);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

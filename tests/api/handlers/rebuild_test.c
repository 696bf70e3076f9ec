/* Promise: a request starts the rebuild that it describes, and another shows its progress.
 * Malformed requests are refused. A process that cannot rebuild refuses all requests. Method: a
 * whole node, with a rebuild that only records the job. */
#include "api/node.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct node node;
static struct client client;
static struct response got;
static struct tb_rebuild_job started;
static struct tb_rebuild_progress progress;
static struct tb_rebuild_generations views;
static bool busy, known;
static int cancelled; /* how often */

static enum tb_code on_start(void *ctx, const struct tb_rebuild_job *job, struct tb_error *err)
{
    (void)ctx;
    if (busy)
        return tb_error_set(err, TB_CONFLICT, "a rebuild is under way");
    started = *job;
    return TB_OK;
}

static enum tb_code on_cancel(void *ctx, struct tb_error *err)
{
    (void)ctx;
    if (!busy)
        return tb_error_set(err, TB_CONFLICT, "no rebuild is under way");
    cancelled++;
    return TB_OK;
}

static bool on_get(void *ctx, struct tb_rebuild_progress *ret_progress,
                   struct tb_rebuild_generations *ret_views)
{
    (void)ctx;
    *ret_progress = progress;
    *ret_views = views;
    return known;
}

static void start(bool able)
{
    node_init(&node);
    if (able)
        node.options.rebuild =
            (struct tb_api_rebuild){.start = on_start, .cancel = on_cancel, .get = on_get};
    started = (struct tb_rebuild_job){0};
    memset(&progress, 0, sizeof progress);
    progress.seconds_left = -1;
    views = (struct tb_rebuild_generations){.served = 1};
    busy = false;
    known = true;
    cancelled = 0;
    node_start(&node);
    client_open(&client, &node);
}

static void setup(void)
{
    start(/* able= */ true);
}

static void teardown(void)
{
    response_release(&got);
    client_close(&client);
    node_stop(&node);
}

static void post(const char *body)
{
    ask(&client, "POST", "/rebuild", "", body, &got);
}

START_TEST(it_is_started_as_requested)
{
    post(NULL);
    ck_assert_int_eq(got.status, 202);
    ck_assert(!started.accept && !started.rollback);
    post("{\"accept\":true,\"rollback\":false}");
    ck_assert_int_eq(got.status, 202);
    ck_assert(started.accept && !started.rollback);
    post("{\"rollback\":true}");
    ck_assert_int_eq(got.status, 202);
    ck_assert(!started.accept && started.rollback);
    busy = true;
    post("{}");
    ck_assert_int_eq(got.status, 409);
    ck_assert_ptr_nonnull(strstr(got.body, "under way"));
}
END_TEST

START_TEST(it_is_cancelled_if_it_runs)
{
    post("{\"cancel\":true}");
    ck_assert_int_eq(got.status, 409);
    ck_assert_ptr_nonnull(strstr(got.body, "no rebuild is under way"));
    busy = true;
    progress.state = TB_REBUILD_BUILDING;
    progress.cancelling = true;
    post("{\"cancel\":true,\"accept\":false}");
    ck_assert_int_eq(got.status, 202);
    ck_assert_int_eq(cancelled, 1);
    ck_assert_ptr_nonnull(strstr(got.body, "{\"state\":\"building\","));
    ck_assert_ptr_nonnull(strstr(got.body, ",\"cancelling\":true,"));
}
END_TEST

static const struct {
    const char *body;
    int status;
} refused[] = {
    {"{", 400},
    {"[]", 422},
    {"{\"accept\":1}", 422},
    {"{\"acept\":true}", 422},
    {"{\"accept\":true,\"rollback\":true}", 422},
    {"{\"accept\":true,\"accept\":true}", 400},
    {"{\"cancel\":\"now\"}", 422},
    {"{\"cancel\":true,\"accept\":true}", 422},
    {"{\"cancel\":true,\"rollback\":true}", 422},
};

START_TEST(malformed_jobs_are_refused)
{
    post(refused[_i].body);
    ck_assert_int_eq(got.status, refused[_i].status);
    ck_assert(!started.accept && !started.rollback && cancelled == 0);
    ask(&client, "GET", "/rebuild?a=b", "", NULL, &got);
    ck_assert_int_eq(got.status, 400);
    ask(&client, "DELETE", "/rebuild", "", NULL, &got);
    ck_assert_int_eq(got.status, 405);
}
END_TEST

/* A member whose value is not known is absent. */
START_TEST(progress_is_shown)
{
    ask(&client, "GET", "/rebuild", "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(got.body, "{\"state\":\"none\",\"events\":0,\"total\":0,\"ratePerSecond\":0,"
                               "\"differenceCount\":0,\"differences\":[],\"generation\":1}");
    progress.state = TB_REBUILD_FAILED;
    progress.events = progress.total = 7;
    progress.per_second = 3;
    progress.seconds_left = 0;
    progress.compared = true;
    progress.served_orders = 2;
    progress.rebuilt_orders = 1;
    progress.difference_count = 2;
    snprintf(progress.differences, sizeof progress.differences,
             "[{\"difference\":\"missing\"},{}]");
    memcpy(progress.problem, "2 differences", sizeof "2 differences");
    views = (struct tb_rebuild_generations){.served = 3, .previous = 2, .previous_until_ms = 1000};
    ask(&client, "GET", "/rebuild", "", NULL, &got);
    ck_assert_str_eq(
        got.body,
        "{\"state\":\"failed\",\"events\":7,\"total\":7,\"ratePerSecond\":3,\"secondsLeft\":0,"
        "\"problem\":\"2 differences\",\"servedOrders\":2,\"rebuiltOrders\":1,"
        "\"differenceCount\":2,\"differences\":[{\"difference\":\"missing\"},{}],"
        "\"generation\":3,\"previous\":2,"
        "\"previousUntil\":\"1970-01-01T00:00:01.000Z\"}");
    progress.differences[0] = '\0'; /* as after the next start */
    memcpy(progress.owner, "hq2", sizeof "hq2");
    ask(&client, "GET", "/rebuild", "", NULL, &got);
    ck_assert_ptr_nonnull(strstr(got.body, ",\"owner\":\"hq2\",\"problem\":\"2 differences\","));
    ck_assert_ptr_nonnull(strstr(got.body, "\"differenceCount\":2,\"differences\":[],"));
    ask(&client, "GET", "/metrics", "", NULL, &got);
    ck_assert_ptr_nonnull(strstr(got.body, "\ntillbox_rebuild_state{state=\"failed\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(got.body, "\ntillbox_rebuild_state{state=\"done\"} 0\n"));
    ck_assert_ptr_nonnull(strstr(got.body, "\ntillbox_view_generation 3\n"));
    ck_assert_ptr_nonnull(
        strstr(got.body, "\ntillbox_view_previous_until_timestamp_seconds 1.000\n"));
}
END_TEST

/* "none" would be wrong if another central has a rebuild under way. */
START_TEST(what_is_not_known_yet_is_not_said)
{
    known = false;
    ask(&client, "GET", "/rebuild", "", NULL, &got);
    ck_assert_int_eq(got.status, 503);
    ck_assert_ptr_nonnull(strstr(got.body, "whether a rebuild is under way"));
    ask(&client, "GET", "/metrics", "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
    ck_assert_ptr_null(strstr(got.body, "tillbox_rebuild_state"));
}
END_TEST

START_TEST(a_process_that_cannot_says_so)
{
    start(/* able= */ false);
    post(NULL);
    ck_assert_int_eq(got.status, 501);
    ask(&client, "GET", "/rebuild", "", NULL, &got);
    ck_assert_int_eq(got.status, 501);
    ask(&client, "GET", "/metrics", "", NULL, &got);
    ck_assert_ptr_null(strstr(got.body, "tillbox_rebuild_state"));
    teardown();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rebuild");
    TCase *able = tcase_create("able"), *unable = tcase_create("unable");

    tcase_add_checked_fixture(able, setup, teardown);
    tcase_add_test(able, it_is_started_as_requested);
    tcase_add_test(able, it_is_cancelled_if_it_runs);
    tcase_add_loop_test(able, malformed_jobs_are_refused, 0,
                        (int)(sizeof refused / sizeof *refused));
    tcase_add_test(able, progress_is_shown);
    tcase_add_test(able, what_is_not_known_yet_is_not_said);
    tcase_add_test(unable, a_process_that_cannot_says_so);
    suite_add_tcase(suite, able);
    suite_add_tcase(suite, unable);
    return test_main(suite);
}

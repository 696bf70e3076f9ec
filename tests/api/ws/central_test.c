/* Promise: on a central a subscriber is sent the version that is there at once, later versions
 * when they are published, and within half a second when they are not; a view that is slow or
 * unavailable delays that and nothing else. Method: a real API over a view that the test controls.
 */
#include "api/fake_central.h"
#include "api/loop.h"
#include "api/ws/ws_client.h"
#include <stdio.h>
#include <string.h>

static struct fake_central central;
static struct client http, ws;
static struct response got;

#define ONE "01a207ab-6d5e-71ec-b6c1-58b7ea3e8654"
#define TWO "01a207ab-6d5e-71ec-b6c1-58b7ea3e8655"

static void setup(void)
{
    fake_central_init(&central);
    fake_central_start(&central);
    client_connect(&http, central.port);
    ws_connect(&ws, central.port);
}

static void teardown(void)
{
    response_release(&got);
    client_close(&http);
    client_close(&ws);
    fake_central_stop(&central);
}

static void go_round(void)
{
    ask(&http, "GET", "/livez", "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
}

static uint64_t view_polls(void)
{
    pthread_mutex_lock(&central.lock);
    uint64_t count = central.view_polls;
    pthread_mutex_unlock(&central.lock);
    return count;
}

static void wait_for_view_polls(uint64_t count)
{
    while (view_polls() < count)
        go_round();
}

START_TEST(ready_at_once_if_it_already_can)
{
    fake_central_set_order(&central, ONE, 3);
    ws_subscribe(&ws, ONE);
    ws_expect_ready(&ws, ONE, false, 3); /* no time has passed */
}
END_TEST

/* Changes that another central applied arrive by tb_api_notify as well. */
START_TEST(published_versions_are_sent)
{
    struct client follower;

    ws_connect(&follower, central.port);
    ws_subscribe(&follower, NULL);
    ws_await_pong(&follower);
    ws_subscribe(&ws, ONE);
    wait_for_view_polls(1);
    tb_api_notify(central.api, TWO, 1, 0);
    ws_expect_ready(&follower, TWO, true, 1);
    tb_api_notify(central.api, ONE, 2, 0);
    ws_expect_ready(&ws, ONE, false, 2);
    ws_expect_ready(&follower, ONE, true, 2);
    tb_api_notify(central.api, ONE, 1, 0); /* late: nothing is told twice, or backwards */
    tb_api_notify(central.api, ONE, 2, 0);
    tb_api_notify(central.api, ONE, 3, 0);
    ws_expect_ready(&ws, ONE, false, 3);
    client_close(&follower);
}
END_TEST

/* A store that was restored goes on from a lower version, and hints of what it has lost may be
 * late.
 */
START_TEST(a_snapshot_of_a_restored_store_sets_the_version_back)
{
    ws_subscribe(&ws, ONE);
    wait_for_view_polls(1);
    tb_api_notify(central.api, ONE, 5, 0);
    ws_expect_ready(&ws, ONE, false, 5);
    tb_api_notify(central.api, ONE, 3, 1);
    ws_expect_ready(&ws, ONE, false, 3);
    tb_api_notify(central.api, ONE, 6, 0); /* late */
    tb_api_notify(central.api, ONE, 3, 1); /* again, by another central's hint */
    tb_api_notify(central.api, ONE, 4, 1);
    ws_expect_ready(&ws, ONE, false, 4);
}
END_TEST

/* The version is in the view but is never published. */
START_TEST(unpublished_versions_are_found_by_the_view_poll)
{
    ws_subscribe(&ws, ONE);
    wait_for_view_polls(1);
    fake_central_set_order(&central, ONE, 1);
    fake_central_advance_ms(&central, TB_VIEW_POLL_MS);
    ws_expect_ready(&ws, ONE, false, 1);
    fake_central_set_order(&central, ONE, 4);
    fake_central_advance_ms(&central, TB_VIEW_POLL_MS);
    ws_expect_ready(&ws, ONE, false, 4);
}
END_TEST

/* Subscriptions that come together are read in one query. */
START_TEST(many_subscribe)
{
    struct client clients[40];

    fake_central_close_gate(&central);
    fake_central_set_order(&central, TWO, 1);
    ws_subscribe(&ws, ONE);
    fake_central_wait_blocked(&central, 1);
    for (int i = 0; i < 40; i++) {
        ws_connect(&clients[i], central.port);
        ws_subscribe(&clients[i], TWO);
        ws_await_pong(&clients[i]);
    }
    fake_central_open_gate(&central);
    for (int i = 0; i < 40; i++)
        ws_expect_ready(&clients[i], TWO, false, 1);
    ck_assert_uint_le(view_polls(), 3);
    for (int i = 0; i < 40; i++)
        client_close(&clients[i]);
}
END_TEST

/* Subscribed to while the view is unavailable: sent when it is back; other requests go on. */
START_TEST(an_unavailable_view)
{
    fake_central_set_order(&central, ONE, 1);
    fake_central_set_unavailable(&central, true);
    ws_subscribe(&ws, ONE);
    ws_subscribe(&ws, NULL);
    ws_await_pong(&ws);
    tb_api_notify(central.api, TWO, 1, 0);
    ws_expect_ready(&ws, TWO, true, 1);
    go_round();
    ck_assert(client_quiet(&ws));
    fake_central_set_unavailable(&central, false);
    fake_central_advance_ms(&central, TB_VIEW_POLL_MS);
    ws_expect_ready(&ws, ONE, false, 1);
}
END_TEST

/* The client leaves while a query thread reads for it. */
START_TEST(the_client_leaves_before_the_answer)
{
    fake_central_close_gate(&central);
    fake_central_set_order(&central, ONE, 1);
    ws_subscribe(&ws, ONE);
    fake_central_wait_blocked(&central, 1);
    client_close(&ws);
    go_round();
    fake_central_open_gate(&central);
    ws_connect(&ws, central.port);
    ws_subscribe(&ws, ONE);
    ws_expect_ready(&ws, ONE, false, 1);
}
END_TEST

/* The API stops while a query runs. */
START_TEST(a_stop_closes_all)
{
    fake_central_set_order(&central, ONE, 1);
    ws_subscribe(&ws, ONE);
    ws_expect_ready(&ws, ONE, false, 1);
    tb_api_stop(central.api);
    ws_expect_close(&ws, 1001);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ws_central");
    TCase *tc = tcase_create("central");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, ready_at_once_if_it_already_can);
    tcase_add_test(tc, published_versions_are_sent);
    tcase_add_test(tc, a_snapshot_of_a_restored_store_sets_the_version_back);
    tcase_add_test(tc, unpublished_versions_are_found_by_the_view_poll);
    tcase_add_test(tc, many_subscribe);
    tcase_add_test(tc, an_unavailable_view);
    tcase_add_test(tc, the_client_leaves_before_the_answer);
    tcase_add_test(tc, a_stop_closes_all);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

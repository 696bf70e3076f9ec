/* Promise: on a central too a subscriber is told at once of what is there, by the news of what
 * comes, and within half a second where nobody brings news; a view that is slow or away delays
 * that, and nothing else. Method: a real API over a view that the test holds in its hands. */
#include "api/fake_central.h"
#include "api/view_poll.h"
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

static uint64_t glances(void)
{
    pthread_mutex_lock(&central.lock);
    uint64_t count = central.glances;
    pthread_mutex_unlock(&central.lock);
    return count;
}

static void wait_for_glances(uint64_t count)
{
    while (glances() < count)
        go_round();
}

START_TEST(ready_at_once_if_it_already_can)
{
    fake_central_show(&central, ONE, 3);
    ws_subscribe(&ws, ONE);
    ws_expect_ready(&ws, ONE, false, 3); /* no time has passed */
}
END_TEST

/* What another central applied comes by tb_api_notify as well. */
START_TEST(news_are_told)
{
    struct client follower;

    ws_connect(&follower, central.port);
    ws_subscribe(&follower, NULL);
    ws_settle(&follower);
    ws_subscribe(&ws, ONE);
    wait_for_glances(1);
    tb_api_notify(central.api, TWO, 1);
    ws_expect_ready(&follower, TWO, true, 1);
    tb_api_notify(central.api, ONE, 2);
    ws_expect_ready(&ws, ONE, false, 2);
    ws_expect_ready(&follower, ONE, true, 2);
    tb_api_notify(central.api, ONE, 1); /* late: nothing is told twice, or backwards */
    tb_api_notify(central.api, ONE, 2);
    tb_api_notify(central.api, ONE, 3);
    ws_expect_ready(&ws, ONE, false, 3);
    client_close(&follower);
}
END_TEST

/* Nobody tells of it. */
START_TEST(what_nobody_tells_of_is_found)
{
    ws_subscribe(&ws, ONE);
    wait_for_glances(1);
    fake_central_show(&central, ONE, 1);
    fake_central_pass_ms(&central, TB_VIEW_POLL_MS);
    ws_expect_ready(&ws, ONE, false, 1);
    fake_central_show(&central, ONE, 4);
    fake_central_pass_ms(&central, TB_VIEW_POLL_MS);
    ws_expect_ready(&ws, ONE, false, 4);
}
END_TEST

/* Many who come together are looked for together. */
START_TEST(many_subscribe)
{
    struct client clients[40];

    fake_central_close_gate(&central);
    fake_central_show(&central, TWO, 1);
    ws_subscribe(&ws, ONE);
    fake_central_wait_inside(&central, 1);
    for (int i = 0; i < 40; i++) {
        ws_connect(&clients[i], central.port);
        ws_subscribe(&clients[i], TWO);
        ws_settle(&clients[i]);
    }
    fake_central_open_gate(&central);
    for (int i = 0; i < 40; i++)
        ws_expect_ready(&clients[i], TWO, false, 1);
    ck_assert_uint_le(glances(), 3);
    for (int i = 0; i < 40; i++)
        client_close(&clients[i]);
}
END_TEST

/* Asked for while the view is away: found when it is back, and the others are served meanwhile. */
START_TEST(a_view_that_is_away)
{
    fake_central_show(&central, ONE, 1);
    fake_central_away(&central, true);
    ws_subscribe(&ws, ONE);
    ws_subscribe(&ws, NULL);
    ws_settle(&ws);
    tb_api_notify(central.api, TWO, 1);
    ws_expect_ready(&ws, TWO, true, 1);
    go_round();
    ck_assert(client_quiet(&ws));
    fake_central_away(&central, false);
    fake_central_pass_ms(&central, TB_VIEW_POLL_MS);
    ws_expect_ready(&ws, ONE, false, 1);
}
END_TEST

/* The client goes while the view is being asked on its behalf. */
START_TEST(gone_before_the_answer)
{
    fake_central_close_gate(&central);
    fake_central_show(&central, ONE, 1);
    ws_subscribe(&ws, ONE);
    fake_central_wait_inside(&central, 1);
    client_close(&ws);
    go_round();
    fake_central_open_gate(&central);
    ws_connect(&ws, central.port);
    ws_subscribe(&ws, ONE);
    ws_expect_ready(&ws, ONE, false, 1);
}
END_TEST

/* Stopped while a question is under way. */
START_TEST(a_stop_closes_all)
{
    fake_central_show(&central, ONE, 1);
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
    tcase_add_test(tc, news_are_told);
    tcase_add_test(tc, what_nobody_tells_of_is_found);
    tcase_add_test(tc, many_subscribe);
    tcase_add_test(tc, a_view_that_is_away);
    tcase_add_test(tc, gone_before_the_answer);
    tcase_add_test(tc, a_stop_closes_all);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

/* Promise: a subscriber is sent a message when its order can be read, at once if it already can,
 * and for later versions at least the last; a client that breaks the protocol is told how. Method:
 * a real node and clients that speak bytes; the relay is stopped where an order must not be
 * visible yet. */
#include "api/ws/ws.h"
#include "api/ws/ws_client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct node node;
static struct client http, ws;
static struct response got;

static void begin(bool held)
{
    node_init(&node);
    node.no_relay = held;
    node_start(&node);
    client_open(&http, &node);
    ws_connect(&ws, node.port);
}

static void setup(void)
{
    begin(false);
}

static void setup_held(void)
{
    begin(true);
}

static void teardown(void)
{
    response_release(&got);
    client_close(&http);
    client_close(&ws);
    node_stop(&node);
}

#define ONE "01a207ab-6d5e-71ec-b6c1-58b7ea3e8654"
#define TWO "01a207ab-6d5e-71ec-b6c1-58b7ea3e8655"
#define LINES "\"lines\":[{\"sku\":\"TEA\",\"quantity\":2,\"unitPriceMinor\":350}]}"

static void place(const char *order_id)
{
    char body[256];

    snprintf(body, sizeof(body), "{\"orderId\":\"%s\"," LINES, order_id);
    ask(&http, "POST", "/orders", "", body, &got);
    ck_assert_msg(got.status == 201, "%s", got.body);
}

static void change(const char *order_id, int status)
{
    char target[128];

    snprintf(target, sizeof(target), "/orders/%s/lines", order_id);
    ask(&http, "PUT", target, "", "{" LINES, &got);
    ck_assert_int_eq(got.status, status);
}

static void read_order(const char *order_id, int64_t version)
{
    char target[128];

    snprintf(target, sizeof(target), "/orders/%s?minVersion=%d&wait=20s", order_id, (int)version);
    ask(&http, "GET", target, "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
}

START_TEST(ready_once_it_can_be_read)
{
    ws_subscribe(&ws, ONE);
    ws_await_pong(&ws); /* it waits */
    place(ONE);
    ws_expect_ready(&ws, ONE, false, 1);
    read_order(ONE, 1);
    place(TWO); /* not of interest */
    read_order(TWO, 1);
    ws_await_pong(&ws);
}
END_TEST

START_TEST(ready_at_once_if_it_already_can)
{
    place(ONE);
    read_order(ONE, 1);
    ws_subscribe(&ws, ONE);
    ws_expect_ready(&ws, ONE, false, 1);
    ws_await_pong(&ws);
    ws_subscribe(&ws, ONE); /* whoever asks again is told again */
    ws_expect_ready(&ws, ONE, false, 1);
    ws_await_pong(&ws);
}
END_TEST

/* After an unsubscribe no message of the topic comes, until the next subscribe. */
START_TEST(unsubscribed)
{
    int64_t version = 0;

    ws_unsubscribe(&ws, ONE); /* not subscribed: nothing happens */
    ws_unsubscribe(&ws, NULL);
    ws_subscribe(&ws, ONE);
    ws_subscribe(&ws, TWO);
    place(ONE);
    ws_expect_ready(&ws, ONE, false, 1);
    ws_unsubscribe(&ws, ONE);
    ws_await_pong(&ws);
    change(ONE, 200);
    place(TWO); /* the other subscription stays */
    ws_expect_ready(&ws, TWO, false, 1);
    read_order(ONE, 2);
    ws_await_pong(&ws);
    ws_subscribe(&ws, NULL);
    ws_await_pong(&ws);
    change(ONE, 200);
    do /* version 2 could be read before it was published */
        ws_read_ready(&ws, ONE, true, &version);
    while (version == 2);
    ck_assert_int_eq(version, 3);
    ws_unsubscribe(&ws, NULL);
    ws_await_pong(&ws);
    change(ONE, 200);
    read_order(ONE, 4);
    ws_await_pong(&ws);
    ws_subscribe(&ws, ONE);
    ws_read_ready(&ws, ONE, false, &version);
    ck_assert_int_eq(version, 4);
}
END_TEST

/* Versions come in rising order, perhaps not all, but always the last. */
static void check_versions(struct client *client, const char *order_id, bool all, int64_t last)
{
    int64_t version = 0, next = 0;

    while (version < last) {
        ws_read_ready(client, order_id, all, &next);
        ck_assert_int_gt(next, version);
        version = next;
    }
    ck_assert_int_eq(version, last);
}

START_TEST(the_last_version_always_comes)
{
    struct client follower;

    ws_connect(&follower, node.port);
    ws_subscribe(&follower, NULL);
    ws_await_pong(&follower);
    ws_subscribe(&ws, ONE);
    place(ONE);
    for (int i = 0; i < 20; i++)
        change(ONE, 200);
    check_versions(&ws, ONE, false, 21);
    check_versions(&follower, ONE, true, 21);
    client_close(&follower);
}
END_TEST

/* At /topic/orders each order that becomes visible is told of; to whoever asked for one of them
 * too, in both ways. */
START_TEST(followers_of_all_get_every_order)
{
    bool seen[50] = {false};
    char order_id[40];

    ws_subscribe(&ws, NULL);
    ws_subscribe(&ws, NULL); /* once is enough */
    ws_await_pong(&ws);
    for (int i = 0; i < 50; i++) {
        snprintf(order_id, sizeof(order_id), "01a207ab-6d5e-71ec-b6c1-0000000000%02d", i);
        place(order_id);
    }
    for (int i = 0; i < 50; i++) { /* across orders there is no order */
        const char *payload = "";
        size_t len = 0;
        ck_assert_int_eq(ws_read(&ws, &payload, &len), WS_TEXT);
        const char *number = strstr(payload, "-0000000000");
        ck_assert_ptr_nonnull(number);
        int n = atoi(number + 11);
        ck_assert(!seen[n]);
        seen[n] = true;
    }
    ws_subscribe(&ws, order_id);
    ws_expect_ready(&ws, order_id, false, 1);
    change(order_id, 200);
    for (int i = 0; i < 2; i++) {
        const char *payload = "";
        size_t len = 0;
        ck_assert_int_eq(ws_read(&ws, &payload, &len), WS_TEXT);
        ck_assert_ptr_nonnull(strstr(payload, "\"version\":2}"));
    }
    ws_await_pong(&ws);
}
END_TEST

/* The order is stored but not yet visible: no message comes before a GET would show the order. */
START_TEST(nothing_is_sent_before_it_can_be_read)
{
    place(ONE);
    ws_subscribe(&ws, ONE);
    ws_subscribe(&ws, NULL);
    ws_await_pong(&ws);
    node_run_relay(&node);
    for (int i = 0; i < 2; i++) {
        const char *payload = "";
        size_t len = 0;
        ck_assert_int_eq(ws_read(&ws, &payload, &len), WS_TEXT);
        ask(&http, "GET", "/orders/" ONE, "", NULL, &got);
        ck_assert_int_eq(got.status, 200);
    }
}
END_TEST

/* Frames that arrive together with the request are not lost. */
START_TEST(frames_right_after_the_request_are_read)
{
    static const char subscribe[] = "{\"subscribe\":\"/topic/orders/" ONE "\"}";
    struct client eager;

    place(ONE);
    read_order(ONE, 1);
    client_connect(&eager, node.port);
    struct tb_buf bytes = {0};
    tb_buf_adds(&bytes, "GET /ws HTTP/1.1\r\n" WS_HEAD "\r\n");
    tb_buf_addc(&bytes, (char)WS_TEXT);
    tb_buf_addc(&bytes, (char)(0x80 | (sizeof(subscribe) - 1)));
    tb_buf_add(&bytes, "\0\0\0\0", 4); /* a mask that changes nothing */
    tb_buf_adds(&bytes, subscribe);
    client_send(&eager, bytes.data, bytes.len);
    tb_buf_release(&bytes);
    ws_entered(&eager);
    ws_expect_ready(&eager, ONE, false, 1);
    client_close(&eager);
}
END_TEST

START_TEST(fragments_and_control_frames)
{
    const char *payload = "";
    size_t len = 0;

    ws_send(&ws, 0x01, "{\"subscribe\":", 13);
    ws_send(&ws, WS_PING, "x", 1);
    ck_assert_int_eq(ws_read(&ws, &payload, &len), WS_PONG);
    ck_assert_str_eq(payload, "x");
    ws_send(&ws, WS_PONG, "unasked", 7);
    ws_send(&ws, 0x00, "\"/topic/orders/" ONE, 15 + 36);
    ws_send(&ws, 0x80, "\"}", 2);
    ws_await_pong(&ws);
    place(ONE);
    ws_expect_ready(&ws, ONE, false, 1);
}
END_TEST

static const struct {
    int first;
    const char *payload;
    size_t len;
    int code; /* of the close that comes back */
} ends[] = {
#define SAY(text, code)                                                                           \
    {                                                                                             \
        WS_TEXT, (text), sizeof(text) - 1, (code)                                                 \
    }
    {WS_CLOSE, "", 0, 1005},
    {WS_CLOSE, "\x03\xe8", 2, 1000},
    {WS_CLOSE, "\x03\xe9going", 7, 1001},
    {WS_CLOSE, "\x0f\xa0", 2, 4000},
    {WS_CLOSE, "\x03", 1, 1002},
    {0x80, "x", 1, 1002},
    {0xc1, "x", 1, 1002},
    {0x83, "x", 1, 1002},
    {0x09, "x", 1, 1002},
    {0x82, "x", 1, 1003},
    SAY("\xff", 1007),
    SAY("", 1007),
    SAY("subscribe", 1007),
    SAY("{\"subscribe\":\"/topic/orders\"", 1007),
    SAY("{\"subscribe\":\"/topic/orders\"}x", 1007),
    SAY("{\"subscribe\":\"/topic/orders\",\"subscribe\":\"/topic/orders\"}", 1007),
    SAY("{}", 1008),
    SAY("[]", 1008),
    SAY("\"/topic/orders\"", 1008),
    SAY("{\"subscribe\":1}", 1008),
    SAY("{\"subscribe\":null}", 1008),
    SAY("{\"subscribe\":[\"/topic/orders\"]}", 1008),
    SAY("{\"Subscribe\":\"/topic/orders\"}", 1008),
    SAY("{\"subscribe\":\"/topic/orders\",\"more\":1}", 1008),
    SAY("{\"subscribe\":\"\"}", 1008),
    SAY("{\"subscribe\":\"/topic/orders/\"}", 1008),
    SAY("{\"subscribe\":\"/topic/orders/1\"}", 1008),
    SAY("{\"subscribe\":\"/topic/orders/" ONE "/\"}", 1008),
    SAY("{\"subscribe\":\"/topic/other\"}", 1008),
    SAY("{\"unsubscribe\":\"/topic/other\"}", 1008),
    SAY("{\"unsubscribe\":1}", 1008),
    SAY("{\"unsubscribe\":\"/topic/orders\",\"subscribe\":\"/topic/orders\"}", 1008),
};

/* The close has a reason; it ends the subscriptions, so no message follows it. */
START_TEST(each_fault_has_its_close_code)
{
    ws_subscribe(&ws, ONE);
    ws_subscribe(&ws, NULL);
    ws_send(&ws, ends[_i].first, ends[_i].payload, ends[_i].len);
    ws_say(&ws, "{\"subscribe\":\"too late\"}");
    ws_expect_close(&ws, ends[_i].code);
    place(ONE);
    read_order(ONE, 1);
}
END_TEST

START_TEST(a_frame_that_is_not_masked)
{
    client_send(&ws, "\x81\x02{}", 4);
    ws_expect_close(&ws, 1002);
}
END_TEST

/* A message that is too large is refused as soon as its size is known. */
START_TEST(a_message_that_is_too_large)
{
    static char text[60000];

    memset(text, ' ', sizeof(text));
    ws_send(&ws, WS_TEXT, text, _i == 0 ? TB_WS_MESSAGE_MAX + 1 : sizeof(text));
    ws_expect_close(&ws, 1009);
}
END_TEST

/* An id in capitals is the same order. */
START_TEST(ids_in_any_case)
{
    place(ONE);
    read_order(ONE, 1);
    ws_say(&ws, "{\"subscribe\":\"/topic/orders/01A207AB-6D5E-71EC-B6C1-58B7EA3E8654\"}");
    ws_expect_ready(&ws, ONE, false, 1);
}
END_TEST

static int64_t metric(const char *name)
{
    char line[200];

    ask(&http, "GET", "/metrics", "", NULL, &got);
    snprintf(line, sizeof(line), "\n%s ", name);
    const char *at = strstr(got.body, line);
    return at != NULL ? strtoll(at + strlen(line), NULL, 10) : -1;
}

START_TEST(connections_are_counted)
{
    struct client second;

    ck_assert_int_eq(metric("tillbox_websocket_connections"), 1);
    ws_connect(&second, node.port);
    ck_assert_int_eq(metric("tillbox_websocket_connections"), 2);
    ck_assert_int_eq(metric("tillbox_http_requests_total{route=\"/ws\",code=\"101\"}"), 2);
    ws_subscribe(&second, ONE);
    ws_await_pong(&second);
    client_close(&second); /* without a word */
    while (metric("tillbox_websocket_connections") != 1)
        continue;
    place(ONE);
    read_order(ONE, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ws");
    TCase *tc = tcase_create("subscriptions");
    TCase *held = tcase_create("not visible yet");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, ready_once_it_can_be_read);
    tcase_add_test(tc, ready_at_once_if_it_already_can);
    tcase_add_test(tc, unsubscribed);
    tcase_add_test(tc, the_last_version_always_comes);
    tcase_add_test(tc, followers_of_all_get_every_order);
    tcase_add_test(tc, frames_right_after_the_request_are_read);
    tcase_add_test(tc, fragments_and_control_frames);
    tcase_add_loop_test(tc, each_fault_has_its_close_code, 0,
                        (int)(sizeof(ends) / sizeof(ends[0])));
    tcase_add_test(tc, a_frame_that_is_not_masked);
    tcase_add_loop_test(tc, a_message_that_is_too_large, 0, 2);
    tcase_add_test(tc, ids_in_any_case);
    tcase_add_test(tc, connections_are_counted);
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(held, setup_held, teardown);
    tcase_add_test(held, nothing_is_sent_before_it_can_be_read);
    suite_add_tcase(suite, held);
    return test_main(suite);
}

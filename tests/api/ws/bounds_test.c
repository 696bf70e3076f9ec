/* Promise: a client that is slow, silent, gone or greedy delays no other and costs bounded memory;
 * it is cut off with a close code that says why. Method: a real node, clients that take nothing, a
 * clock that the test moves, changes published as a consumer would. */
#include "api/ws/ws.h"
#include "api/ws/ws_client.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct node node;
static struct client http;
static struct response got;

static void setup(void)
{
    node_init(&node);
    node.options.connections_max = 8;
    node_start(&node);
    client_open(&http, &node);
}

static void teardown(void)
{
    response_release(&got);
    client_close(&http);
    node_stop(&node);
}

#define ONE "01a207ab-6d5e-71ec-b6c1-58b7ea3e8654"

static void order_id(int n, char ret_id[TB_UUID_SIZE])
{
    snprintf(ret_id, TB_UUID_SIZE, "01a207ab-6d5e-71ec-b6c1-%012d", n);
}

/* The loop has made a round, and other clients are still served. */
static void check_served(void)
{
    ask(&http, "GET", "/livez", "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
}

/* A request that is running at that moment may itself be late. */
static void pass_ms(int64_t ms)
{
    atomic_fetch_add(&node.ahead_us, ms * 1000);
    do {
        client_close(&http);
        client_open(&http, &node);
        ask(&http, "GET", "/livez", "", NULL, &got);
    } while (got.status == 408);
    ck_assert_int_eq(got.status, 200);
}

static int64_t open_websockets(void)
{
    static const char name[] = "\ntillbox_websocket_connections ";

    ask(&http, "GET", "/metrics", "", NULL, &got);
    const char *at = strstr(got.body, name);
    ck_assert_ptr_nonnull(at);
    return strtoll(at + sizeof(name) - 1, NULL, 10);
}

/* A follower of all orders, or of ONE, with a small buffer, that reads nothing from now on. */
static void connect_slow(struct client *client, const char *of)
{
    int bytes = 4096;

    ws_connect(client, node.port);
    ck_assert_int_eq(setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
    ws_subscribe(client, of);
    ws_await_pong(client);
}

/* Publishes `count` changes; the loop runs after each 100 of them. */
static void tell(int first, int count)
{
    char id[TB_UUID_SIZE];

    for (int i = first; i < first + count; i++) {
        order_id(i, id);
        tb_api_notify(node.api, id, 1, 0);
        if (i % 100 == 0)
            check_served();
    }
    check_served();
}

/* Reads messages, complete and in order, until the close with that code. */
static int read_to_the_end(struct client *client, int code)
{
    for (int count = 0;; count++) {
        const char *payload = "";
        char wanted[TB_UUID_SIZE];
        size_t len = 0;
        int first = ws_read(client, &payload, &len);
        if (first == WS_CLOSE) {
            ck_assert_uint_ge(len, 2);
            ck_assert_int_eq((unsigned char)payload[0] << 8 | (unsigned char)payload[1], code);
            ck_assert_int_eq(ws_read(client, &payload, &len), 0);
            return count;
        }
        ck_assert_int_eq(first, WS_TEXT);
        order_id(count, wanted);
        ck_assert_ptr_nonnull(strstr(payload, wanted));
    }
}

/* The slow one falls behind by more than the ring holds; another follower gets everything. */
START_TEST(a_slow_follower_is_cut_off)
{
    const int total = TB_VERSION_RING_SIZE + 4000;
    struct client slow, quick;
    char id[TB_UUID_SIZE];

    connect_slow(&slow, NULL);
    ws_connect(&quick, node.port);
    ws_subscribe(&quick, NULL);
    ws_await_pong(&quick);
    for (int i = 0; i < total; i += 500) {
        tell(i, 500);
        for (int n = i; n < i + 500; n++) {
            order_id(n, id);
            ws_expect_ready(&quick, id, true, 1);
        }
    }
    pass_ms(1000);
    int heard = read_to_the_end(&slow, 1013);
    ck_assert_int_gt(heard, 0);
    ck_assert_int_lt(heard, total - TB_VERSION_RING_SIZE);
    ws_await_pong(&quick);
    client_close(&quick);
    client_close(&slow);
}
END_TEST

/* Few messages are sent, but it reads none for half a minute. */
START_TEST(a_client_that_takes_nothing_is_cut_off)
{
    struct client slow;

    connect_slow(&slow, NULL);
    tell(0, 3000);
    pass_ms(TB_WS_BLOCKED_MS - 1000);
    pass_ms(2000);
    ck_assert_int_lt(read_to_the_end(&slow, 1013), 3000);
    client_close(&slow);
    while (open_websockets() > 0)
        continue;
}
END_TEST

/* It may pause: of the versions of an order only the last one is sent then. */
START_TEST(a_slow_subscriber_gets_the_last_version)
{
    const int64_t last = 5000;
    struct client slow;
    int64_t version = 0;
    int count = 0;

    connect_slow(&slow, ONE);
    for (int64_t v = 1; v <= last; v++) {
        tb_api_notify(node.api, ONE, v, 0);
        check_served(); /* each on its own */
    }
    while (version < last) {
        int64_t next = 0;
        ws_read_ready(&slow, ONE, false, &next);
        ck_assert_int_gt(next, version);
        version = next;
        count++;
    }
    ck_assert_int_lt(count, last);
    ws_await_pong(&slow);
    client_close(&slow);
}
END_TEST

/* We read nothing from a client that does not read our answers. */
START_TEST(pings_without_end)
{
    static const char ping[6] = "\x89\x80\x00\x00\x00\x00";
    static char pings[60000];
    struct client greedy;
    size_t sent = 0;
    int bytes = 16384;

    for (size_t at = 0; at < sizeof(pings); at += sizeof(ping))
        memcpy(pings + at, ping, sizeof(ping));
    connect_slow(&greedy, ONE);
    ck_assert_int_eq(setsockopt(greedy.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
    for (int refused = 0; refused < 20;) {
        size_t at = sent % sizeof(pings);
        ssize_t n = send(greedy.fd, pings + at, sizeof(pings) - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        ck_assert(n > 0 || errno == EAGAIN);
        refused = n > 0 ? 0 : refused + 1;
        sent += n > 0 ? (size_t)n : 0;
        check_served();
    }
    size_t pongs = sent / sizeof(ping);
    ck_assert(client_await(&greedy, 2 * pongs)); /* none is left out */
    for (size_t i = 0; i < pongs; i++)
        ck_assert_int_eq(memcmp(greedy.data + 2 * i, "\x8a", 2), 0);
    client_close(&greedy);
}
END_TEST

START_TEST(a_silent_client_is_pinged_and_then_dropped)
{
    struct client alive, dead;
    const char *payload = "";
    size_t len = 0;

    ws_connect(&alive, node.port);
    ws_connect(&dead, node.port);
    ws_await_pong(&alive);
    ws_await_pong(&dead);
    pass_ms(TB_WS_PING_MS - 1000);
    ck_assert(client_quiet(&alive));
    pass_ms(1000);
    ck_assert_int_eq(ws_read(&alive, &payload, &len), WS_PING);
    ws_send(&alive, WS_PONG, "", 0);
    ck_assert_int_eq(ws_read(&dead, &payload, &len), WS_PING);
    ws_await_pong(&alive);
    pass_ms(TB_WS_PONG_MS - 1000);
    ck_assert(client_quiet(&dead));
    pass_ms(1000);
    ck_assert_int_eq(ws_read(&dead, &payload, &len), 0);
    ck_assert_int_eq(ws_read(&alive, &payload, &len), WS_PING); /* its next one */
    ck_assert_int_eq(open_websockets(), 1);
    client_close(&alive);
    client_close(&dead);
}
END_TEST

/* A client that does not answer our close is dropped. */
START_TEST(a_close_that_the_client_does_not_answer)
{
    struct client stubborn;

    ws_connect(&stubborn, node.port);
    ws_say(&stubborn, "no");
    ws_expect_close(&stubborn, 1007); /* and the end of what we say */
    ck_assert_int_eq(open_websockets(), 1);
    ws_say(&stubborn, "still there");
    pass_ms(TB_WS_CLOSE_MS);
    while (open_websockets() > 0)
        continue;
    client_close(&stubborn);
}
END_TEST

/* A connection has TB_WS_TOPICS_MAX topics at most, all orders being one of them, and may give
 * each of them up for another. */
START_TEST(topics_of_a_connection)
{
    struct client client;
    char id[TB_UUID_SIZE];

    ws_connect(&client, node.port);
    for (int i = 1; i < TB_WS_TOPICS_MAX; i++) {
        order_id(i, id);
        ws_subscribe(&client, id);
    }
    ws_subscribe(&client, NULL);
    ws_subscribe(&client, id); /* no further one */
    ws_subscribe(&client, NULL);
    ws_await_pong(&client);
    for (int i = 1; i < TB_WS_TOPICS_MAX; i++) {
        order_id(i, id);
        ws_unsubscribe(&client, id);
        order_id(TB_WS_TOPICS_MAX + i, id);
        ws_subscribe(&client, id);
    }
    ws_unsubscribe(&client, NULL);
    ws_subscribe(&client, ONE);
    ws_await_pong(&client);
    ws_subscribe(&client, NULL);
    ws_expect_close(&client, 1008);
    client_close(&client);
}
END_TEST

/* WebSockets count in the limit of connections, until they are closed. */
START_TEST(websockets_count_as_connections)
{
    struct client inside[7], late;

    for (int i = 0; i < 7; i++)
        ws_connect(&inside[i], node.port);
    client_open(&late, &node);
    client_read(&late, &got, false);
    ck_assert_int_eq(got.status, 503);
    client_close(&late);
    ws_send(&inside[3], WS_CLOSE, "\x03\xe8", 2);
    ws_expect_close(&inside[3], 1000);
    client_close(&inside[3]);
    while (open_websockets() > 6)
        continue;
    ws_connect(&inside[3], node.port);
    for (int i = 0; i < 7; i++)
        client_close(&inside[i]);
}
END_TEST

/* The process has no descriptor left for the WebSocket: only this connection ends. */
START_TEST(no_descriptor_for_a_websocket)
{
    struct rlimit limit, tight;
    struct client client;
    int lowest;

    client_open(&client, &node);
    ask(&client, "GET", "/livez", "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
    lowest = dup(client.fd);
    ck_assert_int_ge(lowest, 0);
    close(lowest);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    tight = limit;
    tight.rlim_cur = (rlim_t)lowest;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
    client_print(&client, "GET /ws HTTP/1.1\r\n" WS_HEAD "\r\n");
    ws_entered(&client);
    ck_assert(client_ended(&client));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(open_websockets(), 0);
    client_close(&client);
}
END_TEST

/* All are closed with 1001; a client that does not answer is not waited for beyond the drain. */
START_TEST(a_stop_closes_all)
{
    struct client polite, stubborn;

    ws_connect(&polite, node.port);
    ws_connect(&stubborn, node.port);
    ws_subscribe(&polite, ONE);
    ws_subscribe(&stubborn, NULL);
    ws_await_pong(&polite);
    ws_await_pong(&stubborn);
    tb_api_stop(node.api);
    ws_expect_close(&polite, 1001);
    client_close(&polite);
    node_stop_api(&node);
    ws_expect_close(&stubborn, 1001);
    client_close(&stubborn);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ws_bounds");
    TCase *tc = tcase_create("bounds");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_slow_follower_is_cut_off);
    tcase_add_test(tc, a_client_that_takes_nothing_is_cut_off);
    tcase_add_test(tc, a_slow_subscriber_gets_the_last_version);
    tcase_add_test(tc, pings_without_end);
    tcase_add_test(tc, a_silent_client_is_pinged_and_then_dropped);
    tcase_add_test(tc, a_close_that_the_client_does_not_answer);
    tcase_add_test(tc, topics_of_a_connection);
    tcase_add_test(tc, websockets_count_as_connections);
    tcase_add_test(tc, no_descriptor_for_a_websocket);
    tcase_add_test(tc, a_stop_closes_all);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

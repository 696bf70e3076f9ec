/* Promise: whatever bytes come, each request gets one clear answer or the end of its connection,
 * and no request runs that its sender did not mean. Method: raw bytes over real sockets. */
#include "api/node.h"
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct node node;
static struct response got;

static void setup(void)
{
    node_init(&node);
    node.options.header_max = 1024;
    node.options.body_max = 4096;
    node_start(&node);
}

static void teardown(void)
{
    response_release(&got);
    node_stop(&node);
}

#define ORDER "{\"lines\":[{\"sku\":\"TEA\",\"quantity\":1,\"unitPriceMinor\":1}]}"
#define ORDER_LEN "57"
#define HOST "Host: localhost\r\n"
#define JSON "Content-Type: application/json\r\n"
#define SMUGGLED                                                                                  \
    "POST /orders HTTP/1.1\r\n" HOST JSON "Content-Length: " ORDER_LEN "\r\n\r\n" ORDER

static int64_t orders_taken(void)
{
    const struct tb_writer_stats *stats = tb_writer_stats(node.writer);

    return (int64_t)tb_counter_get(&stats->commands[TB_CMD_PLACE][TB_RESULT_DONE]);
}

/* What may not be read in two ways is refused and ends the connection: the request hidden behind
 * it never runs. */
static const struct {
    const char *bytes;
    int status; /* 0: the end without an answer */
} attacks[] = {
    {"POST /orders HTTP/1.1\r\n" HOST JSON
     "Content-Length: 0\r\nContent-Length: 5\r\n\r\n" SMUGGLED,
     400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON
     "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" SMUGGLED,
     400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON
     "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
     400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON
     "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" SMUGGLED,
     400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: xchunked\r\n\r\n" SMUGGLED, 400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: gzip, chunked\r\n\r\n" SMUGGLED,
     400},
    {"POST /orders HTTP/1.0\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
     400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Content-Length : 56\r\n\r\n" SMUGGLED, 400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "X: y\r\n Content-Length: 56\r\n\r\n" SMUGGLED, 400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Content-Length: 5\r\n 6\r\n\r\n" SMUGGLED, 400},
    {"POST /orders HTTP/1.1\r\n" HOST "X: y\n\r\n" SMUGGLED, 400},
    {"POST /orders HTTP/1.1\n" HOST "\n" SMUGGLED, 400},
    {"GET /orders HTTP/1.1\r\n" HOST "X: a\rContent-Length: 56\r\n\r\n" SMUGGLED, 400},
    {"GET /livez HTTP/1.1\r\n\r\n" SMUGGLED, 400},
    {"GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n" SMUGGLED, 400},
    {"GET /livez HTTP/1.1\r\n" HOST HOST "\r\n" SMUGGLED, 400},
    {"GET  /livez HTTP/1.1\r\n" HOST "\r\n" SMUGGLED, 400},
    {"GET /li vez HTTP/1.1\r\n" HOST "\r\n" SMUGGLED, 400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Content-Length: 5x\r\n\r\n" SMUGGLED, 400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Content-Length: -5\r\n\r\n" SMUGGLED, 400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Content-Length: +5\r\n\r\n" SMUGGLED, 400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Content-Length: \r\n\r\n" SMUGGLED, 400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Content-Length: 99999999999999999999\r\n\r\n" SMUGGLED,
     413},
    {"POST /orders HTTP/1.1\r\n" HOST JSON
     "Transfer-Encoding: chunked\r\n\r\n5;x\r\n{}\r\n" SMUGGLED,
     400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\nzz\r\n" SMUGGLED,
     400},
    {"GET /livez HTTP/2.0\r\n" HOST "\r\n" SMUGGLED, 505},
    {"GET /livez HTTP/0.9\r\n" HOST "\r\n" SMUGGLED, 505},
    {"GET /livez HTTX/1.1\r\n" HOST "\r\n" SMUGGLED, 400},
    {"GET /livez HTTP/1.1\r\n" HOST "no colon here\r\n\r\n" SMUGGLED, 400},
    {"\x16\x03\x01\x02nonsense\r\n\r\n" SMUGGLED, 0},
};

START_TEST(framing_attacks)
{
    struct client client;

    client_open(&client, &node);
    client_send(&client, attacks[_i].bytes, strlen(attacks[_i].bytes));
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, attacks[_i].status);
    /* The library sends the head of its own answer to a bad Content-Length twice. */
    client_drain(&client);
    ck_assert_ptr_null(strstr(client.data, " 20"));
    client_close(&client);
    ck_assert_int_eq(orders_taken(), 0);
}
END_TEST

/* The table cannot have a NUL. */
START_TEST(nul_in_a_header_is_refused)
{
    static const char bytes[] = "GET /livez HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n";
    struct client client;

    client_open(&client, &node);
    client_send(&client, bytes, sizeof(bytes) - 1);
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 400);
    ck_assert(client_ended(&client));
    client_close(&client);
}
END_TEST

/* Answers after which the connection serves the next request. */
static const struct {
    const char *bytes;
    int status;
} usable[] = {
    {SMUGGLED, 201},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Content-Length: 3\r\n\r\n{]}", 400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Content-Length: 0\r\n\r\n", 400},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}", 422},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Content-Length: 9\r\n\r\n{\"a\":\"\xff\"}", 400},
    {"POST /orders HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
     415},
    {"POST /orders HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 415},
    {"POST /orders HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
     415},
    {"POST /orders HTTP/1.1\r\n" HOST JSON
     "Transfer-Encoding: chunked\r\n\r\n0010\r\n{\"lines\":[{\"sku\"\r\n29\r\n"
     ":\"TEA\",\"quantity\":1,\"unitPriceMinor\":1}]}\r\n0\r\nTrailer: x\r\n\r\n",
     201},
    {"GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404},
    {"POST /nothing HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}", 404},
    {"GET /orders/not-an-id HTTP/1.1\r\n" HOST "\r\n", 404},
    {"GET /%6civez HTTP/1.1\r\n" HOST "\r\n", 200},
    {"GET /%zz HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://localhost:1234/livez HTTP/1.1\r\n" HOST "\r\n", 200},
    {"GET http://evil.example/livez HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /livez?x HTTP/1.1\r\nHost: KASSE.local:99\r\n\r\n", 200},
    {"DELETE /orders HTTP/1.1\r\n" HOST "\r\n", 405},
    {"BREW /orders HTTP/1.1\r\n" HOST "\r\n", 405},
    {"PUT /orders HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}", 405},
    {"OPTIONS /orders HTTP/1.1\r\n" HOST "\r\n", 204},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 204},
    {"GET /livez HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 200},
    {"\r\nGET /livez HTTP/1.1\r\n" HOST "\r\n", 200},
    {"POST /orders HTTP/1.1\r\n" HOST JSON "Idempotency-Key: \"\"\r\nContent-Length: " ORDER_LEN
     "\r\n\r\n" ORDER,
     400},
    {"PUT /orders/01a207ab-6d5e-71ec-b6c1-58b7ea3e8654/address HTTP/1.1\r\n" HOST JSON
     "If-Match: 1\r\nContent-Length: "
     "39\r\n\r\n{\"line1\":\"a\",\"city\":\"b\",\"country\":\"DE\"}",
     400},
    {"POST /orders/01a207ab-6d5e-71ec-b6c1-58b7ea3e8654/ship HTTP/1.1\r\n" HOST "\r\n", 404},
};

static void check_usable(struct client *client)
{
    client_print(client, "GET /livez HTTP/1.1\r\n" HOST "\r\n");
    client_read(client, &got, false);
    ck_assert_int_eq(got.status, 200);
}

START_TEST(connection_stays_usable)
{
    struct client client;

    client_open(&client, &node);
    client_send(&client, usable[_i].bytes, strlen(usable[_i].bytes));
    client_read(&client, &got, false);
    ck_assert_msg(got.status == usable[_i].status, "%d %s", got.status, got.body);
    if (got.status >= 400)
        ck_assert_str_eq(response_header(&got, "Content-Type"), "application/problem+json");
    ck_assert_int_eq(response_header(&got, "Allow") != NULL,
                     got.status == 405 || got.status == 204);
    check_usable(&client);
    client_close(&client);
}
END_TEST

/* libmicrohttpd 1.0 takes no extension of a chunk; then the connection must end without an order.
 */
START_TEST(chunk_extension_is_accepted_or_refused)
{
    struct client client;

    client_open(&client, &node);
    client_print(&client, "POST /orders HTTP/1.1\r\n" HOST JSON
                          "Transfer-Encoding: chunked\r\n\r\n39;x=y\r\n" ORDER "\r\n0\r\n\r\n");
    client_read(&client, &got, false);
    if (MHD_VERSION >= 0x01000000) {
        ck_assert_int_eq(got.status, 400);
        ck_assert(client_ended(&client));
        ck_assert_int_eq(orders_taken(), 0);
    } else {
        ck_assert_int_eq(got.status, 201);
        ck_assert_int_eq(orders_taken(), 1);
        check_usable(&client);
    }
    client_close(&client);
}
END_TEST

/* The answer does not depend on the pieces in which the bytes arrive. */
START_TEST(byte_by_byte)
{
    struct client client;

    client_open(&client, &node);
    for (size_t i = 0; i < strlen(usable[_i].bytes); i++)
        client_send(&client, usable[_i].bytes + i, 1);
    client_read(&client, &got, false);
    ck_assert_msg(got.status == usable[_i].status, "%d %s", got.status, got.body);
    check_usable(&client);
    client_close(&client);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
    struct client client;

    client_open(&client, &node);
    for (int i = 0; i < 50; i++)
        client_print(&client, "%s",
                     i % 3 == 0   ? SMUGGLED
                     : i % 3 == 1 ? "GET /livez HTTP/1.1\r\n" HOST "\r\n"
                                  : "DELETE /livez HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 50; i++) {
        client_read(&client, &got, false);
        ck_assert_int_eq(got.status, i % 3 == 0 ? 201 : i % 3 == 1 ? 200 : 405);
    }
    client_close(&client);
    ck_assert_int_eq(orders_taken(), 17);
}
END_TEST

START_TEST(http_1_0)
{
    struct client client;

    client_open(&client, &node);
    client_print(&client,
                 "POST /orders HTTP/1.0\r\n" JSON "Content-Length: " ORDER_LEN "\r\n\r\n" ORDER);
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 201);
    ck_assert(client_ended(&client));
    client_close(&client);
    client_open(&client, &node);
    client_print(&client, "GET /livez HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 200);
    check_usable(&client);
    client_close(&client);
}
END_TEST

START_TEST(head_goes_with_get)
{
    struct client client;

    client_open(&client, &node);
    client_print(&client, "HEAD /status HTTP/1.1\r\n" HOST "\r\n");
    client_read(&client, &got, true);
    ck_assert_int_eq(got.status, 200);
    ck_assert_int_gt(atoi(response_header(&got, "Content-Length")), 10);
    check_usable(&client);
    client_close(&client);
}
END_TEST

START_TEST(expect_continue)
{
    struct client client;

    client_open(&client, &node);
    client_print(&client, "POST /orders HTTP/1.1\r\n" HOST JSON
                          "Expect: 100-continue\r\nContent-Length: " ORDER_LEN "\r\n\r\n");
    while (client.len < 25)
        ck_assert(recv(client.fd, client.data + client.len++, 1, 0) == 1);
    ck_assert(strncmp(client.data, "HTTP/1.1 100 Continue\r\n\r\n", 25) == 0);
    client.len = 0;
    client_print(&client, ORDER);
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 201);
    check_usable(&client);
    /* Refused before the body was asked for: the body never comes, so the connection ends. */
    client_print(&client, "POST /nothing HTTP/1.1\r\n" HOST JSON
                          "Expect: 100-continue\r\nContent-Length: " ORDER_LEN "\r\n\r\n");
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 404);
    ck_assert_str_eq(response_header(&got, "Connection"), "close");
    ck_assert(client_ended(&client));
    client_close(&client);
}
END_TEST

/* Writes a head of exactly `size` bytes. */
static void send_head(struct client *client, size_t size, const char *rest)
{
    static const char start[] = "GET /livez HTTP/1.1\r\n" HOST "X: ";
    char fill[8192];

    memset(fill, 'x', sizeof(fill));
    client_send(client, start, sizeof(start) - 1);
    client_send(client, fill, size - (sizeof(start) - 1) - 4);
    client_print(client, "\r\n\r\n%s", rest);
}

START_TEST(head_limit)
{
    static const struct {
        size_t size;
        int status;
    } cases[] = {{1023, 200}, {1024, 200}, {1025, 431}, {6000, 431}};
    struct client client;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        client_open(&client, &node);
        send_head(&client, cases[i].size, "");
        client_read(&client, &got, false);
        ck_assert_int_eq(got.status, cases[i].status);
        if (cases[i].status == 200)
            check_usable(&client);
        else
            ck_assert(client_ended(&client));
        client_close(&client);
    }
}
END_TEST

/* A head of the full limit works also when it is all cookies or all small fields. */
START_TEST(head_limit_holds_for_cookies_and_many_fields)
{
    struct client client;
    char text[8192];

    memset(text, 'c', sizeof(text));
    client_open(&client, &node);
    client_print(&client, "GET /livez HTTP/1.1\r\n" HOST "Cookie: a=%.*s\r\n\r\n", 8000, text);
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 200);
    client_print(&client, "GET /livez HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 150; i++)
        client_print(&client, "X-Field-%d: %.30s\r\n", i, text);
    client_print(&client, "\r\n");
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 200);
    check_usable(&client);
    client_close(&client);
}
END_TEST

static void send_padded_order(struct client *client, size_t size, bool chunked)
{
    char *body = malloc(size + 1);

    ck_assert_ptr_nonnull(body);
    memset(body, ' ', size);
    memcpy(body, ORDER, strlen(ORDER));
    client_print(client, "POST /orders HTTP/1.1\r\n" HOST JSON);
    if (chunked) {
        client_print(client, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", size);
        client_send(client, body, size);
        client_print(client, "\r\n0\r\n\r\n");
    } else {
        client_print(client, "Content-Length: %zu\r\n\r\n", size);
        client_send(client, body, size);
    }
    free(body);
}

/* A query string with more parameters than any path has is refused like any other that is wrong,
 * and the connection goes on; whatever the library keeps of it has its memory. */
START_TEST(many_parameters)
{
    static const char *const parameters[] = {"a=1&", "a&", "&", "a=%41&"};
    struct client client;
    char target[2048];
    int len = snprintf(target, sizeof target, "/orders?");

    for (int i = 0; i < 300; i++)
        len += snprintf(target + len, sizeof target - (size_t)len, "%s", parameters[_i]);
    if (_i != 2)
        len += snprintf(target + len, sizeof target - (size_t)len, "limit=1");
    client_open(&client, &node);
    for (int round = 0; round < 2; round++) {
        client_print(&client, "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
        client_read(&client, &got, false);
        ck_assert_int_eq(got.status, _i == 2 ? 200 : 400);
    }
    client_close(&client);
}
END_TEST

START_TEST(body_limit)
{
    bool chunked = _i == 1;
    struct client client;

    client_open(&client, &node);
    send_padded_order(&client, 4096, chunked);
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 201);
    send_padded_order(&client, 4097, chunked);
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 413);
    ck_assert_str_eq(response_header(&got, "Content-Type"), "application/problem+json");
    ck_assert(client_ended(&client));
    client_close(&client);
    /* The answer arrives although much more is on its way than any buffer holds. */
    client_open(&client, &node);
    send_padded_order(&client, 3 << 20, chunked);
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 413);
    client_close(&client);
    /* Who stops there sees the end at once, without sending the rest. */
    client_open(&client, &node);
    client_print(&client, "POST /orders HTTP/1.1\r\n" HOST JSON "%s\r\n",
                 chunked ? "Transfer-Encoding: chunked\r\n\r\n1001" : "Content-Length: 4097\r\n");
    client_print(&client, "%4097s", ""); /* of a chunked body the end is missing */
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 413);
    ck_assert(client_ended(&client));
    client_close(&client);
    ck_assert_int_eq(orders_taken(), 1);
}
END_TEST

static void setup_default(void)
{
    node_init(&node);
    node_start(&node);
}

static TCase *default_case(void)
{
    TCase *tc = tcase_create("default limits");

    tcase_add_checked_fixture(tc, setup_default, teardown);
    tcase_add_test(tc, head_limit_holds_for_cookies_and_many_fields);
    tcase_add_loop_test(tc, many_parameters, 0, 4);
    return tc;
}

static TCase *attack_case(void)
{
    TCase *tc = tcase_create("attacks");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, framing_attacks, 0, (int)(sizeof(attacks) / sizeof(attacks[0])));
    tcase_add_test(tc, nul_in_a_header_is_refused);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("mhd");
    TCase *tc = tcase_create("requests");

    suite_add_tcase(suite, attack_case());
    suite_add_tcase(suite, default_case());
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, connection_stays_usable, 0, (int)(sizeof(usable) / sizeof(usable[0])));
    tcase_add_test(tc, chunk_extension_is_accepted_or_refused);
    tcase_add_loop_test(tc, byte_by_byte, 0, (int)(sizeof(usable) / sizeof(usable[0])));
    tcase_add_test(tc, pipelined_requests_are_answered_in_order);
    tcase_add_test(tc, http_1_0);
    tcase_add_test(tc, head_goes_with_get);
    tcase_add_test(tc, expect_continue);
    tcase_add_test(tc, head_limit);
    tcase_add_loop_test(tc, body_limit, 0, 2);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

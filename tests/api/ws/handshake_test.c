/* Promise: a connection becomes a WebSocket only as RFC 6455 says, and only for an allowed page; a
 * refusal says why. Method: raw requests over real sockets. */
#include "api/http/allowlists.h"
#include "api/ws/handshake.h"
#include "api/ws/ws_client.h"
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

static struct node node;
static struct client client;
static struct response got;

static void setup(void)
{
    node_init(&node);
    node.options.allowed_origins = "https://shop.example:8443, http://kiosk.local,null";
    node_start(&node);
    client_open(&client, &node);
}

static void teardown(void)
{
    response_release(&got);
    client_close(&client);
    node_stop(&node);
}

#define HOST "Host: localhost\r\n"
#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define GOOD HOST UPGRADE VERSION KEY

static const struct {
    const char *request;
    int status;
} requests[] = {
    {"GET /ws HTTP/1.1\r\n" GOOD, 101},
    {"GET /ws HTTP/1.1\r\n" HOST
     "connection: keep-alive, UPGRADE\r\nupgrade: WebSocket\r\n" VERSION KEY,
     101},
    {"GET http://localhost:99/ws HTTP/1.1\r\n" GOOD, 101},
    {"GET /ws HTTP/1.1\r\n" GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n", 101},
    /* no upgrade, or not to this */
    {"GET /ws HTTP/1.1\r\n" HOST, 426},
    {"HEAD /ws HTTP/1.1\r\n" GOOD, 426},
    {"GET /ws HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n" VERSION KEY, 426},
    {"GET /ws HTTP/1.1\r\n" HOST "Connection: upgrade\r\n" VERSION KEY, 426},
    {"GET /ws HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: h2c\r\n" VERSION KEY, 426},
    {"GET /ws HTTP/1.0\r\n" GOOD, 426},
    {"GET /ws HTTP/1.1\r\n" HOST UPGRADE KEY, 426},
    {"GET /ws HTTP/1.1\r\n" HOST UPGRADE "Sec-WebSocket-Version: 8\r\n" KEY, 426},
    {"POST /ws HTTP/1.1\r\n" GOOD, 405},
    /* malformed */
    {"GET /ws HTTP/1.1\r\n" HOST UPGRADE VERSION, 400},
    {"GET /ws HTTP/1.1\r\n" HOST UPGRADE VERSION "Sec-WebSocket-Key: \r\n", 400},
    {"GET /ws HTTP/1.1\r\n" HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n", 400},
    {"GET /ws HTTP/1.1\r\n" HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSEh\r\n",
     400},
    {"GET /ws HTTP/1.1\r\n" HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBs-SBub25jZQ==\r\n",
     400},
    {"GET /ws HTTP/1.1\r\n" GOOD KEY, 400},
    {"GET /ws HTTP/1.1\r\n" GOOD VERSION, 400},
    /* DNS rebinding: the Host is judged as any request's */
    {"GET /ws HTTP/1.1\r\nHost: evil.example\r\n" UPGRADE VERSION KEY, 400},
    {"GET /ws HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n" UPGRADE VERSION
         KEY,
     400},
    {"GET /ws HTTP/1.1\r\n" UPGRADE VERSION KEY, 400},
    {"GET http://evil.example/ws HTTP/1.1\r\n" GOOD, 400},
    /* Origin */
    {"GET /ws HTTP/1.1\r\n" GOOD "Origin: http://localhost\r\n", 101},
    {"GET /ws HTTP/1.1\r\n" GOOD "Origin: https://shop.example:8443\r\n", 101},
    {"GET /ws HTTP/1.1\r\n" GOOD "Origin: null\r\n", 101},
    {"GET /ws HTTP/1.1\r\n" GOOD "Origin: http://evil.example\r\n", 403},
    {"GET /ws HTTP/1.1\r\n" GOOD "Origin: \r\n", 403},
    {"GET /ws HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n", 403},
    {"GET /ws HTTP/1.1\r\n" GOOD "Origin: null\r\nOrigin: null\r\n", 400},
};

START_TEST(requests_for_a_websocket)
{
    bool head = strncmp(requests[_i].request, "HEAD", 4) == 0;

    client_print(&client, "%s\r\n", requests[_i].request);
    client_read(&client, &got, head);
    ck_assert_int_eq(got.status, requests[_i].status);
    if (got.status == 101) {
        ck_assert_str_eq(response_header(&got, "Upgrade"), "websocket");
        ck_assert_str_eq(response_header(&got, "Connection"), "Upgrade");
        ck_assert_str_eq(response_header(&got, "Sec-WebSocket-Accept"),
                         "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        ck_assert_ptr_null(response_header(&got, "Sec-WebSocket-Extensions"));
        ck_assert_ptr_null(response_header(&got, "Sec-WebSocket-Protocol"));
        ws_send(&client, WS_PING, "", 0); /* and is one now */
        const char *payload = "";
        size_t len = 0;
        ck_assert_int_eq(ws_read(&client, &payload, &len), WS_PONG);
    } else if (got.status == 426) {
        ck_assert_str_eq(response_header(&got, "Upgrade"), "websocket");
        ck_assert_str_eq(response_header(&got, "Sec-WebSocket-Version"), "13");
    }
    /* A request without a Host is refused by libmicrohttpd 1.0 itself, in HTML. */
    bool by_library = MHD_VERSION >= 0x01000000 && !strstr(requests[_i].request, "\r\nHost:");
    if (got.status >= 400 && !head && !by_library)
        ck_assert_str_eq(response_header(&got, "Content-Type"), "application/problem+json");
}
END_TEST

static const struct {
    const char *offered;
    bool ours;
} protocols[] = {
    {"tillbox.v1", true},
    {"other, tillbox.v1", true},
    {"other\r\nSec-WebSocket-Protocol: tillbox.v1", true},
    {"other", false},
    {"tillbox.v2", false},
};

START_TEST(the_subprotocol_is_optional)
{
    client_print(&client, "GET /ws HTTP/1.1\r\n" GOOD "Sec-WebSocket-Protocol: %s\r\n\r\n",
                 protocols[_i].offered);
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 101);
    if (protocols[_i].ours)
        ck_assert_str_eq(response_header(&got, "Sec-WebSocket-Protocol"), "tillbox.v1");
    else
        ck_assert_ptr_null(response_header(&got, "Sec-WebSocket-Protocol"));
}
END_TEST

/* After a refusal the connection still speaks HTTP. */
START_TEST(a_refusal_leaves_the_connection_usable)
{
    client_print(&client, "GET /ws HTTP/1.1\r\n" GOOD "Origin: http://evil.example\r\n\r\n");
    client_read(&client, &got, false);
    ck_assert_int_eq(got.status, 403);
    ask(&client, "GET", "/livez", "", NULL, &got);
    ck_assert_int_eq(got.status, 200);
    client_print(&client, "GET /ws HTTP/1.1\r\n" GOOD "\r\n");
    ws_entered(&client);
}
END_TEST

#define ORDER "{\"lines\":[{\"sku\":\"TEA\",\"quantity\":1,\"unitPriceMinor\":1}]}"

/* A page from elsewhere: refused commands that it might send unasked, unless it is listed; then it
 * may read the answers too. */
START_TEST(pages_from_elsewhere)
{
    char order_id[40], target[80];

    ask(&client, "POST", "/orders", "Origin: http://evil.example\r\n", ORDER, &got);
    ck_assert_int_eq(got.status, 403);
    ck_assert_ptr_null(response_header(&got, "Access-Control-Allow-Origin"));
    ask(&client, "POST", "/orders", "Origin: http://localhost\r\n", ORDER, &got);
    ck_assert_int_eq(got.status, 201);
    ck_assert_ptr_null(response_header(&got, "Access-Control-Allow-Origin"));
    body_text(&got, "orderId", order_id, sizeof(order_id));
    snprintf(target, sizeof(target), "/orders/%s/cancel", order_id);
    ask(&client, "POST", target, "Origin: http://evil.example\r\n", NULL, &got);
    ck_assert_int_eq(got.status, 403);
    ask(&client, "GET", "/livez", "Origin: http://evil.example\r\n", NULL, &got);
    ck_assert_int_eq(got.status, 200); /* whose answer the browser keeps from it */
    ck_assert_ptr_null(response_header(&got, "Access-Control-Allow-Origin"));
    ask(&client, "OPTIONS", "/orders",
        "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n", NULL, &got);
    ck_assert_ptr_null(response_header(&got, "Access-Control-Allow-Origin"));

    ask(&client, "OPTIONS", "/orders",
        "Origin: http://kiosk.local\r\nAccess-Control-Request-Method: POST\r\n", NULL, &got);
    ck_assert_int_eq(got.status, 204);
    ck_assert_str_eq(response_header(&got, "Access-Control-Allow-Origin"), "http://kiosk.local");
    ck_assert_ptr_nonnull(strstr(response_header(&got, "Access-Control-Allow-Methods"), "POST"));
    ck_assert_ptr_nonnull(
        strstr(response_header(&got, "Access-Control-Allow-Headers"), "Idempotency-Key"));
    ask(&client, "POST", "/orders", "Origin: null\r\n", ORDER, &got);
    ck_assert_int_eq(got.status, 201);
    ck_assert_str_eq(response_header(&got, "Access-Control-Allow-Origin"), "null");
    ask(&client, "POST", "/orders", "Origin: null\r\n", "{}", &got);
    ck_assert_int_eq(got.status, 422); /* it is told why, too */
    ck_assert_str_eq(response_header(&got, "Access-Control-Allow-Origin"), "null");
    ck_assert_ptr_nonnull(
        strstr(response_header(&got, "Access-Control-Expose-Headers"), "Retry-After"));
}
END_TEST

/* The second pair was computed by another implementation (openssl). */
START_TEST(accept_values)
{
    char accept[TB_WS_ACCEPT_SIZE];

    ck_assert(tb_ws_accept(TB_STR("dGhlIHNhbXBsZSBub25jZQ=="), accept));
    ck_assert_str_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    ck_assert(tb_ws_accept(TB_STR("//////////////////////w=="), accept) == false);
    ck_assert(tb_ws_accept(TB_STR("/////////////////////w=="), accept));
    ck_assert_str_eq(accept, "XXpj4jYzLM2yUE0C7TIgMwTQh2g=");
    ck_assert(!tb_ws_accept((struct tb_str){NULL, 0}, accept));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ws_handshake");
    TCase *tc = tcase_create("requests");
    TCase *pure = tcase_create("accept value");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, requests_for_a_websocket, 0,
                        (int)(sizeof(requests) / sizeof(requests[0])));
    tcase_add_loop_test(tc, the_subprotocol_is_optional, 0,
                        (int)(sizeof(protocols) / sizeof(protocols[0])));
    tcase_add_test(tc, a_refusal_leaves_the_connection_usable);
    tcase_add_test(tc, pages_from_elsewhere);
    suite_add_tcase(suite, tc);
    tcase_add_test(pure, accept_values);
    suite_add_tcase(suite, pure);
    return test_main(suite);
}

#include "api/ws/ws_client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST "GET /ws HTTP/1.1\r\n" WS_HEAD "\r\n"

void ws_entered(struct client *client)
{
    struct response response = {0};

    client_read(client, &response, false);
    ck_assert_int_eq(response.status, 101);
    ck_assert_str_eq(response_header(&response, "Sec-WebSocket-Accept"),
                     "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    response_release(&response);
}

void ws_connect(struct client *client, int port)
{
    client_connect(client, port);
    client_print(client, "%s", REQUEST);
    ws_entered(client);
}

void ws_send(struct client *client, int first, const void *payload, size_t len)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    const unsigned char *bytes = payload;
    struct tb_buf out = {0};

    tb_buf_addc(&out, (char)first);
    if (len < 126) {
        tb_buf_addc(&out, (char)(0x80 | len));
    } else {
        ck_assert_uint_lt(len, 65536);
        tb_buf_addc(&out, (char)(0x80 | 126));
        tb_buf_addc(&out, (char)(len >> 8));
        tb_buf_addc(&out, (char)(len & 0xff));
    }
    tb_buf_add(&out, mask, sizeof(mask));
    for (size_t i = 0; i < len; i++)
        tb_buf_addc(&out, (char)(bytes[i] ^ mask[i % 4]));
    client_send(client, out.data, out.len);
    tb_buf_release(&out);
}

void ws_say(struct client *client, const char *text)
{
    ws_send(client, WS_TEXT, text, strlen(text));
}

static void send_topic(struct client *client, const char *verb, const char *order_id)
{
    char text[128];

    snprintf(text, sizeof text, "{\"%s\":\"/topic/orders%s%s\"}", verb, order_id ? "/" : "",
             order_id ? order_id : "");
    ws_say(client, text);
}

void ws_subscribe(struct client *client, const char *order_id)
{
    send_topic(client, "subscribe", order_id);
}

void ws_unsubscribe(struct client *client, const char *order_id)
{
    send_topic(client, "unsubscribe", order_id);
}

int ws_read(struct client *client, const char **ret_payload, size_t *ret_len)
{
    static char payload[65536];

    if (!client_await(client, 2)) {
        ck_assert_uint_eq(client->len, 0); /* no half frame */
        return 0;
    }
    int first = (unsigned char)client->data[0];
    size_t len = (unsigned char)client->data[1], head = 2;
    ck_assert_uint_lt(len, 127); /* a server does not mask; none of ours is longer */
    if (len == 126) {
        ck_assert(client_await(client, 4));
        len = (size_t)(unsigned char)client->data[2] << 8 | (unsigned char)client->data[3];
        head = 4;
    }
    ck_assert(client_await(client, head + len));
    memcpy(payload, client->data + head, len);
    payload[len] = '\0';
    client_consume(client, head + len);
    *ret_payload = payload;
    *ret_len = len;
    return first;
}

void ws_read_ready(struct client *client, const char *order_id, bool all, int64_t *ret_version)
{
    const char *payload = "";
    char wanted[256];
    size_t len = 0;

    ck_assert_int_eq(ws_read(client, &payload, &len), WS_TEXT);
    int begin = snprintf(wanted, sizeof(wanted),
                         "{\"topic\":\"/topic/orders%s%s\",\"status\":\"ready\",\"orderId\":"
                         "\"%s\",\"version\":",
                         all ? "" : "/", all ? "" : order_id, order_id);
    ck_assert_msg(strncmp(payload, wanted, (size_t)begin) == 0, "%s, not %s", payload, wanted);
    char *end = NULL;
    *ret_version = strtoll(payload + begin, &end, 10);
    ck_assert_str_eq(end, "}");
}

void ws_expect_ready(struct client *client, const char *order_id, bool all, int64_t version)
{
    int64_t got = 0;

    ws_read_ready(client, order_id, all, &got);
    ck_assert_int_eq(got, version);
}

void ws_expect_close(struct client *client, int code)
{
    const char *payload = "";
    size_t len = 0;
    int got = 1005;

    ck_assert_int_eq(ws_read(client, &payload, &len), WS_CLOSE);
    ck_assert_uint_le(len, 125);
    if (len >= 2)
        got = (unsigned char)payload[0] << 8 | (unsigned char)payload[1];
    ck_assert_msg(got == code, "closed with %d (%s), not %d", got, len > 2 ? payload + 2 : "",
                  code);
    ck_assert_int_eq(ws_read(client, &payload, &len), 0);
}

void ws_await_pong(struct client *client)
{
    const char *payload = "";
    size_t len = 0;

    ws_send(client, WS_PING, "is that all", 11);
    ck_assert_int_eq(ws_read(client, &payload, &len), WS_PONG);
    ck_assert_str_eq(payload, "is that all");
}

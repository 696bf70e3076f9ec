#include "api/ws/handshake.h"
#include "api/http/problem.h"
#include <nettle/base64.h>
#include <nettle/sha1.h>

/* The constant of the protocol, which no other protocol appends. */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_LEN 24

/* 16 bytes in base64: 22 digits and the padding. */
static bool is_key(struct tb_str key)
{
    struct base64_decode_ctx base64;
    uint8_t bytes[BASE64_DECODE_LENGTH(KEY_LEN)];
    size_t len = 0;

    base64_decode_init(&base64);
    return key.len == KEY_LEN && memcmp(key.ptr + 22, "==", 2) == 0 &&
           base64_decode_update(&base64, &len, bytes, 22, key.ptr) && len == 16;
}

bool tb_ws_accept(struct tb_str key, char ret_accept[TB_WS_ACCEPT_SIZE])
{
    uint8_t digest[SHA1_DIGEST_SIZE];
    struct sha1_ctx sha1;

    if (!is_key(key))
        return false;
    sha1_init(&sha1);
    sha1_update(&sha1, key.len, (const uint8_t *)key.ptr);
    sha1_update(&sha1, sizeof(GUID) - 1, (const uint8_t *)GUID);
    sha1_digest(&sha1, sizeof digest, digest);
    base64_encode_raw(ret_accept, sizeof digest, digest);
    ret_accept[TB_WS_ACCEPT_SIZE - 1] = '\0';
    return true;
}

/* mhd_reply.c adds the headers that a 426 must have. */
static void refuse_upgrade(struct tb_request *req, const char *detail)
{
    tb_refuse(&req->reply, 426, "%s", detail);
}

void tb_ws_handshake_serve(struct tb_request *req, bool draining)
{
    const struct tb_ws_handshake *asked = &req->head.ws;

    if (req->origin == TB_ORIGIN_FOREIGN)
        tb_refuse(&req->reply, 403,
                  "Origin is none whose pages may open a WebSocket here; see "
                  "http.allowed_origins.");
    else if (req->method != TB_GET || req->head.http_1_0 || !asked->upgrade || !asked->websocket)
        refuse_upgrade(req, "This path is a WebSocket: ask for an upgrade to it.");
    else if (!tb_str_is(asked->version, "13"))
        refuse_upgrade(req, "Sec-WebSocket-Version must be 13.");
    else if (req->head.has_body)
        tb_refuse(&req->reply, 400, "A request for a WebSocket has no body.");
    else if (!tb_ws_accept(asked->key, req->reply.ws_accept))
        tb_refuse(&req->reply, 400, "Sec-WebSocket-Key must be 16 bytes in base64.");
    else if (draining)
        tb_refuse_for_now(&req->reply, 503, 1, "This node is about to stop.");
    else
        tb_reply_done(&req->reply, 101);
}

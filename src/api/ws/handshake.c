/* GET /ws: whether a request becomes a WebSocket (RFC 6455, 4.2). The guard has judged its Host
 * already, as any request's. */
#include "api/context.h"
#include "api/http/problem.h"

static void refuse_upgrade(struct tb_request *req, const char *detail)
{
    tb_refuse(&req->reply, 426, "%s", detail); /* the server adds what we would upgrade to */
}

void tb_ws_serve(struct tb_api *api, struct tb_request *req)
{
    const struct tb_ws_handshake *offer = &req->head.ws;

    if (req->origin == TB_ORIGIN_FOREIGN)
        tb_refuse(&req->reply, 403,
                  "Origin is none whose pages may open a WebSocket here; see "
                  "http.allowed_origins.");
    else if (req->method != TB_GET || req->head.http_1_0 || !offer->upgrade || !offer->websocket)
        refuse_upgrade(req, "This path is a WebSocket: ask for an upgrade to it.");
    else if (!tb_str_is(offer->version, "13"))
        refuse_upgrade(req, "Sec-WebSocket-Version must be 13.");
    else if (req->head.has_body)
        tb_refuse(&req->reply, 400, "A request for a WebSocket has no body.");
    else if (!tb_ws_accept(offer->key, req->reply.ws_accept))
        tb_refuse(&req->reply, 400, "Sec-WebSocket-Key must be 16 bytes in base64.");
    else if (api->drain_ms != 0)
        tb_refuse_for_now(&req->reply, 503, 1, "This node is about to stop.");
    else
        tb_reply_done(&req->reply, 101);
}

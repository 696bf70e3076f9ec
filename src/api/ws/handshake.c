/* GET /ws: whether a request becomes a WebSocket (RFC 6455, 4.2). The guard has judged its Host
 * already, as any request's. */
#include "api/context.h"
#include "api/http/problem.h"

static void refuse_upgrade(struct tb_exchange *x, const char *detail)
{
    tb_refuse(&x->reply, 426, "%s", detail); /* the server adds what we would upgrade to */
}

void tb_ws_serve(struct tb_api *api, struct tb_exchange *x)
{
    const struct tb_ws_offer *offer = &x->head.ws;

    if (x->origin == TB_ORIGIN_FOREIGN)
        tb_refuse(&x->reply, 403,
                  "Origin is none whose pages may open a WebSocket here; see "
                  "http.allowed_origins.");
    else if (x->method != TB_GET || x->head.http_1_0 || !offer->upgrade || !offer->websocket)
        refuse_upgrade(x, "This path is a WebSocket: ask for an upgrade to it.");
    else if (!tb_str_is(offer->version, "13"))
        refuse_upgrade(x, "Sec-WebSocket-Version must be 13.");
    else if (x->head.has_body)
        tb_refuse(&x->reply, 400, "A request for a WebSocket has no body.");
    else if (!tb_ws_accept(offer->key, x->reply.ws_accept))
        tb_refuse(&x->reply, 400, "Sec-WebSocket-Key must be 16 bytes in base64.");
    else if (api->drain_ms != 0)
        tb_refuse_for_now(&x->reply, 503, 1, "This node is about to stop.");
    else
        tb_reply_done(&x->reply, 101);
}

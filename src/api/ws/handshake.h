/* The WebSocket handshake: whether a request becomes a WebSocket (RFC 6455, 4.2).
 *
 * Thread:  the api thread. */
#pragma once
#include "api/http/request.h"

/* Fills the reply of GET /ws: 101, or a refusal. draining: the process is about to stop. As for
 * any request, the Host is already checked. */
void tb_ws_handshake_serve(struct tb_request *req, bool draining);
/* Computes Sec-WebSocket-Accept from the client's key: it proves to the client that we speak the
 * protocol. The protocol demands SHA-1; nothing is kept secret or signed by it. False: key is not
 * 16 bytes in base64. */
bool tb_ws_accept(struct tb_str key, char ret_accept[TB_WS_ACCEPT_SIZE]);

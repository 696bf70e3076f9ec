/* The WebSocket handshake: whether a request becomes a WebSocket (RFC 6455, 4.2).
 *
 * Thread:  the api thread. */
#pragma once
#include "api/http/request.h"

/* Fills the reply of GET /ws: 101, or a refusal. draining: the process is about to stop. The Host
 * has been checked before, as that of any request. */
void tb_ws_handshake_serve(struct tb_request *req, bool draining);
/* The answer to a client's key, by which the client knows that we understood it. SHA-1 is what the
 * protocol demands; nothing is kept secret or signed by it. False: key is not 16 bytes in base64.
 */
bool tb_ws_accept(struct tb_str key, char ret_accept[TB_WS_ACCEPT_SIZE]);

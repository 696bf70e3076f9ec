/* The answer to a WebSocket client's key, by which it knows that we understood it (RFC
 * 6455, 4.2.2).
 *
 * SHA-1 is what the protocol asks for; nothing is kept secret or signed by it.
 *
 * Thread:  pure.
 * Memory:  the result goes into the caller's array.
 * Errors:  false: the key is not 16 bytes in base64.
 * Units:   none. */
#pragma once
#include "base/mem/buf.h"

#define TB_WS_ACCEPT_SIZE 29

bool tb_ws_accept(struct tb_str key, char ret_accept[TB_WS_ACCEPT_SIZE]);

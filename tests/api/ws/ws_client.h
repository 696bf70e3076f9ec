/* A WebSocket client that speaks bytes, over the client of node.h.
 *
 * Thread:  the test's.
 * Memory:  a frame's text lives until the next read.
 * Errors:  a failed check assertion.
 * Units:   bytes. */
#pragma once
#include "api/node.h"

#define WS_HEAD                                                                                   \
    "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "     \
    "13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
enum { WS_TEXT = 0x81, WS_CLOSE = 0x88, WS_PING = 0x89, WS_PONG = 0x8a };

/* Connects and does the handshake. */
void ws_connect(struct client *client, int port);
/* Reads the 101 to a request that was sent. */
void ws_entered(struct client *client);
/* One masked frame; first: FIN, reserved bits and opcode. */
void ws_send(struct client *client, int first, const void *payload, size_t len);
void ws_say(struct client *client, const char *text);
/* Subscribes to an order, or to all orders: NULL. */
void ws_subscribe(struct client *client, const char *order_id);
void ws_unsubscribe(struct client *client, const char *order_id);
/* The next frame's first byte and payload (ended by a NUL); 0: the connection ended. */
int ws_read(struct client *client, const char **ret_payload, size_t *ret_len);
/* Everything sent before was handled, and nothing is on its way to this client: its next frame is
 * the answer to what it sends next. */
void ws_await_pong(struct client *client);
/* The next frame is a ready message; of an order subscribed to, or (all) of every one. */
void ws_read_ready(struct client *client, const char *order_id, bool all, int64_t *ret_version);
void ws_expect_ready(struct client *client, const char *order_id, bool all, int64_t version);
/* The next frame is a close with that code (1005: without one), then the connection ends. */
void ws_expect_close(struct client *client, int code);

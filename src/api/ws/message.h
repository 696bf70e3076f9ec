/* Topics: what a WebSocket client subscribes to, and what it is told; the JSON of both.
 *
 *   {"subscribe":"/topic/orders/{id}"}   one order
 *   {"subscribe":"/topic/orders"}        every order that becomes visible from now on
 *
 * Thread:  pure.
 * Memory:  results go into the caller's structs.
 * Errors:  a close code and a sentence for the client: 1007 what is no JSON, 1008 what is no
 *          subscription.
 * Units:   none. */
#pragma once
#include "api/ws/frames.h"
#include "base/values/uuid.h"

struct tb_ws_command {
    char order_id[TB_UUID_SIZE]; /* lower case; "": every order */
};
/* False: *ret_code and *ret_fault say why. */
TB_CHECKED bool tb_ws_command_parse(struct tb_str text, struct tb_ws_command *ret_topic,
                                    enum tb_ws_code *ret_code, const char **ret_fault);
/* Appends {"topic":…,"status":"ready","orderId":…,"version":…}. of_all: to a subscriber of every
 * order. */
void tb_ws_add_ready(struct tb_buf *out, bool of_all, const char *order_id, int64_t version);

/* The JSON messages of a WebSocket.
 *
 *   {"subscribe":"/topic/orders/{id}"}   one order
 *   {"subscribe":"/topic/orders"}        every order that changes from now on
 *   {"unsubscribe":TOPIC}                ends that subscription
 *
 * Thread:  pure.
 * Errors:  a close code and a sentence for the client: 1007 for text that is not JSON, 1008 for
 *          JSON that is no command. */
#pragma once
#include "api/ws/frames.h"
#include "base/values/uuid.h"

struct tb_ws_command {
    bool unsubscribe;
    char order_id[TB_UUID_SIZE]; /* lower case; "": every order */
};
/* Returns the fault, with which the connection is to be closed; NULL: there is none. */
TB_CHECKED const char *tb_ws_command_parse(struct tb_str text, struct tb_ws_command *ret_command,
                                           enum tb_ws_code *ret_code);
/* Appends {"topic":…,"status":"ready","orderId":…,"version":…}. all_orders: the topic is that of
 * every order. */
void tb_ws_add_ready(struct tb_buf *out, bool all_orders, const char *order_id, int64_t version);

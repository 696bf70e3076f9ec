/* What the handlers of dead letters share.
 *
 * Thread:  tb_dead_letter_audit and _add_json: a query thread; the others: the api thread.
 * Memory:  a tb_dead_letter_params lives in the arena of its request. */
#pragma once
#include "api/handlers/context.h"
#include "api/http/acceptor.h"

struct tb_dead_letter_params {
    struct tb_dead_letter_filter filter;     /* of a list */
    struct tb_dead_letter_position position; /* of a single dead letter */
    struct tb_str value;                     /* to replay instead of its own; absent: its own */
    char order_id[TB_UUID_SIZE];             /* whose dead letters are listed or replayed */
    char requester[TB_PEER_TEXT_SIZE];       /* address of the client; "" for GET and HEAD */
};
/* Allocates req->handler_data. NULL: req is refused. */
struct tb_dead_letter_params *tb_dead_letter_params_new(struct tb_request *req);
/* Reads the parameter orderId. False: req is refused. */
bool tb_dead_letter_read_order(struct tb_request *req, struct tb_str text,
                               char ret_id[TB_UUID_SIZE]);
/* Records the command in the diagnostics of the process, unless the outcome says that it changed
 * nothing. what: "replayed" or "dropped". */
void tb_dead_letter_audit(struct tb_api *api, const struct tb_request *req, const char *what,
                          const struct tb_dead_letter *dead_letter, enum tb_code outcome);

void tb_dead_letter_add_json(struct tb_buf *out, const char *topic,
                             const struct tb_dead_letter *dead_letter);

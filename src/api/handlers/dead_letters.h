/* What the handlers of dead letters share.
 *
 * Thread:  a query is made on the api thread and answered on a query thread.
 * Memory:  a query lives in the arena of its request.
 * Units:   bytes. */
#pragma once
#include "api/handlers/context.h"
#include "api/http/listen.h"

/* A page ends early at this size: values are up to 7 MiB each, and 500 may be asked for. */
#define TB_DEAD_LETTERS_PAGE_BYTES (1u << 20)

struct tb_dead_letter_query {
    struct tb_dead_letter_filter filter;     /* of a list */
    struct tb_dead_letter_position position; /* of a single dead letter */
    struct tb_str value;                     /* sent instead of its own; absent: none */
    char order_id[TB_UUID_SIZE];             /* whose dead letters are listed or replayed */
    char requester[TB_PEER_TEXT_SIZE];       /* address of the client, of commands */
};
/* NULL: req is refused. */
struct tb_dead_letter_query *tb_dead_letter_query_new(struct tb_request *req);
/* As that, for the dead letter that {id} in the path names; takes no query parameters. */
struct tb_dead_letter_query *tb_dead_letter_query_one(struct tb_api *api, struct tb_request *req);
/* Reads the parameter orderId; false: refused. */
bool tb_dead_letter_read_order(struct tb_request *req, struct tb_str text,
                               char ret_id[TB_UUID_SIZE]);
/* Reports a command to the process unless it surely changed nothing. */
void tb_dead_letter_audit(struct tb_api *api, const struct tb_request *req, const char *what,
                          const struct tb_dead_letter *dead_letter, enum tb_code outcome);

void tb_dead_letter_add_json(struct tb_buf *out, const char *topic,
                             const struct tb_dead_letter *dead_letter);

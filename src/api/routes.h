/* Routes: which paths there are, what may be asked of them, and their names in the metrics.
 *
 * Thread:  pure.
 * Memory:  the table is constant.
 * Errors:  NULL: no such path.
 * Units:   none. */
#pragma once
#include "api/http/fields.h"
#include "base/values/uuid.h"
#include "order/command.h"

/* What a process is. */
enum tb_role { TB_ROLE_EDGE = 1, TB_ROLE_CENTRAL = 2 };

enum tb_route_id {
    TB_ROUTE_ORDERS,
    TB_ROUTE_ORDERS_READ, /* the same without the command */
    TB_ROUTE_STATS,
    TB_ROUTE_DIGESTS,
    TB_ROUTE_ORDER,
    TB_ROUTE_ADDRESS,
    TB_ROUTE_LINES,
    TB_ROUTE_SHIP,
    TB_ROUTE_CANCEL,
    TB_ROUTE_LETTERS,
    TB_ROUTE_LETTERS_REPLAY,
    TB_ROUTE_LETTER,
    TB_ROUTE_LETTER_REPLAY,
    TB_ROUTE_NODES,
    TB_ROUTE_STATUS,
    TB_ROUTE_WS,
    TB_ROUTE_LINK,
    TB_ROUTE_REBUILD,
    TB_ROUTE_LIVEZ,
    TB_ROUTE_READYZ,
    TB_ROUTE_HEALTHZ,
    TB_ROUTE_METRICS,
    TB_ROUTE_COUNT
};
struct tb_route {
    enum tb_route_id id;
    unsigned roles;    /* of tb_role: where it is served */
    const char *name;  /* "/orders/{id}/ship" */
    const char *allow; /* "POST, OPTIONS" */
    bool get, post, put, delete;
    enum tb_command_type command; /* of post and put; TB_CMD_COUNT: none */
};
/* The role's route, or another role's if only that has such a path. ret_order_id: the {id} of an
 * order in lower case, "" without one. A malformed id is no such path; what the {id} of a dead
 * letter may be its route knows. */
const struct tb_route *tb_route_find(struct tb_str path, enum tb_role role,
                                     char ret_order_id[TB_UUID_SIZE]);
const struct tb_route *tb_route_of(enum tb_route_id id);
bool tb_route_allows(const struct tb_route *route, enum tb_method method);

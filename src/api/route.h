/* Routes: which paths there are, what may be asked of them, and their names in the metrics.
 *
 * Thread:  pure.
 * Memory:  the table is constant.
 * Errors:  NULL: no such path.
 * Units:   none. */
#pragma once
#include "api/http.h"
#include "base/uuid.h"
#include "order/command.h"

enum tb_route_id {
    TB_ROUTE_ORDERS,
    TB_ROUTE_STATS,
    TB_ROUTE_ORDER,
    TB_ROUTE_ADDRESS,
    TB_ROUTE_LINES,
    TB_ROUTE_SHIP,
    TB_ROUTE_CANCEL,
    TB_ROUTE_STATUS,
    TB_ROUTE_LINK,
    TB_ROUTE_LIVEZ,
    TB_ROUTE_READYZ,
    TB_ROUTE_HEALTHZ,
    TB_ROUTE_METRICS,
    TB_ROUTE_COUNT
};
struct tb_route {
    enum tb_route_id id;
    const char *name;  /* "/orders/{id}/ship" */
    const char *allow; /* "POST, OPTIONS" */
    bool get, post, put;
    enum tb_command_type command; /* of post and put; TB_CMD_COUNT: none */
};
/* ret_order_id: the {id} in lower case, "" without one. A malformed id is no such path. */
const struct tb_route *tb_route_find(struct tb_str path, char ret_order_id[TB_UUID_SIZE]);
const struct tb_route *tb_route_of(enum tb_route_id id);
bool tb_route_allows(const struct tb_route *route, enum tb_method method);

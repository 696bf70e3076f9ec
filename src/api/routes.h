/* Routes: the table of paths and methods with the handler of each, and counts of the replies.
 *
 * Thread:  the api thread; tb_routes_add_metrics any. */
#pragma once
#include "api/http/request.h"
#include "base/diag/metrics.h"
#include "order/command.h"

enum tb_role { TB_ROLE_EDGE = 1, TB_ROLE_CENTRAL = 2 };

struct tb_route {
    unsigned roles; /* bits of tb_role: who serves it */
    enum tb_method method;
    const char *path; /* "/orders/{id}/ship" */
    /* Names of the query parameters. NULL: read checks them, or the query string is ignored. */
    const char *params;
    void (*serve)(struct tb_request *req); /* NULL: read and query serve */
    enum tb_command_type command;          /* which one, if serve is tb_order_command_serve */
    bool (*read)(struct tb_request *req);  /* NULL: the query needs nothing of the request */
    tb_query_fn *query;                    /* submitted unless read has refused the request */
    enum tb_query_cost cost;               /* of query */
};
/* Rows of the table at most. */
#define TB_ROUTES_MAX 32
/* HTTP statuses are below this. */
#define TB_STATUS_COUNT 600

/* Replies by path and status. A path is counted in its first row, and every path that does not
 * exist in row TB_ROUTES_MAX. */
struct tb_route_counts {
    struct tb_counter replies[TB_ROUTES_MAX + 1][TB_STATUS_COUNT];
};

/* Finds the first row of a path, whatever its roles. NULL: there is no such path, or its {id} is a
 * malformed order id. ret_order_id: the {id} of an order in lower case; "": the path has none.
 * *ret_id: the {id} of any path, as it is in `path`; undefined if the path has none. */
const struct tb_route *tb_route_find(struct tb_str path, char ret_order_id[TB_UUID_SIZE],
                                     struct tb_str *ret_id);
/* The row for a role and a method (GET's for HEAD) of the path whose first row is given; NULL:
 * none. */
const struct tb_route *tb_route_for(const struct tb_route *first, enum tb_role role,
                                    enum tb_method method);
/* Writes the Allow header of the path: "GET, HEAD, OPTIONS"; "": the role does not serve it. */
void tb_route_allow(const struct tb_route *first, enum tb_role role,
                    char ret_allow[TB_ALLOW_SIZE]);

/* The callbacks of struct tb_mhd_options; ctx is the struct tb_api_loop. on_head finds the route,
 * or refuses the request; on_request calls the route's handler; on_reply counts the reply. */
void tb_routes_on_head(void *ctx, struct tb_request *req);
void tb_routes_on_request(void *ctx, struct tb_request *req);
void tb_routes_on_reply(void *ctx, const struct tb_request *req);
void tb_routes_add_metrics(const struct tb_route_counts *counts, struct tb_buf *out);

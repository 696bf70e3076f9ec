/* Routes: which paths there are, who serves each method of them, and their names in the metrics.
 *
 * Thread:  the api thread; tb_routes_add_metrics any.
 * Memory:  the table is constant. */
#pragma once
#include "api/http/request.h"
#include "base/diag/metrics.h"
#include "order/command.h"

enum tb_role { TB_ROLE_EDGE = 1, TB_ROLE_CENTRAL = 2 };

struct tb_route {
    unsigned roles; /* of tb_role: where it is served */
    enum tb_method method;
    const char *path;                                          /* "/orders/{id}/ship" */
    void (*serve)(struct tb_api *api, struct tb_request *req); /* NULL: query alone serves */
    enum tb_command_type command;                              /* that serve carries out */
    tb_query_fn *query; /* submitted if serve has not refused the request; NULL: serve does all */
    bool is_list;       /* query needs long: it goes to the pool `lists`, not `singles` */
};
/* Rows of the table; the rows of a path stand together. */
#define TB_ROUTES_MAX 32
/* Statuses are below this. */
#define TB_STATUS_COUNT 600

/* Replies by the first row of a path (TB_ROUTES_MAX: no such path) and status. */
struct tb_route_counts {
    struct tb_counter replies[TB_ROUTES_MAX + 1][TB_STATUS_COUNT];
};

/* The first row of the path, whatever its roles; NULL: no such path. ret_order_id: the {id} of an
 * order in lower case, "" without one; a malformed one is no such path. ret_id: {id} as sent. */
const struct tb_route *tb_route_find(struct tb_str path, char ret_order_id[TB_UUID_SIZE],
                                     struct tb_str *ret_id);
/* The row of the same path for a role and a method (HEAD is served by GET); NULL: none. */
const struct tb_route *tb_route_for(const struct tb_route *route, enum tb_role role,
                                    enum tb_method method);
/* What the Allow header of the path says, "GET, HEAD, OPTIONS"; "": the role does not have it. */
void tb_route_allow(const struct tb_route *route, enum tb_role role,
                    char ret_allow[TB_ALLOW_SIZE]);

/* The callbacks of struct tb_mhd_options; ctx is the struct tb_api_loop. on_head finds the route,
 * or refuses the request; on_request calls the route's handler; on_reply counts the reply. */
void tb_routes_on_head(void *ctx, struct tb_request *req);
void tb_routes_on_request(void *ctx, struct tb_request *req);
void tb_routes_on_reply(void *ctx, const struct tb_request *req);
void tb_routes_add_metrics(const struct tb_route_counts *counts, struct tb_buf *out);

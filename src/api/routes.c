#include "api/routes.h"
#include "api/handlers/context.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"
#include "api/loop.h"
#include "api/ws/handshake.h"
#include <stdio.h>

static void serve_ws(struct tb_request *req)
{
    tb_ws_handshake_serve(req, req->api->drain_ms != 0);
}

#define EDGE TB_ROLE_EDGE
#define CENTRAL TB_ROLE_CENTRAL
#define BOTH (TB_ROLE_EDGE | TB_ROLE_CENTRAL)
#define COMMAND(command)                                                                          \
    NULL, tb_order_command_serve, TB_CMD_##command, NULL, NULL, TB_QUERY_SINGLE
#define SERVE(params, serve) params, serve, 0, NULL, NULL, TB_QUERY_SINGLE
#define LIST(params, read, query) params, NULL, 0, read, query, TB_QUERY_LIST
#define SUM(params, read, query) params, NULL, 0, read, query, TB_QUERY_SUM
#define SINGLE(query) NULL, NULL, 0, NULL, query, TB_QUERY_SINGLE

#define ORDER_PARAMS "customerId status node source businessDate from to limit cursor"
#define DEAD_LETTER_PARAMS "orderId type reason since status limit cursor"

/* The rows of a path stand together. A literal path stands before the pattern with {id} that
 * matches it too. */
static const struct tb_route routes[] = {
    {BOTH, TB_GET, "/orders", LIST(ORDER_PARAMS, tb_orders_read, tb_orders_query)},
    {EDGE, TB_POST, "/orders", COMMAND(PLACE)},
    {BOTH, TB_GET, "/orders/stats", SUM("from to groupBy", tb_stats_read, tb_stats_query)},
    {BOTH, TB_GET, "/orders/digests", LIST("start limit of", tb_digests_read, tb_digests_query)},
    {BOTH, TB_GET, "/orders/{id}", SERVE("minVersion wait", tb_order_serve)},
    {EDGE, TB_PUT, "/orders/{id}/address", COMMAND(ADDRESS)},
    {EDGE, TB_PUT, "/orders/{id}/lines", COMMAND(LINES)},
    {EDGE, TB_POST, "/orders/{id}/ship", COMMAND(SHIP)},
    {EDGE, TB_POST, "/orders/{id}/cancel", COMMAND(CANCEL)},
    {BOTH, TB_GET, "/dead-letters",
     LIST(DEAD_LETTER_PARAMS, tb_dead_letters_read, tb_dead_letters_query)},
    {BOTH, TB_POST, "/dead-letters/replay",
     LIST("orderId", tb_dead_letters_replay_read, tb_dead_letters_replay_query)},
    {BOTH, TB_GET, "/dead-letters/{id}", LIST(NULL, tb_dead_letter_read, tb_dead_letter_query)},
    {BOTH, TB_DELETE, "/dead-letters/{id}",
     LIST(NULL, tb_dead_letter_read, tb_dead_letter_drop_query)},
    {BOTH, TB_POST, "/dead-letters/{id}/replay",
     LIST(NULL, tb_dead_letter_replay_read, tb_dead_letter_replay_query)},
    {CENTRAL, TB_GET, "/nodes", LIST("state limit cursor", tb_nodes_read, tb_nodes_query)},
    {CENTRAL, TB_POST, "/nodes/{id}/retire",
     LIST(NULL, tb_node_retire_read, tb_node_retire_query)},
    {CENTRAL, TB_POST, "/nodes/{id}/unretire",
     LIST(NULL, tb_node_unretire_read, tb_node_retire_query)},
    {BOTH, TB_GET, "/status", SINGLE(tb_status_query)},
    {BOTH, TB_GET, "/ws", SERVE(NULL, serve_ws)},
    {EDGE, TB_PUT, "/link", SERVE(NULL, tb_link_serve)},
    {EDGE, TB_GET, "/link/parked", LIST(NULL, NULL, tb_parked_query)},
    {EDGE, TB_POST, "/link/unpark", SERVE("orderId", tb_unpark_serve)},
    {EDGE, TB_DELETE, "/link/{id}", SERVE(NULL, tb_link_forget_serve)},
    {EDGE, TB_POST, "/resend", SERVE("since", tb_resend_serve)},
    {BOTH, TB_GET, "/rebuild", SERVE(NULL, tb_rebuild_serve)},
    {BOTH, TB_POST, "/rebuild", LIST(NULL, tb_rebuild_start_read, tb_rebuild_start_query)},
    {BOTH, TB_GET, "/livez", SERVE(NULL, tb_livez_serve)},
    {BOTH, TB_GET, "/readyz", SINGLE(tb_health_query)},
    {BOTH, TB_GET, "/healthz", SINGLE(tb_health_query)},
    {BOTH, TB_GET, "/metrics", SINGLE(tb_metrics_query)},
};
#define ROUTE_COUNT (sizeof routes / sizeof *routes)
_Static_assert(ROUTE_COUNT <= TB_ROUTES_MAX, "a counter for each row");

/* {id} in the pattern matches one segment of the path that is not empty. */
static bool matches(const char *pattern, struct tb_str path, struct tb_str *ret_id)
{
    const char *at = path.ptr, *end = path.ptr + path.len;

    while (*pattern != '\0') {
        if (*pattern == '{') {
            const char *slash = memchr(at, '/', (size_t)(end - at));
            *ret_id = (struct tb_str){at, (size_t)((slash ? slash : end) - at)};
            if (ret_id->len == 0)
                return false;
            at += ret_id->len;
            pattern += strlen("{id}");
        } else if (at == end || *at++ != *pattern++) {
            return false;
        }
    }
    return at == end;
}

static bool is_of_order(const struct tb_route *route)
{
    return strncmp(route->path, "/orders/{id}", strlen("/orders/{id}")) == 0;
}

const struct tb_route *tb_route_find(struct tb_str path, char ret_order_id[TB_UUID_SIZE],
                                     struct tb_str *ret_id)
{
    ret_order_id[0] = '\0';
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (matches(routes[i].path, path, ret_id) &&
            (!is_of_order(&routes[i]) || tb_uuid_parse(*ret_id, ret_order_id)))
            return &routes[i];
    }
    return NULL;
}

static bool is_same_path(const struct tb_route *a, const struct tb_route *b)
{
    return strcmp(a->path, b->path) == 0;
}

const struct tb_route *tb_route_for(const struct tb_route *first, enum tb_role role,
                                    enum tb_method method)
{
    if (method == TB_HEAD)
        method = TB_GET;
    for (const struct tb_route *row = first;
         row < routes + ROUTE_COUNT && is_same_path(row, first); row++) {
        if ((row->roles & role) && row->method == method)
            return row;
    }
    return NULL;
}

void tb_route_allow(const struct tb_route *first, enum tb_role role, char ret_allow[TB_ALLOW_SIZE])
{
    size_t len = 0;

    ret_allow[0] = '\0';
    for (enum tb_method m = TB_GET; m < TB_OPTIONS; m++) {
        if (tb_route_for(first, role, m))
            len +=
                (size_t)snprintf(ret_allow + len, TB_ALLOW_SIZE - len, "%s, ", tb_method_name(m));
    }
    if (len > 0)
        snprintf(ret_allow + len, TB_ALLOW_SIZE - len, "%s", tb_method_name(TB_OPTIONS));
}

/* Splits a target, "/a?b" or "http://host/a?b", into path and query string, and decodes the path.
 * False: it is malformed or names a host that is not allowed. */
static bool split_target(struct tb_api *api, struct tb_request *req)
{
    struct tb_str rest = tb_buf_str(&req->target);
    struct tb_str scheme = {rest.ptr, rest.len < 7 ? rest.len : 7};

    if (tb_str_is(scheme, "http://")) {
        rest.ptr += 7;
        rest.len -= 7;
        struct tb_str host = {rest.ptr, strcspn(rest.ptr, "/?")};
        if (!tb_host_allowlist_allows(&api->host_allowlist, host))
            return false;
        rest.ptr += host.len;
        rest.len -= host.len;
    }
    size_t path_len = strcspn(rest.ptr, "?");
    req->path = (struct tb_str){rest.ptr, path_len};
    if (path_len < rest.len)
        req->query_string = (struct tb_str){rest.ptr + path_len + 1, rest.len - path_len - 1};
    if (memchr(req->path.ptr, '%', path_len) &&
        !tb_percent_decode(req->path, false, &req->arena, &req->path))
        return false;
    return (req->path.len > 0 && req->path.ptr[0] == '/') ||
           (req->method == TB_OPTIONS && tb_str_is(req->path, "*"));
}

static void reply_options(struct tb_request *req, const char *allow)
{
    req->reply.answer.status = 204;
    snprintf(req->reply.allow, TB_ALLOW_SIZE, "%s", allow);
}

static void refuse_method(struct tb_request *req, const char *allow)
{
    tb_refuse(&req->reply, 405, "This path answers %s.", allow);
    snprintf(req->reply.allow, TB_ALLOW_SIZE, "%s", allow);
}

static void refuse_path(struct tb_request *req, enum tb_role role)
{
    if (req->route && req->route->serve == tb_order_command_serve)
        tb_refuse(&req->reply, 404, "Commands go to the edge that took the order.");
    else if (req->route)
        tb_refuse(&req->reply, 404, "Only %s has this path.",
                  role == TB_ROLE_EDGE ? "a central" : "an edge");
    else
        tb_refuse(&req->reply, 404, "There is nothing at this path.");
}

static void refuse_media_type(struct tb_request *req)
{
    tb_refuse(&req->reply, 415, "A body must be application/json in UTF-8.");
}

static bool is_read_only(enum tb_method method)
{
    return method == TB_GET || method == TB_HEAD || method == TB_OPTIONS;
}

/* Replies to a request that no row of the table serves. */
static void refuse_route(struct tb_request *req, enum tb_role role)
{
    char allow[TB_ALLOW_SIZE] = "";

    if (req->route)
        tb_route_allow(req->route, role, allow);
    if (allow[0] == '\0')
        refuse_path(req, role);
    else if (req->method == TB_OPTIONS)
        reply_options(req, allow);
    else
        refuse_method(req, allow);
}

static void choose_route(struct tb_api *api, struct tb_request *req)
{
    enum tb_role role = api->options.edge ? TB_ROLE_EDGE : TB_ROLE_CENTRAL;

    req->route = tb_route_find(req->path, req->order_id, &req->path_id);
    const struct tb_route *row = req->route ? tb_route_for(req->route, role, req->method) : NULL;
    if (!row) {
        refuse_route(req, role);
        return;
    }
    req->route = row;
    req->route_path = row->path;
    req->command = row->command;
    if (!is_read_only(req->method) && req->head.content_length > 0 && !req->head.json)
        refuse_media_type(req);
}

void tb_routes_on_head(void *ctx, struct tb_request *req)
{
    struct tb_api_loop *loop = ctx;
    struct tb_api *api = &loop->api;

    req->api = api;
    req->origin =
        tb_origin_classify(req->head.origin, req->head.host, api->options.allowed_origins);
    /* A web page of another site cannot read our answers, but its browser would send a command. */
    if (req->origin == TB_ORIGIN_FOREIGN && !is_read_only(req->method))
        tb_refuse(&req->reply, 403,
                  "Origin is none whose pages may send commands here; see http.allowed_origins.");
    else if (!split_target(api, req))
        tb_refuse(&req->reply, 400, "The request target is malformed or another server's.");
    else if (req->path.ptr[0] == '*')
        reply_options(req, "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    else
        choose_route(api, req);
}

static void serve(struct tb_api *api, struct tb_request *req)
{
    const struct tb_route *route = req->route;

    if (route->params && !tb_params_read(req, route->params))
        return;
    if (route->serve) {
        route->serve(req);
    } else if (!route->read || route->read(req)) {
        req->cost = route->cost;
        tb_query_submit(route->cost == TB_QUERY_SINGLE ? &api->singles : &api->lists, req,
                        route->query);
    }
}

void tb_routes_on_request(void *ctx, struct tb_request *req)
{
    (void)ctx;
    if (req->body.len > 0 && !req->head.json)
        refuse_media_type(req); /* chunked: only now is it known to have a body */
    else
        serve(req->api, req);
}

void tb_routes_on_reply(void *ctx, const struct tb_request *req)
{
    struct tb_api_loop *loop = ctx;
    const struct tb_route *first = req->route;
    int status = req->reply.answer.status;

    while (first && first > routes && is_same_path(first - 1, first))
        first--;
    size_t row = first ? (size_t)(first - routes) : TB_ROUTES_MAX;
    if (status >= 0 && status < TB_STATUS_COUNT)
        tb_counter_add(&loop->counts.replies[row][status], 1);
}

void tb_routes_add_metrics(const struct tb_route_counts *counts, struct tb_buf *out)
{
    static const char name[] = "tillbox_http_requests_total";
    char labels[128];

    tb_metric_head(out, name, "counter", "Requests by route and answer.");
    for (size_t row = 0; row <= TB_ROUTES_MAX; row++) {
        const char *path = row < ROUTE_COUNT ? routes[row].path : "other";
        for (int status = 0; status < TB_STATUS_COUNT; status++) {
            int64_t count = (int64_t)tb_counter_get(&counts->replies[row][status]);
            if (count == 0)
                continue;
            snprintf(labels, sizeof labels, "{route=\"%s\",code=\"%d\"}", path, status);
            tb_metric_int(out, name, labels, count);
        }
    }
}

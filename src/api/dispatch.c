#include "api/context.h"
#include "api/http/problem.h"

/* The path and query of "/a?b" and of "http://host/a?b"; false for anything else. */
static bool split_target(struct tb_api *api, struct tb_request *req)
{
    struct tb_str rest = tb_buf_str(&req->target);
    struct tb_str scheme = {rest.ptr, rest.len < 7 ? rest.len : 7};

    if (tb_str_is(scheme, "http://")) {
        rest.ptr += 7;
        rest.len -= 7;
        struct tb_str host = {rest.ptr, strcspn(rest.ptr, "/?")};
        if (!tb_host_allowlist_allows(&api->hosts, host))
            return false;
        rest.ptr += host.len;
        rest.len -= host.len;
    }
    size_t path_len = strcspn(rest.ptr, "?");
    req->path = (struct tb_str){rest.ptr, path_len};
    if (path_len < rest.len)
        req->query = (struct tb_str){rest.ptr + path_len + 1, rest.len - path_len - 1};
    if (memchr(req->path.ptr, '%', path_len) != NULL &&
        !tb_percent_decode(req->path, false, &req->arena, &req->path))
        return false;
    return (req->path.len > 0 && req->path.ptr[0] == '/') ||
           (req->method == TB_OPTIONS && tb_str_is(req->path, "*"));
}

static void refuse_path(struct tb_request *req)
{
    if (req->route != NULL && req->route->command != TB_CMD_COUNT)
        tb_refuse(&req->reply, 404, "Commands go to the edge that took the order.");
    else
        tb_refuse(&req->reply, 404, "There is nothing at this path.");
}

static void allow_only(struct tb_request *req, const char *allow)
{
    tb_refuse(&req->reply, 405, "This path answers %s.", allow);
    req->reply.allow = allow;
}

static void tell_options(struct tb_request *req, const char *allow)
{
    req->reply.answer.status = 204;
    req->reply.allow = allow;
    req->reply.ready = true;
}

static void refuse_media_type(struct tb_request *req)
{
    tb_refuse(&req->reply, 415, "A body must be application/json in UTF-8.");
}

/* A page of another site cannot read our answers, but a command without a body it could send. */
static bool is_foreign_command(const struct tb_request *req)
{
    return req->origin == TB_ORIGIN_FOREIGN && req->method != TB_GET && req->method != TB_HEAD &&
           req->method != TB_OPTIONS;
}

void tb_routes_on_head(void *ctx, struct tb_request *req)
{
    struct tb_api *api = ctx;

    req->origin = tb_cors_classify(req->head.origin, req->head.host, api->options.allowed_origins);
    if (is_foreign_command(req)) {
        tb_refuse(&req->reply, 403,
                  "Origin is none whose pages may send commands here; see http.allowed_origins.");
        return;
    }
    if (!split_target(api, req)) {
        tb_refuse(&req->reply, 400, "The request target is malformed or another server's.");
        return;
    }
    if (req->path.ptr[0] == '*') {
        tell_options(req, "GET, HEAD, POST, PUT, DELETE, OPTIONS");
        return;
    }
    enum tb_role role = api->options.edge != NULL ? TB_ROLE_EDGE : TB_ROLE_CENTRAL;
    req->route = tb_route_find(req->path, role, req->order_id);
    if (req->route == NULL || !(req->route->roles & role))
        refuse_path(req);
    else if (!tb_route_allows(req->route, req->method))
        allow_only(req, req->route->allow);
    else if (req->method == TB_OPTIONS)
        tell_options(req, req->route->allow);
    else if (req->method == TB_GET || req->method == TB_HEAD)
        req->discarding = true; /* a body means nothing here */
    else if (req->head.content_length > 0 && !req->head.json)
        refuse_media_type(req);
}

void tb_routes_on_request(void *ctx, struct tb_request *req)
{
    static void (*const serve[TB_ROUTE_COUNT])(struct tb_api *, struct tb_request *) = {
        [TB_ROUTE_ORDERS] = tb_orders_serve,
        [TB_ROUTE_ORDERS_READ] = tb_orders_serve,
        [TB_ROUTE_STATS] = tb_stats_serve,
        [TB_ROUTE_DIGESTS] = tb_digests_serve,
        [TB_ROUTE_ORDER] = tb_order_serve,
        [TB_ROUTE_ADDRESS] = tb_command_serve,
        [TB_ROUTE_LINES] = tb_command_serve,
        [TB_ROUTE_SHIP] = tb_command_serve,
        [TB_ROUTE_CANCEL] = tb_command_serve,
        [TB_ROUTE_NODES] = tb_nodes_serve,
        [TB_ROUTE_STATUS] = tb_status_serve,
        [TB_ROUTE_LINK] = tb_link_serve,
        [TB_ROUTE_REBUILD] = tb_rebuild_serve,
        [TB_ROUTE_LIVEZ] = tb_health_serve,
        [TB_ROUTE_READYZ] = tb_health_serve,
        [TB_ROUTE_HEALTHZ] = tb_health_serve,
        [TB_ROUTE_METRICS] = tb_metrics_serve,
        [TB_ROUTE_WS] = tb_ws_serve,
        [TB_ROUTE_LETTERS] = tb_dead_letters_serve,
        [TB_ROUTE_LETTERS_REPLAY] = tb_dead_letters_replay_serve,
        [TB_ROUTE_LETTER] = tb_dead_letter_serve,
        [TB_ROUTE_LETTER_REPLAY] = tb_dead_letter_replay_serve,
    };
    struct tb_api *api = ctx;

    if (req->body.len > 0 && !req->head.json)
        refuse_media_type(req); /* a chunked one: only now is it known not to be empty */
    else if (req->route->id == TB_ROUTE_ORDERS && req->method == TB_POST)
        tb_command_serve(api, req);
    else
        serve[req->route->id](api, req);
}

void tb_routes_on_reply(void *ctx, const struct tb_request *req)
{
    struct tb_api *api = ctx;
    int route = req->route != NULL ? (int)req->route->id : TB_ROUTE_COUNT;
    int status = req->reply.answer.status;

    if (status >= 0 && status < TB_STATUS_COUNT)
        tb_counter_add(&api->counts[route][status], 1);
}

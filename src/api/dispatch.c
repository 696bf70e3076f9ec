#include "api/context.h"
#include "api/http/problem.h"

/* The path and query of "/a?b" and of "http://host/a?b"; false for anything else. */
static bool split_target(struct tb_api *api, struct tb_exchange *x)
{
    struct tb_str rest = tb_buf_str(&x->target);
    struct tb_str scheme = {rest.ptr, rest.len < 7 ? rest.len : 7};

    if (tb_str_is(scheme, "http://")) {
        rest.ptr += 7;
        rest.len -= 7;
        struct tb_str host = {rest.ptr, strcspn(rest.ptr, "/?")};
        if (!tb_hosts_allow(&api->hosts, host))
            return false;
        rest.ptr += host.len;
        rest.len -= host.len;
    }
    size_t path_len = strcspn(rest.ptr, "?");
    x->path = (struct tb_str){rest.ptr, path_len};
    if (path_len < rest.len)
        x->query = (struct tb_str){rest.ptr + path_len + 1, rest.len - path_len - 1};
    if (memchr(x->path.ptr, '%', path_len) != NULL &&
        !tb_percent_decode(x->path, false, &x->arena, &x->path))
        return false;
    return (x->path.len > 0 && x->path.ptr[0] == '/') ||
           (x->method == TB_OPTIONS && tb_str_is(x->path, "*"));
}

static void refuse_path(struct tb_exchange *x)
{
    if (x->route != NULL && x->route->command != TB_CMD_COUNT)
        tb_refuse(&x->reply, 404, "Commands go to the edge that took the order.");
    else
        tb_refuse(&x->reply, 404, "There is nothing at this path.");
}

static void allow_only(struct tb_exchange *x, const char *allow)
{
    tb_refuse(&x->reply, 405, "This path answers %s.", allow);
    x->reply.allow = allow;
}

static void tell_options(struct tb_exchange *x, const char *allow)
{
    x->reply.answer.status = 204;
    x->reply.allow = allow;
    x->reply.ready = true;
}

static void refuse_media_type(struct tb_exchange *x)
{
    tb_refuse(&x->reply, 415, "A body must be application/json in UTF-8.");
}

/* A page of another site cannot read our answers, but a command without a body it could send. */
static bool is_foreign_command(const struct tb_exchange *x)
{
    return x->origin == TB_ORIGIN_FOREIGN && x->method != TB_GET && x->method != TB_HEAD &&
           x->method != TB_OPTIONS;
}

void tb_front_head(void *ctx, struct tb_exchange *x)
{
    struct tb_api *api = ctx;

    x->origin = tb_origin_judge(x->head.origin, x->head.host, api->options.allowed_origins);
    if (is_foreign_command(x)) {
        tb_refuse(&x->reply, 403,
                  "Origin is none whose pages may send commands here; see http.allowed_origins.");
        return;
    }
    if (!split_target(api, x)) {
        tb_refuse(&x->reply, 400, "The request target is malformed or another server's.");
        return;
    }
    if (x->path.ptr[0] == '*') {
        tell_options(x, "GET, HEAD, POST, PUT, DELETE, OPTIONS");
        return;
    }
    enum tb_role role = api->options.edge != NULL ? TB_ROLE_EDGE : TB_ROLE_CENTRAL;
    x->route = tb_route_find(x->path, role, x->order_id);
    if (x->route == NULL || !(x->route->roles & role))
        refuse_path(x);
    else if (!tb_route_allows(x->route, x->method))
        allow_only(x, x->route->allow);
    else if (x->method == TB_OPTIONS)
        tell_options(x, x->route->allow);
    else if (x->method == TB_GET || x->method == TB_HEAD)
        x->discarding = true; /* a body means nothing here */
    else if (x->head.content_length > 0 && !x->head.json)
        refuse_media_type(x);
}

void tb_front_serve(void *ctx, struct tb_exchange *x)
{
    static void (*const serve[TB_ROUTE_COUNT])(struct tb_api *, struct tb_exchange *) = {
        [TB_ROUTE_ORDERS] = tb_orders_serve,   [TB_ROUTE_ORDERS_READ] = tb_orders_serve,
        [TB_ROUTE_STATS] = tb_stats_serve,     [TB_ROUTE_DIGESTS] = tb_digests_serve,
        [TB_ROUTE_ORDER] = tb_order_serve,     [TB_ROUTE_ADDRESS] = tb_command_serve,
        [TB_ROUTE_LINES] = tb_command_serve,   [TB_ROUTE_SHIP] = tb_command_serve,
        [TB_ROUTE_CANCEL] = tb_command_serve,  [TB_ROUTE_NODES] = tb_nodes_serve,
        [TB_ROUTE_STATUS] = tb_status_serve,   [TB_ROUTE_LINK] = tb_link_serve,
        [TB_ROUTE_REBUILD] = tb_rebuild_serve, [TB_ROUTE_LIVEZ] = tb_health_serve,
        [TB_ROUTE_READYZ] = tb_health_serve,   [TB_ROUTE_HEALTHZ] = tb_health_serve,
        [TB_ROUTE_METRICS] = tb_metrics_serve, [TB_ROUTE_WS] = tb_ws_serve,
        [TB_ROUTE_LETTERS] = tb_letters_serve, [TB_ROUTE_LETTERS_REPLAY] = tb_letters_replay_serve,
        [TB_ROUTE_LETTER] = tb_letter_serve,   [TB_ROUTE_LETTER_REPLAY] = tb_letter_replay_serve,
    };
    struct tb_api *api = ctx;

    if (x->body.len > 0 && !x->head.json)
        refuse_media_type(x); /* a chunked one: only now is it known not to be empty */
    else if (x->route->id == TB_ROUTE_ORDERS && x->method == TB_POST)
        tb_command_serve(api, x);
    else
        serve[x->route->id](api, x);
}

void tb_front_replied(void *ctx, const struct tb_exchange *x)
{
    struct tb_api *api = ctx;
    int route = x->route != NULL ? (int)x->route->id : TB_ROUTE_COUNT;
    int status = x->reply.answer.status;

    if (status >= 0 && status < TB_STATUS_COUNT)
        tb_counter_add(&api->counts[route][status], 1);
}

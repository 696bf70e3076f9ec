#include "api/api.h"
#include "api/http/acceptor.h"
#include "api/loop.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static enum tb_code check(const struct tb_api_options *options, struct tb_error *err)
{
    TB_ASSERT(!options->edge != !options->central);
    TB_ASSERT(options->dead_letters.send && options->dead_letters.drop &&
              options->dead_letters.audit);
    TB_ASSERT(options->partitions > 0 && options->partitions <= TB_PARTITIONS_MAX);
    /* libmicrohttpd counts both in 32 bits. */
    if (options->header_max < 64 || options->header_max > INT32_MAX / 2 ||
        options->connections_max < 1 || options->connections_max > INT32_MAX / 2)
        return tb_error_set(err, TB_INVALID,
                            "limits.header or limits.connections is out of range");
    return TB_OK;
}

/* tb_inflight calls it on any thread. */
static void wake(void *ctx)
{
    tb_api_loop_wake(ctx);
}

static void on_ws_upgrade(void *ctx, int fd, struct tb_address_count *address_count,
                          struct tb_str early)
{
    struct tb_api_loop *loop = ctx;

    tb_ws_adopt(&loop->ws, fd, address_count, early);
    if (loop->api.drain_ms != 0)
        tb_ws_drain(&loop->ws); /* the upgrade was under way when the drain began */
}

static enum tb_code read_version(struct tb_ws *ws, const char *order_id, int64_t *ret_version)
{
    const struct tb_api_loop *loop = TB_CONTAINER_OF(ws, struct tb_api_loop, ws);
    struct tb_view_reader *view = loop->api.singles.inline_context.view;
    TB_CLEANUP(tb_buf_release) struct tb_buf doc = {0};
    struct tb_error err = {0};

    return view->ops->get(view, tb_str_of(order_id), &doc, ret_version, &err);
}

static void add_metrics(const struct tb_api *api, struct tb_buf *out)
{
    const struct tb_api_loop *loop = tb_api_loop_of(api);

    tb_routes_add_metrics(&loop->counts, out);
    tb_metric_gauge(out, "tillbox_websocket_connections", "WebSocket connections at the moment.",
                    (int64_t)tb_ws_count(&loop->ws));
}

static enum tb_code open_server(struct tb_api_loop *loop, struct tb_error *err)
{
    struct tb_api *api = &loop->api;
    const struct tb_api_options *options = &api->options;
    char host[TB_HOST_SIZE], port[TB_PORT_SIZE];
    struct tb_mhd_options server = {
        .hosts = &api->host_allowlist,
        .body_max = options->body_max,
        .header_max = options->header_max,
        .connections_max = options->connections_max,
        .connections_per_address_max = options->connections_per_address_max,
        .times = {options->header_timeout_ms, options->body_timeout_ms},
        .head = tb_routes_on_head,
        .serve = tb_routes_on_request,
        .replied = tb_routes_on_reply,
        .upgraded = on_ws_upgrade,
        .ctx = loop,
    };
    int bound = 0;

    TB_TRY(tb_listen_open(options->listen, &server.listen_fd, &bound, err));
    TB_ASSERT(tb_host_port_split(options->listen, host, port)); /* tb_listen_open did it too */
    enum tb_code code =
        tb_host_allowlist_init(&api->host_allowlist, host, options->allowed_hosts, err);
    if (code == TB_OK)
        code = tb_mhd_new(&server, &api->server, err);
    if (code != TB_OK) {
        close(server.listen_fd);
        return code;
    }
    api->inflight.server = api->server;
    bool v6 = strchr(host, ':');
    snprintf(loop->url, sizeof loop->url, "http://%s%s%s:%d", v6 ? "[" : "",
             host[0] != '\0' ? host : "0.0.0.0", v6 ? "]" : "", bound);
    return TB_OK;
}

static void copy_options(struct tb_api_loop *loop, const struct tb_api_options *options)
{
    loop->api.options = *options;
    if (options->edge) {
        loop->edge = *options->edge;
        loop->api.options.edge = &loop->edge;
    } else {
        loop->central = *options->central;
        loop->api.options.central = &loop->central;
    }
}

/* Initialises whatever cannot fail, so that tb_api_free can be called after any later failure. */
static struct tb_api_loop *new_loop(const struct tb_api_options *options)
{
    struct tb_api_loop *loop = calloc(1, sizeof *loop);

    if (!loop)
        return NULL;
    copy_options(loop, options);
    loop->api.add_metrics = add_metrics;
    TB_ASSERT(pthread_mutex_init(&loop->api.stalls.lock, NULL) == 0);
    tb_waiters_init(&loop->api.waiters);
    tb_inflight_init(&loop->api.inflight, wake, loop);
    tb_query_pool_init(&loop->api.lists, &loop->api.inflight);
    tb_query_pool_init(&loop->api.singles, &loop->api.inflight);
    if (options->edge) {
        loop->api.lists.failed = loop->api.singles.failed = options->edge->query_failed;
        loop->api.lists.ctx = loop->api.singles.ctx = options->ctx;
    }
    loop->api.singles.inline_context = options->inline_context;
    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return loop;
}

static enum tb_code open_all(struct tb_api_loop *loop, struct tb_error *err)
{
    struct tb_api *api = &loop->api;
    bool is_inline = api->singles.inline_context.view;

    if (loop->event_fd < 0)
        return tb_error_errno(err, TB_INTERNAL, errno, "eventfd");
    TB_TRY(open_server(loop, err));
    loop->ws.waiters = &api->waiters;
    loop->ws.server = api->server;
    loop->ws.read_version = is_inline ? read_version : NULL;
    TB_TRY(tb_ws_init(&loop->ws, err));
    TB_TRY(tb_query_pool_start(&api->lists, api->options.lists, err));
    if (!is_inline)
        TB_TRY(tb_query_pool_start(&api->singles, api->options.singles, err));
    return TB_OK;
}

enum tb_code tb_api_open(const struct tb_api_options *options, struct tb_api **ret_api,
                         struct tb_error *err)
{
    TB_TRY(check(options, err));
    struct tb_api_loop *loop = new_loop(options);
    if (!loop)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    enum tb_code code = open_all(loop, err);
    if (code != TB_OK) {
        tb_api_free(&loop->api);
        return code;
    }
    *ret_api = &loop->api;
    return TB_OK;
}

void tb_api_free(struct tb_api *api)
{
    if (!api)
        return;
    struct tb_api_loop *loop = tb_api_loop_of(api);
    tb_query_pool_stop(&api->lists);
    tb_query_pool_stop(&api->singles);
    tb_inflight_complete(&api->inflight);
    tb_inflight_release(&api->inflight);
    tb_ws_release(&loop->ws);
    tb_mhd_free(api->server);
    tb_host_allowlist_release(&api->host_allowlist);
    tb_waiters_release(&api->waiters);
    pthread_mutex_destroy(&api->stalls.lock);
    if (loop->event_fd >= 0)
        close(loop->event_fd);
    free(loop);
}

const char *tb_api_url(const struct tb_api *api)
{
    return tb_api_loop_of(api)->url;
}

void tb_api_notify(struct tb_api *api, const char *order_id, int64_t version, int64_t replaced)
{
    if (tb_waiters_publish(&api->waiters, order_id, version, replaced))
        tb_api_loop_wake(tb_api_loop_of(api));
}

void tb_api_notify_plan(struct tb_api *api, const struct tb_plan *plan)
{
    for (size_t i = 0; i < plan->order_count; i++) {
        const struct tb_planned_order *planned = plan->orders[i];

        if (planned->changed)
            tb_api_notify(api, planned->order.order_id, planned->order.version,
                          planned->lineage.replaced);
    }
}

#include "api/api.h"
#include "api/http/listen.h"
#include "api/loop.h"
#include "base/thread/process.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* How exact the deadlines of connections are; a quarter of the shortest if that is less. */
#define SWEEP_MS 1000
/* The api thread stays awake so long for a command: most commits are over by then. */
#define SPIN_US 500
/* When the process stops, requests that have arrived are answered within this. */
#define DRAIN_MS 3000

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

/* Called on any thread. One producer writes to event_fd each time the loop sleeps. */
static void wake(void *ctx)
{
    struct tb_api_loop *loop = ctx;
    const uint64_t one = 1;

    if (!atomic_exchange(&loop->sleeping, false))
        return;
    ssize_t written = write(loop->event_fd, &one, sizeof one);
    (void)written; /* full: it is readable already */
}

static void on_ws_upgrade(void *ctx, int fd, struct tb_address_count *address_count,
                          struct tb_str early)
{
    struct tb_api_loop *loop = ctx;

    tb_ws_adopt(&loop->ws, fd, address_count, early);
    if (loop->api.drain_ms != 0)
        tb_ws_drain(&loop->ws); /* it was accepted just before */
}

static enum tb_code read_version(void *ctx, const char *order_id, int64_t *ret_version)
{
    const struct tb_api_loop *loop = ctx;
    struct tb_view_reader *view = loop->api.singles.inline_context.view;
    TB_CLEANUP(tb_buf_release) struct tb_buf doc = {0};
    struct tb_error err = {0};

    return view->ops->get(view, tb_str_of(order_id), &doc, ret_version, &err);
}

static void add_metrics(const struct tb_api *api, struct tb_buf *out)
{
    const struct tb_api_loop *loop = tb_api_loop_of(api);
    static const char name[] = "tillbox_websocket_connections";

    tb_routes_add_metrics(&loop->counts, out);
    tb_metric_head(out, name, "gauge", "WebSocket connections at the moment.");
    tb_metric_int(out, name, "", (int64_t)tb_ws_count(&loop->ws));
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
    TB_ASSERT(tb_host_port_split(options->listen, host, port)); /* as tb_listen_open has */
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

/* Everything that cannot fail, so that tb_api_free may follow any failure. */
static struct tb_api_loop *new_loop(const struct tb_api_options *options)
{
    struct tb_api_loop *loop = calloc(1, sizeof *loop);

    if (!loop)
        return NULL;
    copy_options(loop, options);
    loop->api.add_metrics = add_metrics;
    tb_waiters_init(&loop->api.waiters);
    tb_inflight_init(&loop->api.inflight, wake, loop);
    tb_query_pool_init(&loop->api.lists, &loop->api.inflight);
    tb_query_pool_init(&loop->api.singles, &loop->api.inflight);
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
    struct tb_ws_options ws = {.waiters = &api->waiters,
                               .server = api->server,
                               .read_version = is_inline ? read_version : NULL,
                               .ctx = loop};
    TB_TRY(tb_ws_init(&loop->ws, &ws, err));
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
    if (loop->event_fd >= 0)
        close(loop->event_fd);
    free(loop);
}

const char *tb_api_url(const struct tb_api *api)
{
    return tb_api_loop_of(api)->url;
}

void tb_api_stop(struct tb_api *api)
{
    struct tb_api_loop *loop = tb_api_loop_of(api);
    const uint64_t one = 1;

    atomic_store(&loop->stopping, true);
    ssize_t written = write(loop->event_fd, &one, sizeof one);
    (void)written; /* full: it is readable already */
}

void tb_api_notify(struct tb_api *api, const char *order_id, int64_t version)
{
    if (tb_waiters_publish(&api->waiters, order_id, version))
        wake(tb_api_loop_of(api));
}

void tb_api_notify_plan(struct tb_api *api, const struct tb_plan *plan)
{
    for (size_t i = 0; i < plan->order_count; i++) {
        const struct tb_planned_order *planned = plan->orders[i];

        if (planned->changed)
            tb_api_notify(api, planned->order.order_id, planned->order.version);
    }
}

static int64_t sweep_period_ms(const struct tb_api_options *options)
{
    int64_t shortest = options->header_timeout_ms < options->body_timeout_ms
                           ? options->header_timeout_ms
                           : options->body_timeout_ms;

    if (shortest / 4 >= SWEEP_MS)
        return SWEEP_MS;
    return shortest / 4 > 0 ? shortest / 4 : 1;
}

static bool is_busy(const struct tb_api_loop *loop)
{
    return tb_mhd_connections(loop->api.server) > 0 || tb_ws_count(&loop->ws) > 0 ||
           loop->api.inflight.requests.first;
}

static void sweep(struct tb_api_loop *loop)
{
    int64_t now_ms = loop->api.now_ms;

    if (!is_busy(loop) || now_ms < loop->sweep_ms)
        return;
    loop->sweep_ms = now_ms + sweep_period_ms(&loop->api.options);
    tb_mhd_sweep(loop->api.server, now_ms);
    tb_ws_sweep(&loop->ws);
    tb_inflight_expire(&loop->api.inflight);
}

static bool must_begin_drain(const struct tb_api_loop *loop)
{
    return atomic_load(&tb_api_loop_of(&loop->api)->stopping) && loop->api.drain_ms == 0;
}

static void begin_drain(struct tb_api_loop *loop)
{
    loop->api.drain_ms = loop->api.now_ms + DRAIN_MS;
    tb_mhd_drain(loop->api.server);
    tb_ws_drain(&loop->ws); /* its waiters have no deadline */
    tb_waiters_expire(&loop->api.waiters, INT64_MAX);
}

/* Is everything answered, or the time for it over? */
static bool is_drained(const struct tb_api_loop *loop)
{
    if (loop->api.drain_ms == 0)
        return false;
    if (tb_mhd_connections(loop->api.server) == 0 && tb_ws_count(&loop->ws) == 0)
        return true;
    return loop->api.now_ms >= loop->api.drain_ms;
}

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* How long nothing will be due; below 0: until somebody wakes the loop. */
static int64_t wait_ms(struct tb_api_loop *loop)
{
    struct tb_api *api = &loop->api;
    int64_t due_ms = api->waiters.next_ms, server_ms = tb_mhd_wait_ms(api->server);

    if (server_ms == 0 || atomic_load(&api->inflight.has_completions) ||
        tb_waiters_have_changes(&api->waiters) || must_begin_drain(loop))
        return 0;
    if (is_busy(loop))
        due_ms = earlier(due_ms, loop->sweep_ms);
    if (api->drain_ms > 0)
        due_ms = earlier(due_ms, api->drain_ms);
    due_ms = earlier(due_ms, tb_view_poll_next_ms(loop));
    due_ms = earlier(due_ms, tb_ws_next_ms(&loop->ws));
    if (due_ms == INT64_MAX)
        return server_ms;
    int64_t left_ms = due_ms - tb_clock_mono_ms(api->options.clock);
    if (server_ms > 0)
        left_ms = earlier(left_ms, server_ms);
    return left_ms > 0 ? left_ms : 0;
}

/* What a wait has found, beside libmicrohttpd's own sockets. */
struct ready {
    bool accept; /* a connection can be accepted */
    bool ws;     /* WebSockets have events */
};

/* Sleeping and waking up takes a good part of the time of a commit. So while a single command is
 * in flight the thread stays awake for a moment and yields the processor to whoever wants it.
 * True: there is work. */
static bool spin_wait(struct tb_api_loop *loop, struct pollfd *fds, nfds_t fd_count)
{
    struct tb_api *api = &loop->api;
    const struct tb_request *req = tb_inflight_single(&api->inflight);

    if (!req || req->poll_until_ms == 0 || wait_ms(loop) == 0)
        return false;
    int64_t end_us = tb_clock_mono_us(api->options.clock) + SPIN_US;
    do {
        if (atomic_load(&api->inflight.has_completions) || poll(fds, fd_count, 0) > 0)
            return true;
        tb_yield_cpu();
    } while (tb_clock_mono_us(api->options.clock) < end_us);
    return false;
}

static struct ready wait_for_work(struct tb_api_loop *loop)
{
    struct pollfd fds[4] = {
        {.fd = tb_mhd_event_fd(loop->api.server), .events = POLLIN},
        {.fd = loop->event_fd, .events = POLLIN},
        {.fd = tb_mhd_listen_fd(loop->api.server), .events = POLLIN},
        {.fd = tb_ws_event_fd(&loop->ws), .events = POLLIN},
    };

    if (!spin_wait(loop, fds, 4)) {
        /* Producers from here on write to event_fd. Whatever was queued before makes wait_ms()
         * return 0, so no wake-up is lost. */
        atomic_store(&loop->sleeping, true);
        int rc = poll(fds, 4, (int)wait_ms(loop));
        atomic_store(&loop->sleeping, false);
        if (rc <= 0)
            return (struct ready){0};
    }
    if (fds[1].revents != 0) {
        uint64_t count = 0;
        ssize_t got = read(loop->event_fd, &count, sizeof count);
        (void)got; /* every round looks at everything anyway */
    }
    return (struct ready){.accept = fds[2].revents != 0, .ws = fds[3].revents != 0};
}

/* One round: completions, changes, deadlines, then the sockets. */
static void step(struct tb_api_loop *loop, struct ready ready)
{
    struct tb_api *api = &loop->api;

    api->now_ms = api->inflight.now_ms = loop->ws.now_ms = tb_clock_mono_ms(api->options.clock);
    if (must_begin_drain(loop))
        begin_drain(loop);
    tb_inflight_complete(&api->inflight);
    tb_waiters_deliver(&api->waiters);
    tb_waiters_expire(&api->waiters, api->now_ms);
    tb_view_poll_step(loop);
    sweep(loop);
    tb_ws_step(&loop->ws, ready.ws);
    tb_mhd_step(api->server, api->now_ms, ready.accept);
}

/* No request may stay suspended: refuses what still waits, and lets libmicrohttpd send it. */
static void finish(struct tb_api_loop *loop)
{
    struct tb_api *api = &loop->api;

    tb_waiters_expire(&api->waiters, INT64_MAX);
    tb_inflight_fail_all(&api->inflight);
    do
        tb_mhd_step(api->server, api->now_ms, false);
    while (tb_mhd_wait_ms(api->server) == 0 && tb_mhd_connections(api->server) > 0 &&
           tb_clock_mono_ms(api->options.clock) < api->drain_ms + 100);
}

void tb_api_run(struct tb_api *api)
{
    struct tb_api_loop *loop = tb_api_loop_of(api);
    struct ready ready = {0};

    for (;;) {
        step(loop, ready);
        if (is_drained(loop))
            break;
        ready = wait_for_work(loop);
    }
    finish(loop);
}

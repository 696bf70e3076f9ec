#include "api/context.h"
#include "base/thread/process.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* How exact the deadlines of connections are; a quarter of the shortest if that is less. */
#define SWEEP_MS 1000
/* For so long the api thread stays awake for a command: most commits are over by then. */
#define WATCH_US 500

static enum tb_code check(const struct tb_api_options *options, struct tb_error *err)
{
    TB_ASSERT((options->edge != NULL) != (options->central != NULL));
    TB_ASSERT(options->letters.send && options->letters.drop && options->letters.audit);
    TB_ASSERT(options->partitions > 0 && options->partitions <= TB_PARTITIONS_MAX);
    /* The library counts both in 32 bits. */
    if (options->header_max < 64 || options->header_max > INT32_MAX / 2 ||
        options->connections_max < 1 || options->connections_max > INT32_MAX / 2)
        return tb_error_set(err, TB_INVALID,
                            "limits.header or limits.connections is out of range");
    return TB_OK;
}

static void on_upgraded(void *ctx, int fd, struct tb_address_count *peer, struct tb_str early)
{
    struct tb_api *api = ctx;

    tb_ws_adopt(&api->ws, fd, peer, early);
    if (api->drain_ms != 0)
        tb_ws_drain(&api->ws); /* it was let in just before */
}

static enum tb_code open_server(struct tb_api *api, struct tb_error *err)
{
    const struct tb_api_options *options = &api->options;
    char host[TB_LISTEN_HOST_SIZE], port[6];
    struct tb_mhd_options server = {
        .hosts = &api->hosts,
        .body_max = options->body_max,
        .header_max = options->header_max,
        .connections_max = options->connections_max,
        .connections_per_address_max = options->connections_per_address_max,
        .times = {options->header_timeout_ms, options->body_timeout_ms},
        .head = tb_routes_on_head,
        .serve = tb_routes_on_request,
        .replied = tb_routes_on_reply,
        .upgraded = on_upgraded,
        .ctx = api,
    };
    int bound = 0;

    TB_TRY(tb_listen_open(options->listen, &server.listen_fd, &bound, err));
    TB_ASSERT(tb_listen_split(options->listen, host, port)); /* it could be listened on */
    enum tb_code code = tb_host_allowlist_init(&api->hosts, host, options->allowed_hosts, err);
    if (code == TB_OK)
        code = tb_mhd_new(&server, &api->server, err);
    if (code != TB_OK) {
        (void)close(server.listen_fd);
        return code;
    }
    bool v6 = strchr(host, ':') != NULL;
    (void)snprintf(api->url, sizeof(api->url), "http://%s%s%s:%d", v6 ? "[" : "",
                   host[0] != '\0' ? host : "0.0.0.0", v6 ? "]" : "", bound);
    return TB_OK;
}

static void copy_options(struct tb_api *api, const struct tb_api_options *options)
{
    api->options = *options;
    if (options->edge != NULL) {
        api->edge = *options->edge;
        api->options.edge = &api->edge;
    } else {
        api->central = *options->central;
        api->options.central = &api->central;
    }
}

enum tb_code tb_api_open(const struct tb_api_options *options, struct tb_api **ret_api,
                         struct tb_error *err)
{
    TB_TRY(check(options, err));
    struct tb_api *api = calloc(1, sizeof(*api));
    if (api == NULL)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    copy_options(api, options);
    tb_waiters_init(&api->waiters);
    TB_ASSERT(pthread_mutex_init(&api->returns.lock, NULL) == 0);
    api->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum tb_code code = TB_OK;
    if (api->event_fd < 0)
        code = tb_error_errno(err, TB_INTERNAL, errno, "eventfd");
    if (code == TB_OK)
        code = tb_ws_init(&api->ws, api, err);
    if (code == TB_OK)
        code = open_server(api, err);
    if (code == TB_OK)
        code = tb_query_pool_start(&api->lists, api, api->options.lists, err);
    if (code == TB_OK && api->options.here.view == NULL)
        code = tb_query_pool_start(&api->singles, api, api->options.singles, err);
    if (code != TB_OK) {
        tb_api_free(api);
        return code;
    }
    *ret_api = api;
    return TB_OK;
}

void tb_api_free(struct tb_api *api)
{
    if (api == NULL)
        return;
    tb_query_pool_stop(&api->lists);
    tb_query_pool_stop(&api->singles);
    tb_inflight_complete(api);
    TB_ASSERT(api->flying == NULL); /* the writer's thread has ended before */
    tb_ws_release(&api->ws);
    tb_mhd_free(api->server);
    tb_host_allowlist_release(&api->hosts);
    tb_waiters_release(&api->waiters);
    (void)pthread_mutex_destroy(&api->returns.lock);
    if (api->event_fd >= 0)
        (void)close(api->event_fd);
    free(api);
}

const char *tb_api_url(const struct tb_api *api)
{
    return api->url;
}

static void ring(struct tb_api *api)
{
    const uint64_t one = 1;
    ssize_t written = write(api->event_fd, &one, sizeof(one));

    (void)written; /* full means rung already */
}

void tb_api_wake(struct tb_api *api)
{
    if (atomic_exchange(&api->asleep, false))
        ring(api);
}

void tb_api_stop(struct tb_api *api)
{
    atomic_store(&api->stopping, true);
    ring(api);
}

void tb_api_notify(struct tb_api *api, const char *order_id, int64_t version)
{
    if (tb_waiters_publish(&api->waiters, order_id, version))
        tb_api_wake(api);
}

void tb_api_notify_plan(struct tb_api *api, const struct tb_plan *plan)
{
    for (size_t i = 0; i < plan->order_count; i++) {
        const struct tb_planned_order *planned = plan->orders[i];

        if (planned->changed)
            tb_api_notify(api, planned->order.order_id, planned->order.version);
    }
}

void tb_completion_post(struct tb_api *api, struct tb_request *req)
{
    struct tb_completion_queue *returns = &api->returns;

    (void)pthread_mutex_lock(&returns->lock);
    req->next_done = NULL;
    if (atomic_load(&returns->any))
        returns->last->next_done = req;
    else
        returns->first = req;
    returns->last = req;
    atomic_store(&returns->any, true);
    (void)pthread_mutex_unlock(&returns->lock);
    tb_api_wake(api);
}

static int64_t sweep_period_ms(const struct tb_api *api)
{
    int64_t shortest = api->options.header_timeout_ms < api->options.body_timeout_ms
                           ? api->options.header_timeout_ms
                           : api->options.body_timeout_ms;

    if (shortest / 4 >= SWEEP_MS)
        return SWEEP_MS;
    return shortest / 4 > 0 ? shortest / 4 : 1;
}

static bool busy(const struct tb_api *api)
{
    return tb_mhd_connections(api->server) > 0 || tb_ws_count(&api->ws) > 0 || api->flying != NULL;
}

static void sweep(struct tb_api *api)
{
    if (!busy(api) || api->now_ms < api->sweep_ms)
        return;
    api->sweep_ms = api->now_ms + sweep_period_ms(api);
    tb_mhd_sweep(api->server, api->now_ms);
    tb_ws_sweep(&api->ws);
    tb_inflight_expire(api);
}

static void begin_drain(struct tb_api *api)
{
    api->drain_ms = api->now_ms + TB_DRAIN_MS;
    tb_mhd_drain(api->server);
    tb_ws_drain(&api->ws); /* its waiters have no deadline */
    tb_waiters_expire(&api->waiters, INT64_MAX, tb_order_wait_expired, api);
}

/* True: what was taken is answered, or its time is over. */
static bool drained(struct tb_api *api)
{
    if (api->drain_ms == 0)
        return false;
    if (tb_mhd_connections(api->server) == 0 && tb_ws_count(&api->ws) == 0)
        return true;
    return api->now_ms >= api->drain_ms;
}

/* How long nothing will happen by itself; below 0: for ever. */
static int64_t wait_ms(struct tb_api *api)
{
    int64_t until_ms = api->waiters.next_ms, server_ms = tb_mhd_wait_ms(api->server);

    if (server_ms == 0 || atomic_load(&api->returns.any) || tb_waiters_have_changes(&api->waiters))
        return 0;
    if (atomic_load(&api->stopping) && api->drain_ms == 0)
        return 0;
    if (busy(api) && api->sweep_ms < until_ms)
        until_ms = api->sweep_ms;
    if (api->drain_ms > 0 && api->drain_ms < until_ms)
        until_ms = api->drain_ms;
    if (tb_view_poll_next_ms(api) < until_ms)
        until_ms = tb_view_poll_next_ms(api);
    if (tb_ws_next_ms(&api->ws) < until_ms)
        until_ms = tb_ws_next_ms(&api->ws);
    if (until_ms == INT64_MAX)
        return server_ms;
    int64_t left_ms = until_ms - tb_clock_mono_ms(api->options.clock);
    if (server_ms > 0 && server_ms < left_ms)
        left_ms = server_ms;
    return left_ms > 0 ? left_ms : 0;
}

/* What a wait has brought beside the library's own. */
struct work {
    bool knocking; /* somebody wants to come in */
    bool sockets;  /* WebSockets are ready */
};

/* To sleep and to be woken takes a good part of the time of a commit: for a single command the
 * thread stays awake a moment, and yields the processor to whoever wants it. With more under way
 * there is no hurry. True: there is work. */
static bool watch(struct tb_api *api, struct pollfd *fds, nfds_t fd_count)
{
    const struct tb_request *req = api->flying;

    if (req == NULL || req->next != NULL || req->view_query.asked || wait_ms(api) == 0)
        return false;
    int64_t end_us = tb_clock_mono_us(api->options.clock) + WATCH_US;
    do {
        if (atomic_load(&api->returns.any) || poll(fds, fd_count, 0) > 0)
            return true;
        tb_yield_cpu();
    } while (tb_clock_mono_us(api->options.clock) < end_us);
    return false;
}

static struct work wait_for_work(struct tb_api *api)
{
    struct pollfd fds[4] = {
        {.fd = tb_mhd_event_fd(api->server), .events = POLLIN},
        {.fd = api->event_fd, .events = POLLIN},
        {.fd = tb_mhd_listen_fd(api->server), .events = POLLIN},
        {.fd = tb_ws_event_fd(&api->ws), .events = POLLIN},
    };

    if (!watch(api, fds, 4)) {
        /* Who comes with news from here on rings; who came before is seen by wait_ms. */
        atomic_store(&api->asleep, true);
        int rc = poll(fds, 4, (int)wait_ms(api));
        atomic_store(&api->asleep, false);
        if (rc <= 0)
            return (struct work){0};
    }
    if (fds[1].revents != 0) {
        uint64_t count = 0;
        ssize_t got = read(api->event_fd, &count, sizeof(count));
        (void)got; /* somebody else's ring at worst: we look at everything anyway */
    }
    return (struct work){fds[2].revents != 0, fds[3].revents != 0};
}

/* One round: what came back, what became visible, what is late, what the sockets bring. */
static void step(struct tb_api *api, struct work work)
{
    api->now_ms = tb_clock_mono_ms(api->options.clock);
    if (atomic_load(&api->stopping) && api->drain_ms == 0)
        begin_drain(api);
    tb_inflight_complete(api);
    tb_waiters_deliver(&api->waiters, api);
    tb_waiters_expire(&api->waiters, api->now_ms, tb_order_wait_expired, api);
    tb_view_poll_step(api);
    sweep(api);
    tb_ws_step(&api->ws, work.sockets);
    tb_mhd_step(api->server, api->now_ms, work.knocking);
}

/* Nothing may be left suspended: answers what still waits, and lets the library send it. */
static void finish(struct tb_api *api)
{
    tb_waiters_expire(&api->waiters, INT64_MAX, tb_order_wait_expired, api);
    tb_inflight_fail_all(api);
    do
        tb_mhd_step(api->server, api->now_ms, false);
    while (tb_mhd_wait_ms(api->server) == 0 && tb_mhd_connections(api->server) > 0 &&
           tb_clock_mono_ms(api->options.clock) < api->drain_ms + 100);
}

void tb_api_run(struct tb_api *api)
{
    struct work work = {0};

    for (;;) {
        step(api, work);
        if (drained(api))
            break;
        work = wait_for_work(api);
    }
    finish(api);
}

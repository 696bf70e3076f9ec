#include "api/loop.h"
#include "api/api.h"
#include "base/thread/process.h"
#include <poll.h>
#include <unistd.h>

/* Deadlines of connections are checked this often, and at least four times within the shortest. */
#define SWEEP_MS 1000
/* The api thread spins this long for a command: most commits take less. */
#define SPIN_US 500
/* A process that stops answers the requests that have arrived for at most this long. */
#define DRAIN_MS 3000

static void write_event(const struct tb_api_loop *loop)
{
    const uint64_t one = 1;
    ssize_t written = write(loop->event_fd, &one, sizeof one);

    (void)written; /* fails only if the counter is full: it is readable already */
}

void tb_api_loop_wake(struct tb_api_loop *loop)
{
    if (atomic_exchange(&loop->sleeping, false))
        write_event(loop);
}

void tb_api_stop(struct tb_api *api)
{
    struct tb_api_loop *loop = tb_api_loop_of(api);

    atomic_store(&loop->stopping, true);
    write_event(loop);
}

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static int64_t sweep_period_ms(const struct tb_api_options *options)
{
    int64_t quarter_ms = earlier(options->header_timeout_ms, options->body_timeout_ms) / 4;

    return quarter_ms > 0 ? earlier(quarter_ms, SWEEP_MS) : 1;
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
    return atomic_load(&loop->stopping) && loop->api.drain_ms == 0;
}

static void begin_drain(struct tb_api_loop *loop)
{
    loop->api.drain_ms = loop->api.now_ms + DRAIN_MS;
    tb_mhd_drain(loop->api.server);
    tb_ws_drain(&loop->ws);
    /* Ends the long polls: subscriptions have no deadline. */
    tb_waiters_expire(&loop->api.waiters, INT64_MAX);
}

/* True: every connection has ended, or the time for that is over. */
static bool is_drained(const struct tb_api_loop *loop)
{
    if (loop->api.drain_ms == 0)
        return false;
    if (tb_mhd_connections(loop->api.server) == 0 && tb_ws_count(&loop->ws) == 0)
        return true;
    return loop->api.now_ms >= loop->api.drain_ms;
}

/* For how long nothing is due; below 0: until another thread wakes the loop. */
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

/* Which sockets are ready, beside those that libmicrohttpd watches. */
struct ready {
    bool accept; /* a connection can be accepted */
    bool ws;     /* WebSockets have events */
};

/* To sleep and to wake up would take a good part of the time of a commit. So while a command is
 * the only request in flight, the thread does not sleep for SPIN_US, but yields the processor to
 * other threads. True: there is work. */
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
        {.fd = loop->ws.epoll_fd, .events = POLLIN},
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
        (void)got; /* each round checks everything, whoever woke it */
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

/* libmicrohttpd must not be stopped while requests are suspended: refuses those that still wait,
 * and lets libmicrohttpd send the refusals. */
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

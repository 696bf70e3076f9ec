#include "api/ws/ws.h"
#include "api/ws/ws_priv.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64

enum tb_code tb_ws_init(struct tb_ws *ws, struct tb_api *api, struct tb_error *err)
{
    *ws = (struct tb_ws){.api = api, .epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    if (ws->epoll_fd < 0)
        return tb_error_errno(err, TB_INTERNAL, errno, "epoll_create1");
    return tb_ws_writer_init(&ws->writer, err);
}

/* Takes the first out of the list of those who are due; NULL: nobody is. */
static struct tb_ws_conn *next_due(struct tb_ws *ws)
{
    struct tb_ws_conn *conn = ws->due_first;

    if (conn == NULL)
        return NULL;
    ws->due_first = conn->due_next;
    conn->due_next = NULL;
    conn->due = false;
    return conn;
}

static void append_due(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    if (conn->due)
        return;
    conn->due = true;
    if (ws->due_first != NULL)
        ws->due_last->due_next = conn;
    else
        ws->due_first = conn;
    ws->due_last = conn;
}

void tb_ws_schedule(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    if (!conn->blocked)
        append_due(ws, conn);
}

void tb_ws_drop(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    if (conn->state == TB_WS_GONE)
        return;
    tb_ws_unsubscribe_all(ws, conn);
    tb_ws_reader_release(&conn->reader);
    tb_buf_release(&conn->out);
    /* The library may still hold a copy of the descriptor, and the watch with it. */
    (void)epoll_ctl(ws->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
    (void)close(conn->fd);
    tb_mhd_upgraded_closed(ws->api->server, conn->peer);
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        ws->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    atomic_fetch_sub(&ws->count, 1);
    conn->state = TB_WS_GONE;
    append_due(ws, conn);
}

static void take_turns(struct tb_ws *ws, size_t max)
{
    struct tb_ws_conn *conn;

    for (size_t i = 0; i < max && (conn = next_due(ws)) != NULL; i++) {
        if (conn->state == TB_WS_GONE)
            free(conn);
        else
            tb_ws_conn_write(ws, conn);
    }
}

void tb_ws_release(struct tb_ws *ws)
{
    while (ws->conns != NULL)
        tb_ws_drop(ws, ws->conns);
    take_turns(ws, SIZE_MAX);
    tb_ws_writer_release(&ws->writer);
    tb_buf_release(&ws->text);
    if (ws->epoll_fd > 0)
        (void)close(ws->epoll_fd);
    ws->epoll_fd = -1;
}

int tb_ws_event_fd(const struct tb_ws *ws)
{
    return ws->epoll_fd;
}

static bool watch_new(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    int on = 1, bytes = TB_WS_KERNEL_BYTES;

    /* Small messages, each as soon as it is there; the library has set it the other way. */
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    return epoll_ctl(ws->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) == 0;
}

void tb_ws_adopt(struct tb_ws *ws, int fd, struct tb_address_count *peer, struct tb_str early)
{
    struct tb_ws_conn *conn = calloc(1, sizeof(*conn));

    if (conn == NULL) {
        (void)close(fd);
        tb_mhd_upgraded_closed(ws->api->server, peer);
        return;
    }
    conn->fd = fd;
    conn->peer = peer;
    conn->next = ws->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    ws->conns = conn;
    atomic_fetch_add(&ws->count, 1);
    if (watch_new(ws, conn))
        tb_ws_conn_read(ws, conn, early);
    else
        tb_ws_drop(ws, conn);
}

static void take_event(struct tb_ws *ws, const struct epoll_event *event)
{
    struct tb_ws_conn *conn = event->data.ptr;

    if (!conn->blocked)
        tb_ws_conn_readable(ws, conn);
    else if (event->events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))
        tb_ws_drop(ws, conn);
    else
        tb_ws_conn_write(ws, conn);
}

static void take_events(struct tb_ws *ws)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(ws->epoll_fd, events, EVENTS_AT_ONCE, 0);

    for (int i = 0; i < count; i++)
        take_event(ws, &events[i]);
}

/* Somebody has news for those who follow every order. */
static void wake_followers(struct tb_ws *ws)
{
    uint64_t end = tb_version_ring_end(&ws->api->waiters.news);

    if (end == ws->told_end || atomic_load(&ws->api->waiters.followers) == 0)
        return;
    ws->told_end = end;
    for (struct tb_ws_conn *conn = ws->conns; conn != NULL; conn = conn->next) {
        if (conn->follows)
            tb_ws_schedule(ws, conn);
    }
}

static bool looks_here(const struct tb_ws *ws)
{
    return ws->fresh != NULL && ws->api->options.here.view != NULL;
}

void tb_ws_step(struct tb_ws *ws, bool readable)
{
    if (readable)
        take_events(ws);
    if (looks_here(ws))
        tb_ws_read_initial(ws);
    wake_followers(ws);
    take_turns(ws, TB_WS_WRITES_MAX);
}

int64_t tb_ws_next_ms(const struct tb_ws *ws)
{
    if (ws->due_first != NULL)
        return 0;
    return looks_here(ws) ? ws->look_ms : INT64_MAX;
}

void tb_ws_sweep(struct tb_ws *ws)
{
    for (struct tb_ws_conn *conn = ws->conns, *next = NULL; conn != NULL; conn = next) {
        next = conn->next;
        tb_ws_conn_sweep(ws, conn);
    }
}

void tb_ws_drain(struct tb_ws *ws)
{
    for (struct tb_ws_conn *conn = ws->conns; conn != NULL; conn = conn->next)
        tb_ws_conn_close(ws, conn, TB_WS_GOING_AWAY, "This node is about to stop.");
}

size_t tb_ws_count(const struct tb_ws *ws)
{
    return atomic_load(&((struct tb_ws *)(uintptr_t)ws)->count);
}

#include "api/ws/ws.h"
#include "api/http/mhd.h"
#include "api/ws/conn.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64

enum tb_code tb_ws_init(struct tb_ws *ws, struct tb_error *err)
{
    ws->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (ws->epoll_fd < 0)
        return tb_error_errno(err, TB_INTERNAL, errno, "epoll_create1");
    return tb_ws_writer_init(&ws->writer, err);
}

static struct tb_ws_conn *conn_of(struct tb_list_node *node)
{
    return TB_LIST_ELEMENT(node, struct tb_ws_conn, node);
}

static void append_scheduled(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    if (!tb_list_is_linked(&conn->scheduled_node))
        tb_list_append(&ws->scheduled, &conn->scheduled_node);
}

void tb_ws_schedule(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    if (!conn->blocked)
        append_scheduled(ws, conn);
}

void tb_ws_drop(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    if (conn->state == TB_WS_GONE)
        return;
    tb_ws_release_subscriptions(ws, conn);
    tb_ws_reader_release(&conn->reader);
    tb_buf_release(&conn->out);
    /* libmicrohttpd may still have a copy of the descriptor, which keeps it in the epoll set. */
    epoll_ctl(ws->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
    close(conn->fd);
    tb_mhd_upgraded_closed(ws->server, conn->address_count);
    tb_list_remove(&ws->conns, &conn->node);
    atomic_fetch_sub(&ws->conn_count, 1);
    conn->state = TB_WS_GONE;
    append_scheduled(ws, conn);
}

static void write_scheduled(struct tb_ws *ws, size_t max)
{
    for (size_t i = 0; i < max && ws->scheduled.first; i++) {
        struct tb_ws_conn *conn =
            TB_LIST_ELEMENT(ws->scheduled.first, struct tb_ws_conn, scheduled_node);
        tb_list_remove(&ws->scheduled, &conn->scheduled_node);
        if (conn->state == TB_WS_GONE)
            free(conn);
        else
            tb_ws_conn_write(ws, conn);
    }
}

void tb_ws_release(struct tb_ws *ws)
{
    while (ws->conns.first)
        tb_ws_drop(ws, conn_of(ws->conns.first));
    write_scheduled(ws, SIZE_MAX);
    tb_ws_writer_release(&ws->writer);
    tb_buf_release(&ws->text);
    if (ws->epoll_fd > 0)
        close(ws->epoll_fd);
    ws->epoll_fd = -1;
}

static bool register_socket(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    int on = 1, bytes = TB_WS_KERNEL_BYTES;

    /* Small messages must be sent at once; libmicrohttpd has turned this off. */
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(conn->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    return epoll_ctl(ws->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) == 0;
}

void tb_ws_adopt(struct tb_ws *ws, int fd, struct tb_address_count *address_count,
                 struct tb_str early)
{
    struct tb_ws_conn *conn = calloc(1, sizeof *conn);

    if (!conn) {
        close(fd);
        tb_mhd_upgraded_closed(ws->server, address_count);
        return;
    }
    conn->ws = ws;
    conn->fd = fd;
    conn->address_count = address_count;
    tb_list_prepend(&ws->conns, &conn->node);
    atomic_fetch_add(&ws->conn_count, 1);
    if (register_socket(ws, conn))
        tb_ws_conn_read(ws, conn, early);
    else
        tb_ws_drop(ws, conn);
}

static void handle_event(struct tb_ws *ws, const struct epoll_event *event)
{
    struct tb_ws_conn *conn = event->data.ptr;

    if (!conn->blocked)
        tb_ws_conn_readable(ws, conn);
    else if (event->events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))
        tb_ws_drop(ws, conn);
    else
        tb_ws_conn_write(ws, conn);
}

static void handle_events(struct tb_ws *ws)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(ws->epoll_fd, events, EVENTS_AT_ONCE, 0);

    for (int i = 0; i < count; i++)
        handle_event(ws, &events[i]);
}

/* Schedules the connections that follow all orders if the version ring has new changes. */
static void schedule_followers(struct tb_ws *ws)
{
    struct tb_waiters *waiters = ws->waiters;
    uint64_t end = tb_version_ring_end(&waiters->ring);

    if (end == ws->seen_end || atomic_load(&waiters->reader_count) == 0)
        return;
    ws->seen_end = end;
    for (struct tb_list_node *node = ws->conns.first; node; node = node->next) {
        if (conn_of(node)->all_orders)
            tb_ws_schedule(ws, conn_of(node));
    }
}

static bool reads_itself(const struct tb_ws *ws)
{
    return ws->read_version && tb_ws_has_initial_reads(ws);
}

void tb_ws_step(struct tb_ws *ws, bool readable)
{
    if (readable)
        handle_events(ws);
    if (reads_itself(ws))
        tb_ws_read_initial(ws);
    schedule_followers(ws);
    write_scheduled(ws, TB_WS_WRITES_MAX);
}

int64_t tb_ws_next_ms(const struct tb_ws *ws)
{
    if (ws->scheduled.first)
        return 0;
    return reads_itself(ws) ? ws->retry_ms : INT64_MAX;
}

void tb_ws_sweep(struct tb_ws *ws)
{
    for (struct tb_list_node *node = ws->conns.first, *next; node; node = next) {
        next = node->next;
        tb_ws_conn_sweep(ws, conn_of(node));
    }
}

void tb_ws_drain(struct tb_ws *ws)
{
    for (struct tb_list_node *node = ws->conns.first; node; node = node->next)
        tb_ws_conn_close(ws, conn_of(node), TB_WS_GOING_AWAY, "This node is about to stop.");
}

size_t tb_ws_count(const struct tb_ws *ws)
{
    return atomic_load(&ws->conn_count);
}

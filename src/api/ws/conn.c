#include "api/ws/conn.h"
#include "api/ws/message.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define READ_BYTES 4096
#define TOO_SLOW "Too slow: subscribe again, and ask for what was missed."

/* From a client that takes no bytes we do not read either: the answers to its commands would need
 * more and more memory. */
static void update_events(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    struct epoll_event event = {.events = conn->blocked ? EPOLLOUT | EPOLLRDHUP : EPOLLIN,
                                .data.ptr = conn};

    if (epoll_ctl(ws->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event) != 0)
        tb_ws_drop(ws, conn);
}

void tb_ws_conn_close(struct tb_ws *ws, struct tb_ws_conn *conn, enum tb_ws_code code,
                      const char *reason)
{
    if (conn->state != TB_WS_OPEN)
        return;
    tb_ws_release_subscriptions(ws, conn);
    tb_ws_reader_release(&conn->reader);
    tb_ws_write_close(&ws->writer, &conn->out, code, reason);
    conn->state = TB_WS_CLOSING;
    conn->deadline_ms = ws->now_ms + TB_WS_CLOSE_MS;
    tb_ws_schedule(ws, conn);
}

static void refuse_topic(struct tb_ws *ws, struct tb_ws_conn *conn, enum tb_code code)
{
    if (code == TB_BUSY)
        tb_ws_conn_close(ws, conn, TB_WS_POLICY,
                         "A connection has at most 1,000 topics; /topic/orders is all orders.");
    else if (code == TB_UNAVAILABLE)
        tb_ws_conn_close(ws, conn, TB_WS_TRY_LATER, "This node has too many subscriptions.");
    else if (code != TB_OK)
        tb_ws_conn_close(ws, conn, TB_WS_INTERNAL, "Out of memory.");
}

static void run_command(struct tb_ws *ws, struct tb_ws_conn *conn, struct tb_str text)
{
    struct tb_ws_command command;
    enum tb_ws_code code = TB_WS_POLICY;
    const char *fault = tb_ws_command_parse(text, &command, &code);

    if (fault) {
        tb_ws_conn_close(ws, conn, code, fault);
        return;
    }
    bool all_orders = command.order_id[0] == '\0';
    if (command.unsubscribe && all_orders)
        tb_ws_unsubscribe_all(ws, conn);
    else if (command.unsubscribe)
        tb_ws_unsubscribe(ws, conn, command.order_id);
    else
        refuse_topic(ws, conn,
                     all_orders ? tb_ws_subscribe_all(ws, conn)
                                : tb_ws_subscribe(ws, conn, command.order_id));
}

static void handle(struct tb_ws *ws, struct tb_ws_conn *conn, const struct tb_ws_message *message)
{
    switch (message->kind) {
    case TB_WS_TEXT:
        run_command(ws, conn, message->data);
        return;
    case TB_WS_PING:
        tb_ws_write(&ws->writer, &conn->out, TB_WS_PONG,
                    (struct tb_str){message->control, message->control_len});
        tb_ws_schedule(ws, conn);
        return;
    case TB_WS_CLOSE: /* answered with the same code (RFC 6455, 5.5.1) */
        tb_ws_conn_close(ws, conn, message->code, "");
        return;
    case TB_WS_FAULT:
        tb_ws_conn_close(ws, conn, message->code, message->fault);
        return;
    case TB_WS_PONG: /* tb_ws_conn_read has set last_received_ms */
    case TB_WS_NOTHING:
        return;
    }
}

void tb_ws_conn_read(struct tb_ws *ws, struct tb_ws_conn *conn, struct tb_str bytes)
{
    struct tb_ws_message message;

    conn->last_received_ms = ws->now_ms;
    conn->pinged = false;
    tb_ws_reader_add(&conn->reader, bytes.ptr, bytes.len);
    while (conn->state == TB_WS_OPEN &&
           tb_ws_reader_next(&conn->reader, &message) != TB_WS_NOTHING)
        handle(ws, conn, &message);
}

void tb_ws_conn_readable(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    char bytes[READ_BYTES];
    ssize_t got = recv(conn->fd, bytes, sizeof bytes, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (got <= 0)
        tb_ws_drop(ws, conn);
    else if (conn->state == TB_WS_OPEN) /* after our close frame they are dropped */
        tb_ws_conn_read(ws, conn, (struct tb_str){bytes, (size_t)got});
}

/* Sends `out`. False: the kernel takes no more bytes, or the connection is gone. */
static bool flush(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    while (conn->out_at < conn->out.len) {
        ssize_t sent = send(conn->fd, conn->out.data + conn->out_at, conn->out.len - conn->out_at,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return false;
        if (sent < 0) {
            tb_ws_drop(ws, conn);
            return false;
        }
        conn->out_at += (size_t)sent;
    }
    tb_buf_release(&conn->out);
    conn->out_at = 0;
    return true;
}

static void write_due(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    if (conn->state != TB_WS_OPEN || conn->out_at < conn->out.len)
        return;
    if (conn->ping_due) {
        tb_ws_write(&ws->writer, &conn->out, TB_WS_PING, (struct tb_str){NULL, 0});
        conn->ping_due = false;
        conn->pinged = true;
        conn->deadline_ms = ws->now_ms + TB_WS_PONG_MS;
    }
    if (!tb_ws_write_changes(ws, conn))
        tb_ws_conn_close(ws, conn, TB_WS_TRY_LATER, TOO_SLOW);
}

static void set_blocked(struct tb_ws *ws, struct tb_ws_conn *conn, bool blocked)
{
    if (conn->blocked == blocked)
        return;
    conn->blocked = blocked;
    conn->pinged = false;
    if (blocked && conn->state == TB_WS_OPEN)
        conn->deadline_ms = ws->now_ms + TB_WS_BLOCKED_MS;
    if (!blocked)
        conn->last_received_ms = ws->now_ms; /* a client that takes bytes is alive */
    update_events(ws, conn);
}

void tb_ws_conn_write(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    write_due(ws, conn);
    if (!tb_buf_ok(&conn->out)) {
        tb_ws_drop(ws, conn);
        return;
    }
    bool flushed = flush(ws, conn);
    if (conn->state == TB_WS_GONE)
        return;
    if (flushed && conn->state == TB_WS_CLOSING)
        shutdown(conn->fd, SHUT_WR); /* then the client closes, or its deadline passes */
    set_blocked(ws, conn, !flushed);
    if (flushed && conn->state == TB_WS_OPEN && tb_ws_has_changes(ws, conn))
        tb_ws_schedule(ws, conn);
}

static bool missed_changes(const struct tb_ws *ws, const struct tb_ws_conn *conn)
{
    return conn->all_orders &&
           tb_version_ring_end(&ws->waiters->ring) - conn->position > TB_VERSION_RING_SIZE;
}

void tb_ws_conn_sweep(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    int64_t now_ms = ws->now_ms;

    if (conn->state == TB_WS_CLOSING) {
        if (now_ms >= conn->deadline_ms)
            tb_ws_drop(ws, conn);
    } else if (conn->blocked) {
        if (now_ms >= conn->deadline_ms || missed_changes(ws, conn))
            tb_ws_conn_close(ws, conn, TB_WS_TRY_LATER, TOO_SLOW);
    } else if (conn->pinged) {
        if (now_ms >= conn->deadline_ms)
            tb_ws_drop(ws, conn);
    } else if (now_ms - conn->last_received_ms >= TB_WS_PING_MS) {
        conn->ping_due = true;
        tb_ws_schedule(ws, conn);
    }
}

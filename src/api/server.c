#include "api/server.h"
#include "api/door.h"
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>

/* New connections taken in one round: the others' requests wait meanwhile. */
#define ACCEPT_MAX 64
/* Exchanges kept for the next requests, some 8 kB each. */
#define FREE_MAX 256
/* Beside the head a connection's memory holds a copy of its cookies, which the library makes, 60
 * bytes a field, and the head of the reply. */
#define POOL_HEADS 2
#define POOL_EXTRA 3072
/* Ours is the limit; the library's must be out of its way, closed ones not yet swept included. */
#define LIBRARY_CONNECTIONS_EXTRA 1024
/* A commit takes this long on the slowest disks that anybody would sell from; then suspend. */
#define SOON_MS 20
/* While requests are asked for again the library cannot tell whether it has other work. What
 * sockets and workers bring wakes us anyway; the rest (a body larger than one read) waits so long.
 */
#define ASK_AGAIN_MS 1

struct tb_server {
    struct tb_server_options options;
    struct MHD_Daemon *mhd; /* owned */
    struct tb_door door;
    struct tb_conn *conns;
    struct tb_conn *arriving; /* handed to the library just now */
    size_t conn_count;
    struct tb_exchange *spare; /* list by next_done */
    size_t spare_count;
    size_t asked_again; /* requests without an answer that are not suspended */
    bool moved;         /* something was read or answered in this round */
    int64_t now_ms;
    bool draining;
};

static struct tb_exchange *take_exchange(struct tb_server *server)
{
    struct tb_exchange *x = server->spare;

    if (x == NULL)
        return tb_exchange_new();
    server->spare = x->next_done;
    server->spare_count--;
    x->next_done = NULL;
    return x;
}

void tb_server_let_go(struct tb_server *server, struct tb_exchange *x)
{
    if (x->conn != NULL || x->at_worker)
        return;
    if (server->spare_count >= FREE_MAX) {
        tb_exchange_free(x);
        return;
    }
    tb_exchange_clear(x);
    x->next_done = server->spare;
    server->spare = x;
    server->spare_count++;
}

static struct tb_conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info->socket_context;
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct tb_server *server = cls;
    struct tb_conn *conn = server->arriving;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        server->arriving = NULL;
        conn->mhd = mhd;
        *context = conn;
        conn->next = server->conns;
        if (conn->next != NULL)
            conn->next->prev = conn;
        server->conns = conn;
        server->conn_count++;
        return;
    }
    conn = *context;
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    server->conn_count--;
    tb_peers_leave(&server->door.peers, conn->peer);
    free(conn);
}

/* The request line is there: the library is about to take it apart in place. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct tb_server *server = cls;
    struct tb_conn *conn = conn_of(mhd);
    struct tb_exchange *x = take_exchange(server);

    if (x == NULL)
        return NULL;
    tb_buf_adds(&x->target, target);
    x->conn = conn;
    conn->x = x;
    server->moved = true;
    if (conn->phase == TB_PHASE_IDLE)
        tb_conn_enter(conn, TB_PHASE_HEAD, server->now_ms + server->options.times.header_ms);
    return x;
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    /* Fails when out of memory only; the answer stands without it. */
    (void)MHD_add_response_header(response, name, value);
}

static void add_headers(struct tb_server *server, struct MHD_Response *response,
                        struct tb_exchange *x)
{
    const struct tb_answer *answer = &x->reply.answer;
    char text[64];

    if (answer->body.len > 0) {
        const char *type = answer->status < 400 ? "application/json" : "application/problem+json";
        add_header(response, "Content-Type",
                   x->reply.content_type != NULL ? x->reply.content_type : type);
    }
    if (answer->version > 0) {
        (void)snprintf(text, sizeof(text), "\"%lld\"", (long long)answer->version);
        add_header(response, "ETag", text);
    }
    if (answer->status == 201 && answer->order_id[0] != '\0') {
        (void)snprintf(text, sizeof(text), "/orders/%s", answer->order_id);
        add_header(response, "Location", text);
    }
    if (answer->replayed)
        add_header(response, "Idempotency-Replayed", "true");
    if (answer->retry_after_s > 0) {
        (void)snprintf(text, sizeof(text), "%d", answer->retry_after_s);
        add_header(response, "Retry-After", text);
    }
    if (x->reply.allow != NULL)
        add_header(response, "Allow", x->reply.allow);
    if (x->reply.link.len > 0)
        add_header(response, "Link", x->reply.link.data);
    if (x->reply.close || server->draining)
        add_header(response, "Connection", "close");
    add_header(response, "X-Content-Type-Options", "nosniff");
    add_header(response, "Cache-Control", "no-store");
}

static void stop_asking(struct tb_server *server, struct tb_exchange *x)
{
    server->asked_again -= x->asked_again;
    x->asked_again = false;
}

static enum MHD_Result send_reply(struct tb_server *server, struct MHD_Connection *mhd,
                                  struct tb_exchange *x)
{
    struct tb_buf *body = &x->reply.answer.body;
    static char nothing[1];
    /* The body lives until on_completed: no copy. */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body->len, body->len > 0 ? body->data : nothing, MHD_RESPMEM_PERSISTENT);

    if (response == NULL)
        return MHD_NO;
    server->moved = true;
    stop_asking(server, x);
    add_headers(server, response, x);
    tb_conn_enter(x->conn, TB_PHASE_REPLY,
                  server->now_ms + TB_CONN_REPLY_MS +
                      (int64_t)(body->len / TB_CONN_REPLY_BYTES_PER_S) * 1000);
    server->options.replied(server->options.ctx, x);
    enum MHD_Result rc = MHD_queue_response(mhd, (unsigned int)x->reply.answer.status, response);
    MHD_destroy_response(response);
    return rc;
}

static void refuse(struct tb_exchange *x, int status, bool close, const char *detail)
{
    tb_answer_problem(&x->reply.answer, status, detail, NULL);
    x->reply.close = close;
    x->reply.ready = true;
}

/* Too much is on its way, and the library cannot answer within a body: we do, tell the client that
 * nothing more will come, and let it finish or run into the body's deadline. A plain close would
 * reset the connection and take the answer away. */
static void cut_off(struct tb_server *server, struct tb_exchange *x)
{
    refuse(x, 413, true, "The body is too large.");
    server->options.replied(server->options.ctx, x);
    tb_conn_send_refusal(x->conn->fd, 413, 0, "The body is too large.");
    (void)shutdown(x->conn->fd, SHUT_WR);
    x->cut_off = true;
}

static enum MHD_Result on_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                size_t name_len, const char *value, size_t value_len)
{
    (void)kind;
    if (value == NULL)
        value = name + name_len;
    tb_guard_field(cls, (struct tb_str){name, name_len}, (struct tb_str){value, value_len});
    return MHD_YES;
}

static const char *read_head(struct tb_server *server, struct MHD_Connection *mhd,
                             struct tb_exchange *x, const char *method, const char *version)
{
    struct tb_guard guard;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    tb_guard_begin(&guard, &x->head);
    (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, on_field, &guard);
    x->method = tb_method_parse(method);
    return tb_guard_end(&guard, server->options.hosts, method, tb_buf_str(&x->target), version,
                        info->header_size);
}

static enum MHD_Result on_head(struct tb_server *server, struct MHD_Connection *mhd,
                               struct tb_exchange *x, const char *method, const char *version)
{
    const char *fault = read_head(server, mhd, x, method, version);

    x->head_seen = true;
    if (fault != NULL || x->head.size > (size_t)server->options.header_max) {
        if (fault != NULL)
            refuse(x, 400, true, fault);
        else
            refuse(x, 431, true, "The head is too large.");
        return send_reply(server, mhd, x);
    }
    tb_conn_enter(x->conn, TB_PHASE_BODY, server->now_ms + server->options.times.body_ms);
    if (x->head.content_length > server->options.body_max) {
        if (!x->head.expects_continue) {
            cut_off(server, x);
            return MHD_YES;
        }
        refuse(x, 413, true, "The body is too large.");
        return send_reply(server, mhd, x);
    }
    server->options.head(server->options.ctx, x);
    x->discarding = x->discarding || x->reply.ready;
    /* Queued here, a reply ends the connection: only for who has not begun to send the body. */
    if (x->reply.ready && x->head.has_body && x->head.expects_continue) {
        x->reply.close = true;
        return send_reply(server, mhd, x);
    }
    return MHD_YES;
}

static enum MHD_Result on_body(struct tb_server *server, struct tb_exchange *x, const char *bytes,
                               size_t len)
{
    server->moved = true;
    x->conn->consumed += len;
    x->body_seen += (int64_t)len;
    if (x->cut_off)
        return MHD_YES;
    if (x->body_seen > server->options.body_max)
        cut_off(server, x);
    else if (!x->discarding)
        tb_buf_add(&x->body, bytes, len);
    return MHD_YES;
}

static enum MHD_Result on_whole(struct tb_server *server, struct MHD_Connection *mhd,
                                struct tb_exchange *x)
{
    if (x->cut_off)
        return MHD_NO; /* answered already: close */
    if (!tb_buf_ok(&x->body) && !x->reply.ready)
        refuse(x, 503, false, "Out of memory.");
    if (!x->reply.ready && !x->served) {
        tb_conn_enter(x->conn, TB_PHASE_WORK, 0);
        x->served = true;
        x->whole_ms = server->now_ms;
        server->options.serve(server->options.ctx, x);
    }
    if (x->reply.ready)
        return send_reply(server, mhd, x);
    if (x->soon && server->now_ms - x->whole_ms < SOON_MS) {
        server->asked_again += !x->asked_again;
        x->asked_again = true;
        return MHD_YES;
    }
    stop_asking(server, x);
    x->suspended = true;
    MHD_suspend_connection(mhd);
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *len, void **context)
{
    struct tb_server *server = cls;
    struct tb_exchange *x = *context;

    (void)url;
    if (x == NULL || !tb_buf_ok(&x->target))
        return MHD_NO; /* out of memory */
    if (!x->head_seen)
        return on_head(server, mhd, x, method, version);
    if (*len > 0) {
        size_t taken = *len;
        *len = 0;
        return on_body(server, x, bytes, taken);
    }
    return on_whole(server, mhd, x);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct tb_server *server = cls;
    struct tb_exchange *x = *context;

    (void)mhd;
    *context = NULL;
    if (x == NULL)
        return;
    struct tb_conn *conn = x->conn;
    stop_asking(server, x);
    server->moved = true;
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK) {
        conn->consumed += x->head.size;
        if (x->head.chunked) /* its framing was not counted */
            conn->consumed = tb_conn_received(conn);
        tb_conn_enter(conn, TB_PHASE_IDLE, server->now_ms + TB_CONN_IDLE_MS);
    } else {
        conn->phase = TB_PHASE_ENDING;
    }
    conn->x = NULL;
    x->conn = NULL;
    tb_server_let_go(server, x);
}

void tb_server_answer(struct tb_server *server, struct tb_exchange *x)
{
    x->reply.ready = true;
    server->moved = true;
    if (!x->suspended)
        return;
    x->suspended = false;
    MHD_resume_connection(x->conn->mhd);
}

enum tb_code tb_server_new(const struct tb_server_options *options, struct tb_server **ret_server,
                           struct tb_error *err)
{
    struct tb_server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    server->options = *options;
    /* Host and target are judged by the guard, whose answer is problem+json: not strict here. */
    server->mhd = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO, 0,
        NULL, NULL, on_request, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_URI_LOG_CALLBACK,
        on_target, server, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)options->header_max * POOL_HEADS + POOL_EXTRA, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned int)options->connections_max + LIBRARY_CONNECTIONS_EXTRA, MHD_OPTION_END);
    if (server->mhd == NULL) {
        free(server);
        return tb_error_set(err, TB_INTERNAL, "libmicrohttpd does not start");
    }
    tb_door_init(&server->door, options->listen_fd, options->connections_max,
                 options->connections_per_address_max);
    *ret_server = server;
    return TB_OK;
}

void tb_server_free(struct tb_server *server)
{
    if (server == NULL)
        return;
    MHD_stop_daemon(server->mhd);
    while (server->spare != NULL) {
        struct tb_exchange *x = server->spare;
        server->spare = x->next_done;
        tb_exchange_free(x);
    }
    tb_door_close(&server->door);
    free(server);
}

int tb_server_event_fd(const struct tb_server *server)
{
    return MHD_get_daemon_info(server->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int tb_server_listen_fd(const struct tb_server *server)
{
    return server->door.listen_fd;
}

static void admit(struct tb_server *server, const struct tb_guest *guest)
{
    struct tb_conn *conn = calloc(1, sizeof(*conn));

    if (conn == NULL) {
        tb_peers_leave(&server->door.peers, guest->peer);
        tb_door_turn_away(guest->fd);
        return;
    }
    conn->fd = guest->fd;
    conn->peer = guest->peer;
    tb_conn_enter(conn, TB_PHASE_HEAD, server->now_ms + server->options.times.header_ms);
    server->arriving = conn;
    (void)MHD_add_connection(server->mhd, guest->fd, (const struct sockaddr *)&guest->address,
                             guest->address_len);
    if (server->arriving != NULL) { /* it failed and has closed the socket */
        server->arriving = NULL;
        tb_peers_leave(&server->door.peers, guest->peer);
        free(conn);
    }
}

void tb_server_step(struct tb_server *server, int64_t now_ms, bool accept)
{
    struct tb_guest guest;

    server->now_ms = now_ms;
    server->moved = false;
    for (int i = 0; accept && i < ACCEPT_MAX && server->door.listen_fd >= 0; i++) {
        if (!tb_door_next(&server->door, (int64_t)server->conn_count, &guest))
            break;
        admit(server, &guest);
    }
    (void)MHD_run(server->mhd);
}

int tb_server_wait_ms(struct tb_server *server)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;

    if (MHD_get_timeout(server->mhd, &wait_ms) != MHD_YES)
        return -1;
    return server->asked_again > 0 && !server->moved ? ASK_AGAIN_MS : 0;
}

void tb_server_sweep(struct tb_server *server, int64_t now_ms)
{
    tb_conn_sweep(server->conns, &server->options.times, now_ms);
}

size_t tb_server_connections(const struct tb_server *server)
{
    return server->conn_count;
}

void tb_server_drain(struct tb_server *server)
{
    server->draining = true;
    tb_door_close(&server->door);
    tb_conn_end_idle(server->conns);
}

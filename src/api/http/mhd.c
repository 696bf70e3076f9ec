#include "api/http/mhd_priv.h"
#include <stdlib.h>

/* Connections accepted in one round; all requests wait meanwhile. */
#define ACCEPT_MAX 64
/* Free requests that are kept, some 6 kB each. */
#define FREE_MAX 256
/* The memory of a connection holds its head, a copy of its cookies, 60 bytes for each field, and
 * the head of the reply. */
#define POOL_HEADS 2
#define POOL_EXTRA 3072
/* The acceptor enforces the limit. That of libmicrohttpd must be higher: it counts connections
 * that are closed but not yet cleaned up. */
#define MHD_CONNECTIONS_EXTRA 1024
/* Since 1.0 libmicrohttpd by default joins folded header lines, and redirects a target with
 * blanks. At this level it refuses both. 0.9.75 has no such option: there strict_head.c finds
 * both. */
#if MHD_VERSION >= 0x01000000
#define STRICTNESS MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
#else
#define STRICTNESS
#endif
/* While requests are polled, libmicrohttpd cannot tell whether it has other work. Sockets and
 * workers wake the thread in any case; other work (a body larger than one read) waits this long.
 */
#define POLL_MS 1

void tb_mhd_move(struct tb_mhd_server *server, struct tb_request *req, enum tb_request_state state)
{
    server->polled_count -= req->state == TB_REQUEST_POLLED;
    tb_request_move(req, state);
    server->polled_count += req->state == TB_REQUEST_POLLED;
}

void tb_mhd_release(struct tb_mhd_server *server, struct tb_request *req)
{
    if (req->state != TB_REQUEST_DETACHED || tb_list_is_linked(&req->inflight_node))
        return;
    if (server->free_count >= FREE_MAX) {
        tb_request_free(req);
        return;
    }
    tb_request_move(req, TB_REQUEST_FREE);
    tb_request_clear(req);
    req->next = server->free_requests;
    server->free_requests = req;
    server->free_count++;
}

struct tb_conn *tb_mhd_conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info->socket_context;
}

static int socket_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static struct tb_conn *conn_of(struct tb_list_node *node)
{
    return TB_LIST_ELEMENT(node, struct tb_conn, node);
}

static void remove_conn(struct tb_mhd_server *server, struct tb_conn *conn)
{
    tb_list_remove(&server->conns, &conn->node);
    server->conn_count -= !conn->upgraded;
    tb_address_limit_remove(&server->acceptor.address_limit, conn->address_count);
    free(conn);
}

/* libmicrohttpd calls this in MHD_add_connection (0.9) or in the next MHD_run (1.0). */
static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct tb_mhd_server *server = cls;
    struct tb_list_node *node = server->conns.first;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        remove_conn(server, *context);
        return;
    }
    while (conn_of(node)->mhd || conn_of(node)->fd != socket_of(mhd))
        node = node->next;
    conn_of(node)->mhd = mhd;
    *context = conn_of(node);
    server->unstarted_count--;
}

/* Removes the connections that libmicrohttpd has closed instead of starting them: it calls nothing
 * then. */
static void remove_unstarted(struct tb_mhd_server *server)
{
    struct tb_list_node *node = server->conns.first, *next;

    for (; node && server->unstarted_count > 0; node = next) {
        next = node->next;
        if (conn_of(node)->mhd)
            continue;
        server->unstarted_count--;
        remove_conn(server, conn_of(node));
    }
}

void tb_mhd_answer(struct tb_mhd_server *server, struct tb_request *req)
{
    bool suspended = req->state == TB_REQUEST_SUSPENDED;

    TB_ASSERT(tb_reply_filled(&req->reply));
    tb_mhd_move(server, req, TB_REQUEST_ANSWERED);
    server->progressed = true;
    if (suspended)
        MHD_resume_connection(req->conn->mhd);
}

enum tb_code tb_mhd_new(const struct tb_mhd_options *options, struct tb_mhd_server **ret_server,
                        struct tb_error *err)
{
    struct tb_mhd_server *server = calloc(1, sizeof *server);

    if (!server)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    server->options = *options;
    /* libmicrohttpd's own strict mode is off: strict_head.c checks the head, and its refusals are
     * problem+json. */
    server->mhd = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_UPGRADE | MHD_USE_TURBO, 0, NULL,
        NULL, tb_mhd_on_request, server, MHD_OPTION_NOTIFY_COMPLETED, tb_mhd_on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_URI_LOG_CALLBACK,
        tb_mhd_on_target, server, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)options->header_max * POOL_HEADS + POOL_EXTRA, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned int)options->connections_max + MHD_CONNECTIONS_EXTRA, STRICTNESS MHD_OPTION_END);
    if (!server->mhd) {
        free(server);
        return tb_error_set(err, TB_INTERNAL, "libmicrohttpd does not start");
    }
    tb_acceptor_init(&server->acceptor, options->listen_fd, options->connections_max,
                     options->connections_per_address_max);
    *ret_server = server;
    return TB_OK;
}

void tb_mhd_free(struct tb_mhd_server *server)
{
    if (!server)
        return;
    MHD_stop_daemon(server->mhd);
    for (struct tb_request *req = server->free_requests, *next; req; req = next) {
        next = req->next;
        tb_request_free(req);
    }
    tb_acceptor_close(&server->acceptor);
    free(server);
}

int tb_mhd_event_fd(const struct tb_mhd_server *server)
{
    return MHD_get_daemon_info(server->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int tb_mhd_listen_fd(const struct tb_mhd_server *server)
{
    return server->acceptor.listen_fd;
}

static void add_connection(struct tb_mhd_server *server, const struct tb_accepted *accepted)
{
    struct tb_conn *conn = calloc(1, sizeof *conn);

    if (!conn) {
        tb_address_limit_remove(&server->acceptor.address_limit, accepted->address_count);
        tb_acceptor_reject(accepted->fd);
        return;
    }
    conn->fd = accepted->fd;
    conn->address_count = accepted->address_count;
    tb_conn_enter(conn, TB_PHASE_HEAD, server->now_ms + server->options.times.header_ms);
    tb_list_prepend(&server->conns, &conn->node);
    server->conn_count++;
    server->unstarted_count++;
    /* On failure it closes the socket, and remove_unstarted removes conn. The next socket may have
     * the same number; on_connection then finds the right connection, because that is newer. */
    (void)MHD_add_connection(server->mhd, accepted->fd,
                             (const struct sockaddr *)&accepted->address, accepted->address_len);
}

void tb_mhd_step(struct tb_mhd_server *server, int64_t now_ms, bool accept)
{
    struct tb_accepted accepted;

    server->now_ms = now_ms;
    server->progressed = false;
    for (int i = 0; accept && i < ACCEPT_MAX && server->acceptor.listen_fd >= 0; i++) {
        size_t present = server->conn_count + server->upgraded_count;
        if (!tb_acceptor_next(&server->acceptor, (int64_t)present, &accepted))
            break;
        add_connection(server, &accepted);
    }
    (void)MHD_run(server->mhd);
    remove_unstarted(server);
}

int tb_mhd_wait_ms(struct tb_mhd_server *server)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;

    if (MHD_get_timeout(server->mhd, &wait_ms) != MHD_YES)
        return -1;
    return server->polled_count > 0 && !server->progressed ? POLL_MS : 0;
}

void tb_mhd_sweep(struct tb_mhd_server *server, int64_t now_ms)
{
    tb_conn_sweep(&server->conns, &server->options.times, now_ms);
}

void tb_mhd_upgraded_closed(struct tb_mhd_server *server, struct tb_address_count *address_count)
{
    server->upgraded_count--;
    tb_address_limit_remove(&server->acceptor.address_limit, address_count);
}

size_t tb_mhd_connections(const struct tb_mhd_server *server)
{
    return server->conn_count;
}

void tb_mhd_drain(struct tb_mhd_server *server)
{
    server->draining = true;
    tb_acceptor_close(&server->acceptor);
    tb_conn_end_idle(&server->conns);
}

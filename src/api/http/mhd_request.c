#include "api/http/mhd_priv.h"

/* A commit takes this long on the slowest disks that anybody would sell from; then suspend. */
#define SOON_MS 20

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

/* The request line is there: the library is about to take it apart in place. */
void *tb_server_on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct tb_server *server = cls;
    struct tb_conn *conn = tb_server_conn_of(mhd);
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
        return tb_server_send(server, mhd, x);
    }
    tb_conn_enter(x->conn, TB_PHASE_BODY, server->now_ms + server->options.times.body_ms);
    if (x->head.content_length > server->options.body_max) {
        if (!x->head.expects_continue) {
            cut_off(server, x);
            return MHD_YES;
        }
        refuse(x, 413, true, "The body is too large.");
        return tb_server_send(server, mhd, x);
    }
    server->options.head(server->options.ctx, x);
    x->discarding = x->discarding || x->reply.ready;
    /* Queued here, a reply ends the connection: only for who has not begun to send the body. */
    if (x->reply.ready && x->head.has_body && x->head.expects_continue) {
        x->reply.close = true;
        return tb_server_send(server, mhd, x);
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
        return tb_server_send(server, mhd, x);
    if (x->soon && server->now_ms - x->whole_ms < SOON_MS) {
        server->asked_again += !x->asked_again;
        x->asked_again = true;
        return MHD_YES;
    }
    tb_server_stop_asking(server, x);
    x->suspended = true;
    MHD_suspend_connection(mhd);
    return MHD_YES;
}

enum MHD_Result tb_server_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
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

void tb_server_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                            enum MHD_RequestTerminationCode code)
{
    struct tb_server *server = cls;
    struct tb_exchange *x = *context;

    (void)mhd;
    *context = NULL;
    if (x == NULL)
        return;
    struct tb_conn *conn = x->conn;
    tb_server_stop_asking(server, x);
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

#include "api/http/mhd_priv.h"

/* A commit takes this long on the slowest disks that anybody would sell from; then suspend. */
#define SOON_MS 20

static struct tb_request *take_free(struct tb_mhd_server *server)
{
    struct tb_request *req = server->spare;

    if (req == NULL)
        return tb_request_new();
    server->spare = req->next_done;
    server->free_count--;
    req->next_done = NULL;
    return req;
}

/* The request line is there: the library is about to take it apart in place. */
void *tb_mhd_on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct tb_mhd_server *server = cls;
    struct tb_conn *conn = tb_mhd_conn_of(mhd);
    struct tb_request *req = take_free(server);

    if (req == NULL)
        return NULL;
    tb_buf_adds(&req->target, target);
    req->conn = conn;
    conn->req = req;
    server->moved = true;
    if (conn->phase == TB_PHASE_IDLE)
        tb_conn_enter(conn, TB_PHASE_HEAD, server->now_ms + server->options.times.header_ms);
    return req;
}

static void refuse(struct tb_request *req, int status, bool close, const char *detail)
{
    tb_answer_problem(&req->reply.answer, status, detail, NULL);
    req->reply.close = close;
    req->reply.ready = true;
}

/* Too much is on its way, and the library cannot answer within a body: we do, tell the client that
 * nothing more will come, and let it finish or run into the body's deadline. A plain close would
 * reset the connection and take the answer away. */
static void cut_off(struct tb_mhd_server *server, struct tb_request *req)
{
    refuse(req, 413, true, "The body is too large.");
    server->options.replied(server->options.ctx, req);
    tb_conn_send_refusal(req->conn->fd, 413, 0, "The body is too large.");
    (void)shutdown(req->conn->fd, SHUT_WR);
    req->cut_off = true;
}

static enum MHD_Result on_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                size_t name_len, const char *value, size_t value_len)
{
    (void)kind;
    if (value == NULL)
        value = name + name_len;
    tb_strict_head_field(cls, (struct tb_str){name, name_len}, (struct tb_str){value, value_len});
    return MHD_YES;
}

static const char *read_head(struct tb_mhd_server *server, struct MHD_Connection *mhd,
                             struct tb_request *req, const char *method, const char *version)
{
    struct tb_strict_head guard;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    tb_strict_head_init(&guard, &req->head);
    (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, on_field, &guard);
    req->method = tb_method_parse(method);
    return tb_strict_head_finish(&guard, server->options.hosts, method, tb_buf_str(&req->target),
                                 version, info->header_size);
}

static enum MHD_Result on_head(struct tb_mhd_server *server, struct MHD_Connection *mhd,
                               struct tb_request *req, const char *method, const char *version)
{
    const char *fault = read_head(server, mhd, req, method, version);

    req->head_seen = true;
    if (fault != NULL || req->head.size > (size_t)server->options.header_max) {
        if (fault != NULL)
            refuse(req, 400, true, fault);
        else
            refuse(req, 431, true, "The head is too large.");
        return tb_mhd_send(server, mhd, req);
    }
    tb_conn_enter(req->conn, TB_PHASE_BODY, server->now_ms + server->options.times.body_ms);
    if (req->head.content_length > server->options.body_max) {
        if (!req->head.expects_continue) {
            cut_off(server, req);
            return MHD_YES;
        }
        refuse(req, 413, true, "The body is too large.");
        return tb_mhd_send(server, mhd, req);
    }
    server->options.head(server->options.ctx, req);
    req->discarding = req->discarding || req->reply.ready;
    /* Queued here, a reply ends the connection: only for who has not begun to send the body. */
    if (req->reply.ready && req->head.has_body && req->head.expects_continue) {
        req->reply.close = true;
        return tb_mhd_send(server, mhd, req);
    }
    return MHD_YES;
}

static enum MHD_Result on_body(struct tb_mhd_server *server, struct tb_request *req,
                               const char *bytes, size_t len)
{
    server->moved = true;
    req->conn->consumed += len;
    req->body_seen += (int64_t)len;
    if (req->cut_off)
        return MHD_YES;
    if (req->body_seen > server->options.body_max)
        cut_off(server, req);
    else if (!req->discarding)
        tb_buf_add(&req->body, bytes, len);
    return MHD_YES;
}

static enum MHD_Result on_whole(struct tb_mhd_server *server, struct MHD_Connection *mhd,
                                struct tb_request *req)
{
    if (req->cut_off)
        return MHD_NO; /* answered already: close */
    if (!tb_buf_ok(&req->body) && !req->reply.ready)
        refuse(req, 503, false, "Out of memory.");
    if (!req->reply.ready && !req->served) {
        tb_conn_enter(req->conn, TB_PHASE_WORK, 0);
        req->served = true;
        req->whole_ms = server->now_ms;
        server->options.serve(server->options.ctx, req);
    }
    if (req->reply.ready)
        return tb_mhd_send(server, mhd, req);
    if (req->soon && server->now_ms - req->whole_ms < SOON_MS) {
        server->polled += !req->polled;
        req->polled = true;
        return MHD_YES;
    }
    tb_mhd_stop_polling(server, req);
    req->suspended = true;
    MHD_suspend_connection(mhd);
    return MHD_YES;
}

enum MHD_Result tb_mhd_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *len, void **context)
{
    struct tb_mhd_server *server = cls;
    struct tb_request *req = *context;

    (void)url;
    if (req == NULL || !tb_buf_ok(&req->target))
        return MHD_NO; /* out of memory */
    if (!req->head_seen)
        return on_head(server, mhd, req, method, version);
    if (*len > 0) {
        size_t taken = *len;
        *len = 0;
        return on_body(server, req, bytes, taken);
    }
    return on_whole(server, mhd, req);
}

void tb_mhd_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct tb_mhd_server *server = cls;
    struct tb_request *req = *context;

    (void)mhd;
    *context = NULL;
    if (req == NULL)
        return;
    struct tb_conn *conn = req->conn;
    tb_mhd_stop_polling(server, req);
    server->moved = true;
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK) {
        conn->consumed += req->head.size;
        if (req->head.chunked) /* its framing was not counted */
            conn->consumed = tb_conn_received(conn);
        tb_conn_enter(conn, TB_PHASE_IDLE, server->now_ms + TB_CONN_IDLE_MS);
    } else {
        conn->phase = TB_PHASE_ENDING;
    }
    conn->req = NULL;
    req->conn = NULL;
    tb_mhd_release(server, req);
}

#include "api/http/mhd_priv.h"
#include "api/http/problem.h"
#include "api/http/strict_head.h"

static struct tb_request *take_request(struct tb_mhd_server *server)
{
    struct tb_request *req = server->free_requests;

    if (!req)
        return tb_request_new();
    server->free_requests = req->next;
    server->free_count--;
    return req;
}

/* libmicrohttpd would split the query string and store each argument in the memory of the
 * connection; when that memory is full, it closes the connection without an answer. We have a copy
 * of the target, so this cuts off the query string in libmicrohttpd's buffer. */
static void hide_query_string(const char *target)
{
    char *mark = strchr((char *)(uintptr_t)target, '?');

    if (mark && mark[1] != '\0')
        mark[1] = '\0';
}

/* libmicrohttpd has received the request line and is about to parse it in place. */
void *tb_mhd_on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct tb_mhd_server *server = cls;
    struct tb_conn *conn = tb_mhd_conn_of(mhd);
    struct tb_request *req = take_request(server);

    if (!req)
        return NULL;
    tb_buf_adds(&req->target, target);
    hide_query_string(target);
    req->conn = conn;
    tb_mhd_move(server, req, TB_REQUEST_HEAD);
    server->progressed = true;
    if (conn->phase == TB_PHASE_IDLE)
        tb_conn_enter(conn, TB_PHASE_HEAD, server->now_ms + server->options.times.header_ms);
    return req;
}

/* Refuses req and ends the connection after the reply. */
static void refuse(struct tb_request *req, int status, const char *detail)
{
    tb_refuse(&req->reply, status, "%s", detail);
    req->reply.close = true;
}

static const char body_too_large[] = "The body is too large.";

/* libmicrohttpd cannot answer while a body arrives. So this writes the refusal to the socket and
 * sends the end of the stream; the connection lasts until the client has sent its body, or until
 * the deadline of the body. A close at once would reset the connection, and the client would lose
 * the answer. */
static void cut_off(struct tb_mhd_server *server, struct tb_request *req)
{
    refuse(req, 413, body_too_large);
    server->options.replied(server->options.ctx, req);
    tb_conn_send_refusal(req->conn->fd, 413, body_too_large);
    shutdown(req->conn->fd, SHUT_WR);
    tb_mhd_move(server, req, TB_REQUEST_CUT_OFF);
}

static enum MHD_Result on_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                size_t name_len, const char *value, size_t value_len)
{
    (void)kind;
    if (!value)
        value = name + name_len;
    tb_strict_head_field(cls, (struct tb_str){name, name_len}, (struct tb_str){value, value_len});
    return MHD_YES;
}

static const char *read_head(struct tb_mhd_server *server, struct MHD_Connection *mhd,
                             struct tb_request *req, const char *method, const char *version)
{
    struct tb_strict_head head;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    tb_strict_head_init(&head, &req->head);
    MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, on_field, &head);
    req->method = tb_method_parse(method);
    return tb_strict_head_finish(&head, server->options.hosts, method, tb_buf_str(&req->target),
                                 version, info->header_size);
}

static enum MHD_Result send_refusal(struct tb_mhd_server *server, struct MHD_Connection *mhd,
                                    struct tb_request *req)
{
    tb_mhd_move(server, req, TB_REQUEST_REFUSED);
    return tb_mhd_send(server, mhd, req);
}

static enum MHD_Result on_head(struct tb_mhd_server *server, struct MHD_Connection *mhd,
                               struct tb_request *req, const char *method, const char *version)
{
    const char *fault = read_head(server, mhd, req, method, version);

    if (fault || req->head.size > (size_t)server->options.header_max) {
        refuse(req, fault ? 400 : 431, fault ? fault : "The head is too large.");
        return send_refusal(server, mhd, req);
    }
    tb_conn_enter(req->conn, TB_PHASE_BODY, server->now_ms + server->options.times.body_ms);
    if (req->head.content_length > server->options.body_max) {
        if (!req->head.expects_continue) {
            cut_off(server, req);
            return MHD_YES;
        }
        refuse(req, 413, body_too_large);
        return send_refusal(server, mhd, req);
    }
    server->options.head(server->options.ctx, req);
    if (!tb_reply_filled(&req->reply)) {
        bool has_no_body = req->method == TB_GET || req->method == TB_HEAD;
        tb_mhd_move(server, req, has_no_body ? TB_REQUEST_SKIP_BODY : TB_REQUEST_BODY);
        return MHD_YES;
    }
    /* A reply before the end of the body must end the connection. So it is sent now only to a
     * client that has not begun to send the body. */
    if (req->head.has_body && req->head.expects_continue) {
        req->reply.close = true;
        return send_refusal(server, mhd, req);
    }
    tb_mhd_move(server, req, TB_REQUEST_REFUSED);
    return MHD_YES;
}

static enum MHD_Result on_body(struct tb_mhd_server *server, struct tb_request *req,
                               const char *bytes, size_t len)
{
    server->progressed = true;
    req->conn->consumed += len;
    req->body_seen += (int64_t)len;
    if (req->state == TB_REQUEST_CUT_OFF)
        return MHD_YES;
    if (req->body_seen > server->options.body_max)
        cut_off(server, req);
    else if (req->state == TB_REQUEST_BODY)
        tb_buf_add(&req->body, bytes, len);
    return MHD_YES;
}

/* The whole request is received. */
static void serve(struct tb_mhd_server *server, struct tb_request *req)
{
    if (!tb_buf_ok(&req->body)) {
        tb_refuse(&req->reply, 503, "Out of memory.");
        tb_mhd_move(server, req, TB_REQUEST_REFUSED);
        return;
    }
    tb_conn_enter(req->conn, TB_PHASE_WORK, 0);
    tb_mhd_move(server, req, TB_REQUEST_SERVING);
    server->options.serve(server->options.ctx, req);
    if (req->state == TB_REQUEST_SERVING && tb_reply_filled(&req->reply))
        tb_mhd_move(server, req, TB_REQUEST_ANSWERED);
}

/* There is no reply yet: libmicrohttpd calls again in the next round, or, if the request is
 * suspended, after tb_mhd_answer. */
static void wait_for_reply(struct tb_mhd_server *server, struct MHD_Connection *mhd,
                           struct tb_request *req)
{
    if (server->now_ms < req->poll_until_ms) {
        if (req->state == TB_REQUEST_SERVING)
            tb_mhd_move(server, req, TB_REQUEST_POLLED);
        return;
    }
    tb_mhd_move(server, req, TB_REQUEST_SUSPENDED);
    MHD_suspend_connection(mhd);
}

static enum MHD_Result on_whole(struct tb_mhd_server *server, struct MHD_Connection *mhd,
                                struct tb_request *req)
{
    if (req->state == TB_REQUEST_CUT_OFF)
        return MHD_NO; /* ends the connection: its answer is sent */
    if (req->state == TB_REQUEST_BODY || req->state == TB_REQUEST_SKIP_BODY)
        serve(server, req);
    if (tb_reply_filled(&req->reply))
        return tb_mhd_send(server, mhd, req);
    wait_for_reply(server, mhd, req);
    return MHD_YES;
}

enum MHD_Result tb_mhd_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *len, void **context)
{
    struct tb_mhd_server *server = cls;
    struct tb_request *req = *context;

    (void)url;
    if (!req || !tb_buf_ok(&req->target))
        return MHD_NO; /* out of memory */
    if (req->state == TB_REQUEST_HEAD)
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
    if (!req)
        return;
    struct tb_conn *conn = req->conn;
    server->progressed = true;
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK) {
        conn->consumed += req->head.size;
        if (req->head.chunked) /* the bytes between the chunks were not counted */
            conn->consumed = tb_conn_received(conn);
        tb_conn_enter(conn, TB_PHASE_IDLE, server->now_ms + TB_CONN_IDLE_MS);
    } else {
        conn->phase = TB_PHASE_ENDING;
    }
    req->conn = NULL;
    tb_mhd_move(server, req, TB_REQUEST_DETACHED);
    tb_mhd_release(server, req);
}

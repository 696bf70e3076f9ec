#include "api/http/mhd_priv.h"
#include <fcntl.h>
#include <stdio.h>

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    /* It fails only when memory is out; then the answer goes without this header. */
    MHD_add_response_header(response, name, value);
}

/* CORS (the Fetch standard): lets the pages that the operator has listed read our answers. Before
 * a command the browser asks with OPTIONS whether the page may send it. */
static void add_headers_for_page(struct MHD_Response *response, const struct tb_request *req)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf origin = {0};

    if (req->origin != TB_ORIGIN_LISTED)
        return;
    tb_buf_add_str(&origin, req->head.origin);
    if (!tb_buf_ok(&origin))
        return;
    add_header(response, "Access-Control-Allow-Origin", origin.data);
    if (req->method == TB_OPTIONS && req->reply.allow[0] != '\0') {
        add_header(response, "Access-Control-Allow-Methods", req->reply.allow);
        add_header(response, "Access-Control-Allow-Headers",
                   "Content-Type, Idempotency-Key, If-Match, Traceparent");
        add_header(response, "Access-Control-Max-Age", "600");
    } else {
        add_header(response, "Access-Control-Expose-Headers",
                   "ETag, Idempotency-Replayed, Link, Location, Retry-After");
    }
}

static void add_headers(struct tb_mhd_server *server, struct MHD_Response *response,
                        struct tb_request *req)
{
    const struct tb_answer *answer = &req->reply.answer;
    char text[64];

    if (answer->body.len > 0) {
        const char *type = answer->status < 400 ? "application/json" : "application/problem+json";
        add_header(response, "Content-Type",
                   req->reply.content_type ? req->reply.content_type : type);
    }
    if (answer->version > 0) {
        snprintf(text, sizeof text, "\"%lld\"", (long long)answer->version);
        add_header(response, "ETag", text);
    }
    if (answer->status == 201 && answer->order_id[0] != '\0') {
        snprintf(text, sizeof text, "/orders/%s", answer->order_id);
        add_header(response, "Location", text);
    }
    if (answer->replayed)
        add_header(response, "Idempotency-Replayed", "true");
    if (answer->retry_after_s > 0) {
        snprintf(text, sizeof text, "%d", answer->retry_after_s);
        add_header(response, "Retry-After", text);
    }
    if (req->reply.allow[0] != '\0')
        add_header(response, "Allow", req->reply.allow);
    if (req->reply.link.len > 0)
        add_header(response, "Link", req->reply.link.data);
    if (answer->status == 426) {
        add_header(response, "Upgrade", "websocket");
        add_header(response, "Sec-WebSocket-Version", "13");
    }
    if (req->reply.close || server->draining)
        add_header(response, "Connection", "close");
    add_headers_for_page(response, req);
    add_header(response, "X-Content-Type-Options", "nosniff");
    add_header(response, "Cache-Control", "no-store");
}

static void add_upgrade_headers(struct MHD_Response *response, const struct tb_request *req)
{
    add_header(response, "Upgrade", "websocket");
    add_header(response, "Sec-WebSocket-Accept", req->reply.ws_accept);
    if (req->head.ws.protocol)
        add_header(response, "Sec-WebSocket-Protocol", TB_WS_SUBPROTOCOL);
}

/* The 101 is sent. If libmicrohttpd stayed in charge of the WebSocket, it would use 20 kB for it,
 * and visit all WebSockets whenever any request is resumed. So it closes its descriptor, and we go
 * on with a copy of it. */
static void on_upgrade(void *cls, struct MHD_Connection *mhd, void *context, const char *early,
                       size_t early_len, MHD_socket sock, struct MHD_UpgradeResponseHandle *handle)
{
    struct tb_mhd_server *server = cls;
    struct tb_conn *conn = tb_mhd_conn_of(mhd);
    int fd = fcntl(sock, F_DUPFD_CLOEXEC, 0);

    (void)context;
    if (fd >= 0) {
        struct tb_address_count *address_count = conn->address_count;
        conn->address_count = NULL; /* the WebSocket has it now */
        conn->upgraded = true;
        server->conn_count--;
        server->upgraded_count++;
        server->options.upgraded(server->options.ctx, fd, address_count,
                                 (struct tb_str){early, early_len});
    }
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

static struct MHD_Response *upgrade(struct tb_mhd_server *server, const struct tb_request *req)
{
    struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, server);

    if (response)
        add_upgrade_headers(response, req);
    return response;
}

static struct MHD_Response *reply(struct tb_mhd_server *server, struct tb_request *req)
{
    struct tb_buf *body = &req->reply.answer.body;
    static char nothing[1];
    /* The body lives until tb_mhd_on_completed, so it is not copied. */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body->len, body->len > 0 ? body->data : nothing, MHD_RESPMEM_PERSISTENT);

    if (response)
        add_headers(server, response, req);
    return response;
}

enum MHD_Result tb_mhd_send(struct tb_mhd_server *server, struct MHD_Connection *mhd,
                            struct tb_request *req)
{
    int status = req->reply.answer.status;
    struct MHD_Response *response = status == 101 ? upgrade(server, req) : reply(server, req);

    if (!response)
        return MHD_NO;
    server->progressed = true;
    tb_mhd_move(server, req, TB_REQUEST_SENDING);
    tb_conn_enter(req->conn, TB_PHASE_REPLY,
                  server->now_ms + TB_CONN_REPLY_MS +
                      (int64_t)(req->reply.answer.body.len / TB_CONN_REPLY_BYTES_PER_S) * 1000);
    server->options.replied(server->options.ctx, req);
    enum MHD_Result rc = MHD_queue_response(mhd, (unsigned int)status, response);
    MHD_destroy_response(response);
    return rc;
}

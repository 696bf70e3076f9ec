#include "api/http/conn.h"
#include "order/answer.h"
/* The tcp_info of glibc ends before tcpi_bytes_received. */
#include <linux/tcp.h>
#include <netinet/in.h>

uint64_t tb_conn_received(const struct tb_conn *conn)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
        len < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received)
        return 0;
    return info.tcpi_bytes_received;
}

void tb_conn_enter(struct tb_conn *conn, enum tb_phase phase, int64_t deadline_ms)
{
    conn->phase = phase;
    conn->deadline_ms = deadline_ms;
}

static void end(struct tb_conn *conn)
{
    conn->phase = TB_PHASE_ENDING;
    /* Only libmicrohttpd may close the descriptor; it does so when it sees the hang-up. */
    shutdown(conn->fd, SHUT_RDWR);
}

/* Has the client begun to send the next request? */
static bool has_begun(const struct tb_conn *conn)
{
    return tb_conn_received(conn) > conn->consumed;
}

static void sweep_one(struct tb_conn *conn, const struct tb_conn_times *times, int64_t now_ms)
{
    if (conn->phase == TB_PHASE_IDLE && has_begun(conn)) {
        tb_conn_enter(conn, TB_PHASE_HEAD, now_ms + times->header_ms);
        return;
    }
    /* work/inflight.c limits the time of TB_PHASE_WORK. */
    if (now_ms < conn->deadline_ms || conn->phase == TB_PHASE_WORK ||
        conn->phase == TB_PHASE_ENDING)
        return;
    if (conn->phase == TB_PHASE_HEAD && has_begun(conn))
        tb_conn_send_refusal(conn->fd, 408, "The head took too long.");
    if (conn->phase == TB_PHASE_BODY)
        tb_conn_send_refusal(conn->fd, 408, "The body took too long.");
    end(conn);
}

static struct tb_conn *conn_of(struct tb_list_node *node)
{
    return TB_LIST_ELEMENT(node, struct tb_conn, node);
}

void tb_conn_sweep(const struct tb_list *conns, const struct tb_conn_times *times, int64_t now_ms)
{
    for (struct tb_list_node *node = conns->first; node; node = node->next)
        sweep_one(conn_of(node), times, now_ms);
}

void tb_conn_end_idle(const struct tb_list *conns)
{
    for (struct tb_list_node *node = conns->first; node; node = node->next) {
        struct tb_conn *conn = conn_of(node);
        bool is_idle = conn->phase == TB_PHASE_IDLE || conn->phase == TB_PHASE_HEAD;
        if (is_idle && !has_begun(conn))
            end(conn);
    }
}

void tb_conn_send_refusal(int fd, int status, const char *detail)
{
    struct tb_answer answer = {0};
    struct tb_buf text = {0};

    tb_answer_problem(&answer, status, detail, NULL);
    tb_buf_addf(&text, "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\n", status,
                tb_http_reason(status));
    if (status == 503)
        tb_buf_adds(&text, "Retry-After: 1\r\n");
    tb_buf_addf(&text,
                "Cache-Control: no-store\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                answer.body.len);
    tb_buf_add_str(&text, tb_buf_str(&answer.body));
    if (tb_buf_ok(&text)) {
        ssize_t sent = send(fd, text.data, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)sent; /* the connection ends either way */
    }
    tb_buf_release(&text);
    tb_answer_release(&answer);
}

#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Events read by one wait; more events only need another wait. */
#define EVENTS_MAX 256
/* A response with an order of three lines has about 600 bytes. */
#define READ_SIZE 16384

struct conn {
    int fd;
    uint16_t port;
    bool busy, writing; /* writing: the socket is full; epoll reports when it is writable */
    int64_t due_us;
    struct tb_buf out;
    size_t out_sent;
    struct tb_buf in;
};

struct tb_load {
    int epoll_fd;
    size_t conn_count, busy_count;
    struct conn *conns;
    void (*on_response)(void *ctx, const struct tb_load_response *response);
    void *ctx;
};

static void conn_open(struct tb_load *load, size_t index)
{
    struct conn *conn = &load->conns[index];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(conn->port)};
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0 || connect(conn->fd, (struct sockaddr *)&address, sizeof address) != 0)
        tb_bench_die("connection %zu: %s", index, strerror(errno));
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(conn->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) != 0)
        tb_bench_die("epoll: %s", strerror(errno));
}

void tb_load_add(struct tb_load *load, const struct tb_bench_server *server, size_t conn_count)
{
    size_t first = load->conn_count;

    load->conn_count += conn_count;
    load->conns = realloc(load->conns, load->conn_count * sizeof *load->conns);
    if (!load->conns)
        tb_bench_die("out of memory");
    for (size_t i = first; i < load->conn_count; i++) {
        load->conns[i] = (struct conn){.port = server->port};
        conn_open(load, i);
    }
}

struct tb_load *
tb_load_open(const struct tb_bench_server *server, size_t conn_count,
             void (*on_response)(void *ctx, const struct tb_load_response *response), void *ctx)
{
    struct tb_load *load = calloc(1, sizeof *load);

    if (!load)
        tb_bench_die("out of memory");
    load->on_response = on_response;
    load->ctx = ctx;
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    tb_load_add(load, server, conn_count);
    return load;
}

void tb_load_free(struct tb_load *load)
{
    for (size_t i = 0; i < load->conn_count; i++) {
        close(load->conns[i].fd);
        tb_buf_release(&load->conns[i].out);
        tb_buf_release(&load->conns[i].in);
    }
    close(load->epoll_fd);
    free(load->conns);
    free(load);
}

bool tb_load_busy(const struct tb_load *load, size_t conn)
{
    return load->conns[conn].busy;
}

size_t tb_load_busy_count(const struct tb_load *load)
{
    return load->busy_count;
}

static void watch(struct tb_load *load, size_t index, bool writing)
{
    struct conn *conn = &load->conns[index];
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};

    if (conn->writing == writing)
        return;
    if (writing)
        event.events |= EPOLLOUT;
    epoll_ctl(load->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event);
    conn->writing = writing;
}

static void conn_write(struct tb_load *load, size_t index)
{
    struct conn *conn = &load->conns[index];

    while (conn->out_sent < conn->out.len) {
        ssize_t sent = send(conn->fd, conn->out.data + conn->out_sent,
                            conn->out.len - conn->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0)
            tb_bench_die("connection %zu, sending: %s", index, strerror(errno));
        conn->out_sent += (size_t)sent;
    }
    watch(load, index, conn->out_sent < conn->out.len);
}

static void conn_send(struct tb_load *load, size_t index, int64_t due_us)
{
    struct conn *conn = &load->conns[index];

    if (conn->busy || !tb_buf_ok(&conn->out))
        tb_bench_die("connection %zu is not free", index);
    conn->busy = true;
    conn->due_us = due_us;
    conn->out_sent = 0;
    load->busy_count++;
    conn_write(load, index);
}

void tb_load_get(struct tb_load *load, size_t conn, const char *path, int64_t due_us)
{
    struct tb_buf *out = &load->conns[conn].out;

    tb_buf_clear(out);
    tb_buf_addf(out, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", path,
                load->conns[conn].port);
    conn_send(load, conn, due_us);
}

void tb_load_post(struct tb_load *load, size_t conn, const char *path, struct tb_str body,
                  int64_t due_us)
{
    struct tb_buf *out = &load->conns[conn].out;

    tb_buf_clear(out);
    tb_buf_addf(out,
                "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
                "Content-Length: %zu\r\n\r\n",
                path, load->conns[conn].port, body.len);
    tb_buf_add_str(out, body);
    conn_send(load, conn, due_us);
}

/* True once the buffer holds a whole response. */
static bool parse_response(const struct tb_buf *in, struct tb_load_response *ret_response)
{
    static const char length_key[] = "\r\ncontent-length:";
    const char *end = memmem(in->data, in->len, "\r\n\r\n", 4);
    if (!end)
        return false;

    size_t head_len = (size_t)(end - in->data) + 4;
    const char *length = strcasestr(in->data, length_key);
    size_t body_len = 0;
    if (length && length < end)
        body_len = strtoul(length + sizeof length_key - 1, NULL, 10);
    if (in->len < head_len + body_len)
        return false;
    if (strncmp(in->data, "HTTP/1.1 ", 9) != 0)
        tb_bench_die("not an HTTP response: %.40s", in->data);
    ret_response->status = (int)strtol(in->data + 9, NULL, 10);
    ret_response->body = (struct tb_str){in->data + head_len, body_len};
    return true;
}

static void conn_read(struct tb_load *load, size_t index)
{
    struct conn *conn = &load->conns[index];
    struct tb_load_response response = {.conn = index, .due_us = conn->due_us};

    if (!tb_buf_reserve(&conn->in, READ_SIZE))
        tb_bench_die("out of memory");
    ssize_t got = read(conn->fd, conn->in.data + conn->in.len, READ_SIZE);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 && conn->busy)
        tb_bench_die("connection %zu was closed under its request", index);
    if (got <= 0) { /* the server may close an idle connection */
        close(conn->fd);
        conn_open(load, index);
        return;
    }
    conn->in.len += (size_t)got;
    conn->in.data[conn->in.len] = '\0';
    if (!parse_response(&conn->in, &response))
        return;

    /* The callback may send the next request over this connection, which changes all but `in`. */
    response.end_us = tb_bench_now_us();
    conn->busy = false;
    load->busy_count--;
    load->on_response(load->ctx, &response);
    tb_buf_clear(&conn->in);
}

void tb_load_poll(struct tb_load *load, int64_t deadline_us)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t left_us = deadline_us - tb_bench_now_us();
    if (left_us < 0)
        left_us = 0;
    struct timespec timeout = {.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};

    int count = epoll_pwait2(load->epoll_fd, events, EVENTS_MAX, &timeout, NULL);
    for (int i = 0; i < count; i++) {
        size_t index = (size_t)events[i].data.u64;
        if (events[i].events & EPOLLOUT)
            conn_write(load, index);
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            conn_read(load, index);
    }
}

struct run {
    struct tb_load *load;
    const struct tb_load_run *want;
    struct tb_load_result *result;
    struct tb_buf body; /* of the order that is sent next */
    uint64_t sent;
    int64_t count_from_us, stop_at_us; /* stop_at_us 0: by count */
};

static bool run_over(const struct run *run)
{
    if (run->want->order_count > 0 && run->sent >= run->want->order_count)
        return true;
    return run->stop_at_us > 0 && tb_bench_now_us() >= run->stop_at_us;
}

static void make_order(struct run *run)
{
    tb_buf_clear(&run->body);
    tb_bench_order(&run->body, run->sent);
}

/* Sends the order that is ready, and makes the next one while the server works. */
static void send_order(struct run *run, size_t conn)
{
    tb_load_post(run->load, conn, "/orders", tb_buf_str(&run->body), tb_bench_now_us());
    run->sent++;
    make_order(run);
}

static void order_answered(void *ctx, const struct tb_load_response *response)
{
    struct run *run = ctx;
    bool counts = run->stop_at_us == 0 ||
                  (response->due_us >= run->count_from_us && response->end_us <= run->stop_at_us);

    if (response->status != 201) {
        if (run->result->refused++ == 0)
            tb_bench_note("refused: %d %.*s", response->status, (int)response->body.len,
                          response->body.ptr);
    } else if (counts) {
        run->result->placed++;
        tb_latency_add(&run->result->latency, response->end_us - response->due_us);
    }
    if (!run_over(run))
        send_order(run, response->conn);
}

void tb_load_orders(const struct tb_bench_server *server, const struct tb_load_run *want,
                    struct tb_load_result *ret_result)
{
    struct run run = {.want = want, .result = ret_result};
    int64_t start_us = tb_bench_now_us();

    memset(ret_result, 0, sizeof *ret_result);
    run.count_from_us = start_us + (int64_t)(want->warm_up_seconds * 1e6);
    if (want->seconds > 0)
        run.stop_at_us = run.count_from_us + (int64_t)(want->seconds * 1e6);
    run.load = tb_load_open(server, want->conn_count, order_answered, &run);
    make_order(&run);
    for (size_t i = 0; i < want->conn_count; i++)
        send_order(&run, i);
    while (tb_load_busy_count(run.load) > 0)
        tb_load_poll(run.load, tb_bench_now_us() + 1000000);

    double seconds = want->seconds;
    if (seconds <= 0)
        seconds = (double)(tb_bench_now_us() - start_us) / 1e6;
    ret_result->per_second = (double)ret_result->placed / seconds;
    tb_load_free(run.load);
    tb_buf_release(&run.body);
}

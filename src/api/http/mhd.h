/* HTTP/1.1 server by libmicrohttpd, which only the files mhd*.c touch: requests in, replies out.
 *
 * libmicrohttpd runs in its external mode: it has no thread, no timer and no listening socket of
 * its own. A request that is not answered at once is suspended until tb_mhd_answer. A suspension
 * costs three system calls, as much as the rest of a request: so a request whose answer is a
 * commit away (poll_until_ms) is polled first.
 *
 * Thread:  one owner.
 * Memory:  owns the requests; a worker's share ends with tb_mhd_release.
 * Errors:  TB_INTERNAL at new.
 * Units:   milliseconds of the monotonic clock, bytes. */
#pragma once
#include "api/http/conn.h"
#include "api/http/request.h"

struct tb_mhd_options {
    int listen_fd;                   /* owned from here on */
    struct tb_host_allowlist *hosts; /* borrowed */
    int64_t body_max, header_max, connections_max, connections_per_address_max;
    struct tb_conn_times times;
    /* The head is good and the body not yet read: may refuse the request by filling its reply. */
    void (*head)(void *ctx, struct tb_request *req);
    /* The request is whole: fills its reply, or causes a later call of tb_mhd_answer. */
    void (*serve)(void *ctx, struct tb_request *req);
    void (*replied)(void *ctx, const struct tb_request *req); /* to count it */
    /* A 101 is sent: fd is a WebSocket from now on and the callee's, until
     * tb_mhd_upgraded_closed. early: bytes that came right after the request, borrowed. */
    void (*upgraded)(void *ctx, int fd, struct tb_address_count *address_count,
                     struct tb_str early);
    void *ctx;
};

struct tb_mhd_server;
TB_CHECKED enum tb_code tb_mhd_new(const struct tb_mhd_options *options,
                                   struct tb_mhd_server **ret_server, struct tb_error *err);
/* No request may be suspended. NULL is fine. */
void tb_mhd_free(struct tb_mhd_server *server);
int tb_mhd_event_fd(const struct tb_mhd_server *server);  /* readable: there is work */
int tb_mhd_listen_fd(const struct tb_mhd_server *server); /* -1 once draining */
/* One round of whatever is ready. accept: the listening socket is readable. */
void tb_mhd_step(struct tb_mhd_server *server, int64_t now_ms, bool accept);
/* How long nothing is to be done; 0: step again at once; below 0: until event_fd is readable. */
int tb_mhd_wait_ms(struct tb_mhd_server *server);
void tb_mhd_sweep(struct tb_mhd_server *server, int64_t now_ms);
size_t tb_mhd_connections(const struct tb_mhd_server *server); /* without WebSockets */
/* A WebSocket is closed: its place is free. */
void tb_mhd_upgraded_closed(struct tb_mhd_server *server, struct tb_address_count *address_count);
/* Accepts no more; idle connections end, others after their next reply. */
void tb_mhd_drain(struct tb_mhd_server *server);

/* The reply of a request that awaits one is filled: send it. */
void tb_mhd_answer(struct tb_mhd_server *server, struct tb_request *req);
/* Makes a request reusable if it is DETACHED and no worker has it. */
void tb_mhd_release(struct tb_mhd_server *server, struct tb_request *req);

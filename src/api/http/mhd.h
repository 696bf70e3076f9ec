/* HTTP/1.1 server: receives requests and sends replies by libmicrohttpd, which only the files
 * mhd*.c use.
 *
 * libmicrohttpd has no thread, no timer and no listening socket of its own here. A request that
 * is not answered at once is suspended until tb_mhd_answer. A suspension costs three system calls,
 * as much as the rest of a request. So while the answer is expected within one commit
 * (poll_until_ms), libmicrohttpd calls again each round instead.
 *
 * Thread:  the api thread.
 * Memory:  owns the requests. A worker that has one gives it back by tb_mhd_release.
 * Errors:  TB_INTERNAL: out of memory, or libmicrohttpd does not start.
 * Units:   milliseconds of the monotonic clock, bytes. */
#pragma once
#include "api/http/conn.h"
#include "api/http/request.h"

struct tb_mhd_options {
    int listen_fd;                   /* the server closes it, if tb_mhd_new succeeds */
    struct tb_host_allowlist *hosts; /* borrowed */
    int64_t body_max, header_max, connections_max, connections_per_address_max;
    struct tb_conn_times times;
    /* The head is valid and the body not read yet. It may refuse the request by filling the reply.
     */
    void (*head)(void *ctx, struct tb_request *req);
    /* The whole request is received. It fills the reply, or makes sure that tb_mhd_answer is
     * called later. */
    void (*serve)(void *ctx, struct tb_request *req);
    void (*replied)(void *ctx, const struct tb_request *req); /* a reply is about to be sent */
    /* A 101 is sent: fd is a WebSocket now. The callee closes it and calls tb_mhd_upgraded_closed.
     * early: bytes that the client has sent right after the request, borrowed. */
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
/* One round: handles everything that is ready. accept: the listening socket is readable. */
void tb_mhd_step(struct tb_mhd_server *server, int64_t now_ms, bool accept);
/* For how long there is nothing to do. 0: step again at once; below 0: until event_fd is readable.
 */
int tb_mhd_wait_ms(struct tb_mhd_server *server);
/* Ends the connections whose deadline has passed. */
void tb_mhd_sweep(struct tb_mhd_server *server, int64_t now_ms);
size_t tb_mhd_connections(const struct tb_mhd_server *server); /* without WebSockets */
/* A WebSocket is closed: it no longer counts in the limits of connections. */
void tb_mhd_upgraded_closed(struct tb_mhd_server *server, struct tb_address_count *address_count);
/* Accepts no more connections, and ends the idle ones now and the others after their next reply.
 */
void tb_mhd_drain(struct tb_mhd_server *server);

/* Sends the reply, which is filled, of a request that awaits it. */
void tb_mhd_answer(struct tb_mhd_server *server, struct tb_request *req);
/* Makes a request reusable if it is DETACHED and no worker has it. */
void tb_mhd_release(struct tb_mhd_server *server, struct tb_request *req);

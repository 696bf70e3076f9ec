/* Server: HTTP/1.1 by libmicrohttpd, which none but server*.c touch. Request in, reply out.
 *
 * The library runs in its external mode: no thread, no timer and no listening socket of its own.
 * A request that is not answered at once is suspended until tb_mhd_answer. One whose answer is
 * a commit away (x->soon) is asked for again in every round instead: a suspension costs three
 * system calls, which is as much as all the rest of a request.
 *
 * Thread:  one owner.
 * Memory:  exchanges are the server's; a worker's hold is told by at_worker and ended by
 *          tb_mhd_release.
 * Errors:  TB_INTERNAL at new.
 * Units:   milliseconds of the monotonic clock, bytes. */
#pragma once
#include "api/http/conn.h"
#include "api/http/request.h"
#include "api/http/strict_head.h"

struct tb_mhd_options {
    int listen_fd;                   /* owned from here on */
    struct tb_host_allowlist *hosts; /* borrowed */
    int64_t body_max, header_max, connections_max, connections_per_address_max;
    struct tb_conn_times times;
    /* The head is good and its body not yet read: may refuse by filling x->reply. */
    void (*head)(void *ctx, struct tb_request *req);
    /* The request is whole: fills x->reply now, or tb_mhd_answer is called later. */
    void (*serve)(void *ctx, struct tb_request *req);
    void (*replied)(void *ctx, const struct tb_request *req); /* to count it */
    /* A 101 is sent: the connection has left HTTP and is the callee's, until
     * tb_mhd_upgraded_closed. early is what came behind its request, borrowed. */
    void (*upgraded)(void *ctx, int fd, struct tb_address_count *peer, struct tb_str early);
    void *ctx;
};

struct tb_mhd_server;
TB_CHECKED enum tb_code tb_mhd_new(const struct tb_mhd_options *options,
                                   struct tb_mhd_server **ret_server, struct tb_error *err);
/* Nothing may be suspended. NULL is fine. */
void tb_mhd_free(struct tb_mhd_server *server);
int tb_mhd_event_fd(const struct tb_mhd_server *server);  /* readable: there is work */
int tb_mhd_listen_fd(const struct tb_mhd_server *server); /* -1 once draining */
/* One round of what is ready. accept: the listening socket is readable. */
void tb_mhd_step(struct tb_mhd_server *server, int64_t now_ms, bool accept);
/* For how long nothing is to be done; 0: step again at once; below 0: until there is work. */
int tb_mhd_wait_ms(struct tb_mhd_server *server);
void tb_mhd_sweep(struct tb_mhd_server *server, int64_t now_ms);
size_t tb_mhd_connections(const struct tb_mhd_server *server); /* of HTTP */
/* A connection that had left HTTP is closed: its place is free. */
void tb_mhd_upgraded_closed(struct tb_mhd_server *server, struct tb_address_count *peer);
/* No further connections; idle ones end, others with their next reply. */
void tb_mhd_drain(struct tb_mhd_server *server);

/* x->reply is filled. */
void tb_mhd_answer(struct tb_mhd_server *server, struct tb_request *req);
/* The worker is done with x, whose reply was given or is not wanted any more. */
void tb_mhd_release(struct tb_mhd_server *server, struct tb_request *req);

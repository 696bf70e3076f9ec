/* The inside of the HTTP server that mhd.c, mhd_request.c and mhd_reply.c share; the only include
 * of libmicrohttpd.
 *
 * Errors:  as libmicrohttpd's callbacks: MHD_NO ends a connection. */
#pragma once
#include "api/http/acceptor.h"
#include "api/http/mhd.h"
#include <microhttpd.h>

struct tb_mhd_server {
    struct tb_mhd_options options;
    struct MHD_Daemon *mhd; /* owned */
    struct tb_acceptor acceptor;
    struct tb_list conns; /* the newest first */
    size_t conn_count;
    size_t unstarted_count; /* connections that libmicrohttpd has but has not started yet */
    size_t upgraded_count;  /* WebSockets: they count in the limits as before */
    struct tb_request *free_requests; /* by next; the last used is the next to be used */
    size_t free_count;
    size_t polled_count; /* requests in state POLLED */
    bool progressed;     /* something was read or answered in this round */
    int64_t now_ms;
    bool draining;
};

struct tb_conn *tb_mhd_conn_of(struct MHD_Connection *mhd);
/* tb_request_move, and keeps polled_count. */
void tb_mhd_move(struct tb_mhd_server *server, struct tb_request *req,
                 enum tb_request_state state);

/* mhd_request.c: the callbacks of libmicrohttpd, in the order of its calls: the request line is
 * there; its head, its body in pieces and its end; the reply is sent, or the client is gone. */
void *tb_mhd_on_target(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result tb_mhd_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *len, void **context);
void tb_mhd_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code);

/* mhd_reply.c: hands the reply of a REFUSED or ANSWERED request to libmicrohttpd. */
enum MHD_Result tb_mhd_send(struct tb_mhd_server *server, struct MHD_Connection *mhd,
                            struct tb_request *req);

/* Shared by mhd.c, mhd_request.c and mhd_reply.c; the only file that includes libmicrohttpd.
 *
 * Errors:  MHD_NO ends the connection, as from libmicrohttpd's callbacks. */
#pragma once
#include "api/http/acceptor.h"
#include "api/http/mhd.h"
#include <microhttpd.h>

struct tb_mhd_server {
    struct tb_mhd_options options;
    struct MHD_Daemon *mhd; /* owned */
    struct tb_acceptor acceptor;
    struct tb_list conns;   /* the newest first */
    size_t conn_count;      /* connections without the WebSockets */
    size_t unstarted_count; /* connections that libmicrohttpd has, but has not started yet */
    size_t upgraded_count;  /* WebSockets: they too count in the limits */
    struct tb_request *free_requests; /* linked by `next`; the last one freed is first */
    size_t free_count;
    size_t polled_count; /* requests in state POLLED */
    bool progressed;     /* a request has moved on in this round */
    int64_t now_ms;
    bool draining;
};

struct tb_conn *tb_mhd_conn_of(struct MHD_Connection *mhd);
/* Calls tb_request_move, and updates polled_count. */
void tb_mhd_move(struct tb_mhd_server *server, struct tb_request *req,
                 enum tb_request_state state);

/* mhd_request.c: callbacks of libmicrohttpd for a request, in this order: after the request line;
 * after the head, for each piece of the body, and at its end; when the reply is sent or the client
 * is gone. */
void *tb_mhd_on_target(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result tb_mhd_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *len, void **context);
void tb_mhd_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code);

/* mhd_reply.c: gives libmicrohttpd the reply of a REFUSED or ANSWERED request. */
enum MHD_Result tb_mhd_send(struct tb_mhd_server *server, struct MHD_Connection *mhd,
                            struct tb_request *req);

/* The server from inside: what its three files share, and the only includes of the library.
 *
 * Thread:  the server's.
 * Memory:  as server.h.
 * Errors:  as the library's callbacks: MHD_NO ends a connection.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include "api/http/acceptor.h"
#include "api/http/mhd.h"
#include <microhttpd.h>

struct tb_mhd_server {
    struct tb_mhd_options options;
    struct MHD_Daemon *mhd; /* owned */
    struct tb_acceptor acceptor;
    struct tb_conn *conns;
    size_t conn_count;
    size_t unstarted_count;   /* of these, added to the library but not started by it yet */
    size_t upgraded_count;    /* have left HTTP; they count in the limits as before */
    struct tb_request *spare; /* list by next_done */
    size_t free_count;
    size_t polled; /* requests without an answer that are not suspended */
    bool moved;    /* something was read or answered in this round */
    int64_t now_ms;
    bool draining;
};

struct tb_conn *tb_mhd_conn_of(struct MHD_Connection *mhd);

/* server_request.c: the library's callbacks, in order: the request line is there; its head, its
 * body in pieces and its end; the reply is sent, or the client gone. */
void *tb_mhd_on_target(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result tb_mhd_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *len, void **context);
void tb_mhd_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code);

/* server_reply.c */
enum MHD_Result tb_mhd_send(struct tb_mhd_server *server, struct MHD_Connection *mhd,
                            struct tb_request *req);
/* x waits for no answer any more, or in another way. */
void tb_mhd_stop_polling(struct tb_mhd_server *server, struct tb_request *req);

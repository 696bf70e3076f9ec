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

struct tb_server {
    struct tb_server_options options;
    struct MHD_Daemon *mhd; /* owned */
    struct tb_door door;
    struct tb_conn *conns;
    size_t conn_count;
    size_t unstarted_count;    /* of these, added to the library but not started by it yet */
    size_t upgraded_count;     /* have left HTTP; they count in the limits as before */
    struct tb_exchange *spare; /* list by next_done */
    size_t spare_count;
    size_t asked_again; /* requests without an answer that are not suspended */
    bool moved;         /* something was read or answered in this round */
    int64_t now_ms;
    bool draining;
};

struct tb_conn *tb_server_conn_of(struct MHD_Connection *mhd);

/* server_request.c: the library's callbacks, in order: the request line is there; its head, its
 * body in pieces and its end; the reply is sent, or the client gone. */
void *tb_server_on_target(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result tb_server_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                     const char *method, const char *version, const char *bytes,
                                     size_t *len, void **context);
void tb_server_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                            enum MHD_RequestTerminationCode code);

/* server_reply.c */
enum MHD_Result tb_server_send(struct tb_server *server, struct MHD_Connection *mhd,
                               struct tb_exchange *x);
/* x waits for no answer any more, or in another way. */
void tb_server_stop_asking(struct tb_server *server, struct tb_exchange *x);

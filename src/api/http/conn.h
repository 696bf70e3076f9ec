/* Connections: the phase of each, and until when the phase may last (absolute deadlines).
 *
 *   HEAD --> BODY --> WORK --> REPLY --> IDLE --> HEAD ...
 *     |       |                  |         |
 *     +-------+------ENDING------+---------+
 *
 * The time-out of libmicrohttpd counts inactivity only: a client that sends a byte a second could
 * stay for ever. A connection that is late is shut down, and libmicrohttpd closes it.
 *
 * Thread:  the api thread.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include "api/http/address_limit.h"
#include "base/mem/list.h"

struct MHD_Connection;
struct tb_request;

enum tb_phase {
    TB_PHASE_HEAD,
    TB_PHASE_BODY,
    TB_PHASE_WORK,
    TB_PHASE_REPLY,
    TB_PHASE_IDLE,
    TB_PHASE_ENDING
};

/* A keep-alive connection without a request. */
#define TB_CONN_IDLE_MS 60000
/* A client has so long to read a reply, and a second more for each so many bytes of it. */
#define TB_CONN_REPLY_MS 30000
#define TB_CONN_REPLY_BYTES_PER_S 65536

struct tb_conn {
    struct tb_list_node node;
    struct MHD_Connection *mhd;             /* borrowed; NULL: not started yet */
    struct tb_address_count *address_count; /* NULL: not counted */
    int fd;
    enum tb_phase phase;
    bool upgraded; /* to a WebSocket by a 101: libmicrohttpd is about to close its descriptor */
    int64_t deadline_ms;
    uint64_t consumed; /* bytes of the requests so far; if more came, the next has begun */
};
struct tb_conn_times {
    int64_t header_ms, body_ms;
};

uint64_t
tb_conn_received(const struct tb_conn *conn); /* bytes received, as the kernel counts them */
void tb_conn_enter(struct tb_conn *conn, enum tb_phase phase, int64_t deadline_ms);
/* Shuts down every connection whose deadline has passed. */
void tb_conn_sweep(const struct tb_list *conns, const struct tb_conn_times *times, int64_t now_ms);
/* Shuts down the idle connections: the process is about to stop. */
void tb_conn_end_idle(const struct tb_list *conns);
/* Writes a refusal to the socket without libmicrohttpd, which cannot answer while a body arrives.
 * Best effort. */
void tb_conn_send_refusal(int fd, int status, int retry_after_s, const char *detail);

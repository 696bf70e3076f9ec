/* Connections: each is in a phase, and a phase has a deadline.
 *
 *   HEAD --> BODY --> WORK --> REPLY --> IDLE --> HEAD ...
 *     |       |                  |         |
 *     +-------+------ENDING------+---------+
 *
 * The time-out of libmicrohttpd counts inactivity only: a client that sends a byte a second could
 * stay for ever. A connection whose deadline has passed is shut down here, and libmicrohttpd then
 * closes it.
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

/* A connection may be without a request for this long. */
#define TB_CONN_IDLE_MS 60000
/* A client must read a reply within this time, and a second more for every so many bytes. */
#define TB_CONN_REPLY_MS 30000
#define TB_CONN_REPLY_BYTES_PER_S 65536

struct tb_conn {
    struct tb_list_node node;
    struct MHD_Connection *mhd; /* borrowed; NULL: libmicrohttpd has not started it yet */
    struct tb_address_count *address_count; /* NULL: not counted */
    int fd;
    enum tb_phase phase;
    bool upgraded; /* it is a WebSocket now: libmicrohttpd is about to close its own descriptor */
    int64_t deadline_ms;
    uint64_t consumed; /* bytes of the requests so far; if more are received, the next has begun */
};
struct tb_conn_times {
    int64_t header_ms, body_ms;
};

/* Bytes received from the client, as the kernel counts them; 0: not known. */
uint64_t tb_conn_received(const struct tb_conn *conn);
void tb_conn_enter(struct tb_conn *conn, enum tb_phase phase, int64_t deadline_ms);
/* Answers 408 where a request has begun, and shuts down every connection whose deadline has
 * passed.
 */
void tb_conn_sweep(const struct tb_list *conns, const struct tb_conn_times *times, int64_t now_ms);
/* Shuts down the connections without a request, because the process is about to stop. */
void tb_conn_end_idle(const struct tb_list *conns);
/* Writes a refusal to the socket past libmicrohttpd, which cannot answer while a body arrives.
 * Writes nothing if the socket takes no bytes at the moment. */
void tb_conn_send_refusal(int fd, int status, const char *detail);

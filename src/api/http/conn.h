/* Connections: what each is doing and until when it may, by absolute deadlines.
 *
 *   HEAD --> BODY --> WORK --> REPLY --> IDLE --> HEAD ...
 *     |       |                  |         |
 *     +-------+------ENDING------+---------+
 *
 * The library's own time-out counts inactivity only: a byte a second would live for ever.
 *
 * Thread:  the api thread's.
 * Memory:  the server's.
 * Errors:  none: a connection that is late is shut down, and the library closes it.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include "api/http/listen.h"
#include <stdbool.h>
#include <stddef.h>

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

/* A keep-alive connection that asks nothing. */
#define TB_CONN_IDLE_MS 60000
/* What a reader of a reply has, and a second more for each so many bytes of it. */
#define TB_CONN_REPLY_MS 30000
#define TB_CONN_REPLY_BYTES_PER_S 65536

struct tb_conn {
    struct tb_conn *next, *prev;
    struct MHD_Connection *mhd; /* the library's, as long as the connection is */
    struct tb_request *req;     /* the request being read or served; NULL: none */
    struct tb_address_count *peer;
    int fd;
    enum tb_phase phase;
    bool left; /* HTTP, by a 101: the library is about to let go */
    int64_t deadline_ms;
    uint64_t consumed; /* bytes of the requests so far: more received means the next has begun */
};
struct tb_conn_times {
    int64_t header_ms, body_ms;
};

uint64_t tb_conn_received(const struct tb_conn *conn); /* bytes, as the kernel counts them */
void tb_conn_enter(struct tb_conn *conn, enum tb_phase phase, int64_t deadline_ms);
/* Shuts down what is late at now_ms. */
void tb_conn_sweep(struct tb_conn *first, const struct tb_conn_times *times, int64_t now_ms);
/* Shuts down what is idle: the daemon is about to stop. */
void tb_conn_end_idle(struct tb_conn *first);
/* A refusal past the library, which answers only before or behind a body. Best effort. */
void tb_conn_send_refusal(int fd, int status, int retry_after_s, const char *detail);

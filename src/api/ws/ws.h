/* WebSockets: connections after their upgrade from HTTP, and their subscriptions.
 *
 * A slow client delays no other client and costs bounded memory. For a subscription to an order we
 * store only the latest version that is not sent yet; for one to all orders, a position in the
 * version ring. A client that falls behind in the ring, or takes no bytes for TB_WS_BLOCKED_MS, is
 * cut off. A client that follows all orders may receive a version twice.
 *
 * Close codes, beside those of frames.h:
 *   - 1001: this node is about to stop
 *   - 1007: a message that is not JSON
 *   - 1008: a message that is no command, or one topic too many
 *   - 1013: too slow, or too many subscriptions in all
 *
 * Thread:  the api thread; tb_ws_count from any.
 * Memory:  a silent connection with one subscription takes 480 bytes here, and each further
 *          subscription 210; with 5,000 connections each took 1 kB of the process. The kernel's
 *          share of a socket comes on top.
 * Errors:  TB_INTERNAL at init; later errors end the connection.
 * Units:   milliseconds of the monotonic clock, bytes. */
#pragma once
#include "api/notify/waiters.h"
#include "api/ws/frames.h"

/* Topics of a connection; a client that needs more subscribes to all orders. */
#define TB_WS_TOPICS_MAX 1000
/* Subscriptions of all connections together: 55 MB. */
#define TB_WS_SUBSCRIPTIONS_MAX 250000
/* No more messages are written while this many bytes wait to be sent, some hundred messages. */
#define TB_WS_OUT_MAX 16384
/* The kernel's send buffer of a connection; without a limit it would grow to 4 MB. */
#define TB_WS_KERNEL_BYTES 32768
/* A client that sends nothing for TB_WS_PING_MS gets a ping, and must answer within
 * TB_WS_PONG_MS (RFC 6455, 5.5.2). Proxies cut connections that are silent for a minute. */
#define TB_WS_PING_MS 30000
#define TB_WS_PONG_MS 30000
/* A client that takes no byte for this long is cut off. */
#define TB_WS_BLOCKED_MS 30000
/* A client must close within this time after our close frame. */
#define TB_WS_CLOSE_MS 5000
/* Connections that are written to in one round: requests must not wait for thousands of them. */
#define TB_WS_WRITES_MAX 64
/* Orders that the api thread reads from the view in one round, some 20 microseconds each. */
#define TB_WS_INITIAL_READS_MAX 64

struct tb_mhd_server;
struct tb_address_count;
struct tb_ws {
    /* The owner sets these three before tb_ws_init. */
    struct tb_waiters *waiters;   /* borrowed */
    struct tb_mhd_server *server; /* borrowed: is told when connections are closed */
    /* Reads the version of an order on the api thread: TB_OK, TB_NOT_FOUND, or an error, after
     * which it is called again. NULL: the caller reads those of tb_ws_take_initial_reads. */
    enum tb_code (*read_version)(struct tb_ws *ws, const char *order_id, int64_t *ret_version);

    int epoll_fd;   /* readable: there is work */
    int64_t now_ms; /* of the current round; the loop sets it */
    struct tb_list conns;
    struct tb_list scheduled;     /* connections to write to, and GONE ones to free */
    struct tb_list initial_reads; /* subscriptions for which the view must be read */
    _Atomic size_t conn_count;
    size_t subscription_count;
    uint64_t seen_end; /* end of the version ring when schedule_followers last scheduled */
    int64_t retry_ms;  /* no initial read before this time: the last one failed */
    struct tb_ws_writer writer;
    struct tb_buf text; /* the message that is being written */
};
TB_CHECKED enum tb_code tb_ws_init(struct tb_ws *ws, struct tb_error *err);
void tb_ws_release(struct tb_ws *ws); /* ends all connections at once */
/* Takes over the socket of a connection whose 101 is sent. early: the bytes that the client has
 * sent right after its request. */
void tb_ws_adopt(struct tb_ws *ws, int fd, struct tb_address_count *address_count,
                 struct tb_str early);
/* One round. readable: epoll_fd is readable. */
void tb_ws_step(struct tb_ws *ws, bool readable);
int64_t tb_ws_next_ms(const struct tb_ws *ws); /* when a round is due; INT64_MAX: none */
void tb_ws_sweep(struct tb_ws *ws);            /* checks deadlines; about once a second */
void tb_ws_drain(struct tb_ws *ws);            /* closes all connections with 1001 */
size_t tb_ws_count(const struct tb_ws *ws);    /* connections */
/* Removes up to max of the orders that must be read from the view for new subscriptions. The
 * caller reads their versions and calls tb_waiters_notify. Returns how many. */
size_t tb_ws_take_initial_reads(struct tb_ws *ws, char (*ret_ids)[TB_UUID_SIZE], size_t max);
bool tb_ws_has_initial_reads(const struct tb_ws *ws);

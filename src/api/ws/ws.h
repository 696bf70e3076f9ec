/* WebSockets: connections that have left HTTP, their subscriptions, and what is sent to them.
 *
 * A slow client holds nobody up and costs bounded memory: of an order only the latest version is
 * kept for it, and of all orders a position in the version ring. A client that falls behind there,
 * or takes nothing for TB_WS_BLOCKED_MS, is cut off. A client that follows all orders may receive
 * a version twice.
 *
 * Close codes beside those of frames.h:
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

/* Of a connection; a client that needs more follows all orders. */
#define TB_WS_TOPICS_MAX 1000
/* Of all connections: 55 MB. */
#define TB_WS_SUBSCRIPTIONS_MAX 250000
/* Written ahead of what the kernel takes: some hundred messages in one call. */
#define TB_WS_OUT_MAX 16384
/* The kernel's send buffer beyond that; by itself it would grow to 4 MB a connection. */
#define TB_WS_KERNEL_BYTES 32768
/* A client that is silent for so long gets a ping, and must answer it (RFC 6455, 5.5.2) in time.
 * Proxies cut connections that are silent for a minute. */
#define TB_WS_PING_MS 30000
#define TB_WS_PONG_MS 30000
/* A client that takes no byte for so long does not read any more. */
#define TB_WS_BLOCKED_MS 30000
/* What a client has for its part of the close. */
#define TB_WS_CLOSE_MS 5000
/* Connections written to in one round, so that requests do not wait for thousands of them. */
#define TB_WS_WRITES_MAX 64
/* Orders read from the view on the api thread in one round, some 20 microseconds each. */
#define TB_WS_INITIAL_READS_MAX 64

struct tb_mhd_server;
struct tb_ws_options {
    struct tb_waiters *waiters;   /* borrowed */
    struct tb_mhd_server *server; /* borrowed: gets back the places of closed connections */
    /* Reads the version of an order on the api thread: TB_OK, TB_NOT_FOUND, or an error, after
     * which it is tried again. NULL: tb_ws_take_initial_reads has the orders to read. */
    enum tb_code (*read_version)(void *ctx, const char *order_id, int64_t *ret_version);
    void *ctx;
};

struct tb_address_count;
struct tb_ws {
    struct tb_ws_options options;
    int epoll_fd;   /* readable: there is work */
    int64_t now_ms; /* of the current round; the owner sets it */
    struct tb_list conns;
    struct tb_list scheduled;     /* connections that have something to write */
    struct tb_list initial_reads; /* subscriptions whose order is to be read from the view */
    _Atomic size_t conn_count;
    size_t subscription_count;
    uint64_t
        seen_end;     /* end of the version ring when the followers of all orders were scheduled */
    int64_t retry_ms; /* no initial reads before: the view could not be read */
    struct tb_ws_writer writer;
    struct tb_buf text; /* the message that is being written */
};
TB_CHECKED enum tb_code tb_ws_init(struct tb_ws *ws, const struct tb_ws_options *options,
                                   struct tb_error *err);
void tb_ws_release(struct tb_ws *ws); /* ends all connections at once */
/* Takes over a connection whose 101 is sent. early: bytes that came right after its request. */
void tb_ws_adopt(struct tb_ws *ws, int fd, struct tb_address_count *address_count,
                 struct tb_str early);
/* One round. readable: epoll_fd is. */
void tb_ws_step(struct tb_ws *ws, bool readable);
int64_t tb_ws_next_ms(const struct tb_ws *ws); /* when a round is due; INT64_MAX: none */
void tb_ws_sweep(struct tb_ws *ws);            /* ends late connections; once a second or so */
void tb_ws_drain(struct tb_ws *ws);            /* closes all connections with 1001 */
size_t tb_ws_count(const struct tb_ws *ws);    /* connections */
/* New subscriptions whose order is to be read from the view: moves up to max of the orders to the
 * caller, who reads them and calls tb_waiters_notify. */
size_t tb_ws_take_initial_reads(struct tb_ws *ws, char (*ret_ids)[TB_UUID_SIZE], size_t max);
bool tb_ws_has_initial_reads(const struct tb_ws *ws);

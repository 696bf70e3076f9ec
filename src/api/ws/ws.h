/* WebSockets: connections that have left HTTP, what they subscribe to, and what they are told.
 *
 *   OPEN --close, or cut off--> CLOSING --their end, or 5 s--> gone
 *
 * Nobody who is slow holds anybody up, or grows: of an order only the latest version is kept for
 * whoever does not take it, and of all orders a place in the news. Who is overtaken there, or
 * takes nothing for TB_WS_BLOCKED_MS, is cut off. Who follows all may hear of a version twice.
 *
 * Close codes beside those of ws_frames.h:
 *   - 1001: this node is about to stop
 *   - 1007: a message that is not JSON
 *   - 1008: one that is no subscription, or one too many
 *   - 1013: too slow; subscribe again, and ask for what was missed
 *
 * Thread:  the api thread's, but for tb_ws_count: any.
 * Memory:  a silent connection with one subscription has 400 bytes here. Of 5,000 each took 1 kB
 *          of the process, measured; what the kernel has for a socket comes on top.
 * Errors:  TB_INTERNAL at init; a connection that cannot go on ends.
 * Units:   milliseconds of the monotonic clock, bytes. */
#pragma once
#include "api/notify/waiters.h"
#include "api/ws/frames.h"

/* A till shows the orders of its last hour at most; who follows more follows all. */
#define TB_WS_SUBSCRIPTIONS_MAX 32
/* Written ahead of what the kernel takes: some hundred messages in one call. */
#define TB_WS_OUT_MAX 16384
/* What the kernel may hold of it beyond that; by itself it would grow to 4 MB a connection. */
#define TB_WS_KERNEL_BYTES 32768
/* A peer is silent: it is sent a ping, which it must answer (RFC 6455, 5.5.2) in time. Proxies cut
 * what is silent for a minute. */
#define TB_WS_PING_MS 30000
#define TB_WS_PONG_MS 30000
/* Without taking a byte: it reads no more. */
#define TB_WS_BLOCKED_MS 30000
/* What a peer has for its part of the close. */
#define TB_WS_CLOSE_MS 5000
/* Connections told something in one round, so that requests do not wait for thousands of them. */
#define TB_WS_WRITES_MAX 64
/* Orders looked for in the view on this thread in one round, some 20 microseconds each. */
#define TB_WS_INITIAL_READS_MAX 64

struct tb_api;
struct tb_address_count;
struct tb_ws_conn;
struct tb_ws_subscription;
struct tb_ws {
    struct tb_api *api; /* borrowed */
    int epoll_fd;
    struct tb_ws_conn *conns;
    _Atomic size_t count;
    struct tb_ws_conn *due_first, *due_last; /* have something to be told */
    struct tb_ws_subscription *fresh;        /* the view is still to be asked for them */
    uint64_t told_end;                       /* of the news, as the followers know */
    int64_t look_ms;                         /* not before: the view could not be asked */
    struct tb_ws_writer writer;
    struct tb_buf text; /* of the message that is being written */
};
TB_CHECKED enum tb_code tb_ws_init(struct tb_ws *ws, struct tb_api *api, struct tb_error *err);
void tb_ws_release(struct tb_ws *ws);       /* ends all connections at once */
int tb_ws_event_fd(const struct tb_ws *ws); /* readable: there is work */
/* A connection whose 101 is sent; early: what came behind its request. */
void tb_ws_adopt(struct tb_ws *ws, int fd, struct tb_address_count *peer, struct tb_str early);
/* One round; readable: of the event fd. */
void tb_ws_step(struct tb_ws *ws, bool readable);
int64_t tb_ws_next_ms(const struct tb_ws *ws); /* when the next round is due; INT64_MAX: never */
void tb_ws_sweep(struct tb_ws *ws);            /* what is late; about once a second */
void tb_ws_drain(struct tb_ws *ws);            /* closes all, with 1001 */
size_t tb_ws_count(const struct tb_ws *ws);    /* connections */
/* Up to max of the orders that the view is to be asked for; they are the caller's to ask for, and
 * the answers are news to tb_waiters_notify. */
size_t tb_ws_take_initial_reads(struct tb_ws *ws, char (*ret_ids)[TB_UUID_SIZE], size_t max);

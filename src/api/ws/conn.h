/* Shared by the files of ws/: a connection and its subscriptions.
 *
 *   OPEN --close frame, or an error--> CLOSING --the client closes, or 5 s--> GONE
 *     |                                                                        ^
 *     +--the socket fails, or the client is silent too long--------------------+
 *
 * Thread:  the api thread.
 * Memory:  a connection owns its socket and its subscriptions.
 * Units:   milliseconds of the monotonic clock, bytes. */
#pragma once
#include "api/ws/ws.h"

enum tb_ws_state {
    TB_WS_OPEN,
    TB_WS_CLOSING, /* our close frame is written; what the client sends is dropped */
    TB_WS_GONE     /* the socket is closed; write_scheduled frees the connection */
};

struct tb_ws_subscription {
    struct tb_waiter waiter; /* min_version - 1 is the highest version so far; 0: none */
    struct tb_ws_conn *conn;
    struct tb_ws_subscription *next;  /* in the bucket of the connection */
    struct tb_list_node initial_node; /* in initial_reads until the view is read for it */
    struct tb_list_node changed_node; /* in `changed` until its version is sent */
    char order_id[TB_UUID_SIZE];
};
struct tb_ws_conn {
    struct tb_list_node node;
    struct tb_list_node scheduled_node;
    struct tb_ws *ws;
    int fd;
    struct tb_address_count *address_count;
    enum tb_ws_state state;
    bool blocked;             /* the kernel takes no more bytes: until it does, nothing is read */
    bool ping_due;            /* send a ping with the next write */
    bool pinged;              /* a ping is sent, and nothing has come since */
    bool all_orders;          /* subscribed to every order */
    uint64_t position;        /* in the version ring, if all_orders */
    int64_t last_received_ms; /* when the last bytes came */
    int64_t deadline_ms;      /* only while blocked, pinged or closing */
    struct tb_ws_reader reader;
    struct tb_buf out;                   /* frames to send */
    size_t out_at;                       /* bytes of `out` that are sent */
    struct tb_ws_subscription **buckets; /* hash table by order id */
    size_t bucket_count, subscription_count;
    struct tb_list changed; /* subscriptions whose version is not sent yet */
};

/* ws.c */
/* Lets conn write soon; a blocked conn writes when the kernel takes bytes again. */
void tb_ws_schedule(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Closes the socket at once. conn itself is freed later, so that callers may still read its state.
 */
void tb_ws_drop(struct tb_ws *ws, struct tb_ws_conn *conn);

/* conn.c */
/* Handles bytes that were received. */
void tb_ws_conn_read(struct tb_ws *ws, struct tb_ws_conn *conn, struct tb_str bytes);
void tb_ws_conn_readable(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Sends frames until nothing is left to send or the kernel takes no more. */
void tb_ws_conn_write(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Pings a silent client; ends the connection if one of its deadlines has passed. */
void tb_ws_conn_sweep(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Writes a close frame behind the frames that are still to be sent. */
void tb_ws_conn_close(struct tb_ws *ws, struct tb_ws_conn *conn, enum tb_ws_code code,
                      const char *reason);

/* subscription.c */
/* A second call for the same order sends its version again. TB_BUSY: the connection has too many
 * topics; TB_UNAVAILABLE: all connections together have too many; TB_INTERNAL: out of memory. */
TB_CHECKED enum tb_code tb_ws_subscribe(struct tb_ws *ws, struct tb_ws_conn *conn,
                                        const char *order_id);
TB_CHECKED enum tb_code tb_ws_subscribe_all(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Do nothing if conn is not subscribed. */
void tb_ws_unsubscribe(struct tb_ws *ws, struct tb_ws_conn *conn, const char *order_id);
void tb_ws_unsubscribe_all(struct tb_ws *ws, struct tb_ws_conn *conn);
void tb_ws_release_subscriptions(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Writes messages for changes that conn was not sent yet, up to about TB_WS_OUT_MAX bytes. False:
 * conn has missed changes. */
TB_CHECKED bool tb_ws_write_changes(struct tb_ws *ws, struct tb_ws_conn *conn);
bool tb_ws_has_changes(const struct tb_ws *ws, const struct tb_ws_conn *conn);
/* Reads the versions of the orders of some new subscriptions by read_version. */
void tb_ws_read_initial(struct tb_ws *ws);

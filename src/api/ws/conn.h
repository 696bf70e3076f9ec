/* The inside of WebSockets: a connection and its subscriptions.
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
    TB_WS_CLOSING, /* our close frame is on its way; nothing more is read or sent */
    TB_WS_GONE     /* the socket is closed; freed in its turn of the scheduled list */
};

struct tb_ws_subscription {
    struct tb_waiter waiter; /* the highest version so far is min_version - 1; 0: none */
    struct tb_ws_conn *conn;
    struct tb_ws_subscription *next;  /* in the bucket of the connection */
    struct tb_list_node initial_node; /* while the view is to be read for it */
    struct tb_list_node changed_node; /* while its version is not sent */
    char order_id[TB_UUID_SIZE];
};
struct tb_ws_conn {
    struct tb_list_node node;
    struct tb_list_node scheduled_node;
    struct tb_ws *ws;
    int fd;
    struct tb_address_count *address_count;
    enum tb_ws_state state;
    bool blocked; /* the kernel takes no more: wait until it does, and read nothing */
    bool pinged, ping_due;
    bool all_orders;     /* subscribed to every order */
    uint64_t position;   /* with all_orders: in the version ring */
    int64_t heard_ms;    /* when the last bytes came */
    int64_t deadline_ms; /* while blocked, pinged or closing */
    struct tb_ws_reader reader;
    struct tb_buf out;
    size_t out_at;                       /* sent of it */
    struct tb_ws_subscription **buckets; /* hash table by order id */
    size_t bucket_count, subscription_count;
    struct tb_list changed; /* subscriptions whose version is not sent yet */
};

/* ws.c */
/* conn gets its turn to write; a blocked one gets it when the kernel takes bytes again. */
void tb_ws_schedule(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Closes the socket at once; conn itself is freed in its turn. */
void tb_ws_drop(struct tb_ws *ws, struct tb_ws_conn *conn);

/* conn.c */
/* Handles bytes that came. */
void tb_ws_conn_read(struct tb_ws *ws, struct tb_ws_conn *conn, struct tb_str bytes);
void tb_ws_conn_readable(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Writes what is to be written, as far as the kernel takes it. */
void tb_ws_conn_write(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Ends the connection if it is late with anything. */
void tb_ws_conn_sweep(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Begins the close; what was written before is still sent. */
void tb_ws_conn_close(struct tb_ws *ws, struct tb_ws_conn *conn, enum tb_ws_code code,
                      const char *reason);

/* subscription.c */
/* To an order again: its version is sent again. TB_BUSY: the connection has too many topics;
 * TB_UNAVAILABLE: all connections together have; TB_INTERNAL: out of memory. */
TB_CHECKED enum tb_code tb_ws_subscribe(struct tb_ws *ws, struct tb_ws_conn *conn,
                                        const char *order_id);
TB_CHECKED enum tb_code tb_ws_subscribe_all(struct tb_ws *ws, struct tb_ws_conn *conn);
/* A no-op if it is not subscribed. */
void tb_ws_unsubscribe(struct tb_ws *ws, struct tb_ws_conn *conn, const char *order_id);
void tb_ws_unsubscribe_all(struct tb_ws *ws, struct tb_ws_conn *conn);
void tb_ws_release_subscriptions(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Writes what conn has not been sent yet, up to about TB_WS_OUT_MAX. False: it missed changes. */
TB_CHECKED bool tb_ws_write_changes(struct tb_ws *ws, struct tb_ws_conn *conn);
bool tb_ws_has_changes(const struct tb_ws *ws, const struct tb_ws_conn *conn);
/* Reads the orders of some new subscriptions from the view. */
void tb_ws_read_initial(struct tb_ws *ws);

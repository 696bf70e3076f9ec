/* WebSockets from inside: a connection and its subscriptions.
 *
 * Thread:  the api thread's.
 * Memory:  a connection owns its socket and its subscriptions.
 * Errors:  none: what cannot go on ends the connection.
 * Units:   milliseconds of the monotonic clock, bytes. */
#pragma once
#include "api/context.h"
#include "api/ws/ws.h"

enum tb_ws_state {
    TB_WS_OPEN,
    TB_WS_CLOSING, /* our close is on its way; nothing more is read or said */
    TB_WS_GONE     /* its socket is closed; freed when its turn comes */
};

struct tb_ws_subscription {
    struct tb_waiter wait; /* first: a waiter's news find us by it */
    struct tb_ws_conn *conn;
    struct tb_ws_subscription *next;                    /* of the connection */
    struct tb_ws_subscription *fresh_next, *fresh_prev; /* among those to be looked for */
    bool fresh;
    int64_t known, sent; /* versions; 0: none */
    char order_id[TB_UUID_SIZE];
};
struct tb_ws_conn {
    struct tb_ws_conn *next, *prev;
    struct tb_ws_conn *due_next;
    int fd;
    struct tb_address_count *peer;
    enum tb_ws_state state;
    bool due;
    bool blocked; /* the kernel takes no more: we wait for room, and read nothing */
    bool pinged, ping_due;
    bool follows;     /* every order */
    uint64_t place;   /* in the news, of one that follows */
    int64_t heard_ms; /* last */
    int64_t until_ms; /* of one that is blocked, pinged or closing */
    struct tb_ws_reader reader;
    struct tb_buf out;
    size_t out_at; /* sent of it */
    struct tb_ws_subscription *subs;
    size_t sub_count;
};

/* ws.c */
/* It gets a turn; one that is blocked gets it when there is room. */
void tb_ws_schedule(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Closes the socket at once; conn stays until its turn. */
void tb_ws_drop(struct tb_ws *ws, struct tb_ws_conn *conn);

/* ws_conn.c */
/* Bytes came. */
void tb_ws_conn_read(struct tb_ws *ws, struct tb_ws_conn *conn, struct tb_str bytes);
void tb_ws_conn_readable(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Says what there is to say, as far as the kernel takes it. */
void tb_ws_conn_write(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Is it late with anything? */
void tb_ws_conn_sweep(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Begins the close; what was written before is still sent. */
void tb_ws_conn_close(struct tb_ws *ws, struct tb_ws_conn *conn, enum tb_ws_code code,
                      const char *reason);

/* ws_sub.c */
/* TB_BUSY: it has as many as it may; TB_INTERNAL: out of memory. */
TB_CHECKED enum tb_code tb_ws_subscribe(struct tb_ws *ws, struct tb_ws_conn *conn,
                                        const char *order_id);
void tb_ws_subscribe_all(struct tb_ws *ws, struct tb_ws_conn *conn);
void tb_ws_unsubscribe_all(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Writes what is news to conn, up to about TB_WS_OUT_MAX. False: it missed some. */
TB_CHECKED bool tb_ws_write_changes(struct tb_ws *ws, struct tb_ws_conn *conn);
/* Has it not been told everything? */
bool tb_ws_has_changes(const struct tb_ws *ws, const struct tb_ws_conn *conn);
/* Asks this thread's view for some of the orders that are to be looked for. */
void tb_ws_read_initial(struct tb_ws *ws);

/* Exchange: one request and its reply, from the first line to the last byte sent.
 *
 * Two may hold one at a time: the server, until the reply is sent or the client is gone, and a
 * worker (the writer or the query thread), until its part is done. It is reused when neither does.
 *
 * Thread:  the api thread's; while a worker holds it, job, lookup and arena are the worker's.
 * Memory:  texts of head are the server's until the request is whole and answered.
 * Errors:  none.
 * Units:   milliseconds of the monotonic clock (_ms), bytes. */
#pragma once
#include "api/http/cors.h"
#include "api/http/fields.h"
#include "api/notify/waiters.h"
#include "api/routes.h"
#include "api/ws/accept.h"
#include "query/projection/view.h"
#include "store/writer.h"

struct tb_conn;
struct tb_request;

#define TB_WS_SUBPROTOCOL "tillbox.v1"
/* What asks for a WebSocket (RFC 6455, 4.2.1). */
struct tb_ws_handshake {
    bool upgrade;   /* Connection lists it */
    bool websocket; /* Upgrade lists it */
    bool protocol;  /* ours is among the subprotocols */
    struct tb_str key, version;
};
/* What of the head concerns us. Absent: no such field. */
struct tb_head {
    struct tb_str host, origin, idempotency_key, if_match, traceparent;
    struct tb_ws_handshake ws;
    bool http_1_0;
    bool json;     /* the media type is JSON's */
    bool has_body; /* announced: a length above 0, or chunked */
    bool chunked;
    bool expects_continue;
    int64_t content_length; /* -1: chunked */
    size_t size;            /* bytes of the head */
};

struct tb_reply {
    struct tb_answer answer;
    const char *content_type;          /* NULL: as the answer's status says */
    const char *allow;                 /* NULL: none */
    struct tb_buf link;                /* empty: none */
    bool close;                        /* the connection ends with it */
    char ws_accept[TB_WS_ACCEPT_SIZE]; /* of a 101: the connection becomes a WebSocket */
    bool ready;
};

struct tb_api;
struct tb_query_context;
/* Finds the answer to x with one thread's readers. A reply that is not ready then may be so
 * later: its order has not come that far. */
typedef void tb_query_fn(struct tb_api *api, const struct tb_query_context *context,
                         struct tb_request *req, struct tb_reply *reply);

/* What a query thread is asked, and what it found. */
struct tb_query {
    bool asked; /* a query thread has it, not the writer */
    tb_query_fn *find;
    /* It is back, wanted or not, on the api thread; false: x is not to be answered now. NULL: it
     * is. */
    bool (*landed)(struct tb_api *api, struct tb_request *req);
    void *ctx; /* find's own */
    struct tb_list_filter list;
    struct tb_stats_filter sums;
    char start[TB_UUID_SIZE]; /* of digests: the first id; "": any */
    int limit;
    int64_t version; /* of the order, as the view had it; 0: none */
    struct tb_reply found;
};

struct tb_request {
    struct tb_conn *conn; /* NULL: the server has let go */
    enum tb_method method;
    struct tb_buf target;      /* as sent */
    struct tb_str path, query; /* parts of target; query absent: no '?' */
    struct tb_head head;
    struct tb_buf body;
    const struct tb_route *route; /* NULL: no such path */
    enum tb_origin origin;        /* of the page that asks */
    char order_id[TB_UUID_SIZE];  /* the path's {id} */
    int64_t body_seen;            /* bytes of the body that came, kept or not */
    bool head_seen, served, discarding, cut_off;
    bool soon;              /* the answer comes in moments: not worth a suspension */
    bool polled, suspended; /* until then, one of the two */
    int64_t whole_ms;       /* when it had come whole */
    struct tb_reply reply;

    bool at_worker;
    void *owner;                   /* the struct tb_api, for the worker's way back */
    struct tb_job job;             /* the writer's */
    struct tb_request *next_asked; /* waiting for a query thread */
    struct tb_query view_query;
    struct tb_arena arena;
    int64_t taken_ms;               /* when the worker got it */
    struct tb_request *next, *prev; /* in flight, in order of taken_ms */
    struct tb_request *next_done;   /* on the way back; also the spare list's link */
    /* A long poll's (queries.c). */
    struct tb_waiter wait;
    int64_t seen_version; /* the last look's */
    bool query_again;     /* news came while a query thread was looking */
};

void tb_reply_release(struct tb_reply *reply);
struct tb_request *tb_request_new(void);       /* NULL: out of memory */
void tb_request_clear(struct tb_request *req); /* as new, memory kept where it is small */
void tb_request_free(struct tb_request *req);

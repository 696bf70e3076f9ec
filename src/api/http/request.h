/* A request and its reply, from the first line received to the last byte sent.
 *
 * A request has a connection until its reply is sent or the client is gone; then it is DETACHED.
 * Independent of that, a worker (the writer or a query thread) may have it: see work/inflight.h.
 * A request is reused when it is DETACHED and no worker has it.
 *
 * Thread:  the api thread. While a worker has the request, only the worker uses the arena,
 *          `result` and the data that handler_data points to.
 * Memory:  texts of head belong to the connection and live until the reply is sent.
 * Units:   milliseconds of the monotonic clock (_ms), bytes. */
#pragma once
#include "api/http/allowlists.h"
#include "api/http/fields.h"
#include "base/mem/list.h"
#include "base/values/uuid.h"
#include "order/answer.h"

#define TB_WS_SUBPROTOCOL "tillbox.v1"
#define TB_WS_ACCEPT_SIZE 29
/* The fields by which a client asks for a WebSocket (RFC 6455, 4.2.1). */
struct tb_ws_handshake {
    bool upgrade;   /* Connection lists it */
    bool websocket; /* Upgrade lists it */
    bool protocol;  /* TB_WS_SUBPROTOCOL is among those it offers */
    struct tb_str key, version;
};
/* The parts of the head that the API reads. A text is absent if there is no such field. */
struct tb_head {
    struct tb_str host, origin, idempotency_key, if_match, traceparent;
    struct tb_ws_handshake ws;
    bool http_1_0;
    bool json;     /* the media type is that of JSON */
    bool has_body; /* announced: a length above 0, or chunked */
    bool chunked;
    bool expects_continue;
    int64_t content_length; /* -1: chunked */
    size_t size;            /* bytes of the head */
};

/* "GET, HEAD, POST, PUT, DELETE, OPTIONS" */
#define TB_ALLOW_SIZE 40
struct tb_reply {
    struct tb_answer answer;           /* status 0: there is no reply yet */
    const char *content_type;          /* NULL: JSON or problem+json, by the status */
    char allow[TB_ALLOW_SIZE];         /* the Allow header; "": none */
    struct tb_buf link;                /* the Link header; empty: none */
    bool close;                        /* the connection ends after it */
    char ws_accept[TB_WS_ACCEPT_SIZE]; /* with status 101: the connection becomes a WebSocket */
};
static inline bool tb_reply_filled(const struct tb_reply *reply)
{
    return reply->answer.status != 0;
}
void tb_reply_release(struct tb_reply *reply);

/*   FREE --> HEAD --+--> BODY -------+--> SERVING --+--> POLLED --> SUSPENDED
 *                   |                |       |      |       |       ^   |
 *                   +--> SKIP_BODY --+       |      +-------|-------+   |
 *                   |                        v              v           |
 *                   |                     ANSWERED <--------+-----------+
 *                   |                        v
 *                   +--> REFUSED --------> SENDING --> DETACHED --> FREE
 *
 * BODY becomes REFUSED when memory is out. HEAD, BODY, SKIP_BODY and REFUSED become CUT_OFF when
 * the body is too large. Every state becomes DETACHED when the client is gone. A request of the
 * view poll has no client: it becomes DETACHED at once. */
enum tb_request_state {
    TB_REQUEST_FREE,
    TB_REQUEST_HEAD,      /* the request line is received, the head not yet checked */
    TB_REQUEST_BODY,      /* the body is collected */
    TB_REQUEST_SKIP_BODY, /* the method ignores the body: it is discarded */
    TB_REQUEST_REFUSED,   /* its reply is filled early: the rest of the body is discarded */
    TB_REQUEST_CUT_OFF,   /* the body is too large: 413 is sent past libmicrohttpd */
    TB_REQUEST_SERVING,   /* the handler runs, or has given it to a worker or a waiter */
    TB_REQUEST_POLLED,    /* no reply yet; libmicrohttpd calls again each round */
    TB_REQUEST_SUSPENDED, /* no reply yet; libmicrohttpd waits for tb_mhd_answer */
    TB_REQUEST_ANSWERED,  /* its reply is filled; libmicrohttpd has not got it yet */
    TB_REQUEST_SENDING,   /* libmicrohttpd sends the reply */
    TB_REQUEST_DETACHED,  /* has no connection: a worker may still have it */
    TB_REQUEST_STATE_COUNT
};

struct tb_api;
struct tb_conn;
struct tb_params;
struct tb_query_context;
struct tb_request;
struct tb_route;
/* Answers req with the readers of one thread. TB_OK: it has written the JSON of a 200 into the
 * body of reply, or filled reply completely; or, with an empty body, there is no reply yet. After
 * any other code req is refused with err. */
typedef enum tb_code tb_query_fn(struct tb_api *api, const struct tb_query_context *context,
                                 struct tb_request *req, struct tb_reply *reply,
                                 struct tb_error *err);

/* What a query may take: TB_QUERY_SINGLE goes to the pool `singles`, the others to `lists`. */
enum tb_query_cost {
    TB_QUERY_SINGLE,
    TB_QUERY_LIST,
    TB_QUERY_SUM /* may read all orders */
};

struct tb_request {
    enum tb_request_state state; /* changed by tb_request_move only */
    struct tb_api *api;          /* the API that serves it */
    struct tb_conn *conn;        /* NULL: FREE or DETACHED */
    enum tb_method method;
    struct tb_buf target;             /* as sent */
    struct tb_str path, query_string; /* query_string absent: there is no '?' */
    struct tb_params *params;         /* of query_string, in the arena; set by tb_params_read */
    struct tb_head head;
    struct tb_buf body;
    int64_t body_seen;            /* bytes of the body so far, discarded ones too */
    const struct tb_route *route; /* NULL: no such path */
    const char *route_path;       /* of the route: "/orders/{id}" */
    enum tb_command_type command; /* which one, if the route is that of a command */
    enum tb_origin origin;        /* which web page has sent it */
    char order_id[TB_UUID_SIZE];  /* {id} of an order's path in lower case; "" elsewhere */
    struct tb_str path_id;        /* {id} of any path, percent-decoded, its case kept */
    struct tb_reply reply;
    struct tb_arena arena;
    void *handler_data; /* for the handler; in the arena */
    /* Until this time libmicrohttpd calls again each round instead of suspending the request,
     * which saves three system calls if the answer comes within one commit. 0: suspend at once. */
    int64_t poll_until_ms;

    /* For work/. While a worker has the request, inflight_node is in a list. */
    struct tb_list_node inflight_node;
    struct tb_request *next; /* in a tb_request_queue or a free list */
    int64_t started_ms;      /* when a worker got it */
    struct tb_str work_key;  /* requests with an equal key do the same work; absent: none */
    /* The api thread calls it once when the worker is done. It fills the reply; or it leaves the
     * reply empty, and the client waits on. The client may have a reply already, or be gone: see
     * tb_request_awaits_reply. */
    void (*on_done)(struct tb_request *req);
    /* Called when the worker takes too long. It fills the reply with a refusal. */
    void (*on_timeout)(struct tb_request *req);
    tb_query_fn *query; /* for a query thread to run */
    enum tb_query_cost cost;
    struct tb_reply result; /* the result of query */
};

struct tb_request *tb_request_new(void);       /* FREE; NULL: out of memory */
void tb_request_clear(struct tb_request *req); /* makes it FREE, but keeps small buffers */
void tb_request_free(struct tb_request *req);  /* NULL is fine */
/* Changes the state; asserts that the drawing has this move. */
void tb_request_move(struct tb_request *req, enum tb_request_state state);
/* Does the client wait, and is there no reply yet? */
bool tb_request_awaits_reply(const struct tb_request *req);

/* First in, first out, by `next`: a request is in one queue at a time. */
struct tb_request_queue {
    struct tb_request *first, *last;
};
void tb_request_queue_push(struct tb_request_queue *queue, struct tb_request *req);
struct tb_request *tb_request_queue_pop(struct tb_request_queue *queue); /* NULL: empty */

/* A whole edge in one process, and a client that speaks bytes: for tests of the API over real
 * sockets with real stores.
 *
 * Thread:  the test's; the node has its own.
 * Memory:  node_stop releases everything.
 * Errors:  a failed check assertion; what does not come within 20 s has failed.
 * Units:   milliseconds, bytes. */
#pragma once
#include "api/api.h"
#include "bridge/log/inproc/inproc.h"
#include "bridge/relay/relay.h"
#include "query/sqlite/view_sqlite.h"
#include "support/support.h"

struct node {
    struct tb_api_options options; /* change between node_init and node_start */
    struct tb_api_edge edge;       /* the same */
    bool no_writer, no_relay;      /* these threads do not run until node_run_writer, _relay */
    char dir[128];
    struct tb_writer *writer;
    struct tb_log_inproc *log;
    struct tb_log_writer *log_writer;
    struct tb_log_reader *log_reader;
    struct tb_outbox_reader *relay_outbox, *api_outbox;
    struct tb_relay *relay;
    struct tb_append_queue *append_queue;
    struct tb_view *view;
    struct tb_view_reader *api_view, *query_view;
    struct tb_view_reader *other_view, *other_query_view; /* used instead, if set */
    struct tb_outbox_reader *query_outbox;
    struct tb_order_reader *query_orders;
    struct tb_checkpoints checkpoints; /* of the store */
    struct tb_clock clock;             /* the system's, and what is added to it */
    _Atomic int64_t ahead_us;          /* of the monotonic one */
    struct tb_consumer *consumer;
    struct tb_api *api;
    pthread_t threads[4]; /* api, writer, relay, consumer */
    bool running[4];
    _Atomic int64_t disk_free;
    /* What the refill callback returns; both 0: the log lacked nothing, and was empty. */
    _Atomic int64_t rows_left, first_end;
    struct tb_hold hold; /* what the holds callback returns, once has_hold is set */
    _Atomic bool has_hold;
    _Atomic int64_t told; /* versions that the consumer published */
    _Atomic int forced;   /* calls of forced: 1 offline, 2 auto; 0 none */
    char audited[400];    /* the last audit line; the api's query thread's until it has answered */
    int port;
};
void node_init(struct node *node);
void node_start(struct node *node);
void node_run_writer(struct node *node);
void node_run_relay(struct node *node);
void node_stop_api(struct node *node); /* and waits for it */
void node_stop(struct node *node);

struct client {
    int fd;
    char *data; /* received, not yet read */
    size_t len;
};
struct response {
    int status; /* 0: the connection ended without one */
    char head[8192];
    char *body;
    size_t body_len;
};
void client_open(struct client *client, const struct node *node);
void client_connect(struct client *client, int port); /* on loopback */
void client_close(struct client *client);
void client_send(struct client *client, const void *bytes, size_t len);
void client_print(struct client *client, const char *format, ...) TB_PRINTF(2, 3);
/* One response; of an answer to HEAD only the head. body is freed by the next read of it. */
void client_read(struct client *client, struct response *response, bool head_only);
void response_release(struct response *response);
/* The value of a header; NULL without it. Lives until the next call. */
const char *response_header(const struct response *response, const char *name);
/* Waits until at least len bytes are there, not yet read; false: the connection ended before. */
bool client_await(struct client *client, size_t len);
void client_consume(struct client *client, size_t len); /* of what is there */
/* True: the other side ended the connection and sent nothing more. */
bool client_ended(struct client *client);
/* Takes what comes until the other side ends the connection. */
void client_drain(struct client *client);
/* Nothing has come and the connection is still open. */
bool client_quiet(struct client *client);
/* One request over client, with a JSON body unless NULL. extra: header lines, each with CRLF. */
void ask(struct client *client, const char *method, const char *target, const char *extra,
         const char *body, struct response *response);
/* A text member of the body: "orderId". */
void body_text(const struct response *response, const char *key, char *ret_text, size_t size);

/* The API of a process: HTTP/1.1 and WebSockets; on an edge commands to the writer, on both roles
 * questions to the view.
 *
 * One loop serves all connections and never waits for anything but sockets: a request that waits
 * for a COMMIT or for a query thread is suspended and holds nobody up. An edge answers single
 * orders and its pages on the api thread, whose view is a file; a central has nothing there, and
 * asks all on query threads.
 *
 * Thread:  run from the owner; notify and stop from any thread. Each asker belongs to its thread.
 * Memory:  copies its options and their role; borrows what these point to.
 * Errors:  TB_INVALID at open: the address is malformed, taken or not ours.
 * Units:   bytes, milliseconds. */
#pragma once
#include "base/config/config.h"
#include "base/time/clock.h"
#include "bridge/log/log.h"
#include "query/consumer/consumer.h"
#include "query/fleet/nodes.h"
#include "query/projection/view.h"
#include "query/rebuild/rebuild.h"
#include "store/order_reader.h"
#include "store/writer.h"

/* What /status, /metrics and /healthz tell of the way out; filled by edge.c. */
struct tb_link_status {
    const char *state; /* "online", "offline", "connecting", "forced-offline" */
    int64_t since_ms;
    uint64_t relay_sent;
    const char *relay_state;
    const char *relay_states[8]; /* every state there is, NULL-terminated */
    char problem[240];           /* what stands in the way, for a person; "": nothing does */
};

/* What an edge serves beside the queries: commands, and the way its orders take. */
struct tb_api_edge {
    const char *node, *currency;
    int64_t lines_max;
    int64_t disk_reserve_bytes;
    struct tb_writer *writer;
    const char *cursor_name;      /* whose cursor means delivered */
    const char *view_cursor_name; /* whose cursor feeds this view; NULL: the same */
    /* Called on the api thread. */
    void (*link)(void *ctx, struct tb_link_status *ret_figures);
    int64_t (*disk_free)(void *ctx);
    void (*forced)(void *ctx, bool offline); /* the link setting is stored: carry it out */
};

/* What a central serves beside the queries. Called on query threads, several at once. */
struct tb_api_central {
    enum tb_code (*nodes)(void *ctx, int64_t now_ms, struct tb_arena *arena,
                          struct tb_node_report_list *ret_list, struct tb_error *err);
    /* What stands in the way, for a person; "": nothing does. */
    void (*problem)(void *ctx, char ret_text[240]);
};

/* What is done about dead letters. Called on query threads, which may be several at once. */
struct tb_api_dead_letters {
    /* Appends the record to the log that is read here: TB_OK when it is acknowledged; TB_INVALID:
     * the log refuses it for good. */
    enum tb_code (*send)(void *ctx, const struct tb_record *record, struct tb_error *err);
    /* As tb_view_ops.drop_dead_letter. */
    enum tb_code (*drop)(void *ctx, struct tb_dead_letter_position place, struct tb_error *err);
    /* For the record: what was done ("replayed", "dropped"), or not surely was, about which letter
     * (order_id "": of none), and the address of who asked for it. */
    void (*audit)(void *ctx, const char *what, bool sure, const char *letter_id,
                  const char *order_id, const char *who);
};

/* How the view comes to be filled anew. start is called on query threads, get on any. */
struct tb_api_rebuild {
    /* As tb_rebuild_start. NULL, and get too: this process cannot. */
    enum tb_code (*start)(void *ctx, const struct tb_rebuild_job *job, struct tb_error *err);
    void (*get)(void *ctx, struct tb_rebuild_progress *ret_figures,
                struct tb_rebuild_generations *ret_views);
};

/* What one thread asks: its own readers. */
struct tb_query_context {
    struct tb_view_reader *view;     /* NULL: this thread asks nothing */
    struct tb_outbox_reader *outbox; /* an edge's; NULL: nothing is told of delivery */
    struct tb_order_reader *store;   /* an edge's, of who is asked for lists */
};
/* Threads that wait for a database; its client pool has a few connections more. */
#define TB_QUERY_CONTEXTS_MAX 3

struct tb_api_options {
    const char *listen;        /* host:port; port 0 picks one */
    const char *allowed_hosts; /* comma-separated, beside loopback names and the listen address */
    const char *allowed_origins;
    int64_t body_max, depth_max, header_max;
    int64_t header_timeout_ms, body_timeout_ms;
    int64_t connections_max, connections_per_address_max;
    const struct tb_clock *clock;
    const struct tb_random *random;
    /* The roles; what a process is not, it has no routes of. */
    const struct tb_api_edge *edge;
    const struct tb_api_central *central;
    struct tb_api_dead_letters letters;
    struct tb_api_rebuild rebuild;
    struct tb_query_context here; /* the api thread's; with it no `singles` are asked */
    struct tb_query_context lists[TB_QUERY_CONTEXTS_MAX]; /* a thread each: lists, sums, letters */
    struct tb_query_context
        singles[TB_QUERY_CONTEXTS_MAX]; /* a thread each: orders, pages, subscriptions */
    const struct tb_consumer_stats *consumer;
    const char *topic, *group, *view_name; /* labels */
    int32_t partitions;                    /* of the topic */
    /* How far the group is with each partition, asked at the moment, on the thread that asks the
     * view too. An end below 0: this process does not read that one. */
    enum tb_code (*log_ranges)(void *ctx, struct tb_log_range *ret_ranges, struct tb_error *err);
    void *ctx;
};
/* The settings that both roles have: addresses and limits. */
void tb_api_configure(struct tb_api_options *options, const struct tb_config *config);

struct tb_api;
/* The query threads run from here on. */
TB_CHECKED enum tb_code tb_api_open(const struct tb_api_options *options, struct tb_api **ret_api,
                                    struct tb_error *err);
/* After the writer's thread has ended: until then it may hold requests. NULL is fine. */
void tb_api_free(struct tb_api *api);
const char *tb_api_url(const struct tb_api *api); /* "http://127.0.0.1:8081" */
void tb_api_run(struct tb_api *api);  /* until stopped: then answers what was taken, at most 3 s */
void tb_api_stop(struct tb_api *api); /* async-signal-safe: stops accepting */
/* An order is visible at a version: wakes who waits for it or follows all. Any thread; never
 * blocks. */
void tb_api_notify(struct tb_api *api, const char *order_id, int64_t version);
/* The same of every order that a plan has changed. */
void tb_api_notify_plan(struct tb_api *api, const struct tb_plan *plan);

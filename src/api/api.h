/* The API of a node: HTTP/1.1 in, commands to the writer, questions to the view.
 *
 * One loop serves all connections; a request whose command waits for COMMIT is suspended and
 * holds nobody up. Lists and stats, which may take long, run on a thread of their own.
 *
 * Thread:  run from the owner; notify and stop from any thread. The api thread and its query
 *          thread own one view reader each and the outbox reader.
 * Memory:  borrows what its options point to.
 * Errors:  TB_INVALID at open: the address is malformed, taken or not ours.
 * Units:   bytes, milliseconds. */
#pragma once
#include "base/clock.h"
#include "bridge/log.h"
#include "query/consumer.h"
#include "query/view.h"
#include "store/writer.h"

/* What /status, /metrics and /healthz tell of the way out; filled by edge.c. */
struct tb_link_figures {
    const char *state; /* "online", "offline", "connecting", "forced-offline" */
    int64_t since_ms;
    uint64_t relay_sent;
    const char *relay_state;
    const char *relay_states[8]; /* every state there is, NULL-terminated */
    char problem[240];           /* what stands in the way, for a person; "": nothing does */
};
struct tb_api_options {
    const char *listen;        /* host:port; port 0 picks one */
    const char *allowed_hosts; /* comma-separated, beside loopback names and the listen address */
    const char *allowed_origins;
    const char *node;
    const char *currency;
    int64_t body_max, lines_max, depth_max, header_max;
    int64_t header_timeout_ms, body_timeout_ms;
    int64_t connections_max, connections_per_address_max;
    int64_t disk_reserve_bytes;
    const struct tb_clock *clock;
    const struct tb_random *random;
    struct tb_writer *writer;
    struct tb_outbox_reader *outbox;       /* the api thread's */
    const char *cursor_name;               /* whose cursor means delivered */
    const char *view_cursor_name;          /* whose cursor feeds this view; NULL: the same */
    struct tb_view_reader *view;           /* the api thread's: single orders, figures */
    struct tb_view_reader *query_view;     /* the query thread's: lists, stats */
    struct tb_outbox_reader *query_outbox; /* the query thread's; NULL: lists tell no delivery */
    const struct tb_consumer_stats *consumer;
    const char *topic, *group, *view_name; /* labels */
    /* Called on the api thread. */
    void (*link)(void *ctx, struct tb_link_figures *ret_figures);
    enum tb_code (*log_range)(void *ctx, int32_t partition, struct tb_log_range *ret_range,
                              struct tb_error *err);
    int64_t (*disk_free)(void *ctx);
    void (*forced)(void *ctx, bool offline); /* the link setting is stored: carry it out */
    void *ctx;
};
struct tb_api;
/* The query thread runs from here on. */
TB_CHECKED enum tb_code tb_api_open(const struct tb_api_options *options, struct tb_api **ret_api,
                                    struct tb_error *err);
/* After the writer's thread has ended: until then it may hold requests. NULL is fine. */
void tb_api_free(struct tb_api *api);
const char *tb_api_url(const struct tb_api *api); /* "http://127.0.0.1:8081" */
void tb_api_run(struct tb_api *api);  /* until stopped: then answers what was taken, at most 3 s */
void tb_api_stop(struct tb_api *api); /* async-signal-safe: stops accepting */
/* An order is visible at a version: wakes its waiting readers. Any thread; never blocks. */
void tb_api_notify(struct tb_api *api, const char *order_id, int64_t version);

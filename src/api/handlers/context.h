/* What every handler sees of the API, and the handlers.
 *
 * Thread:  the api thread; query functions run on query threads and use only the options,
 *          completeness and what belongs to their request.
 * Memory:  borrows what the options point to.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include "api/handlers/options.h"
#include "api/handlers/progress.h"
#include "api/http/host_allowlist.h"
#include "api/notify/waiters.h"

struct tb_api {
    struct tb_api_options options;
    struct tb_host_allowlist host_allowlist;
    struct tb_mhd_server *server;
    struct tb_inflight inflight;
    struct tb_query_pool lists, singles;
    struct tb_waiters waiters;
    struct tb_completeness completeness;
    int64_t now_ms;   /* of the current round */
    int64_t drain_ms; /* the process stops: until when requests are answered; 0: it does not */
    /* Writes the metrics of routes and WebSockets, which handlers do not see. Any thread. */
    void (*add_metrics)(const struct tb_api *api, struct tb_buf *out);
};

/* Handlers: each fills req->reply, or submits the request to a worker or a waiter. */
typedef void tb_handler(struct tb_api *api, struct tb_request *req);
tb_handler tb_orders_serve, tb_stats_serve, tb_digests_serve, tb_order_serve;
tb_handler tb_order_command_serve; /* the command that the route names */
tb_handler tb_dead_letters_serve, tb_dead_letters_replay_serve, tb_dead_letter_serve;
tb_handler tb_dead_letter_drop_serve, tb_dead_letter_replay_serve;
tb_handler tb_nodes_serve, tb_status_serve, tb_metrics_serve, tb_link_serve;
tb_handler tb_rebuild_serve, tb_rebuild_start_serve;
tb_handler tb_livez_serve, tb_readyz_serve, tb_healthz_serve;

/* What handlers share. */

/* Parses the body as JSON. NULL: req is refused. An empty body is malformed. */
struct tb_json *tb_body_parse(struct tb_api *api, struct tb_request *req);
/* Ends a JSON list whose elements are in the reply's body. With a cursor there is a next page: the
 * Link header is the same query with that cursor. */
TB_CHECKED enum tb_code tb_list_end(const struct tb_request *req, const char *cursor,
                                    struct tb_reply *reply, struct tb_error *err);
/* Adds "delivery" to the order that out ends with: whether the log has acknowledged its last
 * event. Adds nothing where that is not known. */
void tb_delivery_add(const struct tb_api *api, const struct tb_query_context *context,
                     struct tb_str order_id, struct tb_buf *out);
/* asOf, completeThrough and heldBackBy, of a central. */
TB_CHECKED enum tb_code tb_nodes_add_completeness(struct tb_api *api, struct tb_arena *arena,
                                                  struct tb_buf *out, struct tb_error *err);
/* 1 for the current state and 0 for the others. */
void tb_metric_states(struct tb_buf *out, const char *name, const char *help,
                      const char *const *states, size_t count, const char *current);

/* Parts of /metrics. What cannot be read is left out. */
void tb_nodes_metrics(const struct tb_api *api, struct tb_arena *arena, struct tb_buf *out);
void tb_rebuild_metrics(const struct tb_api *api, struct tb_buf *out);
void tb_process_metrics(struct tb_buf *out); /* what the kernel knows of this process */

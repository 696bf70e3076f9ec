/* The API from inside: its state, and what each part of it offers the others.
 *
 * Thread:  everything belongs to the api thread, but for what says otherwise.
 * Memory:  borrows what the options point to.
 * Errors:  as the functions say; requests are refused, never dropped.
 * Units:   milliseconds. */
#pragma once
#include "api/api.h"
#include "api/handlers/progress.h"
#include "api/http/mhd.h"
#include "api/notify/waiters.h"
#include "api/view_poll.h"
#include "api/work/query_pool.h"
#include "api/ws/ws.h"

/* A repeat of a command that still runs waits so long (INTERFACES). */
#define TB_REPEAT_WAIT_MS 10000
/* Any other, and a list: then nobody can tell what becomes of it. */
#define TB_WORK_WAIT_MS 30000
/* What was taken is answered within this when the daemon stops. */
#define TB_DRAIN_MS 3000

/* Statuses are below; a counter for each, of every route. */
#define TB_STATUS_COUNT 600

/* The way back from the workers: what is done waits here for the api thread. */
struct tb_completion_queue {
    pthread_mutex_t lock;
    struct tb_request *first, *last; /* by next_done */
    _Atomic bool any;
};

struct tb_api {
    struct tb_api_options options; /* with the role below */
    struct tb_api_edge edge;
    struct tb_api_central central;
    struct tb_host_allowlist hosts;
    struct tb_mhd_server *server;
    char url[TB_LISTEN_HOST_SIZE + 32];
    int event_fd;
    _Atomic bool asleep; /* who has news for us rings the event_fd once */
    _Atomic bool stopping;
    struct tb_completion_queue returns;
    struct tb_request *flying, *flying_last; /* at a worker, the oldest first */
    struct tb_waiters waiters;
    struct tb_view_poll glance;
    struct tb_ws ws;
    struct tb_query_pool lists, singles;
    struct tb_completeness completeness;
    /* Replies by route (the last: no such path) and status. */
    struct tb_counter counts[TB_ROUTE_COUNT + 1][TB_STATUS_COUNT];
    int64_t now_ms, sweep_ms, drain_ms; /* drain_ms: until when; 0: not stopping */
};

/* api.c: any thread. */
void tb_api_wake(struct tb_api *api);
/* The worker is done with x. */
void tb_completion_post(struct tb_api *api, struct tb_request *req);

/* front.c: which route, whether it may be, and to whom it goes. */
void tb_routes_on_head(void *ctx, struct tb_request *req);
void tb_routes_on_request(void *ctx, struct tb_request *req);
void tb_routes_on_reply(void *ctx, const struct tb_request *req);

/* flight.c: what is at a worker. */
void tb_inflight_add(struct tb_api *api, struct tb_request *req);
void tb_inflight_remove(struct tb_api *api, struct tb_request *req); /* the worker refused it */
void tb_inflight_complete(struct tb_api *api);                       /* all that came back */
void tb_inflight_expire(struct tb_api *api);
void tb_inflight_fail_all(struct tb_api *api); /* answers all that still fly: we stop */

/* find.c: who finds an answer. */
/* A query thread of the pool; x->lookup.landed is the caller's. False: too many wait. */
TB_CHECKED bool tb_query_try_submit(struct tb_api *api, struct tb_query_pool *pool,
                                    struct tb_request *req, tb_query_fn *find);
/* As that, with the refusal. */
void tb_query_submit(struct tb_api *api, struct tb_query_pool *pool, struct tb_request *req,
                     tb_query_fn *find);
/* The api thread at once, where it has a view; else one of the singles' threads. */
void tb_query_run_or_submit(struct tb_api *api, struct tb_request *req, tb_query_fn *find);

/* params.c: what questions share. False: x is refused. */
TB_CHECKED bool tb_params_read(struct tb_request *req, const char *const *allowed,
                               struct tb_params *ret_params);
TB_CHECKED bool tb_params_none(struct tb_request *req); /* there are none */
/* "limit", from 1 to max; absent it is left as it is. */
TB_CHECKED bool tb_param_limit(struct tb_request *req, const struct tb_params *params, int max,
                               int *ret_limit);
/* Refuses x; returns false. */
bool tb_param_refuse(struct tb_request *req, const char *name, const char *allowed);
/* A time, or a date: then the midnight at which it begins here. Absent is fine. False: refused. */
bool tb_param_time(struct tb_request *req, const struct tb_params *params, const char *name,
                   bool *ret_has, int64_t *ret_ms);
/* lists_found.c. Ends a list whose elements are in the reply's body; with a cursor there is more,
 * and a Link is the same question with that cursor. */
TB_CHECKED enum tb_code tb_list_end(const struct tb_request *req, const char *cursor,
                                    struct tb_reply *reply, struct tb_error *err);

/* Routes. Each fills x->reply, or sees to it that tb_mhd_answer comes. */
void tb_command_serve(struct tb_api *api, struct tb_request *req);
void tb_link_serve(struct tb_api *api, struct tb_request *req);
void tb_link_done(struct tb_api *api, struct tb_request *req); /* it came back */
void tb_order_serve(struct tb_api *api, struct tb_request *req);
void tb_order_wait_expired(void *ctx,
                           struct tb_waiter *wait); /* the time of a long poll is over */
void tb_orders_serve(struct tb_api *api, struct tb_request *req);
void tb_stats_serve(struct tb_api *api, struct tb_request *req);
void tb_digests_serve(struct tb_api *api, struct tb_request *req);
void tb_dead_letters_serve(struct tb_api *api, struct tb_request *req);
void tb_dead_letters_replay_serve(struct tb_api *api, struct tb_request *req);
void tb_dead_letter_serve(struct tb_api *api, struct tb_request *req);
void tb_dead_letter_replay_serve(struct tb_api *api, struct tb_request *req);
void tb_nodes_serve(struct tb_api *api, struct tb_request *req);
void tb_status_serve(struct tb_api *api, struct tb_request *req);
void tb_health_serve(struct tb_api *api, struct tb_request *req); /* livez, readyz, healthz */
void tb_rebuild_serve(struct tb_api *api, struct tb_request *req);
void tb_metrics_serve(struct tb_api *api, struct tb_request *req);
void tb_ws_serve(struct tb_api *api, struct tb_request *req); /* ws_handshake.c */

/* rebuild_page.c: the metrics of it. */
void tb_rebuild_metrics(const struct tb_api *api, struct tb_buf *out);

/* What the routes above find. */
tb_query_fn tb_query_order_list, tb_query_order_stats, tb_query_nodes;
tb_query_fn tb_query_dead_letters, tb_query_dead_letter, tb_replay_dead_letter,
    tb_replay_dead_letters, tb_drop_dead_letter;
/* asOf, completeThrough and who holds it back, of a central. */
TB_CHECKED enum tb_code tb_nodes_add_completeness(struct tb_api *api, struct tb_arena *arena,
                                                  struct tb_buf *out, struct tb_error *err);
/* When each node was heard last, for /metrics; nothing where that cannot be read. */
void tb_nodes_metrics(const struct tb_api *api, struct tb_arena *arena, struct tb_buf *out);

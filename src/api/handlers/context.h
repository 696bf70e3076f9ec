/* What every handler sees of the API; the handlers, and what they share.
 *
 * Thread:  a handler runs on the api thread. A query runs on a query thread, or on the api thread
 *          if its pool has an inline context. It uses only the options, seen_complete_ms,
 *          stalls, add_metrics and the data of its request.
 * Units:   _ms of struct tb_api: milliseconds of the monotonic clock; other times: Unix
 *          milliseconds. */
#pragma once
#include "api/handlers/options.h"
#include "api/http/allowlists.h"
#include "api/notify/waiters.h"

/* The configuration allows no more. */
#define TB_PARTITIONS_MAX 256
/* Where the view has stood still, by partition, as far as queries have looked. */
struct tb_stalls {
    pthread_mutex_t lock;
    struct tb_stall {
        int64_t next, lag; /* the view's next offset, and what it lacks */
        int64_t since_ms;  /* it was seen there first; 0: it lacks nothing */
    } partitions[TB_PARTITIONS_MAX];
};

struct tb_api {
    struct tb_api_options options;
    struct tb_host_allowlist host_allowlist;
    struct tb_mhd_server *server;
    struct tb_inflight inflight;
    struct tb_query_pool lists, singles;
    struct tb_waiters waiters;
    _Atomic int64_t
        seen_complete_ms; /* Unix time when a query last saw a complete view; 0: never */
    struct tb_stalls stalls;
    int64_t now_ms;   /* of the current round of the loop */
    int64_t drain_ms; /* the process stops: requests are answered until then; 0: it does not */
    /* Writes the metrics of routes and WebSockets, which handlers do not see. Any thread. */
    void (*add_metrics)(const struct tb_api *api, struct tb_buf *out);
};

/* A handler fills req->reply, or submits the request to a worker or a waiter. */
typedef void tb_handler(struct tb_request *req);
tb_handler tb_order_serve, tb_link_serve, tb_link_forget_serve, tb_unpark_serve, tb_resend_serve,
    tb_livez_serve, tb_rebuild_serve;
tb_handler tb_order_command_serve; /* the command that the route names */

/* Reads the parameters of a query into req->handler_data. False: req is refused. */
typedef bool tb_query_reader(struct tb_request *req);
tb_query_reader tb_orders_read, tb_stats_read, tb_digests_read, tb_rebuild_start_read;
tb_query_reader tb_dead_letters_read, tb_dead_letter_read, tb_nodes_read;
tb_query_reader tb_dead_letter_replay_read, tb_dead_letters_replay_read;
tb_query_reader tb_node_retire_read, tb_node_unretire_read;

tb_query_fn tb_orders_query, tb_stats_query, tb_digests_query;
tb_query_fn tb_dead_letters_query, tb_dead_letter_query, tb_dead_letter_drop_query;
tb_query_fn tb_dead_letter_replay_query, tb_dead_letters_replay_query;
tb_query_fn tb_parked_query, tb_nodes_query, tb_node_retire_query;
tb_query_fn tb_status_query, tb_rebuild_start_query;
tb_query_fn tb_health_query; /* of /readyz and /healthz */
tb_query_fn tb_metrics_query;

/* Parses the body as JSON. NULL: req is refused. An empty body is malformed. */
struct tb_json *tb_body_parse(struct tb_request *req);
/* Refuses a request to send something to a log again, which the writer has not stored: job->code
 * is not TB_OK. */
struct tb_job;
void tb_refuse_sending(struct tb_request *req, const struct tb_job *job);
/* A page of a list ends before it would be larger than this, whatever its limit: 500 orders with
 * 1,000 lines each, or 500 dead letters with values of 7 MiB, may be requested. */
#define TB_PAGE_BYTES_MAX (1u << 20)
/* Ends a JSON list whose elements are in the reply's body. cursor: of the next page; "": this is
 * the last one. The Link header is the query of this page with that cursor. */
TB_CHECKED enum tb_code tb_list_end(const struct tb_request *req, const char *cursor,
                                    struct tb_reply *reply, struct tb_error *err);
/* Adds "delivery" to the order at the end of out: whether the log has acknowledged its last event.
 * Adds nothing if that is not known. */
void tb_delivery_add(const struct tb_api *api, const struct tb_query_context *context,
                     struct tb_str order_id, struct tb_buf *out);
/* What is sent to Kafka again, or waits until somebody asks for it. False: nothing, or not known.
 */
bool tb_resend_read(const struct tb_query_context *context, struct tb_resend *ret_resend);
void tb_resend_add_status(const struct tb_query_context *context, struct tb_buf *out);
/* Adds a text for a person, with a NUL. False: there is nothing to say. */
bool tb_resend_describe(const struct tb_query_context *context, struct tb_buf *out);
/* For a central: adds asOf, completeThrough and heldBackBy. */
TB_CHECKED enum tb_code tb_nodes_add_completeness(struct tb_api *api, struct tb_arena *arena,
                                                  struct tb_buf *out, struct tb_error *err);
/* For a central: adds how many nodes are in which state, and which are retired and send. */
TB_CHECKED enum tb_code tb_nodes_add_status(const struct tb_api *api, struct tb_arena *arena,
                                            struct tb_buf *out, struct tb_error *err);

/* held.c: adds `conflicts` and `parkedEvents`, of each the first events that the view lacks
 * although they have arrived; nothing if there are none. */
TB_CHECKED enum tb_code tb_held_add(const struct tb_api *api,
                                    const struct tb_query_context *context, struct tb_buf *out,
                                    struct tb_error *err);
/* Describes the first of them; nothing if there are none. */
TB_CHECKED enum tb_code tb_held_describe(const struct tb_api *api,
                                         const struct tb_query_context *context,
                                         struct tb_buf *out, struct tb_error *err);

/* For an edge: lists the cursors of logs that the store remembers and that are not configured. */
TB_CHECKED enum tb_code
tb_unconfigured_cursors(const struct tb_api *api, const struct tb_query_context *context,
                        struct tb_outbox_cursor ret_cursors[TB_OUTBOX_CURSORS_MAX],
                        size_t *ret_count, struct tb_error *err);

/* Writes a gauge with the label `state`: 1 for the current state and 0 for the others. states ends
 * with NULL. */
void tb_metric_states(struct tb_buf *out, const char *name, const char *help,
                      const char *const *states, const char *current);
/* Parts of /metrics. A value that cannot be read is left out. */
void tb_nodes_metrics(const struct tb_api *api, struct tb_arena *arena, struct tb_buf *out);
void tb_rebuild_metrics(const struct tb_api *api, struct tb_arena *arena, struct tb_buf *out);
void tb_process_metrics(struct tb_buf *out); /* memory, CPU time and files of this process */

/* How far outbox and view are, read now. */
struct tb_view_progress {
    /* Of an edge; zero on a central. */
    struct tb_outbox_status outbox;       /* by the cursor that means delivered */
    struct tb_outbox_status view_outbox;  /* by the cursor that feeds the view */
    struct tb_outbox_snapshots snapshots; /* that the store has yet to send to the view */
    bool lacks_orders;                    /* there are some */
    /* Of the partitions that this process reads. */
    bool lag_known;      /* false: log or view could not be read */
    bool reads_any;      /* false: no partition is read here, so nothing is known of the view */
    int64_t lag;         /* records of the log that the view does not have yet */
    int64_t log_records; /* records that the log holds */
    /* Of an edge: events that store or log had when the process started, snapshots as soon as they
     * are in the log, and how many of them the view has. */
    int64_t first_records, first_applied;
    int64_t
        committed[TB_PARTITIONS_MAX]; /* next offset of the view; -1: unknown or not read here */
    int64_t end[TB_PARTITIONS_MAX];   /* of the log; -1: the same */
    /* The view has every event from before this time. It is now if no event is pending anywhere;
     * else the time of the oldest event in the outbox if the view has all others; else the last
     * time when the view was seen complete; else the time of its last commit (0: none). */
    int64_t complete_ms;
};
/* Runs on the thread that owns the readers of the query context. Fails if the outbox cannot be
 * read; a log or view that cannot be read only makes lag_known false. */
TB_CHECKED enum tb_code tb_view_progress_read(struct tb_api *api,
                                              const struct tb_query_context *context,
                                              struct tb_view_progress *ret_progress,
                                              struct tb_error *err);

/* stalls.c. Called with all that is read of the progress. */
void tb_stalls_note(struct tb_api *api, const struct tb_view_progress *progress);
/* For how long the partition has not moved on that stands still longest, in milliseconds; 0: none
 * stands still for a minute. */
int64_t tb_stalls_longest(struct tb_api *api, int32_t *ret_partition, int64_t *ret_lag);

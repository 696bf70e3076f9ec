/* Options of the API: its limits and labels, and its callbacks into the process.
 *
 * Memory:  tb_api_open copies the structs, and borrows what they point to. */
#pragma once
#include "api/work/query_pool.h"
#include "base/sqlite/checkpoints.h"
#include "base/time/clock.h"
#include "bridge/log/log.h"
#include "query/consumer/consumer.h"
#include "query/fleet/nodes.h"
#include "query/projection/view.h"
#include "query/rebuild/rebuild.h"
#include "store/writer.h"

/* The state of an edge's link to the log, for /status, /metrics and the reply to PUT /link. */
struct tb_link_status {
    const char *state; /* "online", "offline", "connecting", "forced-offline" */
    int64_t since_ms;
    uint64_t relay_sent;
    const char *relay_state;
    const char *relay_states[8]; /* the names of all states, and then NULL */
    char problem[240]; /* why the link is down, for a person; "": not known, or it is up */
};

/* A program that holds up a database file of this node. */
#define TB_HOLDS_MAX 8
#define TB_HOLD_STORE "store.db" /* the file that orders are taken into */
struct tb_hold {
    char file[32];    /* such as "store.db" */
    char path[1024];  /* of the file, UTF-8; its name, if that is longer, or not UTF-8 */
    char program[32]; /* such as "sqlite3"; "": not known */
    int64_t pid;      /* 0: not known */
    bool writes; /* it has the write lock, so that nothing can be stored; else a snapshot, so that
                    the file's WAL cannot be emptied and grows */
    int64_t held_ms;   /* at least */
    int64_t wal_bytes; /* what the WAL has that the file does not */
};

#define TB_DAMAGE_TEXT_SIZE 800

/* Options of an edge, which serves commands and knows the delivery of its orders. */
struct tb_api_edge {
    const char *node, *currency;
    int64_t lines_max;
    int64_t disk_reserve_bytes;
    struct tb_uptime uptime; /* of the node */
    struct tb_writer *writer;
    const char *cursor_name;      /* the cursor that means delivered */
    const char *view_cursor_name; /* the cursor that feeds this view; NULL: the same */
    /* Called on the api thread. */
    /* How many events that the store had when the process started the log does not have yet; and
     * the log's end at which the view has all of them and all snapshots that were requested, -1
     * while the log lacks some. */
    void (*refill)(void *ctx, int64_t *ret_rows_left, int64_t *ret_end);
    void (*link)(void *ctx, struct tb_link_status *ret_status);
    int64_t (*disk_free)(void *ctx);                                    /* below 0: not known */
    size_t (*holds)(void *ctx, struct tb_hold ret_holds[TB_HOLDS_MAX]); /* of all files */
    /* A query has failed with this error. Any query thread, or the api thread. NULL: nobody wants
     * to know. */
    void (*query_failed)(void *ctx, const struct tb_error *err);
    /* Why the node's own log takes no events, for a person; "": it takes them. */
    void (*log_problem)(void *ctx, char ret_text[240]);
    /* What was found damaged since the start of the process, and the way out, for a person; "":
     * nothing. Of the store; of log and view, which are made from it. */
    void (*store_damage)(void *ctx, char ret_text[TB_DAMAGE_TEXT_SIZE]);
    void (*derived_damage)(void *ctx, char ret_text[TB_DAMAGE_TEXT_SIZE]);
    struct tb_checkpoints *checkpoints; /* of each file; borrowed */
    size_t checkpoint_count;
    void (*forced)(void *ctx, bool offline); /* carries out the link setting, which is stored */
    void (*resend)(void *ctx); /* carries out the request to resend, which is stored */
    void (*unpark)(void *ctx); /* carries out the requests to unpark, which are stored */
};

/* The cursor that feeds the view. */
static inline const char *tb_view_cursor(const struct tb_api_edge *edge)
{
    return edge->view_cursor_name ? edge->view_cursor_name : edge->cursor_name;
}

/* Options of a central. Several query threads may call these at the same time. */
struct tb_api_central {
    /* Sorted by name; without holes and late orders. */
    enum tb_code (*nodes)(void *ctx, int64_t now_ms, struct tb_arena *arena,
                          struct tb_node_report_list *ret_list, struct tb_error *err);
    /* Adds holes and late orders to some of the listed nodes, in the order of the list. */
    enum tb_code (*node_details)(void *ctx, int64_t now_ms, struct tb_arena *arena,
                                 struct tb_node_report *nodes, size_t count, struct tb_error *err);
    /* As tb_mongo_retire_node; after TB_OK `nodes` lists the node so. who: the client's address.
     */
    enum tb_code (*retire)(void *ctx, const char *node, const struct tb_node_retirement *retired,
                           const char *who, struct tb_error *err);
    /* What fails now, for a person; "": nothing. */
    void (*problem)(void *ctx, char ret_text[240]);
    /* Of the partition's log, as this process has seen it last (bridge/log/place.h); 0: not known.
     * Any thread. */
    int64_t (*generation)(void *ctx, int32_t partition);
};

/* Commands on dead letters. Several query threads may call these at the same time. */
struct tb_api_dead_letters {
    /* Appends the record to the log that the view is filled from. TB_OK: the log has acknowledged
     * it. TB_INVALID: the log will never accept it. */
    enum tb_code (*send)(void *ctx, const struct tb_record *record, struct tb_error *err);
    /* As tb_view_ops.drop_dead_letter. */
    enum tb_code (*drop)(void *ctx, struct tb_dead_letter_position position, struct tb_error *err);
    /* Records that the client with the address `who` replayed or dropped a dead letter. what:
     * "replayed" or "dropped". sure: false if the outcome is not known. order_id "": the dead
     * letter names no order. */
    void (*audit)(void *ctx, const char *what, bool sure, const char *dead_letter_id,
                  const char *order_id, const char *who);
};

/* The rebuild of the view. start and cancel are called on query threads, get on any thread. */
struct tb_api_rebuild {
    /* As tb_rebuild_start. NULL, like the others: the process cannot rebuild. */
    enum tb_code (*start)(void *ctx, const struct tb_rebuild_job *job, struct tb_error *err);
    enum tb_code (*cancel)(void *ctx, struct tb_error *err); /* as tb_rebuild_cancel */
    /* As tb_rebuild_get_progress and tb_rebuild_get_generations. */
    bool (*get)(void *ctx, struct tb_rebuild_progress *ret_progress,
                struct tb_rebuild_generations *ret_generations);
};

struct tb_api_options {
    const char *listen;        /* host:port; port 0 picks one */
    const char *allowed_hosts; /* comma-separated, besides loopback names and the listen address */
    const char *allowed_origins;
    int64_t body_max, depth_max, header_max;
    int64_t header_timeout_ms, body_timeout_ms;
    int64_t connections_max, connections_per_address_max;
    const struct tb_clock *clock;
    /* The role: exactly one of the two is not NULL. */
    const struct tb_api_edge *edge;
    const struct tb_api_central *central;
    struct tb_api_dead_letters dead_letters;
    struct tb_api_rebuild rebuild;
    struct tb_query_context lists[TB_QUERY_CONTEXTS_MAX];   /* for lists, sums, dead letters */
    struct tb_query_context singles[TB_QUERY_CONTEXTS_MAX]; /* for single orders, status pages */
    struct tb_query_context inline_context; /* with a view: the api thread's, instead of singles */
    const struct tb_consumer_stats *consumer;
    const char *topic, *group, *view_name; /* labels */
    int32_t partitions;                    /* of the topic */
    /* Reads the range of each partition, and how far the consumer group is. Called on the thread
     * of the query. An end below 0: this process does not read that partition. */
    enum tb_code (*log_ranges)(void *ctx, struct tb_log_range *ret_ranges, struct tb_error *err);
    void *ctx; /* of every callback */
};

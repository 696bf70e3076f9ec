/* What the centre knows of each node: its heartbeats, and which of its sequences came.
 *
 * Sequences are contiguous from 1 per node and epoch. They are kept as sets that only grow, in
 * chunks: an entry says "this sequence came, from an event with this fingerprint". Adding one
 * twice changes nothing, in any order, by anyone; two fingerprints of one sequence are two stores
 * that number alike: a fork. Chunks that are full from the start on are only counted.
 *
 * Thread:  pure.
 * Memory:  values; lists in the arena given.
 * Errors:  TB_INTERNAL: out of memory.
 * Units:   Unix milliseconds (_ms); 0: not known, unless said. */
#pragma once
#include "base/values/node_status.h"
#include "order/order.h"

/* Epochs and heartbeats remembered: a restore makes one, and few are of interest. */
#define TB_NODE_EPOCHS_MAX 8
#define TB_NODE_MARKS_MAX 64
/* Heartbeats come every 30 s: three are missing. */
#define TB_NODE_SILENT_MS 90000
/* Two stores of one name took turns: shown for a day after the last turn. */
#define TB_NODE_FORK_SHOWN_MS (INT64_C(24) * 60 * 60 * 1000)
/* A page of holes tells enough of what is missing. */
#define TB_NODE_HOLES_MAX 100

/* One as the log has it: its record's offset in the topic, where a node has one partition. */
struct tb_heartbeat_record {
    struct tb_heartbeat heartbeat;
    int64_t offset;
};
struct tb_node {
    struct tb_heartbeat last;
    int64_t forked_at_ms; /* an epoch spoke again after a later one had begun; 0: never */
    struct tb_node_epoch {
        char epoch[TB_EPOCH_SIZE];
        int64_t last_sequence;
        bool went_back;           /* a later heartbeat told a lower sequence */
    } epochs[TB_NODE_EPOCHS_MAX]; /* the one that spoke last at the end */
    size_t epoch_count;
    /* Of the last epoch: by the node's clock it had taken so many; both rising. */
    struct tb_node_mark {
        int64_t sequence, clock_ms;
    } marks[TB_NODE_MARKS_MAX];
    size_t mark_count;
};
/* The next heartbeat of a node; zeroed before the first. One that was late changes nothing. */
void tb_node_apply_heartbeat(struct tb_node *node, const struct tb_heartbeat *heartbeat);

/* Sequences of one chunk; small, so that adding one costs little. */
#define TB_SEQUENCE_CHUNK_SIZE 256
struct tb_sequence_chunk {
    int64_t number; /* sequences number * TB_SEQUENCE_CHUNK_SIZE + 1 and on */
    uint64_t came[TB_SEQUENCE_CHUNK_SIZE / 64];
    uint8_t fingerprints[TB_SEQUENCE_CHUNK_SIZE];
    bool forked;
};
int64_t tb_sequence_chunk_of(int64_t sequence);
/* What says that the sequence came: unique per sequence within its chunk, and event. */
int32_t tb_sequence_chunk_entry(int64_t sequence, struct tb_str event_id);
void tb_sequence_chunk_add(struct tb_sequence_chunk *chunk, int32_t entry);
void tb_sequence_chunk_fill(struct tb_sequence_chunk *chunk); /* every sequence came */
bool tb_sequence_chunk_is_full(const struct tb_sequence_chunk *chunk);

/* What of an epoch came. */
struct tb_received_sequences {
    char epoch[TB_EPOCH_SIZE];
    int64_t full_chunks; /* so many from the start on are full and not listed */
    int64_t last_sequence, last_at_ms;
    bool forked;
    struct tb_sequence_chunk *chunks; /* numbers rising */
    size_t chunk_count;
};

enum tb_node_state { TB_NODE_CURRENT, TB_NODE_BEHIND, TB_NODE_SILENT, TB_NODE_FORKED };
const char *tb_node_state_name(enum tb_node_state state); /* "current" */
/* As GET /nodes shows it. */
struct tb_node_report {
    char node[TB_NODE_MAX + 1], version[TB_VERSION_SIZE];
    enum tb_node_state state;
    int64_t last_seen_at_ms;
    int64_t complete_through_at_ms; /* every order it took until then is here, by its clock */
    int64_t pending;                /* as last reported; -1: not known */
    int64_t oldest_pending_at_ms;
    bool has_clock_offset;
    int64_t clock_offset_ms; /* its clock less the log's */
    int64_t late_orders;
    struct tb_epoch_report {
        char epoch[TB_EPOCH_SIZE];
        int64_t complete_through, last_sequence;
        struct tb_hole {
            int64_t from, to; /* both missing */
        } * holes;
        size_t hole_count; /* at most TB_NODE_HOLES_MAX; what follows is not listed */
    } * epochs;
    size_t epoch_count;
};
struct tb_node_report_list {
    struct tb_node_report *nodes;
    size_t count;
};
/* node: NULL if no heartbeat came. */
TB_CHECKED enum tb_code tb_node_report_make(const char *name, const struct tb_node *node,
                                            const struct tb_received_sequences *received,
                                            size_t received_count, int64_t late_orders,
                                            int64_t now_ms, struct tb_arena *arena,
                                            struct tb_node_report *ret_status,
                                            struct tb_error *err);

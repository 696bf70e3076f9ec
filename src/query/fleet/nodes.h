/* What a central knows of each node: its heartbeats, and which of its sequences have arrived.
 *
 * A node numbers its events from 1 without gaps, anew in each epoch. The sequences that arrived
 * are stored as sets that only grow, in chunks: an entry says "this sequence arrived, with an
 * event of this fingerprint". Adding an entry again changes nothing, in any order and by any
 * central. Two fingerprints of one sequence show a fork: two stores number their events alike.
 * Full chunks at the start of an epoch are only counted.
 *
 * Memory:  plain values; lists in the given arena.
 * Errors:  TB_INTERNAL: out of memory.
 * Units:   Unix milliseconds (_ms); 0: not known, unless stated. */
#pragma once
#include "base/time/day_ends.h"
#include "base/values/node_status.h"
#include "order/order.h"

/* How many epochs and marks are stored of a node. Each restore of its store begins an epoch. */
#define TB_NODE_EPOCHS_MAX 8
#define TB_NODE_MARKS_MAX 64
/* Heartbeats come every 30 s: three are missing then. */
#define TB_NODE_SILENT_MS 90000
/* Two stores with one name sent heartbeats in turn: shown for a day after the last turn. */
#define TB_NODE_FORK_SHOWN_MS (INT64_C(24) * 60 * 60 * 1000)
/* A retired node has sent something: shown for a day after the last time. */
#define TB_NODE_SENDS_SHOWN_MS TB_NODE_FORK_SHOWN_MS
/* How many epochs the arrived sequences are stored of. Only restores and copies of a store begin
 * one; whoever makes up epochs shows as forked, and costs no more. */
#define TB_NODE_EPOCHS_FOLLOWED 64
/* How many holes are listed at most. */
#define TB_NODE_HOLES_MAX 100

/* A heartbeat and the offset of its record; a node uses one partition of the topic. */
struct tb_heartbeat_record {
    struct tb_heartbeat heartbeat;
    int64_t offset;
};
/* People have decided that a node is gone. The decision holds until they take it back, whatever
 * the node sends meanwhile. */
#define TB_NODE_RETIRED_BY_SIZE 64
struct tb_node_retirement {
    int64_t at_ms; /* not before the node was last seen, even if our clock is behind the log's; 0:
                      it is not retired */
    char by[TB_NODE_RETIRED_BY_SIZE]; /* the client that asked for it */
};
struct tb_node {
    struct tb_heartbeat last;
    int64_t forked_at_ms; /* an earlier epoch sent a heartbeat again after a later one; 0: never */
    struct tb_node_epoch {
        char epoch[TB_EPOCH_SIZE];
        int64_t last_sequence;
        bool went_back;           /* a later heartbeat had a lower last sequence */
    } epochs[TB_NODE_EPOCHS_MAX]; /* the one with the latest heartbeat is the last */
    size_t epoch_count;
    /* Of the last epoch, both rising: the last sequence at a time of the node's clock. */
    struct tb_node_mark {
        int64_t sequence, clock_ms;
    } marks[TB_NODE_MARKS_MAX];
    size_t mark_count;
    /* The node's clock minus ours, when we last saw a heartbeat arrive. */
    bool has_clock_offset;
    int64_t clock_offset_ms;
    struct tb_day_ends day_ends;
    struct tb_node_retirement retired;
};
/* False: no heartbeat was applied; only people have said something about the node. */
bool tb_node_is_heard(const struct tb_node *node);
/* NULL: no heartbeat of that epoch has arrived, or it was too long ago. */
const struct tb_node_epoch *tb_node_find_epoch(const struct tb_node *node, const char *epoch);
/* Applies the next heartbeat; zero the node before the first one. A late one changes nothing. */
void tb_node_apply_heartbeat(struct tb_node *node, const struct tb_heartbeat *heartbeat);

/* Forgets marks that are not needed any more, because every sequence up to this one of the epoch
 * has arrived. */
void tb_node_forget_marks(struct tb_node *node, const char *epoch, int64_t complete_through);

/* Sequences in a chunk: few, so that adding one costs little. */
#define TB_SEQUENCE_CHUNK_SIZE 256
struct tb_sequence_chunk {
    int64_t number; /* sequences number * TB_SEQUENCE_CHUNK_SIZE + 1 and on */
    uint64_t arrived[TB_SEQUENCE_CHUNK_SIZE / 64];
    uint8_t fingerprints[TB_SEQUENCE_CHUNK_SIZE];
    bool forked;
};
int64_t tb_sequence_chunk_of(int64_t sequence);
/* Sequence within its chunk, and the event's fingerprint, in one number. */
int32_t tb_sequence_chunk_entry(int64_t sequence, struct tb_str event_id);
void tb_sequence_chunk_add(struct tb_sequence_chunk *chunk, int32_t entry);
void tb_sequence_chunk_fill(struct tb_sequence_chunk *chunk); /* every sequence arrived */
/* The last sequence of the chunk up to which all have arrived, if those before `next` have; next -
 * 1 if `next` is missing, or not of the chunk. */
int64_t tb_sequence_chunk_through(const struct tb_sequence_chunk *chunk, int64_t next);
bool tb_sequence_chunk_is_full(const struct tb_sequence_chunk *chunk);

/* The sequences of an epoch that arrived. */
struct tb_received_sequences {
    char epoch[TB_EPOCH_SIZE];
    int64_t full_chunks;      /* at the start of the epoch; not listed */
    int64_t complete_through; /* at least; the chunks may tell more */
    int64_t last_sequence, last_at_ms;
    bool forked;
    struct tb_sequence_chunk *chunks; /* numbers rising */
    size_t chunk_count;
};

/* The worse, the higher; but a retired node is not judged, and holds nothing back. */
enum tb_node_state {
    TB_NODE_CURRENT,
    TB_NODE_BEHIND,
    TB_NODE_SILENT,
    TB_NODE_FORKED,
    TB_NODE_RETIRED,
    TB_NODE_STATE_COUNT
};
const char *tb_node_state_name(enum tb_node_state state); /* "current" */
/* A node as GET /nodes shows it. */
struct tb_node_report {
    char node[TB_NODE_MAX + 1], version[TB_VERSION_SIZE];
    enum tb_node_state state;
    struct tb_node_retirement retired;
    bool sends; /* it is retired, and has sent something since, at least within the last day */
    int64_t last_seen_at_ms;
    int64_t complete_through_at_ms; /* every order that it took until then arrived; its clock */
    int64_t pending;                /* as last reported; -1: not known */
    int64_t oldest_pending_at_ms;
    bool has_clock_offset;
    int64_t clock_offset_ms;          /* its clock minus the log's, or the central's */
    char business_date[TB_DATE_SIZE]; /* as last reported; "": not known */
    int64_t day_ends_at_ms;
    /* The last of its business days of which every order arrived, by its own ends of days. "": not
     * known. */
    char complete_through_date[TB_DATE_SIZE];
    int64_t late_orders;
    int64_t conflicts, parked; /* open dead letters of its events with these reasons */
    struct tb_epoch_report {
        char epoch[TB_EPOCH_SIZE];
        int64_t complete_through, last_sequence;
        struct tb_hole {
            int64_t from, to; /* both are missing */
        } * holes;
        size_t hole_count; /* at most TB_NODE_HOLES_MAX; later ones are not listed */
    } * epochs;
    size_t epoch_count;
};
struct tb_node_report_list {
    struct tb_node_report *nodes;
    size_t count;
};
/* What else the centre has found about a node. */
struct tb_node_findings {
    bool refuses_epochs; /* events of further epochs than are followed: what is missing? */
    int64_t late_orders, conflicts, parked;
    int64_t held_since_ms; /* when the first of those events occurred; 0: there are none */
};
/* node: NULL if no heartbeat arrived and nobody has retired it. */
TB_CHECKED enum tb_code tb_node_report_make(
    const char *name, const struct tb_node *node, const struct tb_received_sequences *received,
    size_t received_count, const struct tb_node_findings *findings, int64_t now_ms,
    struct tb_arena *arena, struct tb_node_report *ret_status, struct tb_error *err);

/* What holds for all nodes that are not retired together. The earliest time up to which each is
 * complete; 0: not known, or there are none. */
int64_t tb_nodes_complete_through_ms(const struct tb_node_report_list *list);
/* The last business date that is complete at each, by its own ends of days; "": as above. */
const char *tb_nodes_complete_through_date(const struct tb_node_report_list *list);

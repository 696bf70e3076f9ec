/* A plan lists what a batch of records changes in the view. Making it does not write the view.
 *
 * An event applies to its order if its version is the order's version + 1. A lower version is a
 * duplicate, but if another event is known to have made that version, the record becomes a dead
 * letter with reason conflict. A higher one means that an earlier event is missing: the record
 * becomes a dead letter with reason gap. An event of unknown type sets only the version. If it is
 * an order's first event, the order is a stub: its later events set only the version, too. A
 * record that cannot be decoded or breaks a rule becomes a dead letter at once. The same rules
 * hold for replayed records. An event is who it says it is: ce_source names the node of its value,
 * the record is in the partition of its key, and only the node that placed an order changes it;
 * whatever another node says of the order is a conflict.
 *
 * A snapshot is the whole order. It applies if the order is unknown or has a lower version,
 * whatever is missing between; and whatever the version, if its epoch follows that of the order:
 * then its store was restored, and what the order has in the view was lost. From then on an event
 * of an earlier epoch that the snapshot does not have is a conflict. Of two epochs that both go
 * on, that one follows whose snapshot came later in the log.
 *
 * Thread:  pure, except that load may read the view.
 * Memory:  a plan points into the batch's records until it is cleared; a zeroed plan is empty.
 * Errors:  load's, and TB_INTERNAL when out of memory (clear the plan then). A bad record is never
 *          an error. */
#pragma once
#include "query/projection/dead_letter.h"
#include "query/projection/lineage.h"

/* A longer value is not decoded: the largest order that the rules allow (1,000 lines, every text
 * at its limit and escaped) takes under 2 MiB. */
#define TB_EVENT_VALUE_MAX (4u << 20)

enum tb_event_result {
    TB_APPLIED,
    TB_DUPLICATE,
    TB_GAP,
    TB_UNKNOWN_TYPE,
    TB_DEAD_LETTERED,
    TB_CONFLICTED,
    TB_REPLACED, /* the order is that of a snapshot now */
    TB_PARKED,   /* a dead letter, too */
    TB_LEFT_OUT, /* no node sent it and nobody can read it: not even a dead letter */
    TB_EVENT_RESULT_COUNT
};
const char *tb_event_result_name(enum tb_event_result result); /* "applied", "unknown", ... */

struct tb_planned_order {
    struct tb_order order; /* version 0: the view has none */
    bool stub;   /* only the version is known: an event of unknown type placed the order */
    bool exists; /* the view has it; a stub counts */
    bool changed;
    bool whole;             /* a snapshot has replaced it: every field may have changed */
    char epoch[17];         /* of the last event applied that told one; "" unknown */
    int64_t sequence;       /* of the last event applied; 0 unknown */
    int64_t received_at_ms; /* timestamp of the last record applied */
    int64_t last_offset;    /* of the last record that changed it; only if changed */
    /* The version with which the view refuses the order, and why; 0: none is known. */
    int64_t refused_version;
    const char *refused_reason;
    struct tb_lineage lineage;
};
struct tb_plan_dead_letter {
    const struct tb_record *record;
    int64_t first_offset;        /* which dead letter: the offset of its first record */
    bool redriven;               /* the record was sent by a redrive */
    char order_id[TB_UUID_SIZE]; /* "" if the record does not show it */
    int64_t version;        /* of the order after the event; 0 if the record does not show it */
    int64_t occurred_at_ms; /* 0: the record does not show it */
    struct tb_str node;     /* that ce_source names; absent: none */
    struct tb_str type;     /* absent: none */
    /* "tillbox.decode", "tillbox.invalid", "tillbox.gap", "tillbox.conflict", "tillbox.parked", or
     * "tillbox.apply": the event is valid, but the order is no longer PLACED or of the other kind,
     * or the view refuses the order. */
    const char *reason;
    struct tb_str message;
};
/* True: the record is not a replay of an earlier dead letter. */
static inline bool tb_plan_dead_letter_is_new(const struct tb_plan_dead_letter *dead)
{
    return dead->first_offset == dead->record->offset;
}
/* True: more than a few of them mean that the sender is at fault, or that this program cannot read
 * what others write. A replay that fails does not, nor does a conflict, which is between two
 * histories of a node, nor a record that was not judged. */
static inline bool tb_plan_dead_letter_counts(const struct tb_plan_dead_letter *dead)
{
    return tb_plan_dead_letter_is_new(dead) && strcmp(dead->reason, TB_REASON_CONFLICT) != 0 &&
           strcmp(dead->reason, TB_REASON_PARKED) != 0;
}
/* One record that became a dead letter, or whose replay succeeded: it was applied or turned out to
 * be a duplicate. If a dead letter has several outcomes, that with the highest offset counts. */
struct tb_plan_outcome {
    int64_t first_offset;                          /* which dead letter */
    int64_t offset;                                /* of the record */
    const struct tb_plan_dead_letter *dead_letter; /* NULL: the replay succeeded */
};
/* A snapshot that the order has. It overtakes the order's open dead letters from before it, up to
 * its version: nothing is to be applied any more. Those with reason conflict stay, because they
 * may have what the snapshot lacks. */
struct tb_plan_snapshot {
    const char *order_id;
    int64_t version, offset;
    char epoch[17];         /* "": the record does not show it */
    int64_t store_sequence; /* the last one of its store in the epoch; 0: not shown */
};
/* A type that this build does not know, and the number of its events. */
struct tb_plan_unknown_type {
    struct tb_str type; /* absent: no printable text, or beyond TB_PLAN_UNKNOWN_TYPES_MAX */
    uint64_t count;
};
/* Events of further unknown types in a batch are counted together. */
#define TB_PLAN_UNKNOWN_TYPES_MAX 8
/* What one applied record adds to the sales of its order's day. It depends only on the log, not on
 * how the log is cut into batches. */
struct tb_plan_sales_delta {
    const struct tb_planned_order *planned;
    const struct tb_order *day;   /* the order, or what it was: its node, date and currency */
    int64_t offset, timestamp_ms; /* of the record */
    int64_t orders, returns, cancelled, total_minor; /* as in tb_stats_row */
    /* Of these by status; the rest is PLACED. */
    int64_t cancelled_returns, shipped, shipped_returns, shipped_minor;
    bool placed; /* it is the order's first event */
    /* What the order was, and is with this record; tb_plan_standing. */
    int64_t from, standing;
};
/* False: it only moves the order from one status to another. */
static inline bool tb_plan_changes_sums(const struct tb_plan_sales_delta *delta)
{
    return delta->orders || delta->returns || delta->cancelled || delta->total_minor;
}
/* (replaced, version) of an order as one number, which never goes back. */
static inline int64_t tb_plan_standing(const struct tb_planned_order *planned)
{
    return (planned->lineage.replaced << 32) + planned->order.version;
}
/* Which node numbered a record, and how, whether it was applied or not. A record whose headers do
 * not show all of it has no origin. */
struct tb_plan_origin {
    struct tb_str node, event_id; /* letters, digits, - ; event_id may be absent */
    char epoch[17];
    int64_t sequence, timestamp_ms;
    bool sender_time; /* as in struct tb_record */
};
struct tb_plan {
    struct tb_arena arena; /* also of the parsed values that the orders point into */
    int32_t partition;
    int64_t first_offset, next_offset;
    struct tb_log_place place; /* behind the last record */
    /* Every order that the batch names; write the changed ones. */
    struct tb_planned_order **orders;
    size_t order_count;
    struct tb_plan_dead_letter *dead_letters;
    size_t dead_letter_count;
    struct tb_plan_outcome *outcomes; /* sorted by offset */
    size_t outcome_count;
    struct tb_plan_snapshot *snapshots; /* offsets rising */
    size_t snapshot_count;
    /* The last one counts all further types. */
    struct tb_plan_unknown_type unknown_types[TB_PLAN_UNKNOWN_TYPES_MAX + 1];
    size_t unknown_type_count;
    /* Offsets rising; without those that add nothing. A snapshot that moves its order to another
     * day has two. */
    struct tb_plan_sales_delta *sales_deltas;
    size_t sales_delta_count;
    struct tb_plan_origin *origins;
    size_t origin_count;
    uint64_t results[TB_EVENT_RESULT_COUNT];
    int64_t *occurred_at_ms; /* of each applied event; results[TB_APPLIED] of them */
    int64_t planned_at_ms;   /* wall time, for the dead letters; set by the caller */
    int64_t kept_from_ms; /* the same in the time by which dead letters expire: a node's uptime */
    struct tb_plan_index *index; /* order id -> orders */
};
/* A record whose order the view has refused several times. Planned again, the record becomes a
 * dead letter, and so does every further copy of its event. */
struct tb_plan_refusal {
    int64_t offset;
    const char *message;
};
/* To which partitions keys belong (tb_log_partition). A topic that got more of them has records of
 * several counts. */
#define TB_PLAN_COUNTS_MAX 8
struct tb_plan_partitions {
    int32_t counts[TB_PLAN_COUNTS_MAX];
    size_t count;
};
struct tb_plan_rules {
    const char *currency; /* for OrderPlaced.v1 */
    int day_start_minutes;
    /* NULL, or without counts: every record is in the right partition. */
    const struct tb_plan_partitions *partitions;
    const struct tb_plan_refusal *refusals; /* of the batch's partition */
    size_t refusal_count;
    /* True: the node's records become dead letters without being judged, except replayed ones.
     * With an absent node: records without a node that cannot be decoded or break a rule are left
     * out. NULL: neither. */
    bool (*is_parked)(void *ctx, struct tb_str node);
    void *parked_ctx;
};
/* As tb_view_ops.load. */
typedef enum tb_code tb_plan_load_fn(void *ctx, const char *order_id, struct tb_arena *arena,
                                     struct tb_planned_order *ret_order, struct tb_error *err);

/* Writes the different order ids that headers or keys of the batch show, for a view's prefetch,
 * and returns their number. Ids that only a value shows are left out. ret_ids: one for each
 * record. */
size_t tb_plan_order_ids(const struct tb_log_batch *batch, char (*ret_ids)[TB_UUID_SIZE]);
void tb_plan_clear(struct tb_plan *plan); /* empties the plan; its memory is used again */
void tb_plan_release(struct tb_plan *plan);
/* The batch has at least one record, and the plan is clear. load is called once per order. */
TB_CHECKED enum tb_code tb_plan_batch(struct tb_plan *plan, const struct tb_log_batch *batch,
                                      const struct tb_plan_rules *rules, tb_plan_load_fn *load,
                                      void *load_ctx, struct tb_error *err);

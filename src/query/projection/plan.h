/* Plans: what a batch of records means for the view, worked out without writing to it.
 *
 * An event applies to its order if its version is the order's version + 1. A lower version is a
 * duplicate. A higher one means that an earlier event is missing: the record becomes a dead letter
 * with reason gap. An event of unknown type moves only the version; so does every later event of
 * an order that such an event has placed (a stub). A record that cannot be decoded or breaks a
 * rule becomes a dead letter at once. A replayed record is judged like any other.
 *
 * Thread:  pure but for the load callback.
 * Memory:  a plan borrows from the batch's records until it is cleared; zeroed is ready to use.
 * Errors:  load's, and TB_INTERNAL when out of memory (clear the plan then). A bad record is never
 *          an error.
 * Units:   as in order.h and log.h. */
#pragma once
#include "query/projection/dead_letter.h"

/* A longer value is not decoded: the largest order that the rules allow (1,000 lines, every text
 * at its limit and escaped) takes under 2 MiB. */
#define TB_EVENT_VALUE_MAX (4u << 20)

enum tb_event_result {
    TB_APPLIED,
    TB_DUPLICATE,
    TB_GAP,
    TB_UNKNOWN_TYPE,
    TB_DEAD_LETTERED,
    TB_EVENT_RESULT_COUNT
};
const char *tb_event_result_name(enum tb_event_result result); /* "applied", "unknown", ... */

struct tb_planned_order {
    struct tb_order order; /* version 0: the view has none */
    bool stub;   /* only the version is known: an event of unknown type placed the order */
    bool exists; /* the view has it; a stub counts */
    bool changed;
    char epoch[17];         /* of the last event applied; "" unknown */
    int64_t sequence;       /* of the last event applied; 0 unknown */
    int64_t received_at_ms; /* timestamp of the last record applied */
    int64_t last_offset;    /* of the last record that changed it; only if changed */
    /* The version with which the view refuses the order, and why; 0: none is known. */
    int64_t refused_version;
    const char *refused_reason;
};
struct tb_plan_dead_letter {
    const struct tb_record *record;
    int64_t first_offset;        /* which dead letter: the offset of the record that died first */
    bool redriven;               /* the record was sent by a redrive */
    char order_id[TB_UUID_SIZE]; /* "" if the record does not show it */
    int64_t version;    /* of the order after the event; 0 if the record does not show it */
    struct tb_str type; /* absent: none */
    /* "tillbox.decode", "tillbox.invalid", "tillbox.gap", or "tillbox.apply": valid by itself, but
     * not for this order as it is (no longer PLACED, or of the other kind), or the view refuses
     * it. */
    const char *reason;
    struct tb_str message;
};
/* The record died for the first time. */
static inline bool tb_plan_dead_letter_is_new(const struct tb_plan_dead_letter *dead)
{
    return dead->first_offset == dead->record->offset;
}
/* A dead letter whose record was replayed, and was applied or is a duplicate. */
struct tb_plan_replayed {
    int64_t first_offset; /* which dead letter */
    int64_t offset;       /* of the replayed record */
};
/* A type that this build does not know, and the number of its events. */
struct tb_plan_unknown_type {
    struct tb_str type; /* absent: no printable text, or beyond TB_PLAN_UNKNOWN_TYPES_MAX */
    uint64_t count;
};
/* Events of further unknown types in a batch are counted together. */
#define TB_PLAN_UNKNOWN_TYPES_MAX 8
/* What one applied record adds to the sales of its order's day. Planned again from the same log it
 * is the same, in whatever batches the log is read. */
struct tb_plan_sales_delta {
    const struct tb_planned_order *planned; /* its node, business date and currency never change */
    int64_t offset, timestamp_ms;           /* of the record */
    int64_t orders, returns, cancelled, total_minor; /* as in tb_stats_row */
    bool placed;                                     /* it is the order's first event */
};
/* Where a record came from, whether it was applied or not; only of records that show all of it. */
struct tb_plan_origin {
    struct tb_str node, event_id; /* letters, digits, - ; event_id may be absent */
    char epoch[17];
    int64_t sequence, timestamp_ms;
};
struct tb_plan {
    struct tb_arena arena; /* also of the parsed values that the orders borrow from */
    int32_t partition;
    int64_t next_offset;
    struct tb_planned_order *
        *orders; /* every order that the batch names; write the changed ones */
    size_t order_count;
    struct tb_plan_dead_letter *dead_letters;
    size_t dead_letter_count;
    struct tb_plan_replayed *replayed;
    size_t replayed_count;
    struct tb_plan_unknown_type
        unknown_types[TB_PLAN_UNKNOWN_TYPES_MAX + 1]; /* last: all others */
    size_t unknown_type_count;
    struct tb_plan_sales_delta *sales_deltas; /* offsets rising; without those that add nothing */
    size_t sales_delta_count;
    struct tb_plan_origin *origins;
    size_t origin_count;
    uint64_t results[TB_EVENT_RESULT_COUNT];
    int64_t *occurred_at_ms;     /* of each applied event; results[TB_APPLIED] of them */
    int64_t planned_at_ms;       /* wall time at which records died; set by the caller */
    struct tb_plan_index *index; /* order id -> orders */
};
/* A record that was planned before and whose order the view then refused for good. Planned again,
 * it becomes a dead letter, and so does every repetition of its event. */
struct tb_plan_refusal {
    int64_t offset;
    const char *message;
};
struct tb_plan_rules {
    const char *currency; /* for OrderPlaced.v1 */
    int day_start_minutes;
    const struct tb_plan_refusal *refusals; /* of the batch's partition */
    size_t refusal_count;
};
/* As tb_view_ops.load. */
typedef enum tb_code tb_plan_load_fn(void *ctx, const char *order_id, struct tb_arena *arena,
                                     struct tb_planned_order *ret_order, struct tb_error *err);

/* The different orders that a batch names by header or key, for a view's prefetch. An id that only
 * a value shows is missing. ret_ids has room for as many as there are records. */
size_t tb_plan_order_ids(const struct tb_log_batch *batch, char (*ret_ids)[TB_UUID_SIZE]);
void tb_plan_clear(struct tb_plan *plan); /* ready for the next batch; keeps memory */
void tb_plan_release(struct tb_plan *plan);
/* The batch has at least one record, and the plan is clear. load is called once per order. */
TB_CHECKED enum tb_code tb_plan_batch(struct tb_plan *plan, const struct tb_log_batch *batch,
                                      const struct tb_plan_rules *rules, tb_plan_load_fn *load,
                                      void *load_ctx, struct tb_error *err);

/* Walks dead letters and replayed ones in the order of the log: of two records that were replayed
 * for one dead letter the later one decides. False at the end. */
struct tb_plan_outcome {
    const struct tb_plan_dead_letter *dead_letter; /* one of the two; the other is NULL */
    const struct tb_plan_replayed *replayed;
    size_t dead_letters_seen, replayed_seen; /* zeroed at first */
};
bool tb_plan_next_outcome(const struct tb_plan *plan, struct tb_plan_outcome *outcome);

/* A plan lists what a batch of records changes in the view. Making it does not write the view.
 *
 * An event applies to its order if its version is the order's version + 1. A lower version is a
 * duplicate. A higher one means that an earlier event is missing: the record becomes a dead letter
 * with reason gap. An event of unknown type sets only the version. If it is an order's first
 * event, the order is a stub: its later events set only the version, too. A record that cannot be
 * decoded or breaks a rule becomes a dead letter at once. The same rules hold for replayed
 * records.
 *
 * Thread:  pure, except that load may read the view.
 * Memory:  a plan points into the batch's records until it is cleared; a zeroed plan is empty.
 * Errors:  load's, and TB_INTERNAL when out of memory (clear the plan then). A bad record is never
 *          an error. */
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
    int64_t first_offset;        /* which dead letter: the offset of its first record */
    bool redriven;               /* the record was sent by a redrive */
    char order_id[TB_UUID_SIZE]; /* "" if the record does not show it */
    int64_t version;    /* of the order after the event; 0 if the record does not show it */
    struct tb_str type; /* absent: none */
    /* "tillbox.decode", "tillbox.invalid", "tillbox.gap", or "tillbox.apply": the event is valid,
     * but the order is no longer PLACED or of the other kind, or the view refuses the order. */
    const char *reason;
    struct tb_str message;
};
/* True: the record is not a replay of an earlier dead letter. */
static inline bool tb_plan_dead_letter_is_new(const struct tb_plan_dead_letter *dead)
{
    return dead->first_offset == dead->record->offset;
}
/* One record that became a dead letter, or whose replay succeeded: it was applied or turned out to
 * be a duplicate. If a dead letter has several outcomes, that with the highest offset counts. */
struct tb_plan_outcome {
    int64_t first_offset;                          /* which dead letter */
    int64_t offset;                                /* of the record */
    const struct tb_plan_dead_letter *dead_letter; /* NULL: the replay succeeded */
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
    const struct tb_planned_order *planned; /* its node, business date and currency never change */
    int64_t offset, timestamp_ms;           /* of the record */
    int64_t orders, returns, cancelled, total_minor; /* as in tb_stats_row */
    bool placed;                                     /* it is the order's first event */
};
/* Which node numbered a record, and how, whether it was applied or not. A record whose headers do
 * not show all of it has no origin. */
struct tb_plan_origin {
    struct tb_str node, event_id; /* letters, digits, - ; event_id may be absent */
    char epoch[17];
    int64_t sequence, timestamp_ms;
};
struct tb_plan {
    struct tb_arena arena; /* also of the parsed values that the orders point into */
    int32_t partition;
    int64_t next_offset;
    /* Every order that the batch names; write the changed ones. */
    struct tb_planned_order **orders;
    size_t order_count;
    struct tb_plan_dead_letter *dead_letters;
    size_t dead_letter_count;
    struct tb_plan_outcome *outcomes; /* sorted by offset */
    size_t outcome_count;
    /* The last one counts all further types. */
    struct tb_plan_unknown_type unknown_types[TB_PLAN_UNKNOWN_TYPES_MAX + 1];
    size_t unknown_type_count;
    struct tb_plan_sales_delta *sales_deltas; /* offsets rising; without those that add nothing */
    size_t sales_delta_count;
    struct tb_plan_origin *origins;
    size_t origin_count;
    uint64_t results[TB_EVENT_RESULT_COUNT];
    int64_t *occurred_at_ms;     /* of each applied event; results[TB_APPLIED] of them */
    int64_t planned_at_ms;       /* wall time, for the dead letters; set by the caller */
    struct tb_plan_index *index; /* order id -> orders */
};
/* A record whose order the view has refused several times. Planned again, the record becomes a
 * dead letter, and so does every further copy of its event. */
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

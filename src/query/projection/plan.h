/* Plans: what a batch of records means for the view, worked out without touching it.
 *
 * Per order an event applies when its version is the order's + 1. A lower one is a duplicate. A
 * higher one means an earlier event is missing: it becomes a dead letter with reason gap. An
 * event of unknown type moves only the version; so does every later event of an order that was
 * placed by one. What cannot be decoded or breaks the rules becomes a dead letter at once. A
 * record that was sent again for a letter is judged like any other.
 *
 * Thread:  pure but for the load callback.
 * Memory:  a plan borrows from the batch's records until it is cleared; zeroed is ready to use.
 * Errors:  load's, and TB_INTERNAL when out of memory (clear the plan then); a bad record is
 *          never an error.
 * Units:   as in order.h and log.h. */
#pragma once
#include "query/projection/dead_letter.h"

/* A value beyond this is not read: the largest order the rules allow (1,000 lines, every text at
 * its limit and escaped) takes under 2 MiB. */
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
    bool exists; /* the view has a row for it (a stub counts) */
    bool changed;
    char epoch[17];          /* of the last event applied; "" unknown */
    int64_t sequence;        /* of the last event applied; 0 unknown */
    int64_t received_at_ms;  /* timestamp of the last record applied */
    int64_t last_offset;     /* of the last record that changed it; only if changed */
    int64_t refused_version; /* the view refuses the order with it; 0: none that is known */
    const char *refused_reason;
};
struct tb_plan_dead_letter {
    const struct tb_record *record;
    int64_t first_offset;        /* whose: the record's offset, or that of the first to die */
    bool redriven;               /* it was sent again by itself */
    char order_id[TB_UUID_SIZE]; /* "" if the record does not tell */
    int64_t version;             /* of the order after it; 0 if the record does not tell */
    struct tb_str type;          /* absent: none */
    /* "tillbox.decode", "tillbox.invalid", "tillbox.gap", or "tillbox.apply": sound by itself, but
     * not for this order as it stands (it is no longer PLACED, or of the other kind), or the view
     * refuses it. */
    const char *reason;
    struct tb_str message;
};
/* Its record died for the first time. */
static inline bool tb_plan_dead_letter_is_new(const struct tb_plan_dead_letter *dead)
{
    return dead->first_offset == dead->record->offset;
}
/* A letter whose record, sent again, was applied or not needed any more. */
struct tb_plan_replayed {
    int64_t first_offset; /* the offset of the first to die */
    int64_t offset;       /* of the record that was sent again */
};
/* A type that this build does not know, and how many of its events came. */
struct tb_plan_unknown_type {
    struct tb_str type; /* absent: not plain text, or beyond the ones that are told apart */
    uint64_t count;
};
/* Events of more different unknown types in a batch are counted together. */
#define TB_PLAN_UNKNOWN_TYPES_MAX 8
/* What one applied record changed in the figures of its order's day. Worked out anew from the same
 * log it is the same, however the log is cut into batches. */
struct tb_plan_sales_delta {
    const struct tb_planned_order *planned; /* whose node, business date and currency stay */
    int64_t offset, timestamp_ms;           /* of the record */
    int64_t orders, returns, cancelled, total_minor; /* as in tb_stats_row: what is added */
    bool placed;                                     /* it is the order's first event */
};
/* Where a record came from, whatever became of it: only records that tell all of it. */
struct tb_plan_origin {
    struct tb_str node, event_id; /* letters, digits, - ; event_id may be absent */
    char epoch[17];
    int64_t sequence, timestamp_ms;
};
struct tb_plan {
    struct tb_arena arena;
    int32_t partition;
    int64_t next_offset;
    struct tb_planned_order **orders; /* every order the batch named; write those with changed */
    size_t order_count;
    struct tb_plan_dead_letter *dead_letters;
    size_t dead_letter_count;
    struct tb_plan_replayed *replayed;
    size_t replayed_count;
    struct tb_plan_unknown_type
        unknown_types[TB_PLAN_UNKNOWN_TYPES_MAX + 1]; /* the last: all others */
    size_t unknown_type_count;
    struct tb_plan_sales_delta
        *sales_deltas; /* offsets rising; records that change no figure are left out */
    size_t sales_delta_count;
    struct tb_plan_origin *origins;
    size_t origin_count;
    uint64_t results[TB_EVENT_RESULT_COUNT];
    int64_t oldest_occurred_at_ms;       /* of the applied ones; 0: none */
    int64_t *occurred_at_ms;             /* of each applied event, results[TB_APPLIED] of them */
    int64_t planned_at_ms;               /* wall time for dead letters; the caller's to set */
    struct tb_plan_index *index;         /* order id -> orders */
    struct tb_plan_documents *documents; /* parsed values the orders borrow from */
};
/* A record that was planned before, and whose order the view then refused for good. Its event is
 * refused wherever the batch repeats it. */
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

/* The different orders that a batch names by header or key, for a view's prefetch; ret_ids has
 * room for as many as there are records. An id that cannot be seen so is missing. */
size_t tb_plan_order_ids(const struct tb_log_batch *batch, char (*ret_ids)[TB_UUID_SIZE]);
void tb_plan_clear(struct tb_plan *plan); /* ready for the next batch; keeps memory */
void tb_plan_release(struct tb_plan *plan);
/* The batch holds at least one record; the plan is clear. load: as tb_view_ops.load, asked once
 * per order. */
TB_CHECKED enum tb_code
tb_plan_batch(struct tb_plan *plan, const struct tb_log_batch *batch,
              const struct tb_plan_rules *rules,
              enum tb_code (*load)(void *ctx, const char *order_id, struct tb_arena *arena,
                                   struct tb_planned_order *ret_order, struct tb_error *err),
              void *load_ctx, struct tb_error *err);

/* Deaths and mendings as they stand in the log: of two records that were sent again for one letter
 * the later one has the last word. */
struct tb_plan_outcome {
    const struct tb_plan_dead_letter *dead_letter; /* one of the two; the other is NULL */
    const struct tb_plan_replayed *replayed;
    size_t dead_letters_seen, replayed_seen; /* that were told; zeroed at first */
};
bool tb_plan_next_outcome(const struct tb_plan *plan, struct tb_plan_outcome *fate);

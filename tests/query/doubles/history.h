/* Random histories of orders as one partition of the log would hold them, and what a view must
 * make of them, worked out by a fold of its own.
 *
 * What a log may do: interleave orders in any way, and hold a stretch again from any earlier
 * point on (a relay that had not noted how far it was). What only a fault does: lose an event.
 *
 * Thread:  one.
 * Memory:  everything belongs to the history; release frees it.
 * Errors:  a failed assertion; programs that are no tests use this too.
 * Units:   as order.h and log.h. */
#pragma once
#include "bridge/log/log.h"
#include "order/event.h"
#include "support/support.h"

#define HISTORY_VERSIONS_MAX 6
#define HISTORY_EPOCH "0123456789abcdef"
#define HISTORY_START_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

struct history_order {
    struct tb_order order;                        /* after its last event */
    int64_t versions;                             /* events there were */
    int64_t lost;                                 /* the version that never comes; 0: all come */
    struct tb_str docs[HISTORY_VERSIONS_MAX + 1]; /* the document after each version */
    struct tb_order states[HISTORY_VERSIONS_MAX + 1];
    size_t late; /* records in the log behind the lost version */
};
struct history {
    struct tb_arena arena;
    struct history_order *orders;
    size_t order_count;
    struct tb_record *records; /* offsets from 0; partition 0 */
    size_t record_count;
    size_t distinct; /* records but for repetitions */
};

struct history_options {
    size_t orders;
    int lost_percent;   /* of the orders lose one event */
    int repeat_percent; /* of the records are followed by a step back */
};
void history_make(struct history *history, struct fake_random *random,
                  const struct history_options *options);
void history_release(struct history *history);
/* The last version that a view can have of it. */
int64_t history_reachable(const struct history_order *order);

/* One order's placing with 3 lines; texts in the arena. */
void history_place(struct tb_arena *arena, struct fake_random *random, int64_t placed_at_ms,
                   struct tb_event *ret_event);
/* The record of an event with all of its headers. */
void history_record(struct tb_arena *arena, const struct tb_event *event, int64_t sequence,
                    struct tb_record *ret_record);
struct tb_str history_encode(struct tb_arena *arena, const struct tb_order *order);
/* A UUID of the version-7 form, never the same twice for one random source. */
void history_uuid(struct fake_random *random, char ret_uuid[TB_UUID_SIZE]);

/* Random histories of orders, as records of one partition, and the documents that a view must have
 * afterwards, computed without the code under test.
 *
 * As in a real log, orders are interleaved in any way, and a stretch of records may be repeated
 * (the relay crashed before it stored its position). Only a fault loses an event.
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
    int64_t versions;                             /* number of events */
    int64_t lost;                                 /* the version that never comes; 0: all come */
    struct tb_str docs[HISTORY_VERSIONS_MAX + 1]; /* the document after each version */
    struct tb_order states[HISTORY_VERSIONS_MAX + 1];
    size_t late; /* records in the log after the lost version */
};
struct history {
    struct tb_arena arena;
    struct history_order *orders;
    size_t order_count;
    struct tb_record *records; /* offsets from 0; partition 0 */
    size_t record_count;
    size_t distinct; /* records without repetitions */
};

struct history_options {
    size_t orders;
    int lost_percent;   /* of the orders lose one event */
    int repeat_percent; /* after so many of the records the log repeats earlier ones */
};
void history_make(struct history *history, struct fake_random *random,
                  const struct history_options *options);
/* restored_history.c: the history of a node whose store is put back to an earlier state, as often
 * as `restores`, and goes on in a new epoch each time. It sends a snapshot of every order that it
 * has: before it changes the order, or, if the store knows of all epochs before, at any time. What
 * the last store has is what `orders` says. Events of the lost histories come when they were made
 * or much later. Records that are no snapshots are lost with lost_percent, and the log repeats
 * earlier ones with repeat_percent. */
void history_make_restored(struct history *history, struct fake_random *random,
                           const struct history_options *options, int restores);
void history_release(struct history *history);
/* The last version that a view can reach: the one before the lost version, or the last. */
int64_t history_reachable(const struct history_order *order);

/* Makes the OrderPlaced event of an order with 3 lines; texts in the arena. */
void history_place(struct tb_arena *arena, struct fake_random *random, int64_t placed_at_ms,
                   struct tb_event *ret_event);
/* The record of an event with all of its headers. */
void history_record(struct tb_arena *arena, const struct tb_event *event, int64_t sequence,
                    struct tb_record *ret_record);
/* The same, of an epoch (16 hex digits). */
void history_record_of_epoch(struct tb_arena *arena, const struct tb_event *event,
                             const char *epoch, int64_t sequence, struct tb_record *ret_record);
/* Makes the next event of an order that is still PLACED, and applies it to the order. */
void history_change(struct tb_arena *arena, struct fake_random *random, struct tb_order *order,
                    struct tb_event *ret_event);
struct tb_str history_encode(struct tb_arena *arena, const struct tb_order *order);
/* A UUID of the version-7 form, never the same twice for one random source. */
void history_uuid(struct fake_random *random, char ret_uuid[TB_UUID_SIZE]);

/* Events as edges send them, in memory: each order is placed; of four orders one then changes its
 * address, one its lines, one is shipped, each later event a few records behind.
 *
 * Thread:  one.
 * Memory:  everything belongs to the events; release frees it.
 * Errors:  tb_bench_die.
 * Units:   as order.h and log.h. */
#pragma once
#include "base/mem/arena.h"
#include "bridge/log/log.h"

struct tb_bench_events {
    struct tb_arena arena;
    struct tb_record *records; /* of one partition, offsets from 0 */
    size_t count;
    size_t value_bytes; /* in all */
};
/* From `orders` orders, each with an id of its own that tells `run`: 7 events for 4 orders. */
void tb_bench_events_make(struct tb_bench_events *events, size_t orders, unsigned run);
void tb_bench_events_release(struct tb_bench_events *events);

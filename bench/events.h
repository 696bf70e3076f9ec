/* Events in memory, as edges send them. Each order is placed. Of four orders, one then changes its
 * address, one its lines, and one is shipped; this second event follows some records later.
 *
 * Thread:  main.
 * Memory:  tb_bench_events_release frees everything.
 * Errors:  tb_bench_die. */
#pragma once
#include "base/mem/arena.h"
#include "bridge/log/log.h"

struct tb_bench_events {
    struct tb_arena arena;
    struct tb_record *records; /* of one partition, with offsets from 0 */
    size_t count;
    size_t value_bytes; /* in all */
};
/* Makes the events of so many orders: 7 events for 4 orders. Ids contain `run`, so that two runs
 * have no id in common. */
void tb_bench_events_make(struct tb_bench_events *events, size_t orders, unsigned run);
void tb_bench_events_release(struct tb_bench_events *events);

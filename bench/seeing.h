/* Seeing: orders placed at fixed moments at one node, and how long after its 201 each of them
 * shows in GET at one, the same or another.
 *
 * Open loop: a latency of placing counts from the moment the order was due, so a stall is charged
 * to every order that waited through it. The moment a 201 arrives, another connection asks
 * GET /orders/{id}?minVersion=1&wait=5s, and the time from the 201 to that 200 counts.
 *
 * Thread:  one.
 * Memory:  values.
 * Errors:  tb_bench_die; what was not answered as it should be is counted, the first one is told.
 * Units:   orders a second, microseconds. */
#pragma once
#include "load.h"

struct tb_visibility {
    struct tb_latency placing, seeing;
    uint64_t placed, seen, failed;
    bool all_seen;
};
void tb_visibility_run(const struct tb_bench_server *place_at,
                       const struct tb_bench_server *see_at, unsigned per_second, double seconds,
                       struct tb_visibility *ret_seeing);
/* A row of the table: that share of the orders was seen within so long. */
void tb_visibility_print(const struct tb_visibility *seeing, double quantile, const char *figure,
                         double asked_ms);

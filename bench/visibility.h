/* Visibility: places orders at fixed moments at one server and measures how long after its 201
 * each of them can be read with GET, at the same server or at another one.
 *
 * Open loop: a latency of placing counts from the moment at which the order was due, so that every
 * order that waited through a stall shows it. As soon as a 201 arrives, another connection sends
 * GET /orders/{id}?minVersion=1&wait=5s; the time from the 201 to that 200 counts.
 *
 * Thread:  main.
 * Errors:  tb_bench_die; a wrong response is counted, and the first one is printed.
 * Units:   orders a second, microseconds. */
#pragma once
#include "load.h"

struct tb_visibility {
    struct tb_latency placing, visible_after;
    uint64_t placed, seen, failed;
    bool all_seen;
};
void tb_visibility_run(const struct tb_bench_server *place_at,
                       const struct tb_bench_server *see_at, unsigned per_second, double seconds,
                       struct tb_visibility *ret_visibility);
/* Prints a row: the time within which that share of the orders was visible. */
void tb_visibility_print(const struct tb_visibility *visibility, double quantile,
                         const char *figure, double asked_ms);

/* The clock that decides which data is old enough to delete. It follows the wall clock, but
 * ignores a jump ahead until the jump has lasted for keep_ms, the time for which the data is kept.
 * So a wall clock that is wrong for less than that deletes nothing too early.
 *
 * Thread:  one thread at a time uses a clock; zeroed is its initial state.
 * Units:   Unix milliseconds (wall), monotonic milliseconds (mono). */
#pragma once
#include "base/time/clock.h"
#include <stdbool.h>

struct tb_retention_clock {
    bool set, jumped;
    int64_t wall_ms, mono_ms; /* read when the wall clock was last trusted */
    int64_t jumped_at_ms;
};
int64_t tb_retention_clock_now_ms(struct tb_retention_clock *clock_state,
                                  const struct tb_clock *clock, int64_t keep_ms);

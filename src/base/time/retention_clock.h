/* The time by which old data is removed: the wall clock, but a jump ahead is believed only once it
 * has stood for as long as the data is kept, so that a clock that is wrong for a while shortens
 * the life of none.
 *
 * Thread:  one owner.
 * Memory:  plain values; zeroed is fine.
 * Errors:  none.
 * Units:   Unix milliseconds (wall), monotonic milliseconds (mono). */
#pragma once
#include "base/time/clock.h"
#include <stdbool.h>

struct tb_retention_clock {
    bool set, jumped;
    int64_t wall_ms, mono_ms; /* the moment both were believed */
    int64_t jumped_at_ms;
};
int64_t tb_retention_clock_now_ms(struct tb_retention_clock *clock_state,
                                  const struct tb_clock *clock, int64_t keep_ms);

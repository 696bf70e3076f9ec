/* How long a node has been running, in total, over all its restarts. Retention counts in uptime,
 * because neither a step of the wall clock nor a restart changes it: a row of the tables says at
 * which uptime it was written, and expires once the node has run for the time to keep it since.
 * While the node does not run, nothing gets older; it also writes nothing.
 *
 * Thread:  any; an uptime does not change after tb_uptime_start.
 * Units:   milliseconds. */
#pragma once
#include "base/time/clock.h"

struct tb_uptime {
    int64_t total_ms;   /* at the moment started_ms */
    int64_t started_ms; /* monotonic */
    int64_t started_wall_ms;
};
/* total_ms: what the tables say; 0 for a new node. */
static inline struct tb_uptime tb_uptime_start(int64_t total_ms, const struct tb_clock *clock)
{
    return (struct tb_uptime){.total_ms = total_ms,
                              .started_ms = tb_clock_mono_ms(clock),
                              .started_wall_ms = tb_clock_wall_ms(clock)};
}
static inline int64_t tb_uptime_ms(const struct tb_uptime *uptime, const struct tb_clock *clock)
{
    return uptime->total_ms + (tb_clock_mono_ms(clock) - uptime->started_ms);
}
/* How old something is that was written at that uptime and at that time of the wall clock. The
 * time for which the node was off since counts, too, as the wall clock told it at the start; a
 * step of that clock while the node runs changes nothing. */
static inline int64_t tb_uptime_age_ms(const struct tb_uptime *uptime,
                                       const struct tb_clock *clock, int64_t written_ms,
                                       int64_t written_wall_ms)
{
    int64_t ran_ms = tb_uptime_ms(uptime, clock) - written_ms, off_ms = 0;

    if (written_ms <= uptime->total_ms)
        off_ms = uptime->started_wall_ms - written_wall_ms - (uptime->total_ms - written_ms);
    return ran_ms + (off_ms > 0 ? off_ms : 0);
}

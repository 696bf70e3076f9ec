#include "base/time/retention_clock.h"

/* Time servers correct a clock by seconds; a larger change is a jump. */
#define JUMP_MS 60000

int64_t tb_retention_clock_now_ms(struct tb_retention_clock *clock_state,
                                  const struct tb_clock *clock, int64_t keep_ms)
{
    int64_t wall_ms = tb_clock_wall_ms(clock), mono_ms = tb_clock_mono_ms(clock);
    int64_t expected_ms = clock_state->wall_ms + (mono_ms - clock_state->mono_ms);

    if (clock_state->set && wall_ms > expected_ms + JUMP_MS) {
        if (!clock_state->jumped) {
            clock_state->jumped = true;
            clock_state->jumped_at_ms = mono_ms;
        }
        if (mono_ms - clock_state->jumped_at_ms < keep_ms)
            return expected_ms;
    }
    /* A jump back is trusted at once: it only makes data look younger. */
    *clock_state =
        (struct tb_retention_clock){.set = true, .wall_ms = wall_ms, .mono_ms = mono_ms};
    return wall_ms;
}

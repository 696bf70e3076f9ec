#include "base/time/retention_clock.h"

/* Clocks are corrected by seconds; more than this is a jump. */
#define JUMP_MS 60000

int64_t tb_calendar_now_ms(struct tb_calendar *calendar, const struct tb_clock *clock,
                           int64_t keep_ms)
{
    int64_t wall_ms = tb_clock_wall_ms(clock), mono_ms = tb_clock_mono_ms(clock);
    int64_t expected_ms = calendar->wall_ms + (mono_ms - calendar->mono_ms);

    if (calendar->set && wall_ms > expected_ms + JUMP_MS) {
        if (!calendar->jumped) {
            calendar->jumped = true;
            calendar->jumped_at_ms = mono_ms;
        }
        if (mono_ms - calendar->jumped_at_ms < keep_ms)
            return expected_ms;
    }
    /* Back is believed at once: it only makes things look younger. */
    *calendar = (struct tb_calendar){.set = true, .wall_ms = wall_ms, .mono_ms = mono_ms};
    return wall_ms;
}

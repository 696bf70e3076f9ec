#include "query/rebuild/rebuild_priv.h"
#include <stdio.h>

/* After a hold in vain the writers run for so many times its length: whatever goes wrong again and
 * again, they wait a small part of the time. */
#define PAUSE_FACTOR 12
/* A shorter one is not worth telling. */
#define TOLD_MS 1000

void tb_rebuild_begin_hold(struct tb_rebuild *rebuild)
{
    rebuild->held_at_ms = tb_clock_mono_ms(rebuild->options.clock);
}

enum tb_code tb_rebuild_check_hold(const struct tb_rebuild *rebuild, const char *what,
                                   struct tb_error *err)
{
    if (tb_clock_mono_ms(rebuild->options.clock) - rebuild->held_at_ms < TB_REBUILD_HOLD_MS)
        return TB_OK;
    return tb_error_set(err, TB_BUSY, "within %d s %s", TB_REBUILD_HOLD_MS / 1000, what);
}

void tb_rebuild_give_up_hold(struct tb_rebuild *rebuild, const char *why)
{
    const struct tb_rebuild_options *options = &rebuild->options;
    int64_t now_ms = tb_clock_mono_ms(options->clock), held_ms = now_ms - rebuild->held_at_ms;

    rebuild->may_hold_at_ms = now_ms + PAUSE_FACTOR * held_ms;
    snprintf(rebuild->hold_problem, sizeof rebuild->hold_problem, "%s; it is tried again", why);
    tb_rebuild_set_problem(rebuild, rebuild->hold_problem);
    if (held_ms >= TOLD_MS && options->hold_given_up)
        options->hold_given_up(options->ctx, held_ms, why);
}

void tb_rebuild_forget_holds(struct tb_rebuild *rebuild)
{
    rebuild->may_hold_at_ms = 0;
    rebuild->hold_problem[0] = '\0';
}

int64_t tb_rebuild_hold_due_ms(const struct tb_rebuild *rebuild)
{
    int64_t left_ms = rebuild->may_hold_at_ms - tb_clock_mono_ms(rebuild->options.clock);

    return left_ms > 0 ? left_ms : 0;
}

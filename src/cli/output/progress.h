/* Progress: one line on a terminal's standard error, drawn again and again; nothing in a pipe.
 *
 * Thread:  main.
 * Units:   total and done: bytes, or whatever is counted; milliseconds of the monotonic clock. */
#pragma once
#include "cli/cli.h"

struct tb_progress {
    const struct tb_clock *clock;
    bool on;
    bool drawn;       /* the line must be cleared before anything else is printed */
    const char *noun; /* what is counted: "orders" */
    int64_t total;    /* 0: unknown, so no bar and no time left */
    int64_t start_ms, drawn_ms;
    /* Rates of the last seconds, smoothed; per second. */
    double rate, done_rate;
    int64_t rate_ms, rate_count, rate_done;
};

void tb_progress_init(struct tb_progress *progress, const struct tb_cli *cli, const char *noun,
                      int64_t total);
/* Draws, but at most ten times a second. The line is never wider than the terminal, whose size is
 * asked each time. note: what is waited for; NULL: nothing. */
void tb_progress_draw(struct tb_progress *progress, int64_t count, int64_t done, const char *note);
void tb_progress_clear(struct tb_progress *progress);

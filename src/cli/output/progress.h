/* Progress: one line that is drawn again and again if standard error is a terminal.
 *
 * Units:   total and done: in bytes or in what is counted; milliseconds of the monotonic clock. */
#pragma once
#include "cli/cli.h"

struct tb_progress {
    bool on;          /* standard error is a terminal */
    const char *noun; /* what is counted: "orders" */
    int64_t total;    /* 0: unknown, so no bar and no time left */
    int64_t start_ms, drawn_ms;
    /* How much count and done grew in a second, smoothed, and the values at the last sample. */
    double rate, done_rate;
    int64_t rate_ms, rate_count, rate_done;
};

void tb_progress_init(struct tb_progress *progress, const struct tb_cli *cli, const char *noun,
                      int64_t total);
/* Draws the line, but at most ten times a second. Until tb_cli_clear_line, nothing else may be
 * printed. The line is never wider than the terminal, whose size is read each time. note: replaces
 * the rate and the time left, for example with what the program waits for; NULL: does not. */
void tb_progress_draw(struct tb_progress *progress, int64_t count, int64_t done, const char *note);

/* Progress: one line that is drawn again and again on a terminal; nothing in a pipe.
 *
 * Thread:  one.
 * Memory:  none of its own.
 * Errors:  none.
 * Units:   total and done: bytes, or whatever is counted; milliseconds of the monotonic clock. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct tb_progress {
    bool on;
    bool drawn; /* the line is there and must be cleared before anything else is printed */
    int columns;
    const char *noun; /* what is counted: "orders" */
    int64_t total;    /* 0: not known, so no bar and no time left */
    int64_t start_ms, drawn_ms;
    /* The rate of the last seconds, smoothed; per second. */
    double rate, done_rate;
    int64_t rate_ms, rate_count, rate_done;
};

void tb_progress_init(struct tb_progress *progress, bool on, int columns, const char *noun,
                      int64_t total, int64_t now_ms);
/* Draws if the last time is long enough ago. note: what it waits for, or NULL. */
void tb_progress_draw(struct tb_progress *progress, int64_t now_ms, int64_t count, int64_t done,
                      const char *note);
void tb_progress_clear(struct tb_progress *progress);

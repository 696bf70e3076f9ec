/* Progress: one line that is drawn again and again on a terminal; nothing in a pipe.
 *
 * Thread:  one.
 * Memory:  none of its own.
 * Errors:  none.
 * Units:   bytes of total, milliseconds of the monotonic clock. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct tb_progress {
    bool on;
    bool drawn; /* the line is there and must be cleared before anything else is printed */
    int columns;
    int64_t total_bytes; /* 0: not known, so no bar and no time left */
    int64_t start_ms, drawn_ms;
    /* The rate of the last seconds, smoothed; per second. */
    double rate, byte_rate;
    int64_t rate_ms, rate_count, rate_bytes;
};

void tb_progress_init(struct tb_progress *progress, bool on, int columns, int64_t total_bytes,
                      int64_t now_ms);
/* Draws if the last time is long enough ago. note: what it waits for, or NULL. */
void tb_progress_draw(struct tb_progress *progress, int64_t now_ms, int64_t count,
                      int64_t done_bytes, const char *note);
void tb_progress_clear(struct tb_progress *progress);

#include "cli/output/progress.h"
#include <inttypes.h>
#include <stdio.h>

#define DRAW_EVERY_MS 100  /* faster than that nobody reads */
#define RATE_EVERY_MS 1000 /* one sample of the rate */
#define RATE_KEEP 0.7      /* how much of the old rate a sample leaves */
#define BAR_MAX 40
#define TEXT_WIDTH 48 /* percent, count, rate and time left beside the bar */

void tb_progress_init(struct tb_progress *progress, bool on, int columns, const char *noun,
                      int64_t total, int64_t now_ms)
{
    *progress = (struct tb_progress){.on = on,
                                     .columns = columns,
                                     .noun = noun,
                                     .total = total,
                                     .start_ms = now_ms,
                                     .drawn_ms = now_ms - DRAW_EVERY_MS,
                                     .rate_ms = now_ms};
}

static void sample(struct tb_progress *progress, int64_t now_ms, int64_t count, int64_t done)
{
    int64_t passed_ms = now_ms - progress->rate_ms;
    bool first = progress->rate_ms == progress->start_ms;
    double keep = first ? 0 : RATE_KEEP;
    double seconds = (double)passed_ms / 1000;

    /* The first sample may be short, so that a rate is shown soon. */
    if (passed_ms < (first ? 2 * DRAW_EVERY_MS : RATE_EVERY_MS))
        return;
    progress->rate =
        keep * progress->rate + (1 - keep) * (double)(count - progress->rate_count) / seconds;
    progress->done_rate =
        keep * progress->done_rate + (1 - keep) * (double)(done - progress->rate_done) / seconds;
    progress->rate_ms = now_ms;
    progress->rate_count = count;
    progress->rate_done = done;
}

static void print_bar(const struct tb_progress *progress, int64_t done)
{
    int width = progress->columns - TEXT_WIDTH;
    int64_t total = progress->total;
    int filled;

    if (done > total)
        done = total;
    width = width > BAR_MAX ? BAR_MAX : width;
    filled = width > 0 ? (int)(done * width / total) : 0;
    if (width > 4) {
        fputc('[', stderr);
        for (int i = 0; i < width; i++)
            fputc(i < filled ? '#' : '-', stderr);
        fputs("] ", stderr);
    }
    fprintf(stderr, "%3d%%  ", (int)(done * 100 / total));
}

static void print_time_left(const struct tb_progress *progress, int64_t done)
{
    double left;

    if (progress->done_rate <= 0 || progress->total <= done)
        return;
    left = (double)(progress->total - done) / progress->done_rate;
    if (left < 360000) /* 100 hours: beyond that it stands still rather than moves */
        fprintf(stderr, "  %d:%02d left", (int)left / 60, (int)left % 60);
}

void tb_progress_draw(struct tb_progress *progress, int64_t now_ms, int64_t count, int64_t done,
                      const char *note)
{
    sample(progress, now_ms, count, done);
    if (!progress->on || now_ms - progress->drawn_ms < DRAW_EVERY_MS)
        return;
    progress->drawn_ms = now_ms;
    progress->drawn = true;
    fputs("\r\033[K", stderr);
    if (progress->total > 0)
        print_bar(progress, done);
    fprintf(stderr, "%" PRId64 " %s", count, progress->noun);
    if (note) {
        /* Cut to what is left of the line, or it would wrap and stay behind. */
        int room = progress->columns - TEXT_WIDTH;

        fprintf(stderr, "  %.*s", room > 10 ? room : 10, note);
    } else {
        fprintf(stderr, "  %.0f/s", progress->rate);
        if (progress->total > 0)
            print_time_left(progress, done);
    }
    fflush(stderr);
}

void tb_progress_clear(struct tb_progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
    /* Whatever is printed now ends with a newline; the line comes back at the next draw. */
    progress->drawn_ms = 0;
}

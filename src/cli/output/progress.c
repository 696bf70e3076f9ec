#include "cli/output/progress.h"
#include "cli/output/table.h"
#include <inttypes.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DRAW_EVERY_MS 100  /* nobody reads faster; a cleared line is drawn at once */
#define RATE_EVERY_MS 1000 /* one sample of the rate */
#define RATE_KEEP 0.7      /* the weight of the old rate when a sample comes in */
#define BAR_MAX 40
#define TEXT_WIDTH 48 /* percent, count, rate and time left beside the bar */
#define COLUMNS_DEFAULT 80

void tb_progress_init(struct tb_progress *progress, const struct tb_cli *cli, const char *noun,
                      int64_t total)
{
    int64_t now_ms = tb_cli_now_ms();

    *progress = (struct tb_progress){.on = cli->err_terminal,
                                     .noun = noun,
                                     .total = total,
                                     .start_ms = now_ms,
                                     .rate_ms = now_ms};
}

/* Read at each draw, because a person may make the window narrower meanwhile. */
static int terminal_columns(void)
{
    struct winsize size = {0};

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return COLUMNS_DEFAULT;
}

static void sample(struct tb_progress *progress, int64_t now_ms, int64_t count, int64_t done)
{
    int64_t passed_ms = now_ms - progress->rate_ms;
    bool first = progress->rate_ms == progress->start_ms;
    double keep = first ? 0 : RATE_KEEP;
    double seconds = (double)passed_ms / 1000;

    /* The first sample is taken early, so that a rate is shown soon. */
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

static void add_bar(struct tb_buf *line, int columns, int64_t total, int64_t done)
{
    int width = columns - TEXT_WIDTH;
    int64_t filled;

    if (done > total)
        done = total;
    width = width > BAR_MAX ? BAR_MAX : width;
    if (width > 4) {
        filled = done * width / total;
        tb_buf_addc(line, '[');
        for (int i = 0; i < width; i++)
            tb_buf_addc(line, i < filled ? '#' : '-');
        tb_buf_adds(line, "] ");
    }
    tb_buf_addf(line, "%3d%%  ", (int)(done * 100 / total));
}

static void add_time_left(struct tb_buf *line, const struct tb_progress *progress, int64_t done)
{
    double left;

    if (progress->done_rate <= 0 || progress->total <= done)
        return;
    left = (double)(progress->total - done) / progress->done_rate;
    if (left < 360000) /* 100 hours; more would say nothing */
        tb_buf_addf(line, "  %d:%02d left", (int)left / 60, (int)left % 60);
}

void tb_progress_draw(struct tb_progress *progress, int64_t count, int64_t done, const char *note)
{
    int64_t now_ms = tb_cli_now_ms();
    TB_CLEANUP(tb_buf_release) struct tb_buf line = {0};
    const char *text;
    int columns;

    sample(progress, now_ms, count, done);
    if (!progress->on || (tb_cli_line_drawn && now_ms - progress->drawn_ms < DRAW_EVERY_MS))
        return;
    progress->drawn_ms = now_ms;
    tb_cli_line_drawn = true;
    columns = terminal_columns();
    if (progress->total > 0)
        add_bar(&line, columns, progress->total, done);
    tb_buf_addf(&line, "%" PRId64 " %s", count, progress->noun);
    if (note) {
        tb_buf_addf(&line, "  %s", note);
    } else {
        tb_buf_addf(&line, "  %.0f/s", progress->rate);
        if (progress->total > 0)
            add_time_left(&line, progress, done);
    }
    text = tb_cli_text(&line);
    /* The last column stays empty: a full line would wrap, and then only its second row is
     * cleared. */
    fprintf(stderr, "\r\033[K%.*s", (int)tb_text_fit(text, (size_t)columns - 1), text);
    fflush(stderr);
}

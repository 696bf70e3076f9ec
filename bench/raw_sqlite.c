/* How many orders a second can SQLite itself make durable here, one a commit and 32 a commit?
 *
 * The other programs ask this again right before and after their own run; this one shows how
 * far the machine is from giving the same answer twice. */
#include "raw.h"
#include <stdio.h>

static void measure(struct tb_raw *raw, const struct tb_bench *bench, int per_commit)
{
    enum { RUNS = 5 };
    double seconds = tb_bench_seconds(bench, 4, 0.3), values[RUNS];
    char measured[80];

    for (int i = 0; i < RUNS; i++) {
        values[i] = tb_raw_run(raw, per_commit, seconds);
        tb_bench_note("%d a commit: %.0f orders/s", per_commit, values[i]);
    }
    double median = tb_bench_median(values, RUNS);
    (void)snprintf(measured, sizeof(measured), "%.0f/s (%.0f to %.0f)", median, values[0],
                   values[RUNS - 1]);
    struct tb_bench_row row = {.figure = per_commit == 1 ? "raw SQLite, 1 order a commit"
                                                         : "raw SQLite, 32 orders a commit",
                               .measured = measured,
                               .raw = "",
                               .ratio = "",
                               .asked = "",
                               .met = true};
    tb_bench_print(&row);
}

int main(int argc, char **argv)
{
    struct tb_bench bench;

    tb_bench_init(&bench, argc, argv);
    struct tb_raw *raw = tb_raw_new(&bench);
    measure(raw, &bench, 1);
    measure(raw, &bench, 32);
    tb_raw_free(raw);
    tb_bench_release(&bench);
    return 0;
}

/* How many orders a second can SQLite alone make durable on this machine, with one order and with
 * 32 orders in a commit?
 *
 * Other programs measure the same right before and after their own run. This one shows how much
 * five runs differ. */
#include "raw.h"
#include <stdio.h>

static void measure(struct tb_raw *raw, const struct tb_bench *bench, int per_commit)
{
    enum { RUNS = 5 };
    double seconds = tb_bench_seconds(bench, 4, 0.3), values[RUNS];

    for (int i = 0; i < RUNS; i++) {
        values[i] = tb_raw_run(raw, per_commit, seconds);
        tb_bench_note("%d a commit: %.0f orders/s", per_commit, values[i]);
    }
    double median = tb_bench_median(values, RUNS);
    tb_bench_print_value(per_commit == 1 ? "raw SQLite, 1 order a commit"
                                         : "raw SQLite, 32 orders a commit",
                         "", true, "%.0f/s (%.0f to %.0f)", median, values[0], values[RUNS - 1]);
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

/* How much memory and disk does an edge need, and how long until it is ready?
 *
 * Measures resident memory at rest and its peak under 64 busy connections, the size of the
 * stripped executable, and the time from the start without a data folder to the first 200 of
 * /readyz. */
#include "load.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STARTS 7

static void print_row(const char *figure, const char *unit, double value, double max)
{
    char asked[40];

    snprintf(asked, sizeof asked, "<= %.0f %s", max, unit);
    tb_bench_print_value(figure, asked, value <= max, "%.2f %s", value, unit);
}

static double start_to_ready(const struct tb_bench *bench, const char *data)
{
    struct tb_bench_server server;
    double ms[STARTS];

    for (int i = 0; i < STARTS; i++) {
        tb_bench_remove(data);
        tb_bench_server_start(&server, bench, data);
        ms[i] = server.ready_ms;
        tb_bench_server_stop(&server);
    }
    double median = tb_bench_median(ms, STARTS);
    tb_bench_note("start to ready: %.1f to %.1f ms", ms[0], ms[STARTS - 1]);
    return median;
}

static double stripped_mb(const struct tb_bench *bench)
{
    char path[256];
    struct stat info;
    int status = 0;

    snprintf(path, sizeof path, "%s/stripped", bench->dir);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("strip", "strip", "-o", path, bench->edge, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 || stat(path, &info) != 0)
        tb_bench_die("strip failed on %s", bench->edge);
    return (double)info.st_size / 1e6;
}

int main(int argc, char **argv)
{
    static struct tb_load_result result;
    struct tb_bench bench;
    struct tb_bench_server server;
    char data[256];

    tb_bench_init(&bench, argc, argv);
    struct tb_load_run run = {.conn_count = 64, .seconds = tb_bench_seconds(&bench, 20, 1)};
    snprintf(data, sizeof data, "%s/data", bench.dir);
    double ready_ms = start_to_ready(&bench, data);

    tb_bench_remove(data);
    tb_bench_server_start(&server, &bench, data);
    tb_bench_sleep(tb_bench_seconds(&bench, 5, 1));
    double idle_mb = (double)tb_bench_server_rss_kib(&server) * 1024 / 1e6;
    tb_load_orders(&server, &run, &result);
    double peak_mb = (double)tb_bench_server_rss_peak_kib(&server) * 1024 / 1e6;
    tb_bench_note("load was %.0f orders/s", result.per_second);
    tb_bench_server_stop(&server);

    print_row("resident, idle", "MB", idle_mb, 16);
    print_row("resident, peak at full load", "MB", peak_mb, 64);
    print_row("executable, stripped", "MB", stripped_mb(&bench), 2);
    print_row("start to ready, empty folder", "ms", ready_ms, 100);
    tb_bench_release(&bench);
    return 0;
}

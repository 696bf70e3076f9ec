/* Orders that arrive over HTTP are validated, stored, relayed and projected: what share of raw
 * SQLite's durable inserts does that reach, with 64 connections and with one? */
#include "load.h"
#include "raw.h"
#include <stdio.h>

struct question {
    const char *figure;
    size_t conn_count;
    int raw_per_commit;
    double ratio_min;
    double p99_max_ms; /* 0: not asked */
};

static void print_rows(const struct question *question, const struct tb_load_result *result,
                       double raw_before, double raw_after)
{
    double p99_ms = tb_latency_ms(&result->latency, 0.99);
    char asked[40], figure[80];

    tb_bench_note("raw before %.0f/s, after %.0f/s; placed %.0f/s, p50 %.2f ms, p99 %.2f ms,"
                  " max %.1f ms, refused %llu",
                  raw_before, raw_after, result->per_second, tb_latency_ms(&result->latency, 0.5),
                  p99_ms, (double)result->latency.max_us / 1000,
                  (unsigned long long)result->refused);
    tb_bench_print_ratio(question->figure, result->per_second, raw_before, raw_after,
                         question->ratio_min, result->refused == 0);
    if (question->p99_max_ms <= 0)
        return;
    snprintf(figure, sizeof figure, "%s: p99", question->figure);
    snprintf(asked, sizeof asked, "< %.0f ms", question->p99_max_ms);
    tb_bench_print_value(figure, asked, p99_ms < question->p99_max_ms, "%.2f ms", p99_ms);
}

static void measure(const struct tb_bench *bench, struct tb_raw *raw,
                    const struct question *question)
{
    static struct tb_load_result result;
    struct tb_load_run run = {.conn_count = question->conn_count,
                              .warm_up_seconds = tb_bench_seconds(bench, 1, 0.2),
                              .seconds = tb_bench_seconds(bench, 10, 1)};
    double raw_seconds = tb_bench_seconds(bench, 5, 0.5);
    struct tb_bench_server server;
    char data[256];

    snprintf(data, sizeof data, "%s/data", bench->dir);
    double raw_before = tb_raw_run(raw, question->raw_per_commit, raw_seconds);
    tb_bench_server_start(&server, bench, data);
    tb_load_orders(&server, &run, &result);
    tb_bench_server_stop(&server);
    tb_bench_remove(data);
    double raw_after = tb_raw_run(raw, question->raw_per_commit, raw_seconds);
    print_rows(question, &result, raw_before, raw_after);
}

int main(int argc, char **argv)
{
    static const struct question questions[] = {
        {"orders, 64 connections", 64, 32, 0.4, 10},
        {"orders, one connection", 1, 1, 0.75, 0},
    };
    struct tb_bench bench;

    tb_bench_init(&bench, argc, argv);
    struct tb_raw *raw = tb_raw_new(&bench);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        measure(&bench, raw, &questions[i]);
    tb_raw_free(raw);
    tb_bench_release(&bench);
    return 0;
}

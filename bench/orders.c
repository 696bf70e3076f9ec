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

/* One question, with a server that runs through all turns. */
struct measured {
    const struct question *question;
    struct tb_raw *raw;
    struct tb_bench_server server;
    struct tb_load_run load;
    double raw_seconds;
    struct tb_latency latency;
    uint64_t refused;
};

/* The server has nothing left to do when the raw slice begins. */
static double place_orders(void *ctx)
{
    static struct tb_load_result result;
    struct measured *measured = ctx;

    tb_load_orders(&measured->server, &measured->load, &result);
    tb_latency_merge(&measured->latency, &result.latency);
    measured->refused += result.refused;
    tb_bench_server_wait_for_view(&measured->server);
    return result.per_second;
}

static double insert_raw(void *ctx)
{
    const struct measured *measured = ctx;

    return tb_raw_run(measured->raw, measured->question->raw_per_commit, measured->raw_seconds);
}

static void print_rows(const struct measured *measured, struct tb_turns *turns)
{
    const struct question *question = measured->question;
    double p99_ms = tb_latency_ms(&measured->latency, 0.99);
    char asked[40], figure[80];

    tb_bench_note("p50 %.2f ms, p99 %.2f ms, max %.1f ms, refused %llu",
                  tb_latency_ms(&measured->latency, 0.5), p99_ms,
                  (double)measured->latency.max_us / 1000, (unsigned long long)measured->refused);
    tb_turns_print(question->figure, turns, question->ratio_min, measured->refused == 0);
    if (question->p99_max_ms <= 0)
        return;
    snprintf(figure, sizeof figure, "%s: p99", question->figure);
    snprintf(asked, sizeof asked, "< %.0f ms", question->p99_max_ms);
    tb_bench_print_value(figure, asked, p99_ms < question->p99_max_ms, "%.2f ms", p99_ms);
}

static void measure(const struct tb_bench *bench, struct tb_raw *raw,
                    const struct question *question)
{
    static struct measured measured;
    struct tb_turns turns = {.product = place_orders,
                             .raw = insert_raw,
                             .ctx = &measured,
                             .pairs = tb_turns_pairs(bench)};
    char data[256];

    measured = (struct measured){
        .question = question,
        .raw = raw,
        .load = {.conn_count = question->conn_count,
                 .warm_up_seconds = tb_bench_seconds(bench, 0.5, 0.2),
                 .seconds = tb_bench_seconds(bench, 1.5, 0.5)},
        .raw_seconds = tb_bench_seconds(bench, 1.5, 0.5),
    };
    snprintf(data, sizeof data, "%s/data", bench->dir);
    tb_bench_server_start(&measured.server, bench, data);
    tb_turns_take(&turns);
    tb_bench_server_stop(&measured.server);
    tb_bench_remove(data);
    print_rows(&measured, &turns);
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

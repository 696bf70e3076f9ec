/* Does a long time offline slow down an edge, and how fast does it catch up?
 *
 * An edge that is forced offline takes 1,000,000 orders. Then it and a new one, also offline, take
 * the same load in turns, three times; the medians are compared. At the end the link comes back,
 * and all orders must be in the log and in the view. */
#include "load.h"
#include <stdio.h>
#include <stdlib.h>

#define CONNS 64
#define PAIRS 3
#define STARTS 5
#define DRAIN_MAX_SECONDS 600

struct side {
    const char *name;
    char data[256];
    double per_second[PAIRS], p99_ms[PAIRS], rss_mib[PAIRS];
};

/* Returns the lag of the view, summed over all partitions. */
static int64_t lag(const struct tb_bench_server *server)
{
    double sum = 0;

    if (!tb_bench_server_metric(server, "kafka_consumer_lag", &sum))
        tb_bench_die("GET /metrics has no kafka_consumer_lag");
    return (int64_t)sum;
}

static int64_t orders_in_view(const struct tb_bench_server *server)
{
    TB_CLEANUP(tb_cjson_freep) cJSON *root = tb_bench_server_get_json(server, "/orders/stats");
    int64_t sum = 0, count = 0;

    for (const cJSON *total = tb_cjson_first(root, "totals"); total; total = total->next) {
        if (tb_cjson_int(total, "orders", &count))
            sum += count;
    }
    return sum;
}

static void fill(const struct tb_bench *bench, const struct side *full, int64_t count)
{
    static struct tb_load_result result;
    struct tb_load_run run = {.conn_count = CONNS, .order_count = (uint64_t)count};
    struct tb_bench_server server;

    tb_bench_server_start(&server, bench, full->data);
    tb_bench_server_set_link(&server, "offline");
    tb_load_orders(&server, &run, &result);
    int64_t pending = tb_bench_server_status(&server, "pending");
    tb_bench_note("filled with %lld undelivered events, %.0f/s", (long long)pending,
                  result.per_second);
    if (pending != count)
        tb_bench_die("%lld events are pending after %lld orders", (long long)pending,
                     (long long)count);
    tb_bench_server_stop(&server);
}

static void load_side(const struct tb_bench *bench, struct side *side, int pair)
{
    static struct tb_load_result result;
    struct tb_load_run run = {.conn_count = CONNS,
                              .warm_up_seconds = tb_bench_seconds(bench, 1, 0.2),
                              .seconds = tb_bench_seconds(bench, 5, 0.5)};
    struct tb_bench_server server;

    tb_bench_server_start(&server, bench, side->data);
    tb_bench_server_set_link(&server, "offline");
    tb_load_orders(&server, &run, &result);
    side->per_second[pair] = result.per_second;
    side->p99_ms[pair] = tb_latency_ms(&result.latency, 0.99);
    side->rss_mib[pair] = (double)tb_bench_server_rss_kib(&server) / 1024;
    tb_bench_note("%s: %.0f/s, p99 %.2f ms, %.1f MiB resident, refused %llu", side->name,
                  side->per_second[pair], side->p99_ms[pair], side->rss_mib[pair],
                  (unsigned long long)result.refused);
    tb_bench_server_stop(&server);
}

/* The order changes with each pair, so that a machine that gets slower slows down both sides. */
static void compare(const struct tb_bench *bench, struct side *full, struct side *empty)
{
    for (int pair = 0; pair < PAIRS; pair++) {
        tb_bench_remove(empty->data);
        load_side(bench, pair % 2 ? empty : full, pair);
        load_side(bench, pair % 2 ? full : empty, pair);
    }
    tb_bench_remove(empty->data);
}

static double start_to_ready(const struct tb_bench *bench, const struct side *full)
{
    struct tb_bench_server server;
    double ms[STARTS];

    for (int i = 0; i < STARTS; i++) {
        tb_bench_server_start(&server, bench, full->data);
        ms[i] = server.ready_ms;
        tb_bench_server_stop(&server);
    }
    return tb_bench_median(ms, STARTS);
}

static double drain(const struct tb_bench *bench, const struct side *full)
{
    struct tb_bench_server server;

    tb_bench_server_start(&server, bench, full->data);
    int64_t orders = tb_bench_server_status(&server, "lastSequence");
    int64_t pending = tb_bench_server_status(&server, "pending");
    int64_t start_us = tb_bench_now_us();
    tb_bench_server_set_link(&server, "auto");
    while (tb_bench_server_status(&server, "pending") > 0 || lag(&server) > 0) {
        if (tb_bench_now_us() - start_us > (int64_t)DRAIN_MAX_SECONDS * 1000000)
            tb_bench_die("not drained after %d s", DRAIN_MAX_SECONDS);
        tb_bench_sleep(0.1);
    }
    double seconds = (double)(tb_bench_now_us() - start_us) / 1e6;
    int64_t seen = orders_in_view(&server);
    tb_bench_note("drained %lld events in %.1f s; peak %.1f MiB; the view has %lld of %lld orders",
                  (long long)pending, seconds,
                  (double)tb_bench_server_rss_peak_kib(&server) / 1024, (long long)seen,
                  (long long)orders);
    if (seen != orders)
        tb_bench_die("the view has %lld orders, not %lld", (long long)seen, (long long)orders);
    tb_bench_server_stop(&server);
    return (double)pending / seconds;
}

static void print_compared(const char *figure, const char *unit, double full, double empty,
                           const char *asked, bool met)
{
    char measured[40], raw[40], ratio[16];

    snprintf(measured, sizeof measured, "%.*f%s", full < 100 ? 2 : 0, full, unit);
    snprintf(raw, sizeof raw, "%.*f%s (empty)", empty < 100 ? 2 : 0, empty, unit);
    snprintf(ratio, sizeof ratio, "%.2f", full / empty);
    tb_bench_print(&(struct tb_bench_row){figure, measured, raw, ratio, asked, met});
}

int main(int argc, char **argv)
{
    static struct side full = {.name = "1,000,000 undelivered"}, empty = {.name = "empty"};
    struct tb_bench bench;

    tb_bench_init(&bench, argc, argv);
    snprintf(full.data, sizeof full.data, "%s/full", bench.dir);
    snprintf(empty.data, sizeof empty.data, "%s/empty", bench.dir);
    fill(&bench, &full, bench.quick ? 20000 : 1000000);
    compare(&bench, &full, &empty);
    double ready_ms = start_to_ready(&bench, &full);
    double drained = drain(&bench, &full);

    double rate = tb_bench_median(full.per_second, PAIRS);
    double rate_empty = tb_bench_median(empty.per_second, PAIRS);
    double p99 = tb_bench_median(full.p99_ms, PAIRS);
    double p99_empty = tb_bench_median(empty.p99_ms, PAIRS);
    double rss = tb_bench_median(full.rss_mib, PAIRS);
    double rss_empty = tb_bench_median(empty.rss_mib, PAIRS);
    print_compared("1,000,000 undelivered: orders", "/s", rate, rate_empty, "within 10 %",
                   rate >= 0.9 * rate_empty);
    print_compared("1,000,000 undelivered: p99", " ms", p99, p99_empty, "within 10 % or 1 ms",
                   p99 <= 1.1 * p99_empty || p99 <= p99_empty + 1);
    print_compared("1,000,000 undelivered: resident", " MiB", rss, rss_empty, "within 8 MB",
                   rss <= rss_empty + 8e6 / 1048576);
    tb_bench_print_value("1,000,000 undelivered: start to ready", "< 200 ms", ready_ms < 200,
                         "%.0f ms", ready_ms);
    tb_bench_print_value("draining into log and view", ">= 25000/s", drained >= 25000, "%.0f/s",
                         drained);
    tb_bench_release(&bench);
    return 0;
}

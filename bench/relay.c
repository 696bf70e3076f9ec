/* How fast does an edge bring 1,000,000 undelivered events to Kafka, and how much memory does that
 * take?
 *
 * An edge that is forced offline takes so many orders; its own view follows meanwhile. Then the
 * link comes back, and the time until nothing is pending is measured. The raw limit is a bare
 * producer with the same settings and records, before and after. Both are measured from the first
 * acknowledgement on, so that connecting does not count. Resident memory is measured after a start
 * with nothing stored, after a start with the backlog, and at its peak during delivery. */
#include "base/mem/arena.h"
#include "bridge/relay/record.h"
#include "load.h"
#include "raw_kafka.h"
#include <stdio.h>
#include <stdlib.h>

#define CONNS 64
#define ASKED 0.8
#define ASKED_MB 32
/* The bare producer sends this many different records, again and again. */
#define SAMPLE 50000
#define MAX_SECONDS 600
#define RAW_TOPIC "bench-raw"
#define SETTLE_SECONDS 2

struct relay_bench {
    struct tb_bench bench;
    char data[256];
    int64_t count;
    struct tb_arena arena;
    struct tb_record *sample;
    size_t sample_count;
    double idle_mb, behind_mb, peak_mb;
    double per_second;
};

static double megabytes(int64_t kib)
{
    return (double)kib * 1024 / 1e6;
}

static void start(struct relay_bench *run, struct tb_bench_server *server, const char *data)
{
    const char *const flags[] = {"--log",          "kafka",           "--kafka-brokers",
                                 run->bench.kafka, "--create-topics", NULL};

    tb_bench_server_start_edge(server, &run->bench, data, flags);
}

static void wait_for_view(const struct tb_bench_server *server)
{
    double lag = 1;
    int64_t start_us = tb_bench_now_us();

    while (!tb_bench_server_metric(server, "kafka_consumer_lag", &lag) || lag > 0) {
        if (tb_bench_now_us() - start_us > MAX_SECONDS * INT64_C(1000000))
            tb_bench_die("the edge's view does not follow");
        tb_bench_sleep(0.2);
    }
}

static void fill(struct relay_bench *run)
{
    static struct tb_load_result result;
    struct tb_load_run load = {.conn_count = CONNS, .order_count = (uint64_t)run->count};
    struct tb_bench_server server;

    start(run, &server, run->data);
    tb_bench_server_set_link(&server, "offline");
    tb_load_orders(&server, &load, &result);
    wait_for_view(&server);
    int64_t pending = tb_bench_server_status(&server, "pending");
    tb_bench_note("filled with %lld undelivered events, %.0f/s", (long long)pending,
                  result.per_second);
    if (pending < run->count)
        tb_bench_die("%lld events are pending after %lld orders", (long long)pending,
                     (long long)run->count);
    tb_bench_server_stop(&server);
}

static void measure_idle(struct relay_bench *run)
{
    char data[300];
    struct tb_bench_server server;

    snprintf(data, sizeof data, "%s/empty", run->bench.dir);
    start(run, &server, data);
    tb_bench_sleep(SETTLE_SECONDS);
    run->idle_mb = megabytes(tb_bench_server_rss_kib(&server));
    tb_bench_server_stop(&server);
}

static void take_sample(struct relay_bench *run)
{
    struct tb_outbox_reader *reader = NULL;
    struct tb_relay_record built;
    struct tb_outbox_row row;
    struct tb_error err = {0};
    char path[300];
    size_t bytes = 0;
    bool more = true;

    snprintf(path, sizeof path, "%s/store.db", run->data);
    run->sample = calloc(SAMPLE, sizeof *run->sample);
    if (!run->sample || tb_outbox_reader_open(path, &reader, &err) != TB_OK ||
        tb_outbox_read_after(reader, 0, SAMPLE, &err) != TB_OK)
        tb_bench_die("the outbox: %s", err.text);
    while (tb_outbox_next(reader, &row, &more, &err) == TB_OK && more) {
        tb_relay_record_build(&built, TB_STR("/nodes/bench1"), &row);
        if (!tb_record_copy(&run->arena, &built.record, &run->sample[run->sample_count++]))
            tb_bench_die("out of memory");
        bytes += tb_record_size(&built.record);
    }
    tb_outbox_reader_free(reader);
    if (run->sample_count == 0)
        tb_bench_die("the outbox: no rows %s", err.text);
    tb_bench_note("records of %zu bytes, headers included", bytes / run->sample_count);
}

static double raw(const struct relay_bench *run)
{
    double rate = tb_raw_kafka_run(run->bench.kafka, RAW_TOPIC, run->sample, run->sample_count,
                                   (size_t)run->count);

    tb_bench_note("bare producer: %.0f/s", rate);
    return rate;
}

static void drain(struct relay_bench *run)
{
    struct tb_bench_server server;

    start(run, &server, run->data);
    tb_bench_sleep(SETTLE_SECONDS);
    run->behind_mb = megabytes(tb_bench_server_rss_kib(&server));
    int64_t pending = tb_bench_server_status(&server, "pending"), left = pending, first = pending;
    int64_t start_us = tb_bench_now_us(), first_us = start_us;
    tb_bench_server_set_link(&server, "auto");
    while (left > 0) {
        if (tb_bench_now_us() - start_us > MAX_SECONDS * INT64_C(1000000))
            tb_bench_die("not delivered after %d s", MAX_SECONDS);
        tb_bench_sleep(first == pending ? 0.01 : 0.05);
        left = tb_bench_server_status(&server, "pending");
        if (first == pending) {
            first = left;
            first_us = tb_bench_now_us();
        }
    }
    if (first == 0) { /* all were acknowledged between two polls */
        first = pending;
        first_us = start_us;
    }
    double seconds = (double)(tb_bench_now_us() - first_us) / 1e6;
    run->per_second = (double)first / seconds;
    run->peak_mb = megabytes(tb_bench_server_rss_peak_kib(&server));
    tb_bench_note("delivered %lld events, the first after %.2f s, the others in %.1f s, %.0f/s",
                  (long long)pending, (double)(first_us - start_us) / 1e6, seconds,
                  run->per_second);
    tb_bench_server_stop(&server);
}

static void print_memory(const struct relay_bench *run, const char *figure, double mb)
{
    char measured[40], idle[40];

    snprintf(measured, sizeof measured, "%.1f MB", mb);
    snprintf(idle, sizeof idle, "%.1f MB (idle)", run->idle_mb);
    tb_bench_print(&(struct tb_bench_row){figure, measured, idle, NULL, "within 32 MB",
                                          mb <= run->idle_mb + ASKED_MB});
}

int main(int argc, char **argv)
{
    static struct relay_bench run;

    tb_bench_init(&run.bench, argc, argv);
    tb_bench_require(&run.bench, false);
    snprintf(run.data, sizeof run.data, "%s/data", run.bench.dir);
    run.count = run.bench.quick ? 20000 : 1000000;
    tb_raw_kafka_topic(run.bench.kafka, RAW_TOPIC);
    measure_idle(&run);
    fill(&run);
    take_sample(&run);
    double before = raw(&run);
    drain(&run);
    double after = raw(&run);
    tb_bench_print_ratio("relay to Kafka, 1,000,000 rows", run.per_second, before, after, ASKED,
                         true);
    print_memory(&run, "1,000,000 undelivered: edge resident", run.behind_mb);
    print_memory(&run, "1,000,000 delivered: edge's peak", run.peak_mb);
    free(run.sample);
    tb_arena_release(&run.arena);
    tb_bench_release(&run.bench);
    return 0;
}

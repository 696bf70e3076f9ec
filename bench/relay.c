/* How fast does an edge bring 1,000,000 undelivered events to Kafka, and how much memory does that
 * take?
 *
 * An edge that is forced offline takes so many orders; its own view follows meanwhile. Then the
 * link comes back for slices of the backlog, in turns with a bare producer of the same settings
 * that sends as many of the same records. Both are measured from the first acknowledgement on, so
 * that connecting does not count. At the end the edge delivers the rest. Resident memory is
 * measured after a start with nothing stored, after a start with the backlog, and at its peak
 * during delivery. */
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
#define QUIET_SECONDS 2
#define SETTLE_SECONDS 0.5
/* Of each slice: what comes before its first look, and what is in flight when it ends. */
#define BESIDE 25000

struct relay_bench {
    struct tb_bench bench;
    char data[256];
    int64_t count;
    struct tb_arena arena;
    struct tb_record *sample;
    size_t sample_count;
    double idle_mb, behind_mb, peak_mb;
    struct tb_bench_server server; /* while it delivers */
    int64_t slice;                 /* records of one */
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

static void fill(struct relay_bench *run)
{
    static struct tb_load_result result;
    struct tb_load_run load = {.conn_count = CONNS, .order_count = (uint64_t)run->count};
    struct tb_bench_server server;

    start(run, &server, run->data);
    tb_bench_server_set_link(&server, "offline");
    tb_load_orders(&server, &load, &result);
    tb_bench_server_wait_for_view(&server);
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
    tb_bench_sleep(QUIET_SECONDS);
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

static double send_raw(void *ctx)
{
    const struct relay_bench *run = ctx;

    return tb_raw_kafka_run(run->bench.kafka, RAW_TOPIC, run->sample, run->sample_count,
                            (size_t)run->slice);
}

/* Waits until at most `until` are pending; returns what is pending then. */
static int64_t wait_for_pending(const struct relay_bench *run, int64_t until)
{
    int64_t start_us = tb_bench_now_us(), pending;

    while ((pending = tb_bench_server_status(&run->server, "pending")) > until) {
        if (tb_bench_now_us() - start_us > MAX_SECONDS * INT64_C(1000000))
            tb_bench_die("not delivered after %d s", MAX_SECONDS);
        tb_bench_sleep(0.02); /* a look costs the edge a query */
    }
    return pending;
}

/* Delivers a slice of the backlog. Counts what was acknowledged between two looks. */
static double deliver(void *ctx)
{
    struct relay_bench *run = ctx;
    int64_t pending = tb_bench_server_status(&run->server, "pending"), first, last, first_us;
    double seconds;

    if (pending < run->slice)
        tb_bench_die("only %lld events are left for a slice", (long long)pending);
    tb_bench_server_set_link(&run->server, "auto");
    first = wait_for_pending(run, pending - 1);
    first_us = tb_bench_now_us();
    last = wait_for_pending(run, first > run->slice ? first - run->slice : 0);
    seconds = (double)(tb_bench_now_us() - first_us) / 1e6;
    tb_bench_server_set_link(&run->server, "offline");
    tb_bench_sleep(SETTLE_SECONDS); /* for what is in flight */
    return (double)(first - last) / seconds;
}

static void measure(struct relay_bench *run)
{
    struct tb_turns turns = {
        .product = deliver, .raw = send_raw, .ctx = run, .pairs = tb_turns_pairs(&run->bench)};

    run->slice = run->count / (int64_t)turns.pairs - BESIDE;
    start(run, &run->server, run->data);
    tb_bench_sleep(QUIET_SECONDS);
    run->behind_mb = megabytes(tb_bench_server_rss_kib(&run->server));
    tb_turns_take(&turns);
    tb_bench_server_set_link(&run->server, "auto");
    (void)wait_for_pending(run, 0);
    run->peak_mb = megabytes(tb_bench_server_rss_peak_kib(&run->server));
    tb_bench_server_stop(&run->server);
    tb_turns_print("relay to Kafka, 1,000,000 rows", &turns, ASKED, true);
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
    run.count = run.bench.quick ? 120000 : 1000000;
    tb_raw_kafka_topic(run.bench.kafka, RAW_TOPIC);
    measure_idle(&run);
    fill(&run);
    take_sample(&run);
    measure(&run);
    print_memory(&run, "1,000,000 undelivered: edge resident", run.behind_mb);
    print_memory(&run, "1,000,000 delivered: edge's peak", run.peak_mb);
    free(run.sample);
    tb_arena_release(&run.arena);
    tb_bench_release(&run.bench);
    return 0;
}

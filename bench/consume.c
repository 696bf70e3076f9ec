/* How fast does a central bring events into MongoDB, and how much memory does a backlog take?
 *
 * It is measured in slices, in turns with the raw limit: bulk writes of as many of the same
 * documents to the same server by its driver alone. The central is stopped while the events of a
 * slice go to Kafka; a rate counts from the moment at which it goes on until all are applied. What
 * comes first does not count: a server that has just started is slower. Placed orders are inserts;
 * changed ones are replacements guarded by the version. At the end, a central starts 1,000,000
 * events behind, and its memory is measured while it works on them. */
#include "events.h"
#include "raw_kafka.h"
#include "raw_mongo.h"
#include "server.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ASKED 0.8
#define BULK 500 /* the default of [mongo] bulk_size */
#define MAX_US INT64_C(600000000)
/* A look costs the central some queries. */
#define LOOK_SECONDS 0.05
#define MEMORY_MB 128
/* Orders of one part of the backlog; four orders have seven events. */
#define BEHIND_ORDERS 50000

struct consume {
    struct tb_bench bench;
    char topic[64], database[64]; /* of the run; the group has the name of the topic */
    struct tb_bench_server central;
    /* Of the measurement: */
    const struct tb_record *records; /* those to send */
    size_t slice, sent;              /* sent: of them */
    double applied;                  /* events */
    struct tb_raw_mongo *raw;
    size_t replaced; /* raw documents */
};

static void open_run(struct consume *run, const char *name)
{
    snprintf(run->topic, sizeof run->topic, "bench-%s-%d", name, (int)getpid());
    snprintf(run->database, sizeof run->database, "bench_%s_%d", name, (int)getpid());
    tb_raw_kafka_topic(run->bench.kafka, run->topic);
}

static void start(struct consume *run)
{
    const char *const flags[] = {"--kafka-topic",    run->topic,    "--kafka-group", run->topic,
                                 "--mongo-database", run->database, "--node",        "central",
                                 "--create-topics",  NULL};

    run->applied = 0;
    tb_bench_server_start_central(&run->central, &run->bench, flags);
}

/* Copies the records of the given version, in their order; returns their number. */
static size_t choose(const struct tb_bench_events *events, const char *version,
                     struct tb_record *ret_records)
{
    size_t count = 0;

    for (size_t i = 0; i < events->count; i++) {
        if (tb_str_eq(tb_record_header(&events->records[i], "ce_orderversion"),
                      tb_str_of(version)))
            ret_records[count++] = events->records[i];
    }
    return count;
}

static double applied(const struct consume *run)
{
    double sum = 0;

    return tb_bench_server_metric(&run->central, "tillbox_projection_events_total", &sum) ? sum
                                                                                          : 0;
}

/* Waits until so many more events are applied. Returns when that was: in the middle between the
 * look that saw them and the one before. */
static int64_t follow(struct consume *run, size_t more)
{
    int64_t began_us = tb_bench_now_us(), before_us = began_us, now_us = began_us;

    run->applied += (double)more;
    while (applied(run) < run->applied) {
        if (now_us - began_us > MAX_US)
            tb_bench_die("of %.0f events only %.0f are applied", run->applied, applied(run));
        tb_bench_sleep(LOOK_SECONDS);
        before_us = now_us;
        now_us = tb_bench_now_us();
    }
    return before_us + (now_us - before_us) / 2;
}

static void send_all(const struct consume *run, const struct tb_record *records, size_t count)
{
    (void)tb_raw_kafka_run(run->bench.kafka, run->topic, records, count, count);
}

static double apply_slice(void *ctx)
{
    struct consume *run = ctx;
    int64_t start_us;

    if (kill(run->central.pid, SIGSTOP) != 0)
        tb_bench_die("the central cannot be stopped");
    send_all(run, run->records + run->sent, run->slice);
    run->sent += run->slice;
    start_us = tb_bench_now_us();
    (void)kill(run->central.pid, SIGCONT);
    return (double)run->slice * 1e6 / (double)(follow(run, run->slice) - start_us);
}

static double insert_raw(void *ctx)
{
    return tb_raw_mongo_insert(((const struct consume *)ctx)->raw, BULK);
}

static double replace_raw(void *ctx)
{
    struct consume *run = ctx;

    if (run->replaced + run->slice > tb_raw_mongo_count(run->raw))
        run->replaced = 0;
    run->replaced += run->slice;
    return tb_raw_mongo_replace(run->raw, BULK, run->replaced - run->slice, run->slice);
}

static void measure(struct consume *run, const char *figure, double (*raw)(void *ctx))
{
    struct tb_turns turns = {
        .product = apply_slice, .raw = raw, .ctx = run, .pairs = tb_turns_pairs(&run->bench)};

    (void)raw(run);
    tb_turns_take(&turns);
    tb_bench_server_stop(&run->central);
    tb_turns_print(figure, &turns, ASKED, true);
    tb_raw_mongo_free(run->raw);
}

/* The raw documents are those of the first slice, which does not count. */
static void bench_placed(struct consume *run, size_t orders)
{
    struct tb_bench_events events;
    struct tb_record *records;

    open_run(run, "placed");
    tb_bench_events_make(&events, orders, 1);
    records = calloc(events.count, sizeof *records);
    run->records = records;
    run->slice = (records ? choose(&events, "1", records) : 0) / (tb_turns_pairs(&run->bench) + 1);
    run->sent = 0;
    start(run);
    (void)apply_slice(run);
    run->raw = tb_raw_mongo_new(run->bench.mongo, run->database);
    measure(run, "consumer to MongoDB, orders placed", insert_raw);
    free(records);
    tb_bench_events_release(&events);
}

static void bench_changed(struct consume *run, size_t orders)
{
    struct tb_bench_events events;
    struct tb_record *records;
    size_t placed;

    open_run(run, "changed");
    tb_bench_events_make(&events, orders, 2);
    records = calloc(events.count, sizeof *records);
    placed = records ? choose(&events, "1", records) : 0;
    send_all(run, records, placed);
    start(run);
    (void)follow(run, placed);
    run->raw = tb_raw_mongo_new(run->bench.mongo, run->database);
    (void)tb_raw_mongo_insert(run->raw, BULK);
    run->records = records;
    run->slice = choose(&events, "2", records) / (tb_turns_pairs(&run->bench) + 1);
    run->sent = run->replaced = 0;
    (void)apply_slice(run);
    measure(run, "consumer to MongoDB, orders changed", replace_raw);
    free(records);
    tb_bench_events_release(&events);
}

static size_t send_backlog(const struct consume *run, size_t count)
{
    size_t sent = 0;

    for (unsigned part = 3; sent < count; part++) {
        struct tb_bench_events events;

        tb_bench_events_make(&events, BEHIND_ORDERS, part);
        send_all(run, events.records, events.count);
        sent += events.count;
        tb_bench_events_release(&events);
    }
    return sent;
}

static void bench_behind(struct consume *run, size_t count, double seconds)
{
    open_run(run, "behind");
    size_t sent = send_backlog(run, count);
    start(run);
    for (int64_t until_us = tb_bench_now_us() + (int64_t)(seconds * 1e6);
         tb_bench_now_us() < until_us && applied(run) < (double)sent;)
        tb_bench_sleep(1);
    double mb = (double)tb_bench_server_rss_peak_kib(&run->central) * 1024 / 1e6;
    tb_bench_note("%zu events behind: %.1f MB at the peak, %.0f applied meanwhile", sent, mb,
                  applied(run));
    tb_bench_server_stop(&run->central);
    tb_bench_print_value("1,000,000 events behind: central's peak", "< 128 MB", mb < MEMORY_MB,
                         "%.1f MB", mb);
}

int main(int argc, char **argv)
{
    static struct consume run;

    tb_bench_init(&run.bench, argc, argv);
    tb_bench_require(&run.bench, true);
    bench_placed(&run, run.bench.quick ? 20000 : 80000);
    bench_changed(&run, run.bench.quick ? 2000 : 8000);
    bench_behind(&run, run.bench.quick ? 50000 : 1000000, run.bench.quick ? 5 : 60);
    tb_bench_release(&run.bench);
    return 0;
}

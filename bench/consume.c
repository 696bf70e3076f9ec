/* How fast does a central bring events into MongoDB, and how much memory does a backlog take?
 *
 * The events are in Kafka before the measurement starts. A rate counts from the first poll that
 * sees some events applied to the one that sees all. The raw limit is bulk writes of the same
 * documents to the same server by its driver alone. Placed orders are inserts; changed ones are
 * replacements guarded by the version. Of those there are few, because the server of the tests
 * scans the whole collection for each. At the end, a central starts 1,000,000 events behind, and
 * its memory is measured while it works on them. */
#include "events.h"
#include "raw_kafka.h"
#include "raw_mongo.h"
#include "server.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ASKED 0.8
#define BULK 500 /* the default of [mongo] bulk_size */
#define MAX_US INT64_C(600000000)
#define LOOK_SECONDS 0.1
#define MEMORY_MB 128
/* Orders of one part of the backlog; four orders have seven events. */
#define BEHIND_ORDERS 50000

struct consume {
    struct tb_bench bench;
    char topic[64], database[64]; /* of the run; the group has the name of the topic */
    struct tb_bench_server central;
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

/* Waits until `all` events are applied; `before` of them already are. Returns events a second. */
static double follow(const struct consume *run, double before, double all)
{
    int64_t began_us = tb_bench_now_us(), first_us = 0;
    double first = 0, now = before;

    for (;;) {
        now = applied(run);
        if (now > before && first_us == 0) {
            first_us = tb_bench_now_us();
            first = now;
        }
        if (now >= all)
            break;
        if (tb_bench_now_us() - began_us > MAX_US)
            tb_bench_die("of %.0f events only %.0f are applied", all, now);
        tb_bench_sleep(LOOK_SECONDS);
    }
    if (first >= all)
        tb_bench_die("too few events to see how fast they are");
    return (now - first) * 1e6 / (double)(tb_bench_now_us() - first_us);
}

static void send_all(const struct consume *run, const struct tb_record *records, size_t count)
{
    (void)tb_raw_kafka_run(run->bench.kafka, run->topic, records, count, count);
}

/* Starts with an empty database, and leaves it filled. Returns events a second. */
static double place(struct consume *run, const char *name, const struct tb_record *records,
                    size_t count)
{
    double rate;

    open_run(run, name);
    send_all(run, records, count);
    start(run);
    rate = follow(run, 0, (double)count);
    tb_bench_server_stop(&run->central);
    return rate;
}

/* A first run does not count: a server that has just started is slower. */
static void bench_placed(struct consume *run, size_t orders)
{
    struct tb_bench_events events;
    struct tb_raw_mongo *raw;
    struct tb_record *records;
    double rate, before, after;
    size_t count;

    tb_bench_events_make(&events, orders, 1);
    records = calloc(events.count, sizeof *records);
    count = records ? choose(&events, "1", records) : 0;
    (void)place(run, "warm", records, count);
    raw = tb_raw_mongo_new(run->bench.mongo, run->database);
    before = tb_raw_mongo_insert(raw, BULK);
    rate = place(run, "placed", records, count);
    after = tb_raw_mongo_insert(raw, BULK);
    tb_bench_print_ratio("consumer to MongoDB, orders placed", rate, before, after, ASKED, true);
    tb_raw_mongo_free(raw);
    free(records);
    tb_bench_events_release(&events);
}

static void bench_changed(struct consume *run, size_t orders)
{
    struct tb_bench_events events;
    struct tb_raw_mongo *raw;
    struct tb_record *records;
    double rate, before, after;
    size_t placed, changed;

    open_run(run, "changed");
    tb_bench_events_make(&events, orders, 2);
    records = calloc(events.count, sizeof *records);
    placed = records ? choose(&events, "1", records) : 0;
    send_all(run, records, placed);
    start(run);
    (void)follow(run, 0, (double)placed);
    changed = choose(&events, "2", records);
    send_all(run, records, changed);
    rate = follow(run, (double)placed, (double)(placed + changed));
    tb_bench_server_stop(&run->central);
    raw = tb_raw_mongo_new(run->bench.mongo, run->database);
    (void)tb_raw_mongo_insert(raw, BULK);
    before = tb_raw_mongo_replace(raw, BULK);
    after = tb_raw_mongo_replace(raw, BULK);
    tb_bench_print_ratio("consumer to MongoDB, orders changed", rate, before, after, ASKED, true);
    tb_raw_mongo_free(raw);
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
    bench_placed(&run, run.bench.quick ? 20000 : 40000);
    bench_changed(&run, run.bench.quick ? 2000 : 4000);
    bench_behind(&run, run.bench.quick ? 50000 : 1000000, run.bench.quick ? 5 : 60);
    tb_bench_release(&run.bench);
    return 0;
}

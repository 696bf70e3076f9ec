/* How long after its 201 at an edge can an order be read at a central, while 300 orders a second
 * come in?
 *
 * The order goes through the relay, Kafka and the consumer, all with their defaults: the producer
 * waits 5 ms for more records. The central reads its answers from MongoDB. */
#include "visibility.h"
#include <stdio.h>
#include <unistd.h>

#define RATE 300
#define ASKED_MS 250

int main(int argc, char **argv)
{
    static struct tb_visibility visibility;
    struct tb_bench bench;
    struct tb_bench_server edge, central;
    char data[256], name[64];

    tb_bench_init(&bench, argc, argv);
    tb_bench_require(&bench, true);
    snprintf(data, sizeof data, "%s/data", bench.dir);
    snprintf(name, sizeof name, "bench-arrive-%d", (int)getpid());
    const char *const edge_flags[] = {"--log",         "kafka", "--kafka-brokers", bench.kafka,
                                      "--kafka-topic", name,    "--create-topics", NULL};
    const char *const central_flags[] = {"--kafka-topic",    name, "--kafka-group", name,
                                         "--mongo-database", name, "--node",        "central",
                                         "--create-topics",  NULL};
    tb_bench_server_start_edge(&edge, &bench, data, edge_flags);
    tb_bench_server_start_central(&central, &bench, central_flags);
    /* A first run does not count: servers that have just started are slower. */
    tb_visibility_run(&edge, &central, RATE, tb_bench_seconds(&bench, 20, 5), &visibility);
    tb_visibility_run(&edge, &central, RATE, tb_bench_seconds(&bench, 30, 5), &visibility);
    tb_bench_server_stop(&edge);
    tb_bench_server_stop(&central);
    tb_visibility_print(&visibility, 0.5, "till to MongoDB at 300/s: p50", ASKED_MS);
    tb_visibility_print(&visibility, 0.99, "till to MongoDB at 300/s: p99", ASKED_MS);
    tb_bench_release(&bench);
    return 0;
}

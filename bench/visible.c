/* How long after its 201 does an order show in GET, while 1,000 orders a second come in? */
#include "seeing.h"
#include <stdio.h>

#define RATE 1000

int main(int argc, char **argv)
{
    static struct tb_seeing seeing;
    struct tb_bench bench;
    struct tb_node node;
    char data[256];

    tb_bench_init(&bench, argc, argv);
    (void)snprintf(data, sizeof(data), "%s/data", bench.dir);
    tb_node_start(&node, &bench, data);
    tb_seeing_run(&node, &node, RATE, tb_bench_seconds(&bench, 20, 2), &seeing);
    tb_node_stop(&node);
    tb_seeing_print(&seeing, 0.5, "commit to visible at 1,000/s: p50", 5);
    tb_seeing_print(&seeing, 0.99, "commit to visible at 1,000/s: p99", 25);
    tb_bench_release(&bench);
    return 0;
}

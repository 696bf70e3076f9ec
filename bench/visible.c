/* How long after its 201 can an order be read with GET, while 1,000 orders a second come in? */
#include "visibility.h"
#include <stdio.h>

#define RATE 1000

int main(int argc, char **argv)
{
    static struct tb_visibility visibility;
    struct tb_bench bench;
    struct tb_bench_server server;
    char data[256];

    tb_bench_init(&bench, argc, argv);
    snprintf(data, sizeof data, "%s/data", bench.dir);
    tb_bench_server_start(&server, &bench, data);
    tb_visibility_run(&server, &server, RATE, tb_bench_seconds(&bench, 20, 2), &visibility);
    tb_bench_server_stop(&server);
    tb_visibility_print(&visibility, 0.5, "commit to visible at 1,000/s: p50", 5);
    tb_visibility_print(&visibility, 0.99, "commit to visible at 1,000/s: p99", 25);
    tb_bench_release(&bench);
    return 0;
}

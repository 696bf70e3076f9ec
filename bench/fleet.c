/* How fast does a central answer for a fleet of 10,000 tills, and does it depend on how many
 * orders there are?
 *
 * Nodes, days and orders are written into the database directly; then a central starts on it, and
 * every answer is asked for again and again, one at a time. For each answer a row says how many
 * documents and index keys MongoDB's planner examines for it, worked out from the shape of the
 * queries and the indexes (src/query/mongo/README.md): the server of the tests scans instead. */
#include "fleet_documents.h"
#include "server.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ORDERS 2000000
#define ASKED_TIMES 11
#define SLOW_MS 2000 /* such an answer is asked for twice only */
#define PAGE 100
#define OF_EACH 3 /* node, epoch and open chunk of each node on the page */
#define MEMORY_MB 128

struct question {
    const char *figure;
    char path[160];
    double limit_ms; /* 0: none is promised */
    int64_t examined;
};

/* Every answer about all nodes reads the heartbeat and the epoch of each. */
static int64_t examined_by_list(const struct tb_fleet_size *size)
{
    return 2 * (int64_t)size->nodes;
}

/* Returns how long the answer took; below 0: the server gave the query up. */
static double ask_once(const struct tb_bench_server *central, const char *path)
{
    struct tb_buf body = {0};
    int64_t start_us = tb_bench_now_us();
    int status = tb_bench_server_request(central, "GET", path, TB_STR(""), &body);
    double ms = (double)(tb_bench_now_us() - start_us) / 1000;

    if (status != 200 && status != 503)
        tb_bench_die("GET %s: %d %s", path, status, body.data ? body.data : "");
    if (status == 503)
        tb_bench_note("%s: after %.0f ms: %s", path, ms, body.data ? body.data : "");
    tb_buf_release(&body);
    return status == 200 ? ms : -1;
}

/* The processor time that the central has taken so far. It does not depend on how the server of
 * the database finds the documents. */
static double cpu_ms(const struct tb_bench_server *central)
{
    struct timespec taken;
    clockid_t clock;

    if (clock_getcpuclockid(central->pid, &clock) != 0 || clock_gettime(clock, &taken) != 0)
        tb_bench_die("the central's processor time cannot be read");
    return (double)taken.tv_sec * 1000 + (double)taken.tv_nsec / 1e6;
}

/* The first answers do not count: the server has to get fast. */
static void ask(const struct tb_bench_server *central, const struct question *question)
{
    double ms[ASKED_TIMES], median, first = ask_once(central, question->path);
    size_t times = first < 0 || first > SLOW_MS ? 1 : ASKED_TIMES;
    char asked[48] = "";
    double cpu;

    if (question->limit_ms > 0)
        snprintf(asked, sizeof asked, "<= %.0f ms", question->limit_ms);
    for (size_t i = 0; first >= 0 && times > 1 && i < 2; i++)
        (void)ask_once(central, question->path);
    cpu = cpu_ms(central);
    for (size_t i = 0; first >= 0 && i < times; i++)
        ms[i] = first = ask_once(central, question->path);
    cpu = (cpu_ms(central) - cpu) / (double)times;
    if (first < 0) {
        tb_bench_print_value(question->figure, asked, false, "given up");
    } else {
        median = tb_bench_median(ms, times);
        tb_bench_note("%s: %.1f to %.1f ms", question->path, ms[0], ms[times - 1]);
        tb_bench_print_value(question->figure, asked,
                             question->limit_ms <= 0 || median <= question->limit_ms, "%.1f ms",
                             median);
    }
    tb_bench_print_value("  processor time of the central", "", true, "%.1f ms", cpu);
    tb_bench_print_value("  examined by a planner", "no orders", true, "%lld documents",
                         (long long)question->examined);
}

static void ask_all(const struct tb_bench_server *central, const struct tb_fleet_size *size)
{
    char today[TB_DATE_SIZE], tomorrow[TB_DATE_SIZE], year[TB_DATE_SIZE], day[64];
    int64_t list = examined_by_list(size), year_days = TB_FLEET_PARTITIONS * size->total_days;
    struct question questions[] = {
        {"/nodes: first page and summary", "/nodes", 100, list + PAGE * OF_EACH},
        {"/nodes?state=silent", "/nodes?state=silent", 100, list + PAGE * OF_EACH},
        {"/metrics", "/metrics", 50, list},
        {"stats of a day", "", 100, list + TB_FLEET_PARTITIONS},
        {"stats of a day by status", "", 100, list + TB_FLEET_PARTITIONS},
        {"stats of a day by node", "", 100, list + size->nodes},
        {"stats of a year by day", "", 500, list + year_days},
        {"stats without bounds", "/orders/stats", 500, list + year_days},
    };

    tb_fleet_date(0, today);
    tb_fleet_date(-1, tomorrow);
    tb_fleet_date(364, year);
    snprintf(day, sizeof day, "/orders/stats?from=%s&to=%s", today, tomorrow);
    snprintf(questions[3].path, 160, "%s", day);
    snprintf(questions[4].path, 160, "%s&groupBy=status", day);
    snprintf(questions[5].path, 160, "%s&groupBy=node", day);
    snprintf(questions[6].path, 160, "/orders/stats?from=%s&to=%s&groupBy=day", year, tomorrow);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        ask(central, &questions[i]);
}

/* The central counts what was written, or the figures are of something else. */
static void check(const struct tb_bench_server *central, const struct tb_fleet_size *size)
{
    double nodes = 0;

    if (!tb_bench_server_metric(central, "tillbox_nodes", &nodes))
        tb_bench_note("the nodes cannot be counted in time");
    else if (nodes != size->nodes)
        tb_bench_die("%.0f nodes are not those of the database", nodes);
}

int main(int argc, char **argv)
{
    struct tb_fleet_size size = {10000, 30, 365, ORDERS};
    struct tb_bench_server central;
    struct tb_bench bench;
    char name[64];

    tb_bench_init(&bench, argc, argv);
    tb_bench_require(&bench, true);
    if (bench.quick)
        size = (struct tb_fleet_size){200, 10, 365, 2000};
    if (bench.orders)
        size.orders = strtoll(bench.orders, NULL, 10);
    snprintf(name, sizeof name, "bench-fleet-%d", (int)getpid());
    tb_fleet_write(bench.mongo, name, &size);
    tb_bench_print_value("fleet", "", true, "%d nodes, %d days, %lld orders", size.nodes,
                         size.nodes * size.days, (long long)size.orders);
    const char *const flags[] = {"--kafka-topic",    name, "--kafka-group", name,
                                 "--mongo-database", name, "--node",        "central",
                                 "--create-topics",  NULL};
    tb_bench_server_start_central(&central, &bench, flags);
    check(&central, &size);
    ask_all(&central, &size);
    double peak_mb = (double)tb_bench_server_rss_peak_kib(&central) * 1024 / 1e6;
    tb_bench_print_value("resident memory of the central, peak", "<= 128 MB", peak_mb <= MEMORY_MB,
                         "%.0f MB", peak_mb);
    tb_bench_server_stop(&central);
    tb_bench_release(&bench);
    return 0;
}

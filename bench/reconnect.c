/* How fast do ten thousand edges come back after an outage, and how many connect at the same time?
 *
 * A simulation of links (bridge/link, default settings) that all lose their broker at one moment
 * and can reach it again two hours later. "Refused": the machine answers, but no process listens
 * there, so an attempt fails at once. "Dropped": nothing answers; an attempt lasts until its
 * time-out, and the system repeats the connection's first packet after 1, 3 and 7 seconds. */
#include "bench.h"
#include "bridge/link/link.h"
#include <stdio.h>
#include <stdlib.h>

#define EDGES 10000
#define STEP_MS 50
#define LOST_AT_MS 1000
#define BACK_WITHIN_MS 300000
#define PEAK_MAX 120
/* The time until a machine refuses a connection. */
#define REFUSED_MS 50

struct edge {
    struct tb_link link;
    int64_t due_ms;    /* the next step */
    int64_t tried_ms;  /* start of the present attempt or connection; below 0: none */
    int64_t online_ms; /* below 0: not yet */
};
struct world {
    struct edge edges[EDGES];
    bool silent;
    int64_t now_ms, outage_ms;
    int64_t connects[BACK_WITHIN_MS * 4 / 1000]; /* by second since the broker came back */
};

/* xorshift64*, so that each run of the simulation is the same. */
static void fill(void *ctx, void *bytes, size_t len)
{
    uint64_t *state = ctx;

    for (size_t i = 0; i < len; i++) {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        ((uint8_t *)bytes)[i] = (uint8_t)((*state * UINT64_C(2685821657736338717)) >> 56);
    }
}

static bool is_down(const struct world *world)
{
    return world->now_ms >= LOST_AT_MS && world->now_ms < LOST_AT_MS + world->outage_ms;
}

/* True if the edge has sent a first packet of a connection since the last step. */
static bool sends_packet(const struct world *world, const struct edge *edge)
{
    static const int64_t at_ms[] = {0, 1000, 3000, 7000};
    int64_t since_ms = world->now_ms - edge->tried_ms;

    for (size_t i = 0; i < sizeof at_ms / sizeof *at_ms; i++) {
        if (since_ms >= at_ms[i] && since_ms < at_ms[i] + STEP_MS)
            return true;
    }
    return false;
}

static void step(struct world *world, struct edge *edge)
{
    bool down = is_down(world);
    struct tb_link_input in = {.mono_ms = world->now_ms, .wall_ms = world->now_ms};

    if (!down && edge->online_ms < 0 && edge->tried_ms >= 0 && sends_packet(world, edge)) {
        int64_t second = (world->now_ms - LOST_AT_MS - world->outage_ms) / 1000;

        edge->online_ms = world->now_ms;
        if (second >= 0)
            world->connects[second]++;
    }
    in.connected = edge->online_ms >= 0 && !down;
    in.progress = in.connected;
    if (down)
        edge->online_ms = -1;
    in.no_response = world->silent && edge->tried_ms >= 0 && edge->online_ms < 0;
    in.all_brokers_down = down && !world->silent && edge->tried_ms >= 0 &&
                          world->now_ms - edge->tried_ms >= REFUSED_MS;
    struct tb_link_advice advice = tb_link_step(&edge->link, &in);
    if (!advice.open)
        edge->tried_ms = -1;
    else if (edge->tried_ms < 0 || advice.reopen)
        edge->tried_ms = world->now_ms;
    edge->due_ms = world->now_ms + (advice.wait_ms > STEP_MS ? advice.wait_ms : STEP_MS);
    if (advice.open && edge->online_ms < 0) /* an attempt is under way */
        edge->due_ms = world->now_ms + STEP_MS;
}

static void init(struct world *world, uint64_t *state)
{
    static struct tb_random random;
    /* The defaults of [link] in base/config/keys.c. */
    const struct tb_link_settings settings = {10000, 300000, 120000};

    random = (struct tb_random){state, fill};
    for (int i = 0; i < EDGES; i++) {
        tb_link_init(&world->edges[i].link, &settings, &random, false, 0, 0);
        world->edges[i].online_ms = 0;
    }
}

static void print_results(const struct world *world)
{
    const char *kind = world->silent ? "packets dropped" : "connections refused";
    int64_t peak = 0, back = 0, end_ms = LOST_AT_MS + world->outage_ms + BACK_WITHIN_MS;
    char figure[120];

    for (size_t i = 0; i < sizeof world->connects / sizeof *world->connects; i++)
        peak = world->connects[i] > peak ? world->connects[i] : peak;
    for (int i = 0; i < EDGES; i++)
        back += world->edges[i].online_ms >= 0 && world->edges[i].online_ms <= end_ms;
    snprintf(figure, sizeof figure, "reconnect: 10,000 edges, peak, %s", kind);
    tb_bench_print_value(figure, "<= 120/s", peak <= PEAK_MAX, "%lld/s", (long long)peak);
    snprintf(figure, sizeof figure, "reconnect: back within 5 min, %s", kind);
    tb_bench_print_value(figure, ">= 99 %", back * 100 >= EDGES * INT64_C(99), "%.2f %%",
                         100.0 * (double)back / EDGES);
}

static void simulate(struct world *world)
{
    int64_t end_ms = LOST_AT_MS + world->outage_ms + BACK_WITHIN_MS * 2;

    for (world->now_ms = 0; world->now_ms < end_ms; world->now_ms += STEP_MS) {
        if (world->now_ms == LOST_AT_MS) /* the library notices at once that its broker is gone */
            for (int i = 0; i < EDGES; i++)
                world->edges[i].due_ms = world->now_ms;
        for (int i = 0; i < EDGES; i++) {
            if (world->edges[i].due_ms <= world->now_ms)
                step(world, &world->edges[i]);
        }
    }
}

int main(int argc, char **argv)
{
    struct tb_bench bench;
    int64_t outage_ms;

    tb_bench_init(&bench, argc, argv);
    outage_ms = bench.quick ? 1800000 : 7200000;
    for (int silent = 0; silent < 2; silent++) {
        struct world *world = calloc(1, sizeof *world);
        uint64_t state = 88172645463325252;

        if (!world)
            tb_bench_die("out of memory");
        world->silent = silent;
        world->outage_ms = outage_ms;
        init(world, &state);
        simulate(world);
        print_results(world);
        free(world);
    }
    tb_bench_release(&bench);
    return 0;
}

#include "visibility.h"
#include <stdio.h>

#define PLACING 32
/* Connections that read; an order waits for one only while all 96 are busy. */
#define READING 96
/* Orders that can wait for a free connection. More of them mean a stall of seconds. */
#define WAITING_MAX 8192

struct waiting {
    char id[TB_UUID_SIZE];
    int64_t since_us;
};

struct run {
    struct tb_load *load;
    struct waiting queue[WAITING_MAX];
    size_t queue_first, queue_count;
    unsigned per_second;
    struct tb_visibility *result;
};

static void read_waiting(struct run *run)
{
    char path[96];

    for (size_t conn = PLACING; conn < PLACING + READING && run->queue_count > 0; conn++) {
        if (tb_load_busy(run->load, conn))
            continue;
        const struct waiting *next = &run->queue[run->queue_first];
        snprintf(path, sizeof path, "/orders/%s?minVersion=1&wait=5s", next->id);
        tb_load_get(run->load, conn, path, next->since_us);
        run->queue_first = (run->queue_first + 1) % WAITING_MAX;
        run->queue_count--;
    }
}

static void order_placed(struct run *run, const struct tb_load_response *response)
{
    size_t last = (run->queue_first + run->queue_count) % WAITING_MAX;

    tb_latency_add(&run->result->placing, response->end_us - response->due_us);
    if (response->status != 201 || run->queue_count == WAITING_MAX ||
        !tb_bench_order_id(response->body, run->queue[last].id)) {
        if (run->result->failed++ == 0)
            tb_bench_note("placing: %d %.*s", response->status, (int)response->body.len,
                          response->body.ptr);
        return;
    }
    run->result->placed++;
    run->queue_count++;
    run->queue[last].since_us = response->end_us;
}

static void order_seen(struct run *run, const struct tb_load_response *response)
{
    if (response->status != 200) {
        if (run->result->failed++ == 0)
            tb_bench_note("reading: %d %.*s", response->status, (int)response->body.len,
                          response->body.ptr);
        return;
    }
    run->result->seen++;
    tb_latency_add(&run->result->visible_after, response->end_us - response->due_us);
}

static void on_response(void *ctx, const struct tb_load_response *response)
{
    struct run *run = ctx;

    if (response->conn < PLACING)
        order_placed(run, response);
    else
        order_seen(run, response);
    read_waiting(run);
}

/* Sends every order that is due while connections are free; returns when to call it again. */
static int64_t place_due(struct run *run, int64_t start_us, uint64_t *sent, uint64_t all)
{
    struct tb_buf body = {0};
    size_t conn = 0;
    int64_t due_us = start_us + (int64_t)(*sent * (1000000 / run->per_second));

    while (*sent < all && due_us <= tb_bench_now_us()) {
        while (conn < PLACING && tb_load_busy(run->load, conn))
            conn++;
        if (conn == PLACING)
            break; /* the next response frees one */
        tb_buf_clear(&body);
        tb_bench_order(&body, *sent);
        tb_load_post(run->load, conn, "/orders", tb_buf_str(&body), due_us);
        ++*sent;
        due_us = start_us + (int64_t)(*sent * (1000000 / run->per_second));
    }
    tb_buf_release(&body);
    return *sent < all && conn < PLACING ? due_us : tb_bench_now_us() + 100000;
}

void tb_visibility_run(const struct tb_bench_server *place_at,
                       const struct tb_bench_server *see_at, unsigned per_second, double seconds,
                       struct tb_visibility *ret_visibility)
{
    static struct run run;
    uint64_t sent = 0, all = (uint64_t)(per_second * seconds);

    *ret_visibility = (struct tb_visibility){0};
    run = (struct run){.per_second = per_second, .result = ret_visibility};
    run.load = tb_load_open(place_at, PLACING, on_response, &run);
    tb_load_add(run.load, see_at, READING);
    int64_t start_us = tb_bench_now_us();
    while (sent < all || tb_load_busy_count(run.load) > 0)
        tb_load_poll(run.load, place_due(&run, start_us, &sent, all));
    tb_load_free(run.load);
    ret_visibility->all_seen = ret_visibility->seen == all && ret_visibility->failed == 0;
    tb_bench_note(
        "placed %llu, seen %llu, failed %llu; 201 after p50 %.2f ms, p99 %.2f ms;"
        " visible after p50 %.2f ms, p99 %.2f ms, max %.1f ms",
        (unsigned long long)ret_visibility->placed, (unsigned long long)ret_visibility->seen,
        (unsigned long long)ret_visibility->failed, tb_latency_ms(&ret_visibility->placing, 0.5),
        tb_latency_ms(&ret_visibility->placing, 0.99),
        tb_latency_ms(&ret_visibility->visible_after, 0.5),
        tb_latency_ms(&ret_visibility->visible_after, 0.99),
        (double)ret_visibility->visible_after.max_us / 1000);
}

void tb_visibility_print(const struct tb_visibility *visibility, double quantile,
                         const char *figure, double asked_ms)
{
    double ms = tb_latency_ms(&visibility->visible_after, quantile);
    char asked[40];

    snprintf(asked, sizeof asked, "< %.0f ms", asked_ms);
    tb_bench_print_value(figure, asked, ms < asked_ms && visibility->all_seen, "%.2f ms", ms);
}

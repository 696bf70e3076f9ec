#include "seeing.h"
#include <stdio.h>

#define PLACING 32
/* Enough that an order waits for a free reader only if 96 others do, which would show. */
#define READING 96
/* Orders that found no free reader, oldest first; more than this is a stall of seconds. */
#define WAITING_MAX 8192
#define ID_LEN 36

struct waiting {
    char id[ID_LEN + 1];
    int64_t since_us;
};

struct visible {
    struct tb_load *load;
    struct waiting queue[WAITING_MAX];
    size_t queue_first, queue_count;
    unsigned per_second;
    struct tb_visibility *result;
};

static void read_waiting(struct visible *visible)
{
    char path[96];

    for (size_t conn = PLACING; conn < PLACING + READING && visible->queue_count > 0; conn++) {
        if (tb_load_busy(visible->load, conn))
            continue;
        const struct waiting *next = &visible->queue[visible->queue_first];
        (void)snprintf(path, sizeof(path), "/orders/%s?minVersion=1&wait=5s", next->id);
        tb_load_get(visible->load, conn, path, next->since_us);
        visible->queue_first = (visible->queue_first + 1) % WAITING_MAX;
        visible->queue_count--;
    }
}

static void order_placed(struct visible *visible, const struct tb_load_response *reply)
{
    const char *id = memmem(reply->body.ptr, reply->body.len, "\"orderId\":\"", 11);

    tb_latency_add(&visible->result->placing, reply->end_us - reply->due_us);
    if (reply->status != 201 || !id || visible->queue_count == WAITING_MAX) {
        if (visible->result->failed++ == 0)
            tb_bench_note("placing: %d %.*s", reply->status, (int)reply->body.len,
                          reply->body.ptr);
        return;
    }
    visible->result->placed++;
    size_t last = (visible->queue_first + visible->queue_count++) % WAITING_MAX;
    memcpy(visible->queue[last].id, id + 11, ID_LEN);
    visible->queue[last].since_us = reply->end_us;
}

static void order_seen(struct visible *visible, const struct tb_load_response *reply)
{
    if (reply->status != 200) {
        if (visible->result->failed++ == 0)
            tb_bench_note("reading: %d %.*s", reply->status, (int)reply->body.len,
                          reply->body.ptr);
        return;
    }
    visible->result->seen++;
    tb_latency_add(&visible->result->seeing, reply->end_us - reply->due_us);
}

static void on_reply(void *ctx, const struct tb_load_response *reply)
{
    struct visible *visible = ctx;

    if (reply->conn < PLACING)
        order_placed(visible, reply);
    else
        order_seen(visible, reply);
    read_waiting(visible);
}

/* Sends every order that is due, as far as connections are free; returns when to look again. */
static int64_t place_due(struct visible *visible, int64_t start_us, uint64_t *sent, uint64_t all)
{
    struct tb_buf body = {0};
    size_t conn = 0;
    int64_t due_us = start_us + (int64_t)(*sent * (1000000 / visible->per_second));

    while (*sent < all && due_us <= tb_bench_now_us()) {
        while (conn < PLACING && tb_load_busy(visible->load, conn))
            conn++;
        if (conn == PLACING)
            break; /* the next reply frees one */
        tb_buf_clear(&body);
        tb_bench_order(&body, *sent);
        tb_load_post(visible->load, conn, "/orders", tb_buf_str(&body), due_us);
        ++*sent;
        due_us = start_us + (int64_t)(*sent * (1000000 / visible->per_second));
    }
    tb_buf_release(&body);
    return *sent < all && conn < PLACING ? due_us : tb_bench_now_us() + 100000;
}

void tb_visibility_run(const struct tb_bench_server *place_at,
                       const struct tb_bench_server *see_at, unsigned per_second, double seconds,
                       struct tb_visibility *ret_seeing)
{
    static struct visible visible;
    uint64_t sent = 0, all = (uint64_t)(per_second * seconds);

    *ret_seeing = (struct tb_visibility){0};
    visible = (struct visible){.per_second = per_second, .result = ret_seeing};
    visible.load = tb_load_open(place_at, PLACING, on_reply, &visible);
    tb_load_add(visible.load, see_at, READING);
    int64_t start_us = tb_bench_now_us();
    while (sent < all || tb_load_busy_count(visible.load) > 0)
        tb_load_poll(visible.load, place_due(&visible, start_us, &sent, all));
    tb_load_free(visible.load);
    ret_seeing->all_seen = ret_seeing->seen == all && ret_seeing->failed == 0;
    tb_bench_note(
        "placed %llu, seen %llu, failed %llu; 201 after p50 %.2f ms, p99 %.2f ms;"
        " visible after p50 %.2f ms, p99 %.2f ms, max %.1f ms",
        (unsigned long long)ret_seeing->placed, (unsigned long long)ret_seeing->seen,
        (unsigned long long)ret_seeing->failed, tb_latency_ms(&ret_seeing->placing, 0.5),
        tb_latency_ms(&ret_seeing->placing, 0.99), tb_latency_ms(&ret_seeing->seeing, 0.5),
        tb_latency_ms(&ret_seeing->seeing, 0.99), (double)ret_seeing->seeing.max_us / 1000);
}

void tb_visibility_print(const struct tb_visibility *seeing, double quantile, const char *figure,
                         double asked_ms)
{
    double ms = tb_latency_ms(&seeing->seeing, quantile);
    char measured[40], asked[40];

    (void)snprintf(measured, sizeof(measured), "%.2f ms", ms);
    (void)snprintf(asked, sizeof(asked), "< %.0f ms", asked_ms);
    struct tb_bench_row row = {.figure = figure,
                               .measured = measured,
                               .raw = "",
                               .ratio = "",
                               .asked = asked,
                               .met = ms < asked_ms && seeing->all_seen};
    tb_bench_print(&row);
}

/* How many events a second can one core decode and plan, without the database?
 *
 * Plans batches of 1,000 records, as the log returns them. Every order is new: it is looked up in
 * an empty view. The raw limit is parsing the same values as JSON. The thread's processor time is
 * measured, so that a busy machine changes little; the best of several runs is printed. */
#include "query/projection/plan.h"
#include "bench.h"
#include "events.h"
#include <stdio.h>
#include <time.h>

#define ORDERS 40000
#define RUNS 7
#define ASKED 200000

static double processor_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static enum tb_code load(void *ctx, const char *order_id, struct tb_arena *arena,
                         struct tb_planned_order *ret_order, struct tb_error *err)
{
    (void)ctx, (void)order_id, (void)arena, (void)err;
    *ret_order = (struct tb_planned_order){0};
    return TB_OK;
}

/* The second event of an order may be in the next batch. Then its order is missing, and planning
 * it takes about as long. */
static double plan_all(const struct tb_bench_events *events)
{
    const struct tb_plan_rules rules = {.currency = "EUR"};
    struct tb_plan plan = {0};
    struct tb_error err = {0};
    double began = processor_seconds();

    for (size_t at = 0; at < events->count; at += TB_LOG_BATCH_MAX) {
        struct tb_log_batch batch = {.records = events->records + at};
        batch.count =
            events->count - at < TB_LOG_BATCH_MAX ? events->count - at : TB_LOG_BATCH_MAX;
        if (tb_plan_batch(&plan, &batch, &rules, load, NULL, &err) != TB_OK)
            tb_bench_die("planning: %s", err.text);
        if (plan.results[TB_APPLIED] < batch.count * 9 / 10)
            tb_bench_die("of %zu events only %llu apply", batch.count,
                         (unsigned long long)plan.results[TB_APPLIED]);
        tb_plan_clear(&plan);
    }
    double seconds = processor_seconds() - began;
    tb_plan_release(&plan);
    return (double)events->count / seconds;
}

static double parse_all(const struct tb_bench_events *events)
{
    double began = processor_seconds();

    for (size_t i = 0; i < events->count; i++) {
        struct tb_json *json = NULL;
        struct tb_error err = {0};

        if (tb_json_parse(events->records[i].value, TB_JSON_DEPTH_MAX, &json, &err) != TB_OK)
            tb_bench_die("an event's value: %s", err.text);
        tb_json_free(json);
    }
    return (double)events->count / (processor_seconds() - began);
}

int main(int argc, char **argv)
{
    struct tb_bench bench;
    struct tb_bench_events events;
    double planned = 0, parsed = 0;
    char measured[64], raw[64], ratio[32];

    tb_bench_init(&bench, argc, argv);
    tb_bench_events_make(&events, bench.quick ? ORDERS / 10 : ORDERS, 1);
    for (int run = 0; run < RUNS; run++) {
        double rate = plan_all(&events), limit = parse_all(&events);

        tb_bench_note("plan: %.0f events/s, parsing alone %.0f/s", rate, limit);
        planned = rate > planned ? rate : planned;
        parsed = limit > parsed ? limit : parsed;
    }
    snprintf(measured, sizeof measured, "%.0f/s", planned);
    snprintf(raw, sizeof raw, "%.0f/s (JSON alone)", parsed);
    snprintf(ratio, sizeof ratio, "%.2f", planned / parsed);
    tb_bench_print(&(struct tb_bench_row){"decode and plan an event, one core", measured, raw,
                                          ratio, ">= 200,000/s", planned >= ASKED});
    tb_bench_note("plan: %zu events, %zu bytes each", events.count,
                  events.value_bytes / events.count);
    tb_bench_events_release(&events);
    tb_bench_release(&bench);
    return 0;
}

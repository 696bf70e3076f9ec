/* Plans of any log give the view that its events describe, and random bytes do no harm. */
#include "query/doubles/history.h"
#include "query/doubles/mem_view.h"
#include "query/projection/plan.h"

static struct mem_view mem;
static struct tb_plan plan;
static struct tb_arena arena;
static struct fake_random fake;

static void setup(void)
{
    mem_view_init(&mem);
    plan = (struct tb_plan){0};
    arena = (struct tb_arena){0};
    fake_random_init(&fake, 7);
}

static void teardown(void)
{
    tb_plan_release(&plan);
    mem_view_release(&mem);
    tb_arena_release(&arena);
}

static enum tb_code load(void *ctx, const char *order_id, struct tb_arena *into,
                         struct tb_planned_order *ret_order, struct tb_error *err)
{
    struct tb_view *view = ctx;

    return view->ops->load(view, order_id, into, ret_order, err);
}

static void plan_records(const struct tb_record *records, size_t count)
{
    static const struct tb_plan_rules rules = {.currency = "EUR"};
    struct tb_log_batch batch = {.records = records, .count = count};
    struct tb_error err = {0};

    tb_plan_clear(&plan);
    ck_ok(tb_plan_batch(&plan, &batch, &rules, load, &mem.view, &err));
    ck_assert_int_eq(plan.next_offset, records[count - 1].offset + 1);
}

static void commit_plan(void)
{
    struct tb_error err = {0};

    ck_ok(mem.view.ops->commit(&mem.view, &plan, &err));
}

/* Plans the log from an offset on, in batches of random size, and adds up the results. */
static void feed(const struct history *history, struct fake_random *random, uint64_t batch_max,
                 uint64_t results[TB_EVENT_RESULT_COUNT])
{
    size_t at = 0;

    mem.next[0] = -1;
    while (at < history->record_count) {
        size_t count = 1 + fake_random_below(random, batch_max);

        if (count > history->record_count - at)
            count = history->record_count - at;
        plan_records(history->records + at, count);
        for (int i = 0; i < TB_EVENT_RESULT_COUNT; i++)
            results[i] += plan.results[i];
        commit_plan();
        at += count;
    }
}

/* Whatever a relay repeats, whatever is lost on the way, however the batches fall: each order is
 * the fold of its events up to the first that is lost, and every later one is a letter. Reading
 * the whole log again and again changes nothing. */
START_TEST(any_log_gives_every_order)
{
    static const struct history_options kinds[] = {{60, 0, 0},   {60, 0, 10},  {60, 30, 0},
                                                   {60, 30, 10}, {200, 10, 3}, {1, 0, 30}};
    uint64_t seed = test_seed(0xf01d) + (uint64_t)_i;
    uint64_t first[TB_EVENT_RESULT_COUNT] = {0};
    struct history history;
    size_t late = 0;

    fake_random_init(&fake, seed);
    history_make(&history, &fake, &kinds[(size_t)_i % (sizeof kinds / sizeof *kinds)]);
    for (size_t i = 0; i < history.order_count; i++)
        late += history.orders[i].late;

    for (int round = 0; round < 3; round++) {
        uint64_t results[TB_EVENT_RESULT_COUNT] = {0};

        feed(&history, &fake, 1 + fake_random_below(&fake, 120), results);
        mem_view_check(&mem, &history);
        ck_assert_uint_eq(results[TB_GAP], late);
        ck_assert_uint_eq(results[TB_DEAD_LETTERED] + results[TB_UNKNOWN_TYPE], 0);
        if (round == 0)
            memcpy(first, results, sizeof first);
        ck_assert_uint_eq(results[TB_APPLIED], round == 0 ? first[TB_APPLIED] : 0);
        ck_assert_uint_eq(results[TB_APPLIED] + results[TB_DUPLICATE] + late,
                          history.record_count);
    }
    history_release(&history);
}
END_TEST

/* With random bytes as records there is still a plan, and each record is counted in one result. */
START_TEST(broken_bytes_never_break_a_plan)
{
    struct history history;
    uint64_t seed = test_seed(0xbad) + (uint64_t)_i;

    fake_random_init(&fake, seed);
    history_make(&history, &fake, &(struct history_options){20, 0, 0});
    for (size_t i = 0; i < history.record_count; i++) {
        char *value = (char *)(uintptr_t)history.records[i].value.ptr;
        size_t len = history.records[i].value.len;

        for (uint64_t n = fake_random_below(&fake, 3); n > 0; n--)
            value[fake_random_below(&fake, len)] = (char)fake_random_u64(&fake);
        if (fake_random_below(&fake, 4) == 0)
            history.records[i].value.len = fake_random_below(&fake, len);
    }
    plan_records(history.records, history.record_count);
    uint64_t sum = 0;
    for (int i = 0; i < TB_EVENT_RESULT_COUNT; i++)
        sum += plan.results[i];
    ck_assert_uint_eq(sum, history.record_count);
    commit_plan();
    for (size_t i = 0; i < mem.row_count; i++) { /* the stored documents can be decoded */
        struct tb_planned_order loaded = {0};
        struct tb_error err = {0};

        ck_ok(load(&mem.view, mem.rows[i].order_id, &arena, &loaded, &err));
    }
    history_release(&history);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/plan_history");
    TCase *tc = tcase_create("histories");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, any_log_gives_every_order, 0, 24);
    tcase_add_loop_test(tc, broken_bytes_never_break_a_plan, 0, 20);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

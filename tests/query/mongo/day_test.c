/* A day contains each record once, and its sums are those of these records, whatever the limits of
 * the batches are, and also if batches are repeated, undone and applied again. */
#include "query/mongo/sales/day.h"
#include "support/support.h"

#define RECORDS 200
#define PARTITIONS 4

static struct tb_arena arena;
static struct fake_random fake;
static struct tb_plan_sales_delta changes[PARTITIONS][RECORDS];
static struct tb_planned_order planned;

static void setup(void)
{
    fake_random_init(&fake, test_seed(0x5a1e5) + (uint64_t)1);
}

static void teardown(void)
{
    tb_arena_release(&arena);
}

static void make_changes(void)
{
    for (int p = 0; p < PARTITIONS; p++) {
        int64_t offset = 0;

        for (int i = 0; i < RECORDS; i++) {
            offset += 1 + (int64_t)fake_random_below(&fake, 5);
            changes[p][i] = (struct tb_plan_sales_delta){
                .planned = &planned,
                .offset = offset,
                .orders = (int64_t)fake_random_below(&fake, 2),
                .cancelled = (int64_t)fake_random_below(&fake, 2),
                .total_minor = (int64_t)fake_random_below(&fake, 1000) - 500,
                .placed = fake_random_below(&fake, 2) == 0,
            };
        }
    }
}

static bool is_late(const struct tb_plan_sales_delta *change)
{
    return change->offset % 3 == 0;
}

static void check_sum(const struct tb_sales_day *day, const bool held[PARTITIONS][RECORDS])
{
    struct tb_sales_part expected = {0}, sum = {0};
    struct tb_error err = {0};

    for (int p = 0; p < PARTITIONS; p++) {
        for (int i = 0; i < RECORDS; i++) {
            const struct tb_plan_sales_delta *change = &changes[p][i];

            if (!held[p][i])
                continue;
            expected.orders += change->orders;
            expected.cancelled += change->cancelled;
            expected.total_minor += change->total_minor;
            expected.late_changes += is_late(change);
            expected.late_orders += is_late(change) && change->placed;
        }
    }
    ck_ok(tb_sales_sum(day, &sum, &err));
    ck_assert_int_eq(sum.orders, expected.orders);
    ck_assert_int_eq(sum.cancelled, expected.cancelled);
    ck_assert_int_eq(sum.total_minor, expected.total_minor);
    ck_assert_int_eq(sum.late_changes, expected.late_changes);
    ck_assert_int_eq(sum.late_orders, expected.late_orders);
}

/* The partitions advance in turns. A batch may begin before the end of the last one, at random.
 * Some records are undone, and added again with the next batch. */
START_TEST(every_record_counts_once)
{
    struct tb_sales_day day = {.id = TB_STR("till1/2026-01-01/EUR")};
    static bool held[PARTITIONS][RECORDS];
    int next[PARTITIONS] = {0};
    struct tb_error err = {0};

    fake_random_init(&fake, test_seed(0x5a1e5) + (uint64_t)_i);
    memset(held, 0, sizeof held);
    make_changes();
    for (int turn = 0; turn < 400; turn++) {
        int p = (int)fake_random_below(&fake, PARTITIONS);
        int first = next[p] - (int)fake_random_below(&fake, (uint64_t)next[p] + 1);
        int end = next[p] + (int)fake_random_below(&fake, 8);
        int64_t before = day.changes;

        end = end > RECORDS ? RECORDS : end;
        for (int i = first; i < end; i++) {
            ck_ok(tb_sales_add(&day, p, &changes[p][i], is_late(&changes[p][i]), &arena, &err));
            before += !held[p][i];
            held[p][i] = true;
        }
        ck_assert_int_eq(day.changes, before);
        next[p] = end;
        if (end > 0 && fake_random_below(&fake, 3) == 0) {
            int i = (int)fake_random_below(&fake, (uint64_t)end);

            for (int again = 0; again < 2; again++)
                ck_ok(
                    tb_sales_undo(&day, p, &changes[p][i], is_late(&changes[p][i]), &arena, &err));
            ck_assert_int_eq(day.changes, before + held[p][i]);
            held[p][i] = false;
        }
        check_sum(&day, held);
    }
    ck_assert_uint_eq(day.part_count, PARTITIONS);
    for (size_t i = 1; i < day.part_count; i++)
        ck_assert_int_lt(day.parts[i - 1].partition, day.parts[i].partition);
}
END_TEST

/* A record that the day does not contain cannot be taken out: a late reader's undo changes
 * nothing. */
START_TEST(a_record_not_contained_is_not_taken_out)
{
    struct tb_sales_day day = {.id = TB_STR("till1/2026-01-01/EUR")};
    struct tb_plan_sales_delta change = {.planned = &planned, .offset = 7, .orders = 1};
    struct tb_error err = {0};

    ck_ok(tb_sales_undo(&day, 0, &change, false, &arena, &err));
    ck_assert_int_eq(day.changes, 0);
    ck_ok(tb_sales_add(&day, 0, &change, false, &arena, &err));
    change.offset = 8;
    ck_ok(tb_sales_undo(&day, 0, &change, false, &arena, &err));
    change.offset = 7;
    ck_ok(tb_sales_undo(&day, 1, &change, false, &arena, &err));
    ck_assert_int_eq(day.changes, 1);
}
END_TEST

/* A late reader is refused because of its lower fence, but only in its own partition. */
START_TEST(a_late_reader_is_fenced_off)
{
    struct tb_sales_day day = {.id = TB_STR("till1/2026-01-01/EUR")};
    struct tb_plan_sales_delta change = {.planned = &planned, .offset = 7, .orders = 1};
    struct tb_error err = {0};

    ck_ok(tb_sales_check_fence(&day, 0, 0, &arena, &err)); /* a view with one writer */
    ck_assert_int_eq(day.changes, 0);
    ck_ok(tb_sales_check_fence(&day, 0, 5, &arena, &err));
    ck_assert_int_eq(day.changes, 1); /* stored, also if nothing else changes */
    ck_ok(tb_sales_add(&day, 0, &change, false, &arena, &err));
    ck_ok(tb_sales_check_fence(&day, 0, 5, &arena, &err));
    ck_assert_int_eq(day.changes, 2);
    ck_assert_int_eq(tb_sales_check_fence(&day, 0, 4, &arena, &err), TB_BUSY);
    ck_ok(tb_sales_check_fence(&day, 0, 0, &arena, &err));
    ck_ok(tb_sales_check_fence(&day, 1, 4, &arena, &err));
    ck_ok(tb_sales_check_fence(&day, 0, 6, &arena, &err));
    ck_assert_int_eq(day.changes, 4);
}
END_TEST

START_TEST(a_sum_beyond_64_bits_is_refused)
{
    struct tb_sales_day day = {.id = TB_STR("till1/2026-01-01/EUR")};
    struct tb_plan_sales_delta change = {
        .planned = &planned, .offset = 1, .orders = 1, .total_minor = INT64_MAX - 5};
    struct tb_error err = {0};

    ck_ok(tb_sales_add(&day, 0, &change, false, &arena, &err));
    change.offset = 2;
    change.total_minor = 6;
    /* The sum of one partition overflows; then only the sum of two partitions does. */
    ck_assert_int_eq(tb_sales_add(&day, _i, &change, false, &arena, &err), TB_INVALID);
}
END_TEST

/* The list of undone records is bounded: only the latest ones may be added again. */
START_TEST(the_undone_list_is_bounded)
{
    struct tb_sales_day day = {.id = TB_STR("till1/2026-01-01/EUR")};
    struct tb_plan_sales_delta change = {.planned = &planned, .orders = 1};
    struct tb_error err = {0};

    for (int i = 0; i < TB_SALES_UNDONE_MAX + 10; i++) {
        change.offset = i;
        ck_ok(tb_sales_add(&day, 0, &change, false, &arena, &err));
        ck_ok(tb_sales_undo(&day, 0, &change, false, &arena, &err));
    }
    ck_assert_uint_eq(day.parts[0].undone_count, TB_SALES_UNDONE_MAX);
    ck_assert_int_eq(day.parts[0].undone[0], 10);
    ck_assert_int_eq(day.parts[0].orders, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sales");
    TCase *tc = tcase_create("days");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, every_record_counts_once, 0, 20);
    tcase_add_test(tc, a_record_not_contained_is_not_taken_out);
    tcase_add_test(tc, a_late_reader_is_fenced_off);
    tcase_add_loop_test(tc, a_sum_beyond_64_bits_is_refused, 0, 2);
    tcase_add_test(tc, the_undone_list_is_bounded);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

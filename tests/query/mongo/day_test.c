/* A day contains each record once, and its sums are those of these records, whatever the limits of
 * the batches are, and also if batches are repeated, undone and applied again. */
#include "query/mongo/sales/sales.h"
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
                .total_minor = (int64_t)fake_random_below(&fake, 8) * 100 - 500,
                .cancelled_returns = (int64_t)fake_random_below(&fake, 2),
                .shipped = (int64_t)fake_random_below(&fake, 3) - 1,
                .shipped_returns = (int64_t)fake_random_below(&fake, 3) - 1,
                .shipped_minor = (int64_t)fake_random_below(&fake, 1000) - 500,
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
    struct tb_sales_part expected = {0}, sum;

    for (int p = 0; p < PARTITIONS; p++) {
        for (int i = 0; i < RECORDS; i++) {
            const struct tb_plan_sales_delta *change = &changes[p][i];

            if (!held[p][i])
                continue;
            expected.orders += change->orders;
            expected.cancelled += change->cancelled;
            expected.total_minor += change->total_minor;
            expected.cancelled_returns += change->cancelled_returns;
            expected.shipped += change->shipped;
            expected.shipped_returns += change->shipped_returns;
            expected.shipped_minor += change->shipped_minor;
            /* One that only changes an order's status makes no new revision of the day. */
            if (!tb_plan_changes_sums(change))
                continue;
            expected.late_changes += is_late(change);
            expected.late_orders += is_late(change) && change->placed;
        }
    }
    sum = tb_sales_sum(day);
    ck_assert_int_eq(sum.orders, expected.orders);
    ck_assert_int_eq(sum.cancelled, expected.cancelled);
    ck_assert(sum.total_minor == expected.total_minor);
    ck_assert_int_eq(sum.cancelled_returns, expected.cancelled_returns);
    ck_assert_int_eq(sum.shipped, expected.shipped);
    ck_assert_int_eq(sum.shipped_returns, expected.shipped_returns);
    ck_assert(sum.shipped_minor == expected.shipped_minor);
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

/* Of an order that is shipped from the start. */
static void ship(struct tb_plan_sales_delta *change)
{
    change->shipped = change->orders;
    change->shipped_minor = change->total_minor;
}

static void check_all_shipped(const struct tb_sales_part *sum)
{
    ck_assert_int_eq(sum->shipped, sum->orders);
    ck_assert(sum->shipped_minor == sum->total_minor);
}

static void store_and_read(struct tb_sales_day *day)
{
    struct tb_error err = {0};
    bson_t doc = BSON_INITIALIZER;

    ck_ok(tb_mongo_day_encode(day, &doc, &err));
    ck_assert(tb_mongo_day_decode(&doc, &arena, day));
    bson_destroy(&doc);
}

/* A batch is counted and not written, and the log is replaced. The next log has the same change at
 * another offset, or a snapshot of a later version, or nothing of a version that came late. */
START_TEST(what_an_earlier_generation_left_is_counted_once)
{
    struct tb_sales_day day = {.id = TB_STR("till1/2026-01-01/EUR")};
    struct tb_plan_sales_delta placed = {
        .planned = &planned, .offset = 7, .orders = 1, .total_minor = 100, .standing = 1};
    struct tb_plan_sales_delta changed = {
        .planned = &planned, .offset = 8, .total_minor = 50, .from = 1, .standing = 2};
    struct tb_plan_sales_delta again = placed;
    struct tb_sales_part sum;
    struct tb_error err = {0};

    ship(&placed);
    ship(&changed);
    again = placed;
    ck_ok(tb_sales_begin_batch(&day, 0, 5, &arena, &err));
    ck_ok(tb_sales_add(&day, 0, &placed, false, &arena, &err));
    ck_ok(tb_sales_add(&day, 0, &changed, false, &arena, &err));
    ck_ok(tb_sales_add(&day, 0, &changed, false, &arena, &err));
    sum = tb_sales_sum(&day);
    ck_assert_int_eq((int64_t)sum.total_minor, 150);

    /* The order was not written: its first event comes again, and is counted instead. */
    again.offset = tb_log_with_generation(2, 3);
    ck_ok(tb_sales_begin_batch(&day, 0, tb_log_with_generation(2, 0), &arena, &err));
    ck_ok(tb_sales_add(&day, 0, &again, false, &arena, &err));
    store_and_read(&day);
    sum = tb_sales_sum(&day);
    ck_assert_int_eq(sum.orders, 1);
    ck_assert_int_eq((int64_t)sum.total_minor, 150);
    check_all_shipped(&sum);

    if (_i == 0) { /* then the change, at another offset */
        again = changed;
        again.offset = tb_log_with_generation(2, 9);
    } else if (_i == 1) { /* or a snapshot that follows from what the view has */
        again = changed;
        again.offset = tb_log_with_generation(2, 9);
        again.total_minor = 70;
        again.standing = 3;
    } else { /* or the change was written after all: only the next one changes the sum */
        again.offset = tb_log_with_generation(2, 9);
        again.orders = 0;
        again.total_minor = 20;
        again.from = 2;
        again.standing = 3;
    }
    ship(&again);
    ck_ok(tb_sales_add(&day, 0, &again, false, &arena, &err));
    sum = tb_sales_sum(&day);
    check_all_shipped(&sum);
    ck_assert_int_eq(sum.orders, 1);
    ck_assert_int_eq((int64_t)sum.total_minor, _i == 0 ? 150 : 170);
    ck_assert_uint_eq(day.parts[0].recent_count, 2); /* of this generation's batch */
}
END_TEST

/* A reader has counted a batch and not written it, and the log has lost it. The next reader finds
 * other records there, and only later the change: whatever it has read before, it is counted
 * once. */
START_TEST(what_an_earlier_reader_left_is_counted_once)
{
    struct tb_sales_day day = {.id = TB_STR("till1/2026-01-01/EUR")};
    struct tb_plan_sales_delta placed = {
        .planned = &planned, .offset = 7, .orders = 1, .total_minor = 100, .standing = 1};
    struct tb_sales_fence first = {3, 5}, second = {4, 5};
    struct tb_sales_part sum;
    struct tb_error err = {0};
    int64_t highest = 0;

    ck_ok(tb_sales_check_fence(&day, 0, &first, &highest, &arena, &err));
    ck_ok(tb_sales_begin_batch(&day, 0, 5, &arena, &err));
    ck_ok(tb_sales_add(&day, 0, &placed, false, &arena, &err));

    if (_i == 0) { /* the next reader changes the day before the change comes again */
        ck_ok(tb_sales_check_fence(&day, 0, &second, &highest, &arena, &err));
        ck_ok(tb_sales_begin_batch(&day, 0, 5, &arena, &err));
    }
    placed.offset = _i == 2 ? 7 : 9; /* or it is still there */
    ck_ok(tb_sales_check_fence(&day, 0, &second, &highest, &arena, &err));
    ck_ok(tb_sales_begin_batch(&day, 0, _i == 2 ? 5 : 8, &arena, &err));
    ck_ok(tb_sales_add(&day, 0, &placed, false, &arena, &err));
    sum = tb_sales_sum(&day);
    ck_assert_int_eq(sum.orders, 1);
    ck_assert_int_eq((int64_t)sum.total_minor, 100);
    ck_assert_uint_eq(day.parts[0].recent_count, 1);
}
END_TEST

/* The batch of an earlier reader began behind a gap in the log. It is lost with the gap, and other
 * records are there now. */
START_TEST(what_comes_in_the_place_of_a_gap_is_counted)
{
    struct tb_sales_day day = {.id = TB_STR("till1/2026-01-01/EUR")};
    struct tb_planned_order another = {.order = {.order_id = "another"}};
    struct tb_plan_sales_delta placed = {
        .planned = &planned, .offset = 9, .orders = 1, .total_minor = 100, .standing = 1};
    struct tb_sales_fence first = {3, 5}, second = {4, 5};
    struct tb_error err = {0};
    int64_t highest = 0;

    ck_ok(tb_sales_check_fence(&day, 0, &first, &highest, &arena, &err));
    ck_ok(tb_sales_begin_batch(&day, 0, 7, &arena, &err));
    ck_ok(tb_sales_add(&day, 0, &placed, false, &arena, &err));
    placed.planned = &another;
    placed.offset = 5;
    ck_ok(tb_sales_check_fence(&day, 0, &second, &highest, &arena, &err));
    ck_ok(tb_sales_begin_batch(&day, 0, 5, &arena, &err));
    ck_ok(tb_sales_add(&day, 0, &placed, false, &arena, &err));
    ck_assert_int_eq(tb_sales_sum(&day).orders, 2);
}
END_TEST

/* A late reader is refused because of its lower fence, but only in its own partition. */
START_TEST(a_late_reader_is_fenced_off)
{
    struct tb_sales_day day = {.id = TB_STR("till1/2026-01-01/EUR")};
    struct tb_plan_sales_delta change = {.planned = &planned, .offset = 7, .orders = 1};
    struct tb_error err = {0};
    int64_t highest = 0;

    ck_ok(tb_sales_check_fence(&day, 0, &(struct tb_sales_fence){0, 0}, &highest, &arena,
                               &err)); /* a view with one writer */
    ck_assert_int_eq(day.changes, 0);
    ck_ok(tb_sales_check_fence(&day, 0, &(struct tb_sales_fence){5, 0}, &highest, &arena, &err));
    ck_assert_int_eq(day.changes, 1); /* stored, also if nothing else changes */
    ck_ok(tb_sales_add(&day, 0, &change, false, &arena, &err));
    ck_ok(tb_sales_check_fence(&day, 0, &(struct tb_sales_fence){5, 0}, &highest, &arena, &err));
    ck_assert_int_eq(day.changes, 2);
    ck_assert_int_eq(
        tb_sales_check_fence(&day, 0, &(struct tb_sales_fence){4, 0}, &highest, &arena, &err),
        TB_BUSY);
    ck_assert_int_eq(highest, 5);
    ck_ok(tb_sales_check_fence(&day, 0, &(struct tb_sales_fence){0, 0}, &highest, &arena, &err));
    ck_ok(tb_sales_check_fence(&day, 1, &(struct tb_sales_fence){4, 0}, &highest, &arena, &err));
    ck_ok(tb_sales_check_fence(&day, 0, &(struct tb_sales_fence){6, 0}, &highest, &arena, &err));
    ck_assert_int_eq(day.changes, 4);
}
END_TEST

/* In one partition, or only in two of them together; and in the document, too. */
START_TEST(a_sum_beyond_64_bits_is_exact)
{
    struct tb_sales_day day = {.id = TB_STR("till1/2026-01-01/EUR")};
    struct tb_plan_sales_delta change = {
        .planned = &planned, .offset = 1, .orders = 1, .total_minor = INT64_MAX - 5};
    tb_sum expected = (tb_sum)INT64_MAX - 5 + 60;
    struct tb_sales_day read = {.id = TB_STR("till1/2026-01-01/EUR")};
    struct tb_error err = {0};
    bson_iter_t iter;
    bson_t doc;

    ck_ok(tb_sales_add(&day, 0, &change, false, &arena, &err));
    for (change.offset = 2; change.offset < 12; change.offset++) {
        change.total_minor = 6;
        ck_ok(tb_sales_add(&day, _i, &change, false, &arena, &err));
    }
    ck_assert(tb_sales_sum(&day).total_minor == expected);
    bson_init(&doc);
    ck_ok(tb_mongo_day_encode(&day, &doc, &err));
    ck_assert(bson_iter_init_find(&iter, &doc, "totalMinor") && BSON_ITER_HOLDS_DECIMAL128(&iter));
    ck_assert(tb_bson_get_sum(&iter) == expected);
    ck_assert(tb_mongo_day_decode(&doc, &arena, &read));
    ck_assert(tb_sales_sum(&read).total_minor == expected);
    bson_destroy(&doc);
    /* With 64 bits again, as soon as they are enough. */
    change.offset = 12;
    change.total_minor = -1000;
    ck_ok(tb_sales_add(&read, _i, &change, false, &arena, &err));
    bson_init(&doc);
    ck_ok(tb_mongo_day_encode(&read, &doc, &err));
    ck_assert(bson_iter_init_find(&iter, &doc, "totalMinor") && BSON_ITER_HOLDS_INT64(&iter));
    ck_assert(tb_bson_get_sum(&iter) == expected - 1000);
    bson_destroy(&doc);
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

/* A record is taken out as it was counted, even if its node has told of its day meanwhile. */
START_TEST(what_is_taken_out_is_what_was_counted)
{
    struct tb_sales_day day = {.id = TB_STR("till1/2026-01-01/EUR")};
    const struct tb_plan_sales_delta change = {
        .planned = &planned, .offset = 3, .orders = 1, .placed = true};
    struct tb_error err = {0};
    bool late = _i;

    ck_ok(tb_sales_begin_batch(&day, 0, 0, &arena, &err));
    ck_ok(tb_sales_add(&day, 0, &change, late, &arena, &err));
    ck_assert_int_eq(tb_sales_sum(&day).late_orders, late);
    ck_ok(tb_sales_undo(&day, 0, &change, !late, &arena, &err));
    ck_assert_int_eq(tb_sales_sum(&day).late_orders, 0);
    ck_assert_int_eq(tb_sales_sum(&day).late_changes, 0);
    ck_assert_int_eq(tb_sales_sum(&day).orders, 0);
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
    tcase_add_loop_test(tc, a_sum_beyond_64_bits_is_exact, 0, 2);
    tcase_add_loop_test(tc, what_an_earlier_generation_left_is_counted_once, 0, 3);
    tcase_add_loop_test(tc, what_an_earlier_reader_left_is_counted_once, 0, 3);
    tcase_add_test(tc, what_comes_in_the_place_of_a_gap_is_counted);
    tcase_add_test(tc, the_undone_list_is_bounded);
    tcase_add_loop_test(tc, what_is_taken_out_is_what_was_counted, 0, 2);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

/* Promise: from what a node tells of its days, their ends are known exactly, also of days long ago
 * and after its clock was wrong. Method: two years in zones of all kinds. */
#include "base/time/day_ends.h"
#include "support/support.h"
#include <stdio.h>

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
#define START_MS INT64_C(1735732800000) /* 2025-01-01T12:00Z */
#define DAYS 730
#define STEPS (DAYS * 4) /* six hours each */

static const struct zone_case {
    const char *zone;
    int day_start_minutes;
} cases[] = {
    {"UTC", 0},
    {"America/Los_Angeles", 0},
    {"America/Los_Angeles", 5 * 60},
    {"Asia/Tokyo", 0},
    {"Asia/Tokyo", 23 * 60 + 30},
    {"Europe/Berlin", 0},
    {"Europe/Berlin", 4 * 60},
    {"Australia/Lord_Howe", 0}, /* its clocks change by half an hour */
    {"Pacific/Kiritimati", 0},  /* UTC+14 */
    {"Pacific/Pago_Pago", 24 * 60 - 1},
    {"Africa/Cairo", 0},        /* midnight is skipped in spring */
    {"Asia/Kathmandu", 6 * 60}, /* UTC+5:45 */
};

static void tell(const struct zone_case *zone, int64_t at_ms, struct tb_day_ends *ends)
{
    int64_t ends_at_ms = tb_business_day_end_ms(at_ms, zone->day_start_minutes);
    char date[TB_DATE_SIZE];

    tb_business_date(at_ms, zone->day_start_minutes, date);
    ck_assert(tb_day_end_possible(tb_str_of(date), ends_at_ms));
    tb_day_ends_note(ends, tb_str_of(date), ends_at_ms);
}

/* A day is over exactly from the moment on at which the node's own date is a later one. */
static void check(const struct zone_case *zone, int64_t at_ms, const struct tb_day_ends *ends)
{
    char date[TB_DATE_SIZE], before[TB_TIME_SIZE], over[TB_DATE_SIZE] = "";
    int64_t ends_at_ms = 0;

    tb_business_date(at_ms, zone->day_start_minutes, date);
    ck_assert(tb_day_ends_find(ends, tb_str_of(date), &ends_at_ms));
    ck_assert_int_eq(ends_at_ms, tb_business_day_end_ms(at_ms, zone->day_start_minutes));
    ck_assert_int_gt(ends_at_ms, at_ms);
    tb_time_format(tb_date_utc_ms(tb_str_of(date)) - DAY_MS, before);
    before[TB_DATE_SIZE - 1] = '\0';
    ck_assert(tb_day_ends_last_over(ends, at_ms, over));
    ck_assert_str_eq(over, before);
    ck_assert(tb_day_ends_last_over(ends, ends_at_ms, over));
    ck_assert_str_eq(over, date);
    tb_business_date(ends_at_ms - 1, zone->day_start_minutes, over);
    ck_assert_str_eq(over, date);
    tb_business_date(ends_at_ms, zone->day_start_minutes, over);
    ck_assert_str_gt(over, date);
}

START_TEST(days_end_as_the_node_told)
{
    const struct zone_case *zone = &cases[_i];
    struct tb_day_ends ends = {0};
    struct tb_error err = {0};

    ck_ok(tb_zone_set(zone->zone, &err));
    for (int step = 0; step < STEPS; step++)
        tell(zone, START_MS + step * 6 * HOUR_MS, &ends);
    ck_assert_uint_le(ends.count, 5);
    for (int step = 0; step < STEPS; step++)
        check(zone, START_MS + step * 6 * HOUR_MS + step, &ends);
}
END_TEST

/* A few times the clock is wrong, and the node tells of another year. */
START_TEST(a_wrong_clock_does_no_harm)
{
    const struct zone_case *zone = &cases[_i];
    struct tb_day_ends ends = {0};
    struct fake_random random;
    struct tb_error err = {0};

    fake_random_init(&random, test_seed(0xdae));
    ck_ok(tb_zone_set(zone->zone, &err));
    for (int day = 0; day < DAYS; day++) {
        tell(zone, START_MS + day * DAY_MS, &ends);
        tell(zone, START_MS + day * DAY_MS + DAY_MS / 2, &ends);
        if (day % 150 == 149)
            tell(zone, START_MS + ((int)fake_random_below(&random, 3 * DAYS) - DAYS) * DAY_MS,
                 &ends);
    }
    for (int day = 0; day < DAYS; day++)
        check(zone, START_MS + day * DAY_MS, &ends);
}
END_TEST

START_TEST(only_so_many_rules_are_kept)
{
    struct tb_day_ends ends = {0};
    char date[TB_TIME_SIZE];
    int64_t ends_at_ms = 0;

    ck_assert(!tb_day_ends_find(&ends, TB_STR("2026-11-29"), &ends_at_ms));
    ck_assert(!tb_day_ends_last_over(&ends, START_MS, date));
    for (int i = 0; i < 3 * TB_DAY_ENDS_MAX; i++) {
        tb_time_format(i * DAY_MS, date);
        date[TB_DATE_SIZE - 1] = '\0';
        tb_day_ends_note(&ends, tb_str_of(date), (i + 1) * DAY_MS + i);
        ck_assert(tb_day_ends_find(&ends, tb_str_of(date), &ends_at_ms));
        ck_assert_int_eq(ends_at_ms, (i + 1) * DAY_MS + i);
    }
    ck_assert_uint_eq(ends.count, TB_DAY_ENDS_MAX);
    tb_day_ends_note(&ends, TB_STR("1970-01-01"), DAY_MS); /* older than all that are kept */
    ck_assert_uint_eq(ends.count, TB_DAY_ENDS_MAX);
    ck_assert_int_eq(ends.list[0].after_ms, 2 * TB_DAY_ENDS_MAX);
    ck_assert(!tb_day_ends_find(&ends, TB_STR("yesterday"), &ends_at_ms));
}
END_TEST

/* A day start that is changed in the morning holds for the whole day. */
START_TEST(the_last_word_of_a_day_counts)
{
    struct tb_day_ends ends = {0};
    int64_t ends_at_ms = 0;

    tb_day_ends_note(&ends, TB_STR("1970-01-05"), 5 * DAY_MS);
    tb_day_ends_note(&ends, TB_STR("1970-01-10"), 10 * DAY_MS + HOUR_MS);
    tb_day_ends_note(&ends, TB_STR("1970-01-10"), 10 * DAY_MS + 2 * HOUR_MS);
    ck_assert(tb_day_ends_find(&ends, TB_STR("1970-01-10"), &ends_at_ms));
    ck_assert_int_eq(ends_at_ms, 10 * DAY_MS + 2 * HOUR_MS);
    tb_day_ends_note(&ends, TB_STR("1970-01-10"), 10 * DAY_MS);
    ck_assert_uint_eq(ends.count, 1);
    ck_assert(!tb_day_end_possible(TB_STR("1970-01-10"), 10 * DAY_MS - 27 * HOUR_MS));
    ck_assert(!tb_day_end_possible(TB_STR("1970-01-10"), 10 * DAY_MS + 51 * HOUR_MS));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("day ends");
    TCase *tc = tcase_create("day ends");

    tcase_add_loop_test(tc, days_end_as_the_node_told, 0, sizeof cases / sizeof *cases);
    tcase_add_loop_test(tc, a_wrong_clock_does_no_harm, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tc, only_so_many_rules_are_kept);
    tcase_add_test(tc, the_last_word_of_a_day_counts);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

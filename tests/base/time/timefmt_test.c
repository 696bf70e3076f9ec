/* Promise: times are exact and are read back as they were written; business days are local days,
 * with daylight saving time. */
#include "base/time/timefmt.h"
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RANDOM_TIMES 20000

static int64_t parsed(const char *text)
{
    int64_t time = -1;

    ck_assert_msg(tb_time_parse(tb_str_of(text), &time), "%s", text);
    return time;
}

START_TEST(known_times)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {1763886042123, "2025-11-23T08:20:42.123Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {4107542400000, "2100-03-01T00:00:00.000Z"},
        {TB_TIME_MIN_MS, "0001-01-01T00:00:00.000Z"},
        {TB_TIME_MAX_MS, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0001-01-01T00:00:00.000Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
    };
    char text[TB_TIME_SIZE];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tb_time_format(cases[i].ms, text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

/* Against the C library, which counts days in its own way. */
START_TEST(any_time_is_what_the_c_library_says_and_reads_back)
{
    struct fake_random random;

    fake_random_init(&random, test_seed(3339));
    for (int i = 0; i < RANDOM_TIMES; i++) {
        int64_t range = TB_TIME_MAX_MS - TB_TIME_MIN_MS + 1;
        int64_t ms = TB_TIME_MIN_MS + (int64_t)fake_random_below(&random, (uint64_t)range);
        int64_t ms_of_s = ((ms % 1000) + 1000) % 1000;
        time_t seconds = (time_t)((ms - ms_of_s) / 1000);
        char text[TB_TIME_SIZE], expected[64];
        struct tm tm;

        gmtime_r(&seconds, &tm);
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (int)ms_of_s);
        tb_time_format(ms, text);
        ck_assert_str_eq(text, expected);
        ck_assert_int_eq(parsed(text), ms);
    }
}
END_TEST

START_TEST(offsets_and_fractions_are_read)
{
    ck_assert_int_eq(parsed("2025-11-23T09:20:42+01:00"), 1763886042000);
    ck_assert_int_eq(parsed("2025-11-23T02:50:42.5-05:30"), 1763886042500);
    ck_assert_int_eq(parsed("2025-11-24t00:20:42.123999999+16:00"), 1763886042123);
    ck_assert_int_eq(parsed("2025-11-23T08:20:42.1z"), 1763886042100);
    ck_assert_int_eq(parsed("2025-11-23T08:20:42-00:00"), 1763886042000);
    ck_assert_int_eq(parsed("2016-12-31T23:59:60Z"), parsed("2016-12-31T23:59:59Z"));
}
END_TEST

START_TEST(malformed_times_are_refused)
{
    static const char *const bad[] = {
        "",
        "2025-11-23",
        "2025-11-23T08:20:42",
        "2025-11-23 08:20:42Z",
        "2025-11-23T08:20Z",
        "2025-11-23T08:20:42.Z",
        "2025-11-23T08:20:42.1234567890Z",
        "2025-11-23T08:20:42+1:00",
        "2025-11-23T08:20:42+0100",
        "2025-11-23T08:20:42+24:00",
        "2025-11-23T08:20:42+01:60",
        "2025-11-23T08:20:42Zx",
        "2025-11-23T24:00:00Z",
        "2025-11-23T08:60:00Z",
        "2025-11-23T08:20:61Z",
        "2025-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2025-13-01T00:00:00Z",
        "2025-00-01T00:00:00Z",
        "2025-01-00T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01", /* in the year 0 */
        "9999-12-31T23:59:59-00:01", /* in the year 10000 */
        "-025-11-23T08:20:42Z",
        "+2025-11-23T08:20:42Z",
    };
    int64_t time = 4711;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!tb_time_parse(tb_str_of(bad[i]), &time), "%s", bad[i]);
    ck_assert(!tb_time_parse((struct tb_str){0}, &time));
    ck_assert_int_eq(time, 4711);
}
END_TEST

START_TEST(a_time_cut_anywhere_is_refused)
{
    static const char text[] = "2025-11-23T08:20:42.123+01:00";
    int64_t time;

    for (size_t len = 0; len < sizeof text - 1; len++)
        ck_assert(!tb_time_parse((struct tb_str){text, len}, &time));
}
END_TEST

START_TEST(dates_that_exist)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"2025-11-23", true},   {"2024-02-29", true},  {"2000-02-29", true},  {"0001-01-01", true},
        {"9999-12-31", true},   {"2100-02-29", false}, {"2025-04-31", false}, {"2025-1-01", false},
        {"2025-11-231", false}, {"0000-01-01", false}, {"2025/11/23", false}, {"", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(tb_date_valid(tb_str_of(cases[i].text)) == cases[i].valid, "%s",
                      cases[i].text);
    ck_assert(!tb_date_valid((struct tb_str){0}));
}
END_TEST

/* Skips the test on machines without zone files. */
static bool zone(const char *name)
{
    struct tb_error err = {0};

    if (!tb_zone_known(name)) {
        printf("not tested: this machine does not know %s\n", name);
        return false;
    }
    ck_ok(tb_zone_set(name, &err));
    return true;
}

START_TEST(business_day_begins_on_the_shops_clock)
{
    static const struct {
        const char *zone, *time;
        int day_start;
        const char *date;
    } cases[] = {
        {"UTC", "2026-03-01T00:00:00Z", 0, "2026-03-01"},
        {"UTC", "2026-02-28T23:59:59.999Z", 0, "2026-02-28"},
        {"UTC", "2026-03-01T03:59:59Z", 240, "2026-02-28"},
        {"UTC", "2026-03-01T04:00:00Z", 240, "2026-03-01"},
        {"UTC", "1969-12-31T23:59:59.999Z", 0, "1969-12-31"},
        {"UTC", "0001-01-01T00:00:00Z", 240, "0001-01-01"}, /* nothing is before it */
        {"Europe/Berlin", "2025-11-22T23:00:00Z", 0, "2025-11-23"},
        {"Europe/Berlin", "2025-11-22T22:59:59Z", 0, "2025-11-22"},
        /* Clocks go from 2:00 to 3:00 at 1:00 UTC: 4:00 local is 2:00 UTC, not 3:00. */
        {"Europe/Berlin", "2026-03-29T01:59:59Z", 240, "2026-03-28"},
        {"Europe/Berlin", "2026-03-29T02:00:00Z", 240, "2026-03-29"},
        /* 3:00 to 2:00 at 1:00 UTC: 4:00 local is 3:00 UTC. */
        {"Europe/Berlin", "2025-10-26T02:59:59Z", 240, "2025-10-25"},
        {"Europe/Berlin", "2025-10-26T03:00:00Z", 240, "2025-10-26"},
        {"America/New_York", "2026-01-01T04:59:59Z", 0, "2025-12-31"},
        {"Asia/Kathmandu", "2026-01-01T18:15:00Z", 0, "2026-01-02"},
        {"Pacific/Kiritimati", "2026-01-01T10:00:00Z", 0, "2026-01-02"},
    };
    char date[TB_DATE_SIZE];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!zone(cases[i].zone))
            continue;
        tb_business_date(parsed(cases[i].time), cases[i].day_start, date);
        ck_assert_msg(strcmp(date, cases[i].date) == 0, "%s in %s: %s", cases[i].time,
                      cases[i].zone, date);
    }
}
END_TEST

START_TEST(a_date_starts_at_its_first_moment)
{
    static const struct {
        const char *zone, *date, *start;
    } cases[] = {
        {"UTC", "2026-03-29", "2026-03-29T00:00:00Z"},
        {"UTC", "0001-01-01", "0001-01-01T00:00:00Z"},
        {"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"},
        {"Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00Z"},
        {"Pacific/Kiritimati", "2026-01-02", "2026-01-01T10:00:00Z"},
        {"Pacific/Niue", "2026-01-02", "2026-01-02T11:00:00Z"},
        /* Clocks went from 0:00 to 1:00: there was no midnight. */
        {"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"},
        /* From 0:00 back to 23:00: midnight came at the second attempt. */
        {"America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00Z"},
        /* From 1:00 back to 0:00: midnight came twice, the first counts. */
        {"America/Havana", "2025-11-02", "2025-11-02T04:00:00Z"},
        /* The day that Samoa left out. */
        {"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"},
        {"Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[TB_TIME_SIZE];

        if (!zone(cases[i].zone))
            continue;
        tb_time_format(tb_date_start_ms(tb_str_of(cases[i].date)), text);
        ck_assert_msg(parsed(text) == parsed(cases[i].start), "%s in %s: %s", cases[i].date,
                      cases[i].zone, text);
    }
}
END_TEST

/* A day's orders are found by its date: each moment lies between its date's start and the
 * next one's. */
START_TEST(each_moment_lies_in_its_date)
{
    struct fake_random random;

    if (!zone("Europe/Berlin"))
        return;
    fake_random_init(&random, test_seed(1891));
    for (int i = 0; i < 2000; i++) {
        int64_t time = (int64_t)fake_random_below(&random, 2000000000000);
        char date[TB_DATE_SIZE], next[TB_DATE_SIZE];

        tb_business_date(time, 0, date);
        int64_t start = tb_date_start_ms(tb_str_of(date));
        tb_business_date(start + 26 * INT64_C(3600000), 0, next);
        ck_assert_int_le(start, time);
        ck_assert_int_gt(tb_date_start_ms(tb_str_of(next)), time);
    }
}
END_TEST

START_TEST(zones_that_are_none_are_refused)
{
    static const char *const bad[] = {
        "Europe/Atlantis",
        "../../../etc/passwd",
        "/etc/localtime",
        "Europe/../UTC",
        "Europe",
        "Europe/",
        "Europe//Berlin",
        "Europe/Berlin\n",
        ":UTC",
        "UTC+3;x",
        "a b",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct tb_error err = {0};

    ck_ok(tb_zone_set("UTC", &err));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(tb_zone_set(bad[i], &err) == TB_INVALID, "%s", bad[i]);
        ck_assert_str_eq(getenv("TZ"), "UTC0");
    }
    ck_ok(tb_zone_set("", &err));
    ck_ok(tb_zone_set(NULL, &err));
    ck_assert_str_eq(getenv("TZ"), "UTC0");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("timefmt");
    TCase *tc = tcase_create("timefmt");

    tcase_add_test(tc, known_times);
    tcase_add_test(tc, any_time_is_what_the_c_library_says_and_reads_back);
    tcase_add_test(tc, offsets_and_fractions_are_read);
    tcase_add_test(tc, malformed_times_are_refused);
    tcase_add_test(tc, a_time_cut_anywhere_is_refused);
    tcase_add_test(tc, dates_that_exist);
    tcase_add_test(tc, business_day_begins_on_the_shops_clock);
    tcase_add_test(tc, a_date_starts_at_its_first_moment);
    tcase_add_test(tc, each_moment_lies_in_its_date);
    tcase_add_test(tc, zones_that_are_none_are_refused);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

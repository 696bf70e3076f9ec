/* Promise: the age of a row is the time that the node has run since, and was off; steps of the
 * wall clock while the node runs change nothing. Method: a clock that the test moves. */
#include "base/time/uptime.h"
#include "support/support.h"

#define NOW_MS INT64_C(1795424400000)
#define HOUR_MS INT64_C(3600000)

static struct fake_clock clock_;
static struct tb_uptime uptime;

static void step_wall_clock(int64_t ms)
{
    clock_.wall_ms += ms;
}

static int64_t age(int64_t written_ms, int64_t written_wall_ms)
{
    return tb_uptime_age_ms(&uptime, &clock_.clock, written_ms, written_wall_ms);
}

START_TEST(steps_while_the_node_runs)
{
    int64_t written_ms, written_wall_ms;

    fake_clock_init(&clock_, NOW_MS);
    uptime = tb_uptime_start(5 * HOUR_MS, &clock_.clock);
    fake_clock_advance(&clock_, 1000);
    written_ms = tb_uptime_ms(&uptime, &clock_.clock);
    written_wall_ms = clock_.wall_ms;
    fake_clock_advance(&clock_, HOUR_MS);
    ck_assert_int_eq(age(written_ms, written_wall_ms), HOUR_MS);
    step_wall_clock(1000 * HOUR_MS);
    ck_assert_int_eq(age(written_ms, written_wall_ms), HOUR_MS);
    step_wall_clock(-2000 * HOUR_MS);
    ck_assert_int_eq(age(written_ms, written_wall_ms), HOUR_MS);
}
END_TEST

/* Written three hours before the end of a process; then the node was off for eight hours. */
START_TEST(time_off_counts)
{
    fake_clock_init(&clock_, NOW_MS);
    uptime = tb_uptime_start(10 * HOUR_MS, &clock_.clock);
    fake_clock_advance(&clock_, HOUR_MS);
    step_wall_clock(-500 * HOUR_MS);
    ck_assert_int_eq(age(7 * HOUR_MS, NOW_MS - 11 * HOUR_MS), 12 * HOUR_MS);
    /* The clock was behind at the start: only what the node has run is known. */
    ck_assert_int_eq(age(7 * HOUR_MS, NOW_MS + 100 * HOUR_MS), 4 * HOUR_MS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/uptime");
    TCase *tc = tcase_create("age");

    tcase_add_test(tc, steps_while_the_node_runs);
    tcase_add_test(tc, time_off_counts);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

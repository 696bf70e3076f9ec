/* Promise: once the log takes what it has refused, a parked order arrives there, all of it and in
 * order: when somebody asks, or within an hour by itself. Method: as parked_test.c; the log's
 * limit is raised by a flag of the row. */
#include "bridge/relay/fixture.h"
#include <stdio.h>

static void setup(void)
{
    parks = unparks = true;
    relay_setup();
}

/* The store's writer stores what the relay has posted. */
static void store_marks(void)
{
    for (int i = 0; i < 3; i++) {
        fake_clock_advance(&f.clock, 1000);
        (void)tb_writer_step(f.writer);
    }
}

static int64_t stored(const char *what)
{
    char sql[120];

    store_marks();
    snprintf(sql, sizeof sql, "SELECT count(*) FROM parked WHERE %s", what);
    return fixture_query(&f, sql);
}

/* Asks as the API does. order_id "": for all. Returns how many orders it is about. */
static int64_t request(const char *order_id)
{
    struct request r;
    int64_t count;

    request_place(&r, NULL, NULL, 1);
    r.job.type = TB_JOB_UNPARK;
    snprintf(r.job.log, sizeof r.job.log, TB_CURSOR_INPROC);
    snprintf(r.job.order_id, sizeof r.job.order_id, "%s", order_id);
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.code, TB_OK);
    count = r.job.order_count;
    request_release(&r);
    tb_relay_wake_for_parked(relay);
    return count;
}

static void steps(int count)
{
    for (int i = 0; i < count; i++)
        step();
}

/* Steps until no order is parked any more. */
static void await_none(void)
{
    for (int i = 0; stored("1") > 0; i++) {
        ck_assert_int_lt(i, 100);
        steps(20);
    }
}

/* Parks two orders or more. */
static void park_some(int at_append)
{
    add_rows(80);
    row_of[10].refused = row_of[40].refused = true;
    script.refuses_at_append = at_append != 0;
    drain();
    store_marks();
    ck_assert_int_ge(parked_count, 1);
}

static void raise_limit(void)
{
    for (int64_t row = 1; row <= rows; row++)
        row_of[row].refused = false;
}

/* All of them, with the limit raised: what was kept back goes first, and new events of these
 * orders follow it. */
START_TEST(all_are_sent_when_asked)
{
    park_some(_i);
    raise_limit();
    ck_assert_int_eq(request(""), parked_count);
    add_rows(40);
    drain();
    await_none();
    ck_assert_int_eq(parked_count, 0);
    check_all_in_order();
    add_rows(40);
    drain();
    check_all_in_order();
}
END_TEST

/* One that is refused again stays parked from the row that is refused now, and is not asked for
 * any more. */
START_TEST(one_is_refused_again)
{
    int64_t row = 0;
    char id[TB_UUID_SIZE];

    park_some(_i);
    memcpy(id, parked[0].key, sizeof id);
    ck_assert_int_eq(request("01890000-0000-7000-8000-999999999999"), 0);
    ck_assert_int_eq(request(id), 1);
    ck_assert_int_eq(stored("unpark"), 1);
    steps(50);
    ck_assert_int_eq(stored("unpark"), 0);
    ck_assert_int_gt(stored("1"), 0);
    ck_assert(is_parked(parked[0].row));
    /* The event that was refused gets through, a later one of the order does not. */
    for (int64_t r = parked[0].row + 1; r <= rows && row == 0; r++)
        row = strcmp(row_of[r].key, id) == 0 ? r : 0;
    ck_assert_int_gt(row, 0);
    row_of[parked[0].row].refused = false;
    row_of[row].refused = true;
    ck_assert_int_eq(request(id), 1);
    steps(50);
    ck_assert_int_eq(parked[0].row, row);
    check_all_in_order();
    raise_limit();
    request("");
    await_none();
    check_all_in_order();
}
END_TEST

/* Nobody asks. While the limit stays, a trial each hour changes nothing; once it is raised, all
 * arrive within an hour. */
START_TEST(they_are_tried_by_themselves)
{
    park_some(_i);
    int64_t before = stored("1");
    size_t written = script.written_count;
    for (int hour = 0; hour < 3; hour++) {
        fake_clock_advance(&f.clock, 3600000);
        steps(20);
        ck_assert_int_eq(stored("1"), before);
    }
    ck_assert_uint_eq(script.written_count, written);
    raise_limit();
    fake_clock_advance(&f.clock, 3600000);
    await_none();
    check_all_in_order();
}
END_TEST

/* The link comes back: perhaps with another limit. */
START_TEST(they_are_tried_when_the_link_comes_back)
{
    park_some(_i);
    steps(20);
    raise_limit();
    steps(20);
    ck_assert_int_gt(stored("1"), 0);
    tb_relay_set_offline(relay, true);
    steps(2);
    tb_relay_set_offline(relay, false);
    await_none();
    check_all_in_order();
}
END_TEST

/* Whatever the log answers, and whenever the process dies: each order arrives in order. */
START_TEST(histories)
{
    uint64_t seed = test_seed((uint64_t)_i + 1);

    fake_random_init(&script.random, seed);
    fake_random_init(&f.random, seed + 1000);
    script.refuses_at_append = happens(500);
    for (int round = 0; round < 8; round++) {
        int64_t first = rows + 1;

        add_rows(1 + (int)fake_random_below(&script.random, 60));
        row_of[first].refused = happens(600);
        if (happens(400))
            raise_limit();
        script.busy = (unsigned)fake_random_below(&script.random, 100);
        script.refuse = (unsigned)fake_random_below(&script.random, 20);
        script.unknown = happens(500) ? (unsigned)fake_random_below(&script.random, 30) : 0;
        script.hold_back = (unsigned)fake_random_below(&script.random, 900);
        script.poll_fails = (unsigned)fake_random_below(&script.random, 100);
        if (happens(500))
            (void)request("");
        for (int i = 0; i < 60; i++) {
            step();
            if (happens(50))
                (void)tb_writer_step(f.writer);
        }
        if (happens(300)) { /* what was in flight is lost or not */
            tb_relay_free(relay);
            store_marks();
            script.pending_count = 0;
            cursor = 0;
            open_relay(&script.base, false);
        }
    }
    script_calm();
    raise_limit();
    drain();
    (void)request("");
    await_none();
    drain();
    parked_count = 0;
    check_all_in_order();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("relay_unpark");
    TCase *tc = tcase_create("unpark");

    tcase_add_checked_fixture(tc, setup, relay_teardown);
    tcase_add_loop_test(tc, all_are_sent_when_asked, 0, 2);
    tcase_add_loop_test(tc, one_is_refused_again, 0, 2);
    tcase_add_loop_test(tc, they_are_tried_by_themselves, 0, 2);
    tcase_add_loop_test(tc, they_are_tried_when_the_link_comes_back, 0, 2);
    tcase_add_loop_test(tc, histories, 0, 30);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

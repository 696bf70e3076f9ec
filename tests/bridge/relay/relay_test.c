/* Goal: every outbox row reaches the log, in order for each order, and the cursor never passes a
 * row that was not acknowledged. Method: a real store, and a scripted log that answers late, out
 * of order, with TB_UNKNOWN, or not at all. Seeded, fake clock. */
#include "bridge/relay/fixture.h"

/* Whatever the log does, also after crashes that lose the cursor: the cursor passes only
 * acknowledged rows (on_cursor checks it), all rows arrive, and each order's rows arrive in order.
 */
START_TEST(everything_arrives)
{
    uint64_t seed = test_seed((uint64_t)_i + 1);

    fake_random_init(&script.random, seed);
    fake_random_init(&f.random, seed + 1000);
    for (int round = 0; round < 8; round++) {
        add_rows((int)fake_random_below(&script.random, 120));
        script.busy = (unsigned)fake_random_below(&script.random, 100);
        script.refuse = (unsigned)fake_random_below(&script.random, 20);
        script.lose = happens(500) ? (unsigned)fake_random_below(&script.random, 30) : 0;
        script.unknown = happens(500) ? (unsigned)fake_random_below(&script.random, 30) : 0;
        script.hold_back = (unsigned)fake_random_below(&script.random, 900);
        script.poll_fails = (unsigned)fake_random_below(&script.random, 100);
        for (int i = 0; i < 60; i++) {
            if (happens(50))
                tb_relay_set_offline(relay, true);
            else if (happens(200))
                tb_relay_set_offline(relay, false);
            bool held = tb_relay_state(relay) == TB_RELAY_OFFLINE;
            int appends = script.appends;
            step();
            if (held && tb_relay_state(relay) == TB_RELAY_OFFLINE)
                ck_assert_int_eq(script.appends, appends);
        }
        if (happens(300)) { /* a crash: what was in flight is lost or not, the cursor is old */
            tb_relay_free(relay);
            script.pending_count = 0;
            cursor = 0;
            open_relay(&script.base, false);
        }
    }
    tb_relay_set_offline(relay, false);
    script_calm();
    drain();
    check_all_in_order();
    for (int i = 0; tb_relay_state(relay) != TB_RELAY_RUNNING; i++) {
        ck_assert_int_lt(i, 100); /* the last back-off ends */
        step();
    }
}
END_TEST

/* After a crash between acknowledgement and cursor move the rows are sent again; none is skipped.
 */
START_TEST(a_lost_cursor_sends_again)
{
    add_rows(10);
    step();
    ck_assert_int_eq(cursor, 10);
    tb_relay_free(relay);
    cursor = 0;
    open_relay(&script.base, false);
    step();
    ck_assert_int_eq(cursor, 10);
    ck_assert_uint_eq(script.written_count, 20);
}
END_TEST

/* The next run begins at the stored cursor. */
START_TEST(the_next_run_begins_at_the_stored_cursor)
{
    add_rows(10);
    step();
    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, 7, 1);
    add_rows(2);
    tb_relay_free(relay);
    cursor = 7;
    open_relay(&script.base, false);
    drain();
    ck_assert_int_eq(cursor, 12);
    ck_assert_int_eq(script.written[10], 8);
    ck_assert_uint_eq(script.written_count, 15);
}
END_TEST

/* While the relay is offline, from its start or later, it reads and sends nothing. Then it goes
 * on.
 */
START_TEST(an_offline_relay_sends_nothing)
{
    add_rows(5);
    tb_relay_free(relay);
    open_relay(&script.base, true);
    for (int i = 0; i < 20; i++)
        ck_assert_int_gt(step(), 0);
    ck_assert_int_eq(script.appends, 0);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_OFFLINE);
    int64_t since_ms = tb_relay_since_ms(relay);
    fake_clock_advance(&f.clock, 1000);
    tb_relay_set_offline(relay, false);
    drain();
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_RUNNING);
    ck_assert_int_gt(tb_relay_since_ms(relay), since_ms);
    tb_relay_set_offline(relay, true);
    step();
    add_rows(1);
    for (int i = 0; i < 20; i++)
        step();
    ck_assert_int_eq(script.appends, 5);
}
END_TEST

/* An acknowledgement after a row was sent again could belong to either append. So the relay waits
 * for all acknowledgements before it sends rows again. */
START_TEST(sending_again_waits_for_every_answer)
{
    add_rows(4);
    script.lose_row = 1;
    script.silent_row = 3;
    for (int i = 0; i < 20; i++)
        step();
    ck_assert_int_eq(script.appends, 4);
    ck_assert_int_eq(cursor, 0);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_FAILING);
    script_calm();
    drain();
    ck_assert_int_eq(script.appends, 8);
    check_all_in_order();
}
END_TEST

/* Rows that were unacknowledged when the relay went offline count when they are acknowledged. */
START_TEST(acknowledgements_count_while_offline)
{
    add_rows(5);
    script.hold_back = 1000;
    step();
    tb_relay_set_offline(relay, true);
    step();
    ck_assert_int_eq(cursor, 0);
    script_calm();
    drain();
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_OFFLINE);
    ck_assert_int_eq(script.appends, 5);
}
END_TEST

/* An outage is reported once, and its end once. The relay goes on trying, with growing pauses. */
START_TEST(an_outage_is_reported_once)
{
    int64_t from_ms = f.clock.wall_ms;
    int tries;

    add_rows(3);
    if (_i)
        script.refuse = 1000;
    else
        script.poll_fails = 1000;
    while (f.clock.wall_ms < from_ms + 600000)
        step();
    tries = _i ? script.appends : script.polls;
    ck_assert_int_eq(problems, 1);
    ck_assert_int_eq(last_problem, TB_UNAVAILABLE);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_FAILING);
    ck_assert_int_gt(tries, 600000 / 5000);
    ck_assert_int_lt(tries, 600000 / 1000);
    script_calm();
    drain();
    step();
    ck_assert_int_eq(problems, 1);
    ck_assert_int_eq(recoveries, 1);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_RUNNING);
    ck_assert_uint_eq(tb_relay_sent(relay), 3);
}
END_TEST

/* Without options.park a refused row is an alarm that stays: the row is never skipped. */
START_TEST(a_refused_row_is_not_skipped)
{
    add_rows(6);
    script.invalid_row = 4;
    script.answer_invalid = _i;
    for (int i = 0; i < 200; i++)
        step();
    ck_assert_int_eq(cursor, 3);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_FAILING);
    ck_assert_int_eq(last_problem, TB_INVALID);
    ck_assert_int_eq(problems, 1);
    script_calm();
    drain();
    check_all_in_order();
}
END_TEST

/* Orders that are placed within a few milliseconds share a commit of the log. A single order does
 * not wait. */
START_TEST(orders_share_a_commit)
{
    add_rows(1);
    ck_assert_int_eq(tb_relay_step(relay), TB_RELAY_LINGER_MS);
    ck_assert_int_eq(cursor, 1);
    add_rows(1);
    tb_relay_wake(relay);
    ck_assert_int_eq(tb_relay_step(relay), TB_RELAY_LINGER_MS);
    add_rows(1);
    ck_assert_int_eq(script.appends, 1);
    fake_clock_advance(&f.clock, TB_RELAY_LINGER_MS);
    tb_relay_step(relay);
    ck_assert_int_eq(cursor, 3);
}
END_TEST

/* A wake-up during the pause between two reads does not touch the mailbox, because the relay will
 * read anyway. If the pause ends while the relay waits for acknowledgements, it reads right after
 * them, and not only after TB_RELAY_IDLE_MS. */
START_TEST(a_wake_up_during_answers_is_not_lost)
{
    add_rows(1);
    ck_assert_int_eq(tb_relay_step(relay), TB_RELAY_LINGER_MS);
    add_rows(1);
    tb_relay_wake(relay);
    script.poll_takes_ms = TB_RELAY_LINGER_MS + 1;
    ck_assert_int_eq(tb_relay_step(relay), 0); /* cut short: too early to look */
    script.poll_takes_ms = 0;
    tb_relay_step(relay);
    ck_assert_int_eq(cursor, 2);
}
END_TEST

/* While more rows wait than one read returns there is no pause. */
START_TEST(a_backlog_is_read_without_pauses)
{
    add_rows(TB_LOG_BATCH_MAX * 2 + 10);
    ck_assert_int_eq(tb_relay_step(relay), 0);
    ck_assert_int_eq(cursor, TB_LOG_BATCH_MAX);
    ck_assert_int_eq(tb_relay_step(relay), 0);
    ck_assert_int_gt(tb_relay_step(relay), 0);
    ck_assert_int_eq(cursor, rows);
}
END_TEST

/* A log that is full or does not answer is polled more and more rarely. */
START_TEST(a_silent_log_is_polled_rarely)
{
    int steps = 0;
    int64_t until_ms = f.clock.wall_ms + 60000;

    add_rows(TB_LOG_BATCH_MAX + 10);
    script.hold_back = 1000;
    if (_i)
        script.busy = 1000;
    for (; f.clock.wall_ms < until_ms; steps++) {
        int64_t wait_ms = tb_relay_step(relay);
        fake_clock_advance(&f.clock, wait_ms);
        ck_assert_int_lt(steps, 1000);
    }
    ck_assert_int_eq(cursor, 0);
    script_calm();
    drain();
}
END_TEST

/* In an idle minute the outbox is read twice a second, and no file is written. */
START_TEST(idle_is_idle)
{
    int64_t changes;

    add_rows(3);
    drain();
    tb_relay_step(relay);
    fake_clock_advance(&f.clock, TB_RELAY_IDLE_MS);
    changes = fault_vfs_changes();
    for (int i = 0; i < 120; i++) {
        ck_assert_int_eq(tb_relay_step(relay), TB_RELAY_IDLE_MS);
        fake_clock_advance(&f.clock, TB_RELAY_IDLE_MS);
    }
    ck_assert_int_eq(fault_vfs_changes(), changes);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_RUNNING);
}
END_TEST

/* If the outbox cannot be read, that is reported, tried again, and its end is reported. */
START_TEST(an_unreadable_outbox_is_retried)
{
    add_rows(300);
    fault_vfs_fail(FAULT_READ, 1, /* SQLITE_IOERR_READ */ 266, true, 1);
    for (int i = 0; i < 10; i++)
        step();
    fault_vfs_heal();
    drain();
    check_all_in_order();
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_RUNNING);
}
END_TEST
int main(void)
{
    Suite *suite = suite_create("relay");
    TCase *tc = tcase_create("relay"), *faults = tcase_create("relay and files");

    tcase_add_checked_fixture(tc, relay_setup, relay_teardown);
    tcase_add_loop_test(tc, everything_arrives, 0, 30);
    tcase_add_test(tc, a_lost_cursor_sends_again);
    tcase_add_test(tc, the_next_run_begins_at_the_stored_cursor);
    tcase_add_test(tc, an_offline_relay_sends_nothing);
    tcase_add_test(tc, sending_again_waits_for_every_answer);
    tcase_add_test(tc, acknowledgements_count_while_offline);
    tcase_add_loop_test(tc, an_outage_is_reported_once, 0, 2);
    tcase_add_loop_test(tc, a_refused_row_is_not_skipped, 0, 2);
    tcase_add_test(tc, orders_share_a_commit);
    tcase_add_test(tc, a_wake_up_during_answers_is_not_lost);
    tcase_add_test(tc, a_backlog_is_read_without_pauses);
    tcase_add_loop_test(tc, a_silent_log_is_polled_rarely, 0, 2);
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(faults, relay_setup_with_faults, relay_teardown);
    tcase_add_test(faults, idle_is_idle);
    tcase_add_test(faults, an_unreadable_outbox_is_retried);
    suite_add_tcase(suite, faults);
    return test_main(suite);
}

/* Promise: an event that the log will never take stops only its own order, and is not forgotten.
 * Method: a real store, and a scripted log that refuses rows as Kafka does. */
#include "bridge/relay/fixture.h"
#include "bridge/relay/relay_priv.h"
#include "store/writer_priv.h"
#include <stdio.h>

static void setup(void)
{
    parks = true;
    relay_setup();
}

/* The store's writer stores the waiting cursor and parked orders. */
static void store_marks(void)
{
    fake_clock_advance(&f.clock, 1000);
    (void)tb_writer_step(f.writer);
}

static int64_t stored_parked(void)
{
    struct tb_outbox_status status = {0};
    struct tb_error err = {0};

    ck_ok(tb_outbox_read_status(outbox, TB_CURSOR_INPROC, &status, &err));
    ck_assert_int_eq(status.pending, rows - status.cursor_row);
    return status.parked;
}

/* Two of sixty rows are refused, by append (1) or by the acknowledgement (0). They and the later
 * rows of their orders are skipped, and the store knows which orders and why. All others arrive.
 */
START_TEST(other_orders_arrive)
{
    struct tb_error err = {0};
    bool delivered = true;

    script.refuses_at_append = _i;
    add_rows(60);
    row_of[10].refused = row_of[17].refused = true;
    drain();
    check_all_in_order();
    ck_assert_int_ge(parked_count, 1);
    ck_assert_int_le(parked_count, 2);
    ck_assert_int_eq(parked[0].row, 10);
    ck_assert_int_eq(strlen(parked[0].reason) > 0, _i);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_RUNNING);
    store_marks();
    ck_assert_int_eq(stored_parked(), parked_count);
    ck_ok(tb_outbox_order_delivered(outbox, TB_CURSOR_INPROC, tb_str_of(row_of[10].key),
                                    &delivered, &err));
    ck_assert(!delivered);
}
END_TEST

/* One row is refused by its acknowledgement, and the next one was refused by append before that:
 * each stops its own order only. */
START_TEST(two_refusals_at_a_time)
{
    struct request requests[3];

    for (int i = 0; i < 3; i++) {
        char id[TB_UUID_SIZE];

        snprintf(id, sizeof id, "01890000-0000-7000-8000-%012d", i);
        request_place(&requests[i], id, NULL, 1);
    }
    commit_requests(requests, 3);
    row_of[1].refused = row_of[2].refused = row_of[2].at_append = true;
    drain(); /* the fixture sees whose order is parked */
    check_all_in_order();
    ck_assert_int_eq(parked_count, 2);
}
END_TEST

/* When the rows that had to be sent alone are answered, rows are sent in batches again. */
START_TEST(alone_only_as_long_as_needed)
{
    int steps = 0;

    add_rows(20);
    row_of[10].refused = true;
    drain();
    add_rows(500);
    for (; cursor < rows; steps++)
        step();
    ck_assert_int_lt(steps, 20);
}
END_TEST

/* An order that one run parked is skipped by the next run from its start, also its new rows. */
START_TEST(a_restart_keeps_orders_parked)
{
    struct request r;

    add_rows(5);
    row_of[5].refused = true;
    drain();
    store_marks();
    tb_relay_free(relay);
    request_change(&r, TB_CMD_ADDRESS, row_of[5].key, NULL, 1);
    commit_requests(&r, 1);
    row_of[5].refused = false; /* the log would take it now: it stays parked, to keep the order */
    cursor = 5;
    open_relay(&script.base, false);
    drain();
    add_rows(30);
    drain();
    check_all_in_order();
    ck_assert_int_eq(parked_count, 1);
}
END_TEST

/* A crash after the order was parked and before the cursor moved over it. */
START_TEST(parked_before_the_cursor_moved)
{
    add_rows(8);
    row_of[6].refused = true;
    drain();
    tb_relay_free(relay);
    /* Only the parked order is stored, as if the cursor had been posted too late. */
    ck_assert_uint_gt(f.writer->relay_writes.parked_count, 0);
    store_marks();
    cursor = 0;
    open_relay(&script.base, false);
    drain();
    check_all_in_order();
    ck_assert_int_eq(parked_count, 1);
}
END_TEST

/* While the parked order cannot be stored, the cursor stays before its row. */
START_TEST(the_cursor_waits_until_it_is_stored)
{
    add_rows(12);
    script.refuses_at_append = _i;
    row_of[7].refused = true;
    park_refusals = 50;
    for (int i = 0; i < 200 && park_refusals > 0; i++) {
        step();
        if (park_refusals > 0)
            ck_assert_int_le(cursor, 6);
    }
    drain();
    check_all_in_order();
    ck_assert_int_eq(parked_count, 1);
}
END_TEST

/* A log that refuses everything: after TB_RELAY_PARKED_MAX orders the relay stops with an alarm.
 */
START_TEST(many_are_an_alarm)
{
    static struct request requests[100];

    for (int i = 0; i <= TB_RELAY_PARKED_MAX; i += 100) {
        for (int n = 0; n < 100; n++) {
            char id[TB_UUID_SIZE];

            snprintf(id, sizeof id, "01890000-0000-7000-8000-%012d", i + n);
            request_place(&requests[n], id, NULL, 1);
        }
        commit_requests(requests, 100);
    }
    for (int64_t row = 1; row <= rows; row++)
        row_of[row].refused = true;
    script.refuses_at_append = true;
    for (int i = 0; i < 20000 && problems == 0; i++)
        step();
    for (int i = 0; i < 50; i++)
        step();
    ck_assert_int_eq(parked_count, TB_RELAY_PARKED_MAX);
    ck_assert_int_eq(cursor, TB_RELAY_PARKED_MAX);
    ck_assert_int_eq(last_problem, TB_INVALID);
    ck_assert_int_eq(tb_relay_state(relay), TB_RELAY_FAILING);
    /* When the log takes them the relay goes on by itself. */
    for (int64_t row = 1; row <= rows; row++)
        row_of[row].refused = false;
    drain();
    check_all_in_order();
}
END_TEST

/* Refused rows together with all other faults, and crashes that lose the cursor. */
START_TEST(histories)
{
    uint64_t seed = test_seed((uint64_t)_i + 1);

    fake_random_init(&script.random, seed);
    fake_random_init(&f.random, seed + 1000);
    script.refuses_at_append = _i % 2;
    for (int round = 0; round < 8; round++) {
        int64_t first = rows + 1;

        add_rows((int)fake_random_below(&script.random, 120));
        for (int64_t row = first; row <= rows; row++) {
            row_of[row].refused = happens(30);
            row_of[row].at_append = _i % 3 == 2 && happens(500);
        }
        script.busy = (unsigned)fake_random_below(&script.random, 100);
        script.refuse = (unsigned)fake_random_below(&script.random, 20);
        script.lose = happens(500) ? (unsigned)fake_random_below(&script.random, 30) : 0;
        script.unknown = happens(500) ? (unsigned)fake_random_below(&script.random, 30) : 0;
        script.hold_back = (unsigned)fake_random_below(&script.random, 900);
        script.poll_fails = (unsigned)fake_random_below(&script.random, 100);
        park_refusals = (int)fake_random_below(&script.random, 5);
        for (int i = 0; i < 60; i++)
            step();
        if (happens(300)) {
            store_marks();
            tb_relay_free(relay);
            script.pending_count = 0;
            cursor = 0;
            open_relay(&script.base, false);
        }
    }
    script_calm();
    drain();
    check_all_in_order();
    for (int64_t row = 1; row <= rows; row++)
        ck_assert(!row_of[row].refused || is_parked(row));
    for (int i = 0; i < parked_count; i++)
        ck_assert(row_of[parked[i].row].refused);
}
END_TEST

/* The list finds an order and its row, in whatever order they were added. */
START_TEST(the_list_knows_its_orders)
{
    static struct tb_relay list;
    struct fake_random random;
    char id[TB_UUID_SIZE];
    int64_t from[200] = {0};

    fake_random_init(&random, test_seed(3));
    for (int i = 0; i < 600; i++) {
        int order = (int)fake_random_below(&random, 200);
        int64_t row = 1 + (int64_t)fake_random_below(&random, 1000);

        snprintf(id, sizeof id, "01890000-0000-7000-8000-%012d", order);
        struct tb_parked_order order_at = {.row = row};
        memcpy(order_at.order_id, id, sizeof id);
        ck_assert_int_eq(tb_relay_is_parked(&list, tb_str_of(id), row),
                         from[order] > 0 && row >= from[order]);
        if (i < 300)
            tb_relay_add_parked(&list, &order_at);
        if (i < 300 && from[order] == 0)
            from[order] = row;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("relay_parked");
    TCase *tc = tcase_create("parked");

    tcase_add_checked_fixture(tc, setup, relay_teardown);
    tcase_add_loop_test(tc, other_orders_arrive, 0, 2);
    tcase_add_test(tc, two_refusals_at_a_time);
    tcase_add_test(tc, alone_only_as_long_as_needed);
    tcase_add_test(tc, a_restart_keeps_orders_parked);
    tcase_add_test(tc, parked_before_the_cursor_moved);
    tcase_add_loop_test(tc, the_cursor_waits_until_it_is_stored, 0, 2);
    tcase_add_test(tc, many_are_an_alarm);
    tcase_add_loop_test(tc, histories, 0, 30);
    tcase_add_test(tc, the_list_knows_its_orders);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

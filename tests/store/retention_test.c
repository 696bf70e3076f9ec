/* Promise: retention deletes rows that are old and acknowledged by all relays, in small chunks,
 * and never others, whatever the clock says. Method: the writer's step with a clock that the test
 * moves; seeded histories. */
#include "store/fixture.h"
#include "store/writer_priv.h"
#include <stdio.h>

static struct fixture f;

static void setup(void)
{
    fixture_init(&f);
    fixture_open(&f);
}

static void teardown(void)
{
    fixture_release(&f);
}

/* Places orders in batches of up to BATCH. */
#define BATCH 250
static void place_many(int count, const char *prefix)
{
    static struct request rs[BATCH];

    for (int done = 0, batch; done < count; done += batch) {
        batch = count - done < BATCH ? count - done : BATCH;
        for (int i = 0; i < batch; i++) {
            char key[32];

            snprintf(key, sizeof key, "%s-%d", prefix, done + i);
            request_place(&rs[i], NULL, key, 1);
            ck_assert_int_eq(tb_writer_post(f.writer, &rs[i].job), TB_OK);
        }
        tb_writer_step(f.writer);
        for (int i = 0; i < batch; i++) {
            ck_assert_int_eq(rs[i].job.answer.status, 201);
            request_release(&rs[i]);
        }
    }
}

static void acknowledge(int64_t row)
{
    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, row, 1);
    fake_clock_advance(&f.clock, TB_WRITER_CURSOR_MS);
    tb_writer_step(f.writer);
}

/* Steps until nothing is due; returns how many steps have changed something. */
static int run_retention(void)
{
    int steps = 0;

    for (int i = 0; i < 100; i++) {
        int64_t before = fault_vfs_changes();
        int64_t wait_ms = tb_writer_step(f.writer);

        steps += fault_vfs_changes() > before;
        if (wait_ms != 0)
            break;
    }
    return steps;
}

static int64_t rows(void)
{
    return fixture_query(&f, "SELECT count(*) FROM outbox");
}

static int64_t keys(void)
{
    return fixture_query(&f, "SELECT count(*) FROM idempotency");
}

/* Rows that are only old, or only acknowledged, stay; so does the newest row. */
START_TEST(only_old_and_acknowledged_rows_go)
{
    place_many(5, "a");
    acknowledge(3);
    fake_clock_advance(&f.clock, 2 * TB_RETENTION_ROUND_MS);
    (void)run_retention();
    ck_assert_int_eq(rows(), 5);
    fake_clock_advance(&f.clock, FIXTURE_DAY_MS);
    (void)run_retention();
    ck_assert_int_eq(rows(), 2);
    ck_assert_int_eq(fixture_query(&f, "SELECT min(row) FROM outbox"), 4);
    ck_assert_int_eq(keys(), 0);
    acknowledge(5);
    fake_clock_advance(&f.clock, TB_RETENTION_ROUND_MS);
    (void)run_retention();
    ck_assert_int_eq(fixture_query(&f, "SELECT row FROM outbox"), 5);
    fixture_reopen(&f);
    fixture_place(&f, NULL);
    ck_assert_int_eq(fixture_query(&f, "SELECT max(row) FROM outbox"), 6);
    fixture_check_consistent(&f);
}
END_TEST

/* A transaction deletes at most a thousand rows, and commands run in between. */
START_TEST(chunks_let_commands_through)
{
    struct request r;

    place_many(2500, "many");
    acknowledge(2500);
    fake_clock_advance(&f.clock, FIXTURE_DAY_MS + TB_RETENTION_ROUND_MS);
    ck_assert_int_eq(tb_writer_step(f.writer), 0);
    ck_assert_int_eq(rows(), 1500);
    request_place(&r, NULL, NULL, 1);
    fixture_run(&f, &r);
    request_release(&r);
    ck_assert_int_eq(rows(), 1501);
    (void)run_retention();
    ck_assert_int_eq(rows(), 1);
    ck_assert_int_eq(keys(), 0);
}
END_TEST

/* After a jump ahead nothing unacknowledged is deleted, and no key that is less than a day old by
 * the monotonic clock; after a day the jump is trusted. */
START_TEST(a_jump_ahead_is_not_trusted_at_once)
{
    place_many(3, "before");
    f.clock.wall_ms += 3650 * FIXTURE_DAY_MS;
    place_many(2, "after");
    fake_clock_advance(&f.clock, TB_RETENTION_ROUND_MS);
    (void)run_retention();
    ck_assert_int_eq(rows(), 5);
    ck_assert_int_eq(keys(), 5);
    for (int hour = 0; hour < 30; hour++) {
        fake_clock_advance(&f.clock, TB_RETENTION_ROUND_MS);
        (void)run_retention();
        if (hour < 22)
            ck_assert_int_eq(keys(), 5);
    }
    ck_assert_int_eq(keys(), 0);
    ck_assert_int_eq(rows(), 5);
}
END_TEST

/* Rows with a time years ahead do not keep later rows from being deleted. */
START_TEST(rows_from_the_future_go_too)
{
    f.clock.wall_ms += 3650 * FIXTURE_DAY_MS;
    place_many(3, "future");
    f.clock.wall_ms -= 3650 * FIXTURE_DAY_MS;
    place_many(3, "now");
    acknowledge(6);
    fake_clock_advance(&f.clock, FIXTURE_DAY_MS + TB_RETENTION_ROUND_MS);
    (void)run_retention();
    ck_assert_int_eq(rows(), 1);
    fixture_check_consistent(&f);
}
END_TEST

START_TEST(for_ever_means_for_ever)
{
    f.outbox_keep_ms = -1;
    fixture_reopen(&f);
    place_many(3, "a");
    acknowledge(3);
    fake_clock_advance(&f.clock, 1000 * FIXTURE_DAY_MS);
    (void)run_retention();
    ck_assert_int_eq(rows(), 3);
}
END_TEST

/* If nothing is left to delete, the writer sets no timer. */
START_TEST(nothing_to_remove_nothing_to_wait_for)
{
    place_many(1, "a");
    acknowledge(1);
    fake_clock_advance(&f.clock, FIXTURE_DAY_MS + TB_RETENTION_ROUND_MS);
    (void)run_retention();
    ck_assert_int_eq(keys(), 0);
    ck_assert_int_lt(tb_writer_step(f.writer), 0);
    int64_t before = fault_vfs_changes();
    fixture_place(&f, NULL);
    ck_assert_int_gt(fault_vfs_changes(), before);
    fake_clock_advance(&f.clock, TB_WRITER_CURSOR_MS);
    ck_assert_int_gt(tb_writer_step(f.writer), 0);
}
END_TEST

/* No row beyond a cursor is ever deleted, whatever clock, cursors and restarts do. */
START_TEST(unacknowledged_rows_never_go)
{
    struct fake_random random;
    int64_t last = 0, acked = 0;

    fake_random_init(&random, test_seed(500 + (uint64_t)_i));
    for (int i = 0; i < 80; i++) {
        switch (fake_random_below(&random, 5)) {
        case 0:
            acked += (int64_t)fake_random_below(&random, (uint64_t)(last - acked) + 1);
            acknowledge(acked);
            break;
        case 1:
            f.clock.wall_ms +=
                (int64_t)fake_random_below(&random, 100) * FIXTURE_DAY_MS - 40 * FIXTURE_DAY_MS;
            break;
        case 2:
            fixture_reopen(&f);
            break;
        case 3:
            fake_clock_advance(&f.clock,
                               (int64_t)fake_random_below(&random, 30) * TB_RETENTION_ROUND_MS);
            (void)run_retention();
            break;
        default:
            fixture_place(&f, NULL);
            last++;
        }
        ck_assert_int_eq(fixture_query(&f, "SELECT coalesce(max(row), 0) FROM outbox"), last);
        if (last > 0)
            ck_assert_int_le(fixture_query(&f, "SELECT min(row) FROM outbox"),
                             acked < last ? acked + 1 : last);
    }
    fixture_check_consistent(&f);
}
END_TEST

/* Rows of parked orders stay, because no log has them, however many there are; rows around them
 * go. */
START_TEST(parked_orders_stay)
{
    enum { COUNT = 3 * TB_RETENTION_CHUNK };
    static const char park[] = "INSERT INTO parked SELECT 'kafka', order_id, row, 'no', 1"
                               " FROM outbox WHERE row <= 1500 OR row % 7 = 0";
    struct tb_error err = {0};

    place_many(COUNT + 1, "a");
    ck_ok(tb_db_exec(f.store->db, park, &err));
    int64_t parked = fixture_query(&f, "SELECT count(*) FROM parked");
    acknowledge(COUNT + 1);
    for (int i = 0; i < 10; i++) {
        fake_clock_advance(&f.clock, FIXTURE_DAY_MS);
        (void)run_retention();
    }
    ck_assert_int_eq(rows(), parked + 1); /* and the newest row */
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM outbox WHERE order_id IN"
                                       " (SELECT order_id FROM parked)"),
                     parked);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/retention");
    TCase *tc = tcase_create("retention");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, only_old_and_acknowledged_rows_go);
    tcase_add_test(tc, chunks_let_commands_through);
    tcase_add_test(tc, a_jump_ahead_is_not_trusted_at_once);
    tcase_add_test(tc, rows_from_the_future_go_too);
    tcase_add_test(tc, for_ever_means_for_ever);
    tcase_add_test(tc, nothing_to_remove_nothing_to_wait_for);
    tcase_add_test(tc, parked_orders_stay);
    tcase_add_loop_test(tc, unacknowledged_rows_never_go, 0, 6);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

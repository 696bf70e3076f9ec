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

/* The wall clock is wrong when a key is stored, is set right, and the node is started again: as a
 * till does whose battery is empty. */
START_TEST(a_clock_set_right_forgets_no_key)
{
    struct request r;

    f.clock.wall_ms = 0;
    place_many(1, "in-1970");
    f.clock.wall_ms = FIXTURE_WALL_MS;
    fixture_reopen(&f);
    for (int hour = 0; hour < 23; hour++) {
        fake_clock_advance(&f.clock, TB_RETENTION_ROUND_MS);
        (void)run_retention();
    }
    request_place(&r, NULL, "in-1970-0", 1);
    fixture_run(&f, &r);
    ck_assert(r.job.answer.replayed);
    request_release(&r);
    fake_clock_advance(&f.clock, 2 * TB_RETENTION_ROUND_MS);
    (void)run_retention();
    ck_assert_int_eq(keys(), 0);
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

/* A till that runs for an hour a day, with the power cut or cleanly stopped. Some minutes of its
 * uptime may be lost by a power cut; then rows stay longer, but not for ever. */
START_TEST(a_node_that_runs_an_hour_a_day_forgets_too)
{
    bool power_cuts = _i == 1;

    place_many(3, "a");
    acknowledge(3);
    for (int day = 0; day < 40; day++) {
        fake_clock_advance(&f.clock, TB_RETENTION_ROUND_MS);
        (void)run_retention();
        if (day < 23) {
            ck_assert_int_eq(rows(), 3);
            ck_assert_int_eq(keys(), 3);
        }
        if (power_cuts)
            fault_vfs_cut_power_now(FAULT_CUT_DROP, 1);
        fixture_close(&f);
        f.clock.wall_ms += 23 * TB_RETENTION_ROUND_MS;
        f.clock.mono_us = 0;
        fixture_reopen(&f);
    }
    ck_assert_int_eq(rows(), 1);
    ck_assert_int_eq(keys(), 0);
}
END_TEST

/* What the model knows: for how long the node has been running since each order. */
#define STEPS 150
struct model {
    int64_t running_ms, placed_at_ms[STEPS];
    int count;
};

static void check_nothing_expired_early(const struct model *model)
{
    int young = 0;

    while (young < model->count &&
           model->running_ms - model->placed_at_ms[model->count - young - 1] < FIXTURE_DAY_MS)
        young++;
    for (int i = model->count - young; i < model->count; i++) {
        char sql[96];

        snprintf(sql, sizeof sql, "SELECT count(*) FROM idempotency WHERE key = 'step-%d-0'", i);
        ck_assert_int_eq(fixture_query(&f, sql), 1);
        snprintf(sql, sizeof sql, "SELECT count(*) FROM outbox WHERE row = %d", i + 1);
        ck_assert_int_eq(fixture_query(&f, sql), 1);
    }
}

static void take_step(struct fake_random *random, struct model *model)
{
    int64_t ms;
    char name[24];

    switch (fake_random_below(random, 6)) {
    case 0: /* the clock is set */
        f.clock.wall_ms = (int64_t)fake_random_below(random, 4 * (uint64_t)FIXTURE_WALL_MS);
        break;
    case 1: /* stopped or powered off, for a while */
        if (fake_random_below(random, 2) == 0)
            fault_vfs_cut_power_now(FAULT_CUT_DROP, 1);
        fixture_close(&f);
        f.clock.mono_us = (int64_t)fake_random_below(random, 1000000000);
        fixture_reopen(&f);
        f.clock.wall_ms += (int64_t)fake_random_below(random, 9) * FIXTURE_DAY_MS;
        break;
    case 2:
    case 3: /* time passes; retention runs at the end of it */
        ms = (int64_t)fake_random_below(random, 9 * (uint64_t)TB_RETENTION_ROUND_MS);
        fake_clock_advance(&f.clock, ms);
        model->running_ms += ms;
        (void)run_retention();
        break;
    default:
        snprintf(name, sizeof name, "step-%d", model->count);
        model->placed_at_ms[model->count++] = model->running_ms;
        place_many(1, name);
        acknowledge(model->count);
        model->running_ms += TB_WRITER_CURSOR_MS;
    }
}

/* Whatever the clock and restarts do, no key and no row goes before the node has run for the time
 * to keep it; and all go once it has. */
START_TEST(nothing_expires_early_and_all_expires)
{
    struct model model = {0};
    struct fake_random random;

    fake_random_init(&random, test_seed(900 + (uint64_t)_i));
    for (int i = 0; i < STEPS; i++) {
        take_step(&random, &model);
        check_nothing_expired_early(&model);
    }
    for (int hour = 0; hour < 26; hour++) {
        fake_clock_advance(&f.clock, TB_RETENTION_ROUND_MS);
        (void)run_retention();
    }
    ck_assert_int_eq(keys(), 0);
    ck_assert_int_le(rows(), 1);
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

static void open_in_mode(bool connected)
{
    fixture_close(&f);
    f.connected = connected;
    fixture_open(&f);
    (void)tb_writer_step(f.writer); /* remembers the cursors */
}

static void post_cursor(const char *name, int64_t row)
{
    tb_writer_post_cursor(f.writer, name, row, 1);
    fake_clock_advance(&f.clock, TB_WRITER_CURSOR_MS);
    (void)tb_writer_step(f.writer);
}

static void pass_hours(int hours)
{
    for (int i = 0; i < hours; i++) {
        fake_clock_advance(&f.clock, TB_RETENTION_ROUND_MS);
        (void)run_retention();
    }
}

/* The log to Kafka has 5 of 20 rows. For 30 hours the node runs with Kafka, or without it. */
START_TEST(a_log_that_is_not_configured_is_waited_for)
{
    open_in_mode(true);
    place_many(20, "a");
    post_cursor(TB_CURSOR_KAFKA, 5);
    post_cursor(TB_CURSOR_INPROC, 20);
    open_in_mode(_i == 0);
    pass_hours(30);
    ck_assert_int_eq(rows(), 15);
    ck_assert_int_eq(fixture_query(&f, "SELECT min(row) FROM outbox"), 6);
    fixture_check_consistent(&f);
}
END_TEST

/* Kafka was configured for a moment and never reached: its cursor is stored with the first commit,
 * so that no order is stored before it. */
START_TEST(a_log_that_was_never_reached_is_waited_for)
{
    struct request r;

    fixture_close(&f);
    f.connected = true;
    fixture_open(&f);
    request_place(&r, NULL, NULL, 1);
    fixture_run(&f, &r);
    request_release(&r);
    open_in_mode(false);
    place_many(9, "a");
    acknowledge(10);
    pass_hours(30);
    ck_assert_int_eq(rows(), 10);
}
END_TEST

/* The cursors cannot be stored, because the disk is full: then nothing is removed. */
START_TEST(retention_waits_until_the_cursors_are_stored)
{
    place_many(10, "a");
    acknowledge(10);
    fixture_close(&f);
    f.connected = true;
    fixture_open(&f);
    fault_vfs_fail(FAULT_WRITE, 1, /* SQLITE_FULL */ 13, true, 1);
    (void)tb_writer_step(f.writer);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM cursors"), 1);
    fake_clock_advance(&f.clock, 2 * FIXTURE_DAY_MS);
    (void)tb_writer_step(f.writer); /* the cursors are due again, and fail again */
    fault_vfs_heal();
    f.writer->relay_due_ms = INT64_MAX; /* the cursors wait; retention is due */
    (void)tb_writer_step(f.writer);
    ck_assert_int_eq(rows(), 10);
    f.writer->relay_due_ms = 0;
    (void)run_retention();
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM cursors"), 2);
    ck_assert_int_eq(rows(), 10); /* Kafka has none of them */
}
END_TEST

/* Forgets the log as an operator does. */
static void forget(const char *log, struct tb_job *ret_job)
{
    struct request r;

    request_place(&r, NULL, NULL, 1);
    r.job.type = TB_JOB_FORGET;
    snprintf(r.job.log, sizeof r.job.log, "%s", log);
    fixture_run(&f, &r);
    *ret_job = r.job;
    request_release(&r);
}

/* Only a log that is not configured can be forgotten. The answer counts what it never got; then
 * retention removes that. Parked orders go with it; another log's stay. */
START_TEST(forgetting_a_log_ends_the_waiting)
{
    static const char park[] = "INSERT INTO parked(cursor, order_id, row, reason, parked_at) "
                               "SELECT 'kafka', order_id, row, 'no', 1"
                               " FROM outbox WHERE row = 3;"
                               "INSERT INTO parked(cursor, order_id, row, reason, parked_at) "
                               "SELECT 'other', order_id, row, 'no', 1"
                               " FROM outbox WHERE row = 4;"
                               "INSERT INTO cursors VALUES('other', 20, 1);";
    struct tb_error err = {0};
    struct tb_job job;

    open_in_mode(true);
    place_many(20, "a");
    post_cursor(TB_CURSOR_KAFKA, 5);
    post_cursor(TB_CURSOR_INPROC, 20);
    ck_ok(tb_db_exec(f.store->db, park, &err));
    forget(TB_CURSOR_KAFKA, &job);
    ck_assert_int_eq(job.code, TB_CONFLICT);
    open_in_mode(false);
    forget(TB_CURSOR_INPROC, &job);
    ck_assert_int_eq(job.code, TB_CONFLICT);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM cursors"), 3);
    forget(TB_CURSOR_KAFKA, &job);
    ck_assert_int_eq(job.code, TB_OK);
    ck_assert(job.was_remembered);
    ck_assert_int_eq(job.forgotten.pending, 15);
    ck_assert_int_eq(job.forgotten.parked, 1);
    forget(TB_CURSOR_KAFKA, &job);
    ck_assert_int_eq(job.code, TB_OK);
    ck_assert(!job.was_remembered);
    ck_assert_int_eq(job.forgotten.pending, 0);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM cursors"), 2);
    pass_hours(30);
    ck_assert_int_eq(rows(), 2); /* the newest, and the one that is parked for another */
    ck_assert_int_eq(fixture_query(&f, "SELECT min(row) FROM outbox"), 4);
}
END_TEST

/* What a store remembers: the cursor of each log that was configured when an order was stored, and
 * that was not forgotten since. */
struct memory {
    bool connected, kafka;
    int64_t last, acked[2]; /* by the in-process log and by Kafka */
};

static void change_mode(struct memory *memory, struct fake_random *random)
{
    memory->connected = fake_random_below(random, 2) == 0;
    if (memory->connected && !memory->kafka)
        memory->acked[1] = 0; /* it begins with the oldest row that is left */
    memory->kafka = memory->kafka || memory->connected;
    open_in_mode(memory->connected);
}

static void move_one(struct memory *memory, struct fake_random *random)
{
    int which = memory->connected ? (int)fake_random_below(random, 2) : 0;

    memory->acked[which] +=
        (int64_t)fake_random_below(random, (uint64_t)(memory->last - memory->acked[which]) + 1);
    post_cursor(which ? TB_CURSOR_KAFKA : TB_CURSOR_INPROC, memory->acked[which]);
}

static void forget_kafka(struct memory *memory)
{
    struct tb_job job;

    forget(TB_CURSOR_KAFKA, &job);
    ck_assert_int_eq(job.code, memory->connected ? TB_CONFLICT : TB_OK);
    ck_assert(memory->connected || job.was_remembered == memory->kafka);
    memory->kafka = memory->connected;
}

/* Whatever the modes over restarts, no row is deleted that a remembered log does not have. */
START_TEST(no_remembered_log_loses_a_row)
{
    struct memory memory = {0};
    struct fake_random random;
    int64_t gone = 0;

    fake_random_init(&random, test_seed(900 + (uint64_t)_i));
    (void)tb_writer_step(f.writer);
    for (int i = 0; i < 120; i++) {
        uint64_t what = fake_random_below(&random, 10);

        if (what < 4) {
            fixture_place(&f, NULL);
            memory.last++;
        } else if (what < 6) {
            move_one(&memory, &random);
        } else if (what < 7) {
            change_mode(&memory, &random);
        } else if (what < 8 && fake_random_below(&random, 3) == 0) {
            forget_kafka(&memory);
        } else {
            pass_hours((int)fake_random_below(&random, 30));
        }
        int64_t first = fixture_query(&f, "SELECT coalesce(min(row), 1) FROM outbox");
        if (first - 1 > gone) {
            ck_assert_int_le(first - 1, memory.acked[0]);
            ck_assert(!memory.kafka || first - 1 <= memory.acked[1]);
            gone = first - 1;
        }
        ck_assert_int_eq(fixture_query(&f, "SELECT coalesce(max(row), 0) FROM outbox"),
                         memory.last);
    }
    fixture_check_consistent(&f);
}
END_TEST

/* Rows of parked orders stay, because no log has them, however many there are; rows around them
 * go. */
START_TEST(parked_orders_stay)
{
    enum { COUNT = 3 * TB_RETENTION_CHUNK };
    static const char park[] = "INSERT INTO parked(cursor, order_id, row, reason, parked_at) "
                               "SELECT 'kafka', order_id, row, 'no', 1"
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
    tcase_add_test(tc, a_clock_set_right_forgets_no_key);
    tcase_add_test(tc, rows_from_the_future_go_too);
    tcase_add_loop_test(tc, a_node_that_runs_an_hour_a_day_forgets_too, 0, 2);
    tcase_add_loop_test(tc, nothing_expires_early_and_all_expires, 0, 10);
    tcase_add_test(tc, for_ever_means_for_ever);
    tcase_add_loop_test(tc, a_log_that_is_not_configured_is_waited_for, 0, 2);
    tcase_add_test(tc, a_log_that_was_never_reached_is_waited_for);
    tcase_add_test(tc, retention_waits_until_the_cursors_are_stored);
    tcase_add_test(tc, forgetting_a_log_ends_the_waiting);
    tcase_add_loop_test(tc, no_remembered_log_loses_a_row, 0, 12);
    tcase_add_test(tc, nothing_to_remove_nothing_to_wait_for);
    tcase_add_test(tc, parked_orders_stay);
    tcase_add_loop_test(tc, unacknowledged_rows_never_go, 0, 6);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

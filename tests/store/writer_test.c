/* Promise: every command gets exactly one answer, after COMMIT; a repeat gets the first answer
 * again; beyond a limit the answer is a clear refusal. Method: the test calls the writer's step
 * itself. */
#include "base/sqlite/db_priv.h"
#include "store/fixture.h"
#include "store/writer_priv.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

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

static const char *body_of(const struct request *r)
{
    return r->job.answer.body.data;
}

/* 201, with the first number of the node, and one row of each kind. */
START_TEST(placing_stores_order_and_event)
{
    struct request r;

    request_place(&r, NULL, NULL, 1);
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.code, TB_OK);
    ck_assert_int_eq(r.job.answer.status, 201);
    ck_assert_int_eq(r.job.answer.version, 1);
    ck_assert_ptr_nonnull(strstr(body_of(&r), "\"orderNumber\":\"till1-000001\""));
    ck_assert_int_eq(f.committed, 1);
    request_release(&r);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM orders"), 1);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM outbox"), 1);
    ck_assert_int_eq(fixture_query(&f, "SELECT o.doc = e.payload FROM orders o, outbox e"), 1);
    fixture_check_consistent(&f);
}
END_TEST

/* A batch is one transaction: orders in the order of posting, one wake-up of the relays. */
START_TEST(a_batch_commits_once)
{
    struct request *rs = calloc(64, sizeof *rs);

    for (int i = 0; i < 64; i++) {
        request_place(&rs[i], NULL, NULL, 1);
        ck_assert_int_eq(tb_writer_post(f.writer, &rs[i].job), TB_OK);
    }
    tb_writer_step(f.writer);
    for (int i = 0; i < 64; i++) {
        char number[40];
        snprintf(number, sizeof number, "\"till1-%06d\"", i + 1);
        ck_assert_int_eq(rs[i].done, 1);
        ck_assert_ptr_nonnull(strstr(body_of(&rs[i]), number));
        request_release(&rs[i]);
    }
    free(rs);
    ck_assert_int_eq(f.committed, 1);
    fixture_check_consistent(&f);
}
END_TEST

static const struct change_row {
    enum tb_command_type type;
    int status, version;
    const char *stored;
} changes[] = {
    {TB_CMD_ADDRESS, 200, 2, "PLACED"}, {TB_CMD_LINES, 200, 3, "PLACED"},
    {TB_CMD_SHIP, 200, 4, "SHIPPED"},   {TB_CMD_CANCEL, 409, 0, "SHIPPED"},
    {TB_CMD_LINES, 409, 0, "SHIPPED"},
};

/* Each change moves the version by one and has its event; a refusal leaves everything alone. */
START_TEST(changes_follow_one_another)
{
    char id[TB_UUID_SIZE];

    fixture_place(&f, id);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct request r;
        char sql[128];

        request_change(&r, changes[i].type, id, NULL, 0);
        fixture_run(&f, &r);
        ck_assert_int_eq(r.job.answer.status, changes[i].status);
        ck_assert_int_eq(r.job.answer.version, changes[i].version);
        request_release(&r);
        snprintf(sql, sizeof sql, "SELECT count(*) FROM orders WHERE status = '%s'",
                 changes[i].stored);
        ck_assert_int_eq(fixture_query(&f, sql), 1);
    }
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM outbox"), 4);
    fixture_check_consistent(&f);
}
END_TEST

START_TEST(if_match_and_unknown_order_are_refused)
{
    char id[TB_UUID_SIZE];
    struct request r;

    fixture_place(&f, id);
    request_change(&r, TB_CMD_SHIP, id, NULL, 0);
    r.job.command.has_expected_version = true;
    r.job.command.expected_version = 2;
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.answer.status, 412);
    request_release(&r);
    request_change(&r, TB_CMD_SHIP, "00000000-0000-7000-8000-000000000000", NULL, 0);
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.answer.status, 404);
    request_release(&r);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM outbox"), 1);
}
END_TEST

/* The same answer byte for byte, also from the same batch and after a restart. */
START_TEST(a_repeat_gives_the_first_answer)
{
    struct request first, same_batch, later;

    request_place(&first, NULL, "key-1", 1);
    request_place(&same_batch, NULL, "key-1", 1);
    ck_assert_int_eq(tb_writer_post(f.writer, &first.job), TB_OK);
    ck_assert_int_eq(tb_writer_post(f.writer, &same_batch.job), TB_OK);
    tb_writer_step(f.writer);
    fixture_reopen(&f);
    request_place(&later, NULL, "key-1", 1);
    fixture_run(&f, &later);

    ck_assert(!first.job.answer.replayed);
    ck_assert(same_batch.job.answer.replayed);
    ck_assert(later.job.answer.replayed);
    ck_assert_str_eq(body_of(&first), body_of(&same_batch));
    ck_assert_str_eq(body_of(&first), body_of(&later));
    ck_assert_str_eq(first.job.answer.order_id, later.job.answer.order_id);
    ck_assert_int_eq(later.job.answer.status, 201);
    ck_assert_int_eq(later.job.answer.version, 1);
    request_release(&first);
    request_release(&same_batch);
    request_release(&later);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM orders"), 1);
}
END_TEST

START_TEST(a_key_for_another_request_is_422)
{
    struct request r;

    request_place(&r, NULL, "key-1", 1);
    fixture_run(&f, &r);
    request_release(&r);
    request_place(&r, NULL, "key-1", 2);
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.answer.status, 422);
    ck_assert(!r.job.answer.replayed);
    request_release(&r);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM orders"), 1);
}
END_TEST

/* Refusals because of the order's state are saved: 409 and 412 are repeated even if the state
 * changes. A 404 is not saved, because the order may be placed later. */
START_TEST(only_state_refusals_are_remembered)
{
    static const char *const id = "01890000-0000-7000-8000-000000000001";
    struct request r;

    for (int round = 0; round < 2; round++) {
        request_change(&r, TB_CMD_CANCEL, id, "early", 0);
        fixture_run(&f, &r);
        ck_assert_int_eq(r.job.answer.status, round == 0 ? 404 : 200);
        request_release(&r);
        if (round == 0) {
            request_place(&r, id, NULL, 1);
            fixture_run(&f, &r);
            request_release(&r);
        }
    }
    for (int round = 0; round < 2; round++) {
        request_change(&r, TB_CMD_SHIP, id, "late", 0);
        fixture_run(&f, &r);
        ck_assert_int_eq(r.job.answer.status, 409);
        ck_assert_int_eq(r.job.answer.replayed, round == 1);
        request_release(&r);
    }
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM idempotency"), 2);
}
END_TEST

/* A repeat with the key gets the first answer; without the key the same orderId is a conflict. */
START_TEST(key_wins_over_repeated_order_id)
{
    static const char *const id = "01890000-0000-7000-8000-000000000001";
    static const struct {
        const char *key;
        int status;
    } rows[] = {{"k", 201}, {"k", 201}, {NULL, 409}, {"other", 409}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct request r;
        request_place(&r, id, rows[i].key, 1);
        fixture_run(&f, &r);
        ck_assert_int_eq(r.job.answer.status, rows[i].status);
        request_release(&r);
    }
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM orders"), 1);
}
END_TEST

START_TEST(full_queue_is_busy)
{
    struct request *rs = calloc(TB_WRITER_QUEUE_MAX + 1, sizeof *rs);
    int done = 0;

    for (int i = 0; i <= TB_WRITER_QUEUE_MAX; i++) {
        request_place(&rs[i], NULL, NULL, 1);
        ck_assert_int_eq(tb_writer_post(f.writer, &rs[i].job),
                         i < TB_WRITER_QUEUE_MAX ? TB_OK : TB_BUSY);
    }
    ck_assert_uint_eq(tb_mailbox_count(&f.writer->mailbox), TB_WRITER_QUEUE_MAX);
    while (tb_writer_step(f.writer) == 0)
        continue;
    for (int i = 0; i <= TB_WRITER_QUEUE_MAX; i++) {
        done += rs[i].done;
        request_release(&rs[i]);
    }
    ck_assert_int_eq(done, TB_WRITER_QUEUE_MAX);
    free(rs);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM orders"), TB_WRITER_QUEUE_MAX);
}
END_TEST

/* An event that is one byte too large for the log is refused: nothing is stored, and the same key
 * may be used for a smaller order. */
START_TEST(too_large_for_the_log)
{
    static const char trace[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    char id[TB_UUID_SIZE];
    struct request r;
    int64_t size;

    fixture_place(&f, id);
    size = fixture_query(&f, "SELECT length(payload) FROM outbox") + (int64_t)strlen(trace);
    for (int less = 1; less >= 0; less--) {
        f.event_max_bytes = size - less;
        fixture_reopen(&f);
        request_place(&r, NULL, "key-large", 1);
        r.job.traceparent = tb_str_of(trace);
        fixture_run(&f, &r);
        ck_assert_int_eq(r.job.answer.status, less ? 413 : 201);
        request_release(&r);
        ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM orders"), less ? 1 : 2);
    }
    f.event_max_bytes = 100; /* a change is an event too */
    fixture_reopen(&f);
    request_change(&r, TB_CMD_ADDRESS, id, NULL, 1);
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.answer.status, 413);
    request_release(&r);
    ck_assert_int_eq(fixture_query(&f, "SELECT max(version) FROM orders"), 1);
    fixture_check_consistent(&f);
}
END_TEST

/* With less free space than the reserve, new commands are refused, but repeats get their answers
 * and cursors move. */
START_TEST(below_the_reserve)
{
    struct request r;

    request_place(&r, NULL, "key-1", 1);
    fixture_run(&f, &r);
    request_release(&r);
    f.disk_free = 999;
    request_place(&r, NULL, NULL, 1);
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.code, TB_FULL);
    ck_assert_int_eq(r.job.answer.status, 507);
    ck_assert_int_gt(r.job.answer.retry_after_s, 0);
    request_release(&r);
    request_place(&r, NULL, "key-1", 1);
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.answer.status, 201);
    ck_assert(r.job.answer.replayed);
    request_release(&r);
    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, 1, 5);
    fake_clock_advance(&f.clock, 1000);
    tb_writer_step(f.writer);
    ck_assert_int_eq(fixture_query(&f, "SELECT row FROM cursors"), 1);
    f.disk_free = 1000;
    fixture_place(&f, NULL);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM orders"), 2);
}
END_TEST

/* An idle writer writes and syncs nothing. Its only timer is retention's; in an empty store it has
 * none.
 */
START_TEST(idle_writer_waits_and_writes_nothing)
{
    int64_t wait_ms, before;

    ck_assert_int_eq(tb_writer_step(f.writer), TB_RETENTION_FIRST_MS);
    fake_clock_advance(&f.clock, TB_RETENTION_FIRST_MS);
    (void)tb_writer_step(f.writer);
    ck_assert_int_lt(tb_writer_step(f.writer), 0);
    fixture_place(&f, NULL);
    fake_clock_advance(&f.clock, 60);
    wait_ms = tb_writer_step(f.writer);
    ck_assert_int_eq(wait_ms, TB_RETENTION_ROUND_MS - 60);
    before = fault_vfs_changes();
    for (int i = 0; i < 60; i++) {
        fake_clock_advance(&f.clock, 1000);
        tb_writer_step(f.writer);
    }
    ck_assert_int_eq(fault_vfs_changes(), before);
}
END_TEST

/* A cursor is written with the next commit, or after 50 ms; it never moves back, or beyond the
 * last row.
 */
START_TEST(cursors_join_a_commit_or_wait)
{
    fixture_place(&f, NULL);
    fixture_place(&f, NULL);
    fake_clock_advance(&f.clock, 100);
    tb_writer_step(f.writer);
    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, 1, 5);
    int64_t before = fault_vfs_changes();
    ck_assert_int_eq(tb_writer_step(f.writer), 50);
    ck_assert_int_eq(fault_vfs_changes(), before);
    fixture_place(&f, NULL);
    ck_assert_int_eq(fixture_query(&f, "SELECT row FROM cursors"), 1);

    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, 2, 6);
    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, 3, 7);
    fake_clock_advance(&f.clock, 50);
    tb_writer_step(f.writer);
    ck_assert_int_eq(fixture_query(&f, "SELECT row FROM cursors"), 3);
    ck_assert_int_eq(fixture_query(&f, "SELECT moved_at FROM cursors"), 7);

    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, 2, 8);
    fixture_reopen(&f);
    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, 2, 9);
    fake_clock_advance(&f.clock, 50);
    tb_writer_step(f.writer);
    ck_assert_int_eq(fixture_query(&f, "SELECT row FROM cursors"), 3);
    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, 99, 9);
    fake_clock_advance(&f.clock, 50);
    tb_writer_step(f.writer);
    ck_assert_int_eq(fixture_query(&f, "SELECT row FROM cursors"), 3);
    fixture_check_consistent(&f);
}
END_TEST

START_TEST(forced_offline_is_stored)
{
    struct request r;

    for (int forced = 1; forced >= 0; forced--) {
        request_place(&r, NULL, NULL, 1);
        r.job.type = TB_JOB_LINK;
        r.job.forced_offline = forced != 0;
        fixture_run(&f, &r);
        ck_assert_int_eq(r.job.code, TB_OK);
        request_release(&r);
        fixture_reopen(&f);
        ck_assert_int_eq(tb_store_forced_offline(f.store), forced);
    }
}
END_TEST

START_TEST(free_answers_what_is_queued)
{
    struct request r;

    request_place(&r, NULL, NULL, 1);
    ck_assert_int_eq(tb_writer_post(f.writer, &r.job), TB_OK);
    fixture_close(&f);
    ck_assert_int_eq(r.done, 1);
    ck_assert_int_eq(r.job.code, TB_UNAVAILABLE);
    ck_assert_int_eq(r.job.answer.status, 503);
    request_release(&r);
}
END_TEST

/* A clock that jumps back and forth changes neither order nor numbers nor events. */
START_TEST(jumping_clock)
{
    static const int64_t jumps[] = {0, -3 * FIXTURE_DAY_MS, 400 * FIXTURE_DAY_MS,
                                    -30000 * FIXTURE_DAY_MS, FIXTURE_DAY_MS};
    char id[TB_UUID_SIZE];

    fixture_place(&f, id);
    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        struct request r;
        f.clock.wall_ms = FIXTURE_WALL_MS + jumps[i];
        fixture_place(&f, NULL);
        request_change(&r, TB_CMD_LINES, id, NULL, 0);
        fixture_run(&f, &r);
        ck_assert_int_eq(r.job.answer.version, (int64_t)i + 2);
        request_release(&r);
    }
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM outbox"), 11);
    fixture_check_consistent(&f);
}
END_TEST

/* A command that breaks a constraint fails alone: its rows are undone, the rest of the batch is
 * executed, and no order number is lost. (Here its key is longer than the schema allows; api/
 * refuses such keys.)
 */
START_TEST(one_bad_command_fails_alone)
{
    struct request rs[3];
    char key[300];

    fixture_place(&f, NULL);
    memset(key, 'k', sizeof key);
    for (int i = 0; i < 3; i++) {
        request_place(&rs[i], NULL, NULL, 1);
        if (i == 1)
            rs[i].job.idempotency_key = (struct tb_str){key, sizeof key};
        ck_assert_int_eq(tb_writer_post(f.writer, &rs[i].job), TB_OK);
    }
    tb_writer_step(f.writer);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(rs[i].job.answer.status, i == 1 ? 500 : 201);
        request_release(&rs[i]);
    }
    ck_assert(tb_writer_healthy(f.writer));
    fixture_place(&f, NULL);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM outbox"), 4);
    fixture_check_consistent(&f);
}
END_TEST

/* Whoever asks why nothing can be stored is told the file. */
START_TEST(an_outage_names_the_file_until_a_commit_ends_it)
{
    char problem[TB_WRITER_PROBLEM_SIZE];
    struct request r;

    fault_vfs_fail_only("-wal");
    fault_vfs_fail(FAULT_WRITE, 1, SQLITE_IOERR_WRITE, /* forever= */ true, 1);
    request_place(&r, NULL, NULL, 1);
    ck_assert_int_eq(tb_writer_post(f.writer, &r.job), TB_OK);
    tb_writer_step(f.writer);
    ck_assert_int_eq(r.job.answer.status, 503);
    request_release(&r);
    for (int i = 0; i < 2; i++) { /* the failed commit, and a failed try to open it again */
        tb_writer_problem(f.writer, problem);
        ck_assert_msg(strstr(problem, "store.db-wal"), "%s", problem);
        ck_assert(!tb_writer_healthy(f.writer));
        fake_clock_advance(&f.clock, TB_WRITER_REOPEN_CAP_MS);
        tb_writer_step(f.writer);
    }
    fault_vfs_heal();
    fake_clock_advance(&f.clock, TB_WRITER_REOPEN_CAP_MS);
    fixture_place(&f, NULL);
    tb_writer_problem(f.writer, problem);
    ck_assert_str_eq(problem, "");
}
END_TEST

/* The writer wakes by itself to try a failed checkpoint again, and says nothing of it to clients.
 */
START_TEST(an_idle_writer_tries_a_failed_checkpoint_again)
{
    struct tb_checkpoint_status status;
    struct tb_error err = {0};
    int64_t wait_ms;

    tb_db_set_checkpoint_pages(f.store->db, 1);
    fault_vfs_fail_only("store.db");
    fault_vfs_fail(FAULT_SYNC, 1, SQLITE_IOERR_FSYNC, /* forever= */ true, 1);
    fixture_place(&f, NULL);
    ck_assert(tb_writer_healthy(f.writer));
    wait_ms = tb_writer_step(f.writer);
    ck_assert_int_gt(wait_ms, 0);
    ck_assert_int_le(wait_ms, TB_WRITER_UPKEEP_MS);
    fake_clock_advance(&f.clock, TB_WRITER_UPKEEP_MS + TB_CHECKPOINT_RETRY_MIN_MS);
    tb_writer_step(f.writer);
    tb_checkpoints_status(&f.checkpoints, &status);
    ck_assert_uint_eq(status.failures, 2);
    ck_assert_int_gt(status.failing_at_ms, 0);
    /* What the writer knows of an outage outlives its connection. */
    tb_error_set(&err, TB_UNAVAILABLE, "the disk fails");
    tb_writer_mark_broken(f.writer, &err);
    tb_writer_step(f.writer);
    ck_assert(tb_writer_healthy(f.writer));
    tb_checkpoints_status(&f.checkpoints, &status);
    ck_assert_uint_eq(status.failures, 2);
    ck_assert_int_gt(status.failing_at_ms, 0);
    fault_vfs_heal();
    fake_clock_advance(&f.clock, TB_CHECKPOINT_RETRY_MAX_MS);
    tb_writer_step(f.writer);
    tb_checkpoints_status(&f.checkpoints, &status);
    ck_assert_uint_eq(status.failures, 2);
    ck_assert_int_eq(status.failing_at_ms, 0);
    fixture_check_consistent(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/writer");
    TCase *tc = tcase_create("step");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, placing_stores_order_and_event);
    tcase_add_test(tc, a_batch_commits_once);
    tcase_add_test(tc, changes_follow_one_another);
    tcase_add_test(tc, if_match_and_unknown_order_are_refused);
    tcase_add_test(tc, a_repeat_gives_the_first_answer);
    tcase_add_test(tc, a_key_for_another_request_is_422);
    tcase_add_test(tc, only_state_refusals_are_remembered);
    tcase_add_test(tc, key_wins_over_repeated_order_id);
    tcase_add_test(tc, full_queue_is_busy);
    tcase_add_test(tc, too_large_for_the_log);
    tcase_add_test(tc, below_the_reserve);
    tcase_add_test(tc, idle_writer_waits_and_writes_nothing);
    tcase_add_test(tc, cursors_join_a_commit_or_wait);
    tcase_add_test(tc, forced_offline_is_stored);
    tcase_add_test(tc, free_answers_what_is_queued);
    tcase_add_test(tc, jumping_clock);
    tcase_add_test(tc, one_bad_command_fails_alone);
    tcase_add_test(tc, an_outage_names_the_file_until_a_commit_ends_it);
    tcase_add_test(tc, an_idle_writer_tries_a_failed_checkpoint_again);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

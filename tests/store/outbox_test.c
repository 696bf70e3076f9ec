/* Promise: a relay reads every event once, in the order of the commits, with its epoch and
 * sequence; the status agrees with the tables. Method: the status against a model that counts. */
#include "base/sqlite/db_priv.h"
#include "store/fixture.h"
#include <sqlite3.h>
#include <stdio.h>

static struct fixture f;
static struct tb_outbox_reader *reader;

static void setup(void)
{
    struct tb_error err = {0};

    fixture_init(&f);
    fixture_open(&f);
    ck_ok(tb_outbox_reader_open(f.path, &reader, &err));
}

static void teardown(void)
{
    tb_outbox_reader_free(reader);
    fixture_release(&f);
}

static void move_cursor(int64_t row, int64_t at_ms)
{
    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, row, at_ms);
    fake_clock_advance(&f.clock, 1000);
    tb_writer_step(f.writer);
}

/* Reads rows after a cursor, up to a limit, across epochs; each epoch starts its sequence at 1. */
START_TEST(rows_come_in_order_with_their_epoch)
{
    struct tb_error err = {0};
    struct tb_outbox_row row = {0};
    char epochs[2][TB_EPOCH_SIZE];
    int64_t expected = 2;
    bool more = true;

    for (int i = 0; i < 6; i++) {
        if (i == 3)
            ck_ok(tb_store_renew_epoch(f.store, &err));
        snprintf(epochs[i / 3], TB_EPOCH_SIZE, "%s", tb_store_epoch(f.store));
        fixture_place(&f, NULL);
    }
    ck_ok(tb_outbox_read_after(reader, 1, 4, &err));
    for (; more; expected += more) {
        ck_ok(tb_outbox_next(reader, &row, &more, &err));
        if (!more)
            break;
        ck_assert_int_eq(row.row, expected);
        ck_assert_str_eq(row.epoch, epochs[expected > 3]);
        ck_assert_int_eq(row.sequence, expected > 3 ? expected - 3 : expected);
        ck_assert(tb_str_eq(row.type, TB_STR("OrderPlaced.v2")));
        ck_assert_uint_eq(row.order_id.len, TB_UUID_LEN);
        ck_assert_ptr_null(row.traceparent.ptr);
        ck_assert_int_eq(row.version, 1);
    }
    ck_assert_int_eq(expected, 6);
    tb_outbox_end_read(reader);
}
END_TEST

static void place_for(struct tb_str customer_id, char ret_id[TB_UUID_SIZE])
{
    struct request r;

    request_place(&r, NULL, NULL, 1);
    r.job.command.customer_id = customer_id;
    fixture_run(&f, &r);
    memcpy(ret_id, r.job.answer.order_id, TB_UUID_SIZE);
    request_release(&r);
}

/* Every row has the customer of its order, even if the event itself does not. */
START_TEST(rows_have_the_customer_when_asked_for)
{
    struct tb_error err = {0};
    struct tb_outbox_row row = {0};
    struct request r;
    char of_a_customer[TB_UUID_SIZE], of_nobody[TB_UUID_SIZE];
    bool more = false;

    place_for(TB_STR("C-1001"), of_a_customer);
    place_for((struct tb_str){0}, of_nobody);
    request_change(&r, TB_CMD_SHIP, of_a_customer, NULL, 1);
    fixture_run(&f, &r);
    request_release(&r);
    for (int asked = 0; asked < 2; asked++) {
        if (asked)
            tb_outbox_include_customers(reader);
        ck_ok(tb_outbox_read_after(reader, 0, 10, &err));
        for (int i = 0; i < 3; i++) {
            ck_ok(tb_outbox_next(reader, &row, &more, &err));
            ck_assert(more);
            ck_assert(tb_str_eq(row.order_id, tb_str_of(i == 1 ? of_nobody : of_a_customer)));
            if (asked && i != 1)
                ck_assert(tb_str_eq(row.customer_id, TB_STR("C-1001")));
            else
                ck_assert_ptr_null(row.customer_id.ptr);
        }
        tb_outbox_end_read(reader);
    }
}
END_TEST

START_TEST(traceparent_is_carried)
{
    static const char *const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    struct tb_error err = {0};
    struct tb_outbox_row row = {0};
    struct request r;
    bool more = false;

    request_place(&r, NULL, NULL, 1);
    r.job.traceparent = tb_str_of(parent);
    fixture_run(&f, &r);
    request_release(&r);
    ck_ok(tb_outbox_read_after(reader, 0, 10, &err));
    ck_ok(tb_outbox_next(reader, &row, &more, &err));
    ck_assert(more && tb_str_eq(row.traceparent, tb_str_of(parent)));
}
END_TEST

/* A reader sees one snapshot for a whole batch; after tb_outbox_end_read the WAL can be
 * checkpointed. */
START_TEST(a_read_is_one_snapshot_and_ends)
{
    struct tb_error err = {0};
    struct tb_outbox_row row = {0};
    bool more = false;

    fixture_place(&f, NULL);
    ck_ok(tb_outbox_read_after(reader, 0, 10, &err));
    ck_ok(tb_outbox_next(reader, &row, &more, &err));
    ck_assert(more);
    fixture_place(&f, NULL);
    ck_ok(tb_outbox_next(reader, &row, &more, &err));
    ck_assert(!more);
    tb_outbox_end_read(reader);
    ck_assert_int_eq(tb_db_checkpoint(f.store->db, SQLITE_CHECKPOINT_TRUNCATE), SQLITE_OK);
    ck_ok(tb_outbox_read_after(reader, 1, 10, &err));
    ck_ok(tb_outbox_next(reader, &row, &more, &err));
    ck_assert(more);
    ck_assert_int_eq(row.row, 2);
}
END_TEST

START_TEST(the_status_agrees_with_the_tables)
{
    struct tb_error err = {0};
    struct tb_outbox_status figures = {0};
    struct fake_random random;
    int64_t last = 0, cursor = 0, first = 1, moved_at = 0;
    int64_t placed_at[200] = {0};

    fake_random_init(&random, test_seed(11));
    for (int i = 0; i < 150; i++) {
        switch (fake_random_below(&random, 6)) {
        case 0:
            if (cursor < last) {
                cursor += 1 + (int64_t)fake_random_below(&random, (uint64_t)(last - cursor));
                moved_at = f.clock.wall_ms;
                move_cursor(cursor, moved_at);
            }
            break;
        case 1:
            ck_ok(tb_store_renew_epoch(f.store, &err));
            first = last + 1;
            break;
        default:
            fake_clock_advance(&f.clock, 10);
            placed_at[++last] = f.clock.wall_ms;
            fixture_place(&f, NULL);
        }
        ck_ok(tb_outbox_read_status(reader, TB_CURSOR_INPROC, &figures, &err));
        ck_assert_str_eq(figures.epoch, tb_store_epoch(f.store));
        ck_assert_int_eq(figures.last_row, last);
        ck_assert_int_eq(figures.cursor_row, cursor);
        ck_assert_int_eq(figures.pending, last - cursor);
        ck_assert_int_eq(figures.last_sequence, last - first + 1);
        ck_assert_int_eq(figures.delivered_sequence, cursor < first ? 0 : cursor - first + 1);
        ck_assert_int_eq(figures.oldest_pending_at_ms, cursor < last ? placed_at[cursor + 1] : 0);
        ck_assert_int_eq(figures.last_delivered_at_ms, moved_at);
        ck_assert_int_eq(figures.oldest_event_at_ms, placed_at[1]);
        ck_assert_int_eq(figures.oldest_key_at_ms, 0); /* none was sent with */
        ck_assert(!figures.forced_offline);
    }
}
END_TEST

START_TEST(an_order_is_delivered_when_its_last_event_is)
{
    struct tb_error err = {0};
    struct request r;
    char id[TB_UUID_SIZE];
    bool delivered = true;
    int64_t row = -1;

    ck_ok(tb_outbox_cursor(reader, TB_CURSOR_INPROC, &row, &err));
    ck_assert_int_eq(row, 0);
    ck_assert_int_eq(
        tb_outbox_order_delivered(reader, TB_CURSOR_INPROC, TB_STR("none"), &delivered, &err),
        TB_NOT_FOUND);
    fixture_place(&f, id);
    request_change(&r, TB_CMD_SHIP, id, NULL, 0);
    fixture_run(&f, &r);
    request_release(&r);
    for (int64_t cursor = 0; cursor <= 2; cursor++) {
        if (cursor > 0)
            move_cursor(cursor, 1);
        ck_ok(
            tb_outbox_order_delivered(reader, TB_CURSOR_INPROC, tb_str_of(id), &delivered, &err));
        ck_assert_int_eq(delivered, cursor == 2);
    }
    ck_ok(tb_outbox_cursor(reader, TB_CURSOR_INPROC, &row, &err));
    ck_assert_int_eq(row, 2);
}
END_TEST

static int64_t ask_for(const char *order_id)
{
    struct request r;
    int64_t count;

    request_place(&r, NULL, NULL, 1);
    r.job.type = TB_JOB_UNPARK;
    snprintf(r.job.log, sizeof r.job.log, TB_CURSOR_KAFKA);
    snprintf(r.job.order_id, sizeof r.job.order_id, "%s", order_id);
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.code, f.connected ? TB_OK : TB_CONFLICT);
    count = r.job.order_count;
    request_release(&r);
    return count;
}

/* A refusal that was posted before a request came does not answer the request. */
START_TEST(a_request_to_unpark_is_not_lost)
{
    struct tb_parked_details parked = {0};
    struct tb_error err = {0};
    char id[TB_UUID_SIZE];

    fixture_close(&f);
    f.connected = true;
    fixture_open(&f);
    fixture_place(&f, id);
    ck_assert(fixture_park(&f, id, 1, "too large", 5));
    ck_assert_int_eq(ask_for(""), 0); /* it is stored after this */
    ck_assert_int_eq(ask_for(id), 1);
    struct tb_parked_order again = {.row = 1, .unpark = 1};
    memcpy(again.order_id, id, sizeof id);
    ck_assert(tb_writer_post_parked(f.writer, TB_CURSOR_KAFKA, &again, "again", 6));
    ck_assert_int_eq(ask_for(id), 1);
    ck_ok(tb_outbox_next_parked(reader, TB_CURSOR_KAFKA, "", &parked, &err));
    ck_assert_int_eq(parked.order.unpark, 1);
    ck_assert_int_eq(parked.order.number, 1);
    ck_assert_int_gt(parked.order.bytes, 100);
    ck_assert_str_eq(parked.reason, "again");
    ck_assert_int_eq(parked.at_ms, 5);
    ck_assert_int_eq(tb_outbox_next_parked(reader, TB_CURSOR_KAFKA, id, &parked, &err),
                     TB_NOT_FOUND);
    ck_assert(tb_writer_post_unparked(f.writer, TB_CURSOR_KAFKA, id));
    (void)ask_for(id);
    ck_assert_int_eq(ask_for(id), 0);
}
END_TEST

/* A parked order counts for its own cursor only, is listed with the row from which it is skipped,
 * is never delivered, and keeps its first reason. */
START_TEST(parked_orders_are_listed)
{
    struct tb_error err = {0};
    struct tb_outbox_status figures = {0};
    struct tb_parked_order parked[3];
    char ids[2][TB_UUID_SIZE];
    bool delivered = true;
    size_t count = 9;

    fixture_place(&f, ids[0]);
    fixture_place(&f, ids[1]);
    ck_assert(fixture_park(&f, ids[1], 2, "too large", 5));
    ck_assert(fixture_park(&f, ids[1], 1, "again", 6));
    tb_writer_post_cursor(f.writer, TB_CURSOR_KAFKA, 2, 7);
    move_cursor(2, 7);
    ck_ok(tb_outbox_read_status(reader, TB_CURSOR_KAFKA, &figures, &err));
    ck_assert_int_eq(figures.parked, 1);
    ck_assert_int_eq(figures.pending, 0);
    ck_ok(tb_outbox_read_status(reader, TB_CURSOR_INPROC, &figures, &err));
    ck_assert_int_eq(figures.parked, 0);
    ck_ok(tb_outbox_list_parked(reader, TB_CURSOR_KAFKA, parked, 3, &count, &err));
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(parked[0].order_id, ids[1]);
    ck_assert_int_eq(parked[0].row, 2);
    ck_ok(tb_outbox_list_parked(reader, TB_CURSOR_INPROC, parked, 3, &count, &err));
    ck_assert_uint_eq(count, 0);
    for (int i = 0; i < 2; i++) {
        ck_ok(tb_outbox_order_delivered(reader, TB_CURSOR_KAFKA, tb_str_of(ids[i]), &delivered,
                                        &err));
        ck_assert_int_eq(delivered, i == 0);
        ck_ok(tb_outbox_order_delivered(reader, TB_CURSOR_INPROC, tb_str_of(ids[i]), &delivered,
                                        &err));
        ck_assert(delivered);
    }
    ck_assert_int_eq(
        fixture_query(&f, "SELECT count(*) FROM parked WHERE reason = 'too large' AND row = 2"
                          " AND parked_at = 5"),
        1);
}
END_TEST

/* What each remembered log has yet to acknowledge, the slowest first; and what any of them has. */
START_TEST(cursors_are_listed)
{
    struct tb_outbox_cursor cursors[TB_OUTBOX_CURSORS_MAX];
    struct tb_outbox_status figures = {0};
    char text[TB_OUTBOX_TEXT_SIZE], id[TB_UUID_SIZE];
    struct tb_error err = {0};
    int64_t second_ms = 0;
    size_t count = 9;

    ck_ok(tb_outbox_list_cursors(reader, cursors, &count, &err));
    ck_assert_uint_eq(count, 0);
    for (int i = 0; i < 4; i++) {
        fixture_place(&f, id);
        fake_clock_advance(&f.clock, 1000);
        if (i == 0)
            second_ms = f.clock.wall_ms;
    }
    ck_assert(fixture_park(&f, id, 9, "too large", 5));
    tb_writer_post_cursor(f.writer, TB_CURSOR_KAFKA, 1, 7);
    move_cursor(3, 7);
    ck_ok(tb_outbox_list_cursors(reader, cursors, &count, &err));
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(cursors[0].name, TB_CURSOR_KAFKA);
    ck_assert_int_eq(cursors[0].pending, 3);
    ck_assert_int_eq(cursors[0].oldest_pending_at_ms, second_ms);
    ck_assert_int_eq(cursors[0].parked, 1);
    ck_assert_str_eq(cursors[1].name, TB_CURSOR_INPROC);
    ck_assert_int_eq(cursors[1].pending, 1);
    ck_assert_int_eq(cursors[1].parked, 0);
    tb_outbox_unconfigured_text(&cursors[0], text);
    ck_assert_str_eq(text, "3 events wait for the log kafka, which is not configured: configure "
                           "it again, or `tillbox link forget kafka`");
    tb_outbox_unconfigured_text(&cursors[1], text);
    ck_assert_int_eq(strncmp(text, "1 event waits for ", 18), 0);
    ck_ok(tb_outbox_read_status(reader, TB_CURSOR_INPROC, &figures, &err));
    ck_assert_int_eq(figures.pending, 1);
    ck_assert_int_eq(figures.any_pending, 3);
    ck_assert_int_eq(figures.any_oldest_pending_at_ms, second_ms);
    tb_writer_post_cursor(f.writer, TB_CURSOR_KAFKA, 4, 7);
    move_cursor(3, 7);
    ck_ok(tb_outbox_read_status(reader, TB_CURSOR_INPROC, &figures, &err));
    ck_assert_int_eq(figures.any_pending, 1);
    /* The node's own log does not count for Kafka. */
    ck_ok(tb_outbox_read_status(reader, TB_CURSOR_KAFKA, &figures, &err));
    ck_assert_int_eq(figures.any_pending, 0);
    ck_assert_int_eq(figures.any_oldest_pending_at_ms, 0);
}
END_TEST

/* The number of waiting posts is bounded. A refused post returns false; accepted ones are stored,
 * together with the cursor. */
START_TEST(parking_is_bounded)
{
    char id[TB_UUID_SIZE];
    int taken = 0;

    fixture_place(&f, NULL);
    for (bool room = true; room; taken += room) {
        snprintf(id, sizeof id, "01890000-0000-7000-8000-%012d", taken);
        room = fixture_park(&f, id, 1, "no", 1);
    }
    ck_assert_int_gt(taken, 1);
    fault_vfs_fail(FAULT_WRITE, 1, /* SQLITE_FULL */ 13, false, 1);
    move_cursor(1, 1);
    ck_assert(!fixture_park(&f, id, 1, "no", 1));
    fault_vfs_heal();
    for (int i = 0; i < 5; i++)
        move_cursor(1, 1);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM parked"), taken);
    ck_assert(fixture_park(&f, id, 1, "no", 1));
}
END_TEST

/* The nth read fails while a reader is opened, for every n: an error, never a crash. */
START_TEST(opening_survives_every_failed_read)
{
    const int ioerr_read = 10 | (1 << 8); /* SQLITE_IOERR_READ */
    enum tb_code code = TB_INTERNAL;
    int n;

    fixture_place(&f, NULL);
    for (n = 1; code != TB_OK && n < 100; n++) {
        struct tb_outbox_reader *another = NULL;
        struct tb_error err = {0};

        fault_vfs_fail(FAULT_READ, n, ioerr_read, false, 1);
        code = tb_outbox_reader_open(f.path, &another, &err);
        fault_vfs_heal();
        tb_outbox_reader_free(another);
        ck_assert(code == TB_OK || code == TB_UNAVAILABLE);
    }
    ck_assert_int_gt(n, 2); /* some read did fail, and the range covers all */
    ck_assert_int_lt(n, 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/outbox");
    TCase *tc = tcase_create("reader");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, rows_come_in_order_with_their_epoch);
    tcase_add_test(tc, rows_have_the_customer_when_asked_for);
    tcase_add_test(tc, traceparent_is_carried);
    tcase_add_test(tc, a_read_is_one_snapshot_and_ends);
    tcase_add_test(tc, the_status_agrees_with_the_tables);
    tcase_add_test(tc, an_order_is_delivered_when_its_last_event_is);
    tcase_add_test(tc, parked_orders_are_listed);
    tcase_add_test(tc, a_request_to_unpark_is_not_lost);
    tcase_add_test(tc, cursors_are_listed);
    tcase_add_test(tc, parking_is_bounded);
    tcase_add_test(tc, opening_survives_every_failed_read);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

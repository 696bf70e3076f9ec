/* Promise: with 800 orders a day for 90 days, all data with a retention stops growing, and no
 * event is removed before it is acknowledged, although Kafka acknowledges nothing for five days.
 * Method: a till whose clock the test moves, on real files, which are checked each day. */
#include "edge/till.h"
#include <inttypes.h>
#include <stdio.h>

#define DAYS 90
#define ORDERS_A_DAY 800
#define OPEN_HOURS 4 /* few commits, so that the test is quick */
#define EVENTS_A_DAY (ORDERS_A_DAY * 11 / 10)
#define OFFLINE_FROM 40
#define OFFLINE_DAYS 5
#define REBUILD_DAY 4 /* the log still has its first records */
#define STEADY_DAY 36 /* from here on all data has reached its retention */

static struct till till;

static void setup(void)
{
    till_open(&till);
}

static void teardown(void)
{
    till_close(&till);
}

static void live_a_day(int day)
{
    till.kafka_is_reached = day < OFFLINE_FROM || day >= OFFLINE_FROM + OFFLINE_DAYS;
    for (int hour = 0; hour < 24; hour++) {
        if (hour < OPEN_HOURS)
            till_sell(&till, ORDERS_A_DAY / OPEN_HOURS);
        if (hour == 0)
            till_corrupt_last(&till);
        till_catch_up(&till);
        till_pass_hour(&till);
    }
}

/* Every row behind the slowest cursor must be there. */
static void check_nothing_is_lost(void)
{
    int64_t acked = fixture_query_file(till.f.path, "SELECT min(row) FROM cursors");

    ck_assert_int_eq(fixture_query_file(till.f.path,
                                        "SELECT count(*) FROM outbox"
                                        " WHERE row > (SELECT min(row) FROM cursors)"),
                     till.row - acked);
    ck_assert_int_eq(fixture_query_file(till.f.path, "SELECT max(row) FROM outbox"), till.row);
}

/* The store may have the rows of a day, and those since the last hourly removal. */
static void check_store(int day)
{
    struct tb_outbox_status figures = {0};
    struct tb_error err = {0};
    int64_t days = day < OFFLINE_FROM || day > OFFLINE_FROM + OFFLINE_DAYS ? 2 : OFFLINE_DAYS + 2;

    ck_assert_int_lt(fixture_query_file(till.f.path, "SELECT count(*) FROM outbox"),
                     days * EVENTS_A_DAY);
    ck_assert_int_lt(fixture_query_file(till.f.path, "SELECT count(*) FROM idempotency"),
                     2 * ORDERS_A_DAY);
    ck_ok(tb_outbox_read_status(till.outbox, TB_CURSOR_KAFKA, &figures, &err));
    ck_assert_int_ge(figures.oldest_event_at_ms, till.f.clock.wall_ms - days * FIXTURE_DAY_MS);
    ck_assert_int_ge(figures.oldest_key_at_ms, till.f.clock.wall_ms - 2 * FIXTURE_DAY_MS);
}

static int64_t records_in_log(void)
{
    return fixture_query_file(till.log_path, "SELECT count(*) FROM records");
}

static void view_path(char path[TB_VIEW_PATH_SIZE])
{
    struct tb_rebuild_generations views;

    tb_rebuild_get_generations(till.rebuild, &views);
    tb_generations_path(till.f.dir, views.served, path);
}

static void check_view(int day)
{
    char path[TB_VIEW_PATH_SIZE];
    int64_t letters;

    view_path(path);
    letters = fixture_query_file(path, "SELECT count(*) FROM dead_letters");
    ck_assert_int_eq(letters, day < 29 ? day + 1 : letters);
    ck_assert_int_le(letters, 30);
    ck_assert_int_eq(fixture_query_file(path, "SELECT count(*) FROM orders"),
                     (int64_t)(day + 1) * ORDERS_A_DAY);
    ck_assert_int_eq(till_file_bytes(till.view_path) > 0, day < REBUILD_DAY + 7);
}

/* The size of a file without the data that grows with the orders. */
static int64_t bytes_beside_orders(const char *path)
{
    return fixture_query_file(path,
                              "SELECT (SELECT page_count * page_size"
                              "        FROM pragma_page_count, pragma_page_size) -"
                              " (SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%orders%')");
}

struct sizes {
    int64_t store, log, view, wal;
};

static struct sizes sizes(void)
{
    char path[TB_VIEW_PATH_SIZE], wal[200];
    struct sizes now = {.store = bytes_beside_orders(till.f.path),
                        .log = till_file_bytes(till.log_path)};

    view_path(path);
    now.view = bytes_beside_orders(path);
    snprintf(wal, sizeof wal, "%s-wal", till.f.path);
    now.wal = till_file_bytes(wal);
    return now;
}

static void check_levels_off(const struct sizes *then, const struct sizes *now)
{
    printf("beside the orders: store %" PRId64 ", log %" PRId64 ", view %" PRId64
           " bytes; 54 days later %" PRId64 ", %" PRId64 ", %" PRId64 "\n",
           then->store, then->log, then->view, now->store, now->log, now->view);
    ck_assert_int_le(now->log, then->log + then->log / 20);
    ck_assert_int_le(now->view, then->view + then->view / 20);
    /* The file got more pages in the five days without Kafka; later orders use these pages. */
    ck_assert_int_le(now->store, then->store + then->store / 20);
    ck_assert_int_lt(now->wal, 16 << 20);
}

START_TEST(ninety_days)
{
    struct sizes settled = {0}, end;

    for (int day = 0; day < DAYS; day++) {
        live_a_day(day);
        check_nothing_is_lost();
        check_store(day);
        check_view(day);
        ck_assert_int_le(records_in_log(), 8 * EVENTS_A_DAY);
        if (day == REBUILD_DAY)
            ck_assert_int_eq(till_rebuild(&till), TB_REBUILD_DONE);
        if (day == STEADY_DAY)
            settled = sizes();
    }
    end = sizes();
    check_levels_off(&settled, &end);
    ck_assert_int_eq(fixture_query_file(till.f.path, "SELECT count(*) FROM orders"),
                     DAYS * ORDERS_A_DAY);
    fixture_check_consistent(&till.f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("retention");
    TCase *tc = tcase_create("ninety days");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, ninety_days);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

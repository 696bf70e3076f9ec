/* Promise: a view that is filled again is told, whatever its file was and wherever the start
 * before has ended: there is a line in the list of recoveries, and until the view has all that the
 * store had when the process started, progress says so. A start with a whole view finds nothing,
 * also the first one.
 *
 * Method: a till's files are removed or emptied; a start fails at each call that changes a file;
 * the till's parts run step by step, and each step compares what is told with what the view has.
 */
#include "edge/till.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ORDERS 10
/* Snapshots are sent in pages of 200. */
#define MANY_ORDERS 500
#define STEPS_MAX 1000

static struct till till;

static void remove_file(const char *name)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char path[300];

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        snprintf(path, sizeof path, "%s/%s%s", till.f.dir, name, suffixes[i]);
        (void)!unlink(path);
    }
}

static void cut_to_nothing(const char *name)
{
    char path[300];
    FILE *file;

    remove_file(name);
    snprintf(path, sizeof path, "%s/%s", till.f.dir, name);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
}

static void change_view(const char *sql)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    char path[300];

    snprintf(path, sizeof path, "%s/view.db", till.f.dir);
    ck_ok(tb_db_open(path, TB_DB_DERIVED, 0, &db, &err));
    ck_ok(tb_db_exec(db, sql, &err));
    tb_db_close(db);
}

static void lose_both(void)
{
    remove_file("log.db");
    remove_file("view.db");
}

static void lose_view(void)
{
    remove_file("view.db");
}

static void lose_log(void)
{
    remove_file("log.db");
}

static void cut_view(void)
{
    cut_to_nothing("view.db");
}

static void cut_both(void)
{
    cut_to_nothing("log.db");
    cut_to_nothing("view.db");
}

static void empty_view(void)
{
    change_view("DELETE FROM orders; DELETE FROM offsets; DELETE FROM origin");
}

static void forget_offsets(void)
{
    change_view("DELETE FROM orders; DELETE FROM offsets");
}

static const struct {
    void (*lose)(void);
    bool log, view; /* must be told */
} cases[] = {
    {lose_both, true, true},       {lose_view, false, true}, {lose_log, true, false},
    {cut_view, false, true},       {cut_both, true, true},   {empty_view, false, true},
    {forget_offsets, false, true},
};
#define CASES ((int)(sizeof cases / sizeof *cases))

static int64_t recoveries(const char *file)
{
    char sql[200];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM recoveries WHERE file LIKE '%s'", file);
    return fixture_query_file(till.f.path, sql);
}

static int64_t orders_in_view(void)
{
    return fixture_query_file(till.view_path, "SELECT count(*) FROM orders");
}

static void make_till(int orders)
{
    till_open(&till);
    for (int left = orders; left > 0; left -= ORDERS)
        till_sell(&till, left < ORDERS ? left : ORDERS);
    till_catch_up(&till);
    ck_assert_int_eq(orders_in_view(), orders);
    till_stop(&till);
}

/* What health and status are made of. */
static bool is_told_whole(void)
{
    struct tb_log_range range;
    int64_t rows_left, end, next = -1;
    struct tb_error err = {0};

    tb_refill_read(&till.refill, &rows_left, &end);
    range = tb_log_inproc_range(till.log, NULL);
    ck_ok(till.reader->ops->offset(till.reader, 0, &next, &err));
    ck_assert(end >= 0 || rows_left > 0 || !till.refill.has_orders);
    ck_assert_int_le(end, range.end);
    return end >= 0 && next >= end;
}

/* Steps until all is told to be there. Then it must be. */
static void fill(int64_t orders)
{
    for (int steps = 0; !is_told_whole(); steps++) {
        ck_assert_int_lt(steps, STEPS_MAX);
        (void)tb_relay_step(till.relay);
        (void)tb_consumer_step(till.consumer, 0);
        fake_clock_advance(&till.f.clock, TB_RELAY_IDLE_MS);
        (void)tb_writer_step(till.f.writer);
    }
    ck_assert_int_eq(orders_in_view(), orders);
}

static void check_told(int which)
{
    ck_assert_int_eq(recoveries("view.db") > 0, cases[which].view);
    ck_assert_int_eq(recoveries("log.db") > 0, cases[which].log);
}

START_TEST(a_file_without_content_is_told)
{
    int64_t told;

    make_till(ORDERS);
    cases[_i].lose();
    till_start(&till);
    check_told(_i);
    fill(ORDERS);
    told = recoveries("%");
    till_stop(&till);
    till_start(&till);
    ck_assert(is_told_whole());
    ck_assert_int_eq(recoveries("%"), told);
    till_close(&till);
}
END_TEST

/* True: a call failed. */
static bool start_fails_at(int64_t call)
{
    struct tb_derived derived = {0};
    struct tb_error err = {0};
    bool failed;

    fault_vfs_install();
    fixture_open(&till.f);
    fault_vfs_fail(FAULT_CHANGES, call, SQLITE_IOERR, /* forever= */ true, (uint64_t)call);
    failed = till_open_derived(&till, &derived, &err) != TB_OK;
    tb_view_free(derived.view);
    tb_log_inproc_free(derived.log);
    fixture_close(&till.f);
    fault_vfs_heal();
    fault_vfs_uninstall();
    return failed;
}

START_TEST(a_start_that_came_no_further_is_told)
{
    bool failed = true;

    for (int64_t call = 1; failed; call++) {
        make_till(ORDERS);
        cases[_i].lose();
        failed = start_fails_at(call);
        till_start(&till);
        check_told(_i);
        fill(ORDERS);
        till_close(&till);
    }
}
END_TEST

/* The first start of a till fails. Nothing was lost. */
START_TEST(a_first_start_that_failed_tells_nothing)
{
    bool failed = true;

    for (int64_t call = 1; failed; call++) {
        till_prepare(&till);
        failed = start_fails_at(call);
        till_start(&till);
        ck_assert_int_eq(recoveries("%"), 0);
        ck_assert(is_told_whole());
        till_sell(&till, 1);
        (void)tb_relay_step(till.relay); /* the view has not read it when the till ends */
        till_stop(&till);
        till_start(&till);
        ck_assert_int_eq(recoveries("%"), 0);
        fill(1);
        till_close(&till);
    }
}
END_TEST

/* The till is started again after each step: the next process goes on telling. */
START_TEST(each_process_tells_until_the_view_is_whole)
{
    int64_t told;
    int starts = 0;

    make_till(MANY_ORDERS);
    lose_both();
    till_start(&till);
    told = recoveries("view.db");
    ck_assert_int_gt(told, 0);
    while (orders_in_view() < MANY_ORDERS) {
        ck_assert_int_lt(starts++, STEPS_MAX);
        ck_assert(!is_told_whole());
        if (starts % 2 == 1)
            (void)tb_relay_step(till.relay);
        else
            (void)tb_consumer_step(till.consumer, 0);
        fake_clock_advance(&till.f.clock, TB_RELAY_IDLE_MS);
        (void)tb_writer_step(till.f.writer);
        till_stop(&till);
        till_start(&till);
        ck_assert_int_eq(recoveries("view.db"), told);
    }
    ck_assert_int_gt(starts, 1);
    fill(MANY_ORDERS);
    till_close(&till);
}
END_TEST

/* The outbox has only the last rows, or none, so most orders come as snapshots first. */
START_TEST(snapshots_are_waited_for)
{
    struct tb_outbox_snapshots left = {0};
    struct tb_error err = {0};

    make_till(MANY_ORDERS);
    lose_both();
    fixture_open(&till.f);
    ck_ok(tb_db_exec(till.f.store->db,
                     _i == 0 ? "DELETE FROM outbox WHERE row < 400" : "DELETE FROM outbox", &err));
    fixture_close(&till.f);
    till_start(&till);
    ck_ok(tb_outbox_read_snapshots(till.outbox, TB_CURSOR_INPROC, &left, &err));
    ck_assert_int_le(left.next, left.last);
    ck_assert(!is_told_whole());
    fill(MANY_ORDERS);
    till_close(&till);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("refill");
    TCase *told = tcase_create("told"), *waited = tcase_create("waited");

    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0); /* as in derived_test.c */
    tcase_set_timeout(told, 300);
    tcase_add_loop_test(told, a_file_without_content_is_told, 0, CASES);
    tcase_add_loop_test(told, a_start_that_came_no_further_is_told, 0, CASES);
    tcase_add_test(told, a_first_start_that_failed_tells_nothing);
    suite_add_tcase(suite, told);
    tcase_set_timeout(waited, 300);
    tcase_add_test(waited, each_process_tells_until_the_view_is_whole);
    tcase_add_loop_test(waited, snapshots_are_waited_for, 0, 2);
    suite_add_tcase(suite, waited);
    return test_main(suite);
}

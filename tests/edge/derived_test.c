/* Promise: whichever of a till's files is lost, older, damaged or of another till, one by one and
 * in every combination, the till starts; then the view has exactly the orders of the store, in
 * their versions and with their sums; an order number is given a second time only if the till has
 * said so; and the next start finds nothing to do.
 *
 * Method: the files of one history are kept at two moments, and those of another till of the same
 * name. Each test puts a combination of them into a folder, starts a till there, and sells on. */
#include "edge/histories.h"
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COMBINATIONS (STORE_COUNT * WHAT_COUNT * WHAT_COUNT)
#define START_CASES 5

static void run_combination(const struct history *history, int index)
{
    int store = index / (WHAT_COUNT * WHAT_COUNT);
    enum what log = (enum what)(index / WHAT_COUNT % WHAT_COUNT);
    enum what view = (enum what)(index % WHAT_COUNT);
    int64_t first, known;

    put_all(history, store, log, view);
    till_start(&till);
    first = tb_store_last_number(till.f.store) + 1;
    check_set_aside(store, log, view);
    check_numbers(history, store, log, view, first);
    till_recover(&till);
    check_view();
    sell_on(history, store);
    known = recoveries("%");
    ck_assert(is_noted() == (recoveries("store.db") > 0));
    till_stop(&till);
    till_start(&till);
    ck_assert_int_eq(recoveries("%"), known);
    check_view();
    sell_on(history, store);
    /* A rebuild needs a log that has everything; and it takes long, so not each test has one. */
    if (history == &histories[0] && index % 7 == 0) {
        ck_assert_int_eq(till_rebuild(&till), TB_REBUILD_DONE);
        check_view();
    }
    till_close(&till);
}

START_TEST(every_combination)
{
    run_combination(&histories[0], _i);
}
END_TEST

START_TEST(every_combination_with_a_shortened_log)
{
    run_combination(&histories[1], _i);
}
END_TEST

/* A log with six partitions is made anew from the store, and its view goes on. */
START_TEST(every_combination_with_six_partitions)
{
    six_partitions = true;
    run_combination(&histories[_i % 2], _i);
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

/* The start fails at each call that changes a file. The next start does all that is left. */
START_TEST(a_start_that_failed_is_made_good)
{
    static const struct {
        int store;
        enum what log, view;
    } cases[START_CASES] = {
        {KEPT, KEPT, KEPT},    {KEPT, DAMAGED, KEPT},
        {KEPT, LOST, FOREIGN}, {STORE_OLDER_IN_PLACE, KEPT, KEPT},
        {KEPT, KEPT, KEPT}, /* with six partitions */
    };
    const int store = cases[_i].store;
    bool failed = true;

    six_partitions = _i == START_CASES - 1;
    for (int64_t call = 1; failed; call++) {
        put_all(&histories[0], store, cases[_i].log, cases[_i].view);
        failed = start_fails_at(call);
        till_start(&till);
        check_set_aside(store, cases[_i].log, cases[_i].view);
        check_numbers(&histories[0], store, cases[_i].log, cases[_i].view,
                      tb_store_last_number(till.f.store) + 1);
        if (_i == 0)
            ck_assert_int_eq(recoveries("%"), 0);
        till_recover(&till);
        check_view();
        till_close(&till);
        if (call == 1)
            ck_assert(failed);
    }
}
END_TEST

/* Opens the till's files while a read fails, from the call on or only that one. *ret_failed: it
 * came to that. */
static enum tb_code open_unreadable(const char *suffix, int64_t call, bool forever,
                                    bool *ret_failed)
{
    struct tb_derived derived = {0};
    struct tb_error err = {0};
    enum tb_code code;

    fault_vfs_install();
    fault_vfs_fail_only(suffix);
    fault_vfs_fail(FAULT_READ, call, SQLITE_IOERR_READ, forever, 1);
    code = fixture_try_open(&till.f, &err);
    if (code == TB_OK)
        code = till_open_derived(&till, &derived, &err);
    *ret_failed = fault_vfs_failures() > 0;
    tb_view_free(derived.view);
    tb_log_inproc_free(derived.log);
    fixture_close(&till.f);
    fault_vfs_heal();
    fault_vfs_uninstall();
    return code;
}

/* A read fails once, each in turn: the start is tried again, and nothing is taken for damaged. */
START_TEST(a_read_that_fails_once_condemns_nothing)
{
    int64_t calls = 0;
    bool failed = true;

    put_all(&histories[0], KEPT, KEPT, KEPT);
    while (failed) {
        enum tb_code code = open_unreadable(NULL, ++calls, false, &failed);

        ck_assert(code == TB_OK || (failed && code == TB_UNAVAILABLE));
    }
    ck_assert_int_gt(calls, 20);
    till_start(&till);
    ck_assert_int_eq(recoveries("%"), 0);
    ck_assert_int_eq(files_aside("log.db") + files_aside("view.db") + files_aside("views.db"), 0);
    check_view();
    till_close(&till);
}
END_TEST

/* At last what cannot be read is set aside. */
START_TEST(a_file_that_cannot_be_read_is_given_up)
{
    static const char *const names[] = {"log.db", "view.db"};
    const char *name = names[_i];
    bool failed = false;
    char suffix[16];

    snprintf(suffix, sizeof suffix, "/%s", name);
    put_all(&histories[0], KEPT, KEPT, KEPT);
    ck_assert_int_eq(open_unreadable(suffix, 1, true, &failed), TB_UNAVAILABLE);
    ck_assert_int_eq(files_aside(name), 0);
    till.gives_up_reading = true;
    (void)open_unreadable(suffix, 1, true, &failed); /* the new file cannot be read, either */
    till.gives_up_reading = false;
    ck_assert_int_eq(files_aside(name), 1);
    till_start(&till);
    ck_assert_int_gt(recoveries(name), 0);
    till_recover(&till);
    check_view();
    sell_on(&histories[0], KEPT);
    till_close(&till);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_unchecked_fixture(tc, make_histories, remove_histories);
    tcase_set_timeout(tc, 300);
    suite_add_tcase(suite, tc);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("derived");
    TCase *files = add_case(suite, "files"), *failures = add_case(suite, "failures");

    /* Thousands of syncs, on which no test here depends. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    tcase_add_loop_test(files, every_combination, 0, COMBINATIONS);
    /* With the whole store, and with one that was put back. */
    tcase_add_loop_test(files, every_combination_with_a_shortened_log, 0, WHAT_COUNT * WHAT_COUNT);
    tcase_add_loop_test(files, every_combination_with_a_shortened_log,
                        STORE_OLDER_IN_PLACE * WHAT_COUNT * WHAT_COUNT, COMBINATIONS);
    tcase_add_loop_test(files, every_combination_with_six_partitions, 0, WHAT_COUNT * WHAT_COUNT);
    tcase_add_loop_test(files, every_combination_with_six_partitions,
                        STORE_OLDER_IN_PLACE * WHAT_COUNT * WHAT_COUNT, COMBINATIONS);
    tcase_add_test(failures, a_read_that_fails_once_condemns_nothing);
    tcase_add_loop_test(failures, a_file_that_cannot_be_read_is_given_up, 0, 2);
    tcase_add_loop_test(failures, a_start_that_failed_is_made_good, 0, START_CASES);
    return test_main(suite);
}

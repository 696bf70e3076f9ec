/* While records are committed, the server is killed in the middle of writes, or frozen, again and
 * again. Nothing is lost, nothing is counted twice, and no call waits too long. */
#include "query/mongo/mongo_feed.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* More attempts than any batch needs. */
#define TRIES_MAX 200

static struct mongo_fixture f;

static void setup(void)
{
    mongo_fixture_open(&f, 20, test_seed(0xfa17));
}

static void teardown(void)
{
    mongo_fixture_close(&f);
}

/* Another process runs `verb` on the server after delay_us, and `heal` after pause_us more. */
static pid_t hurt_later(const char *verb, const char *heal, int64_t delay_us, int64_t pause_us)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return pid;
    usleep((useconds_t)delay_us);
    mongo_server_do(verb);
    usleep((useconds_t)pause_us);
    mongo_server_do(heal);
    _exit(0);
}

static bool may_pass(enum tb_code code)
{
    return code == TB_UNAVAILABLE || code == TB_UNKNOWN || code == TB_BUSY;
}

/* Commits like the consumer: repeats the same plan until it is done. Now and then it makes the
 * plan again from an earlier record, as after a crash. *ret_failures counts the failures. */
static void feed_through(size_t first, size_t count, int *ret_failures)
{
    const struct tb_record *records = f.history.records;
    struct tb_error err = {0};
    bool planned = false;

    for (int tries = 0; tries < TRIES_MAX; tries++) {
        enum tb_code code = TB_OK;

        if (!planned || fake_random_below(&f.fake, 4) == 0) {
            size_t back = fake_random_below(&f.fake, first < 30 ? first + 1 : 30);

            code = mongo_try_plan(f.view, &f.plan, 0, records + first - back, count + back, &err);
            planned = code == TB_OK;
        }
        if (planned)
            code = f.view->ops->commit(f.view, &f.plan, &err);
        if (code == TB_OK)
            return;
        ck_assert_msg(may_pass(code), "%s: %s", tb_code_name(code), err.text);
        ++*ret_failures;
    }
    ck_abort_msg("never written: %s", err.text);
}

static void check_all(void)
{
    char *sales, *again;

    mongo_check_history(f.reader, &f.history);
    sales = mongo_db_dump_sales(&f.db);
    mongo_db_command(&f.db, "{\"dropDatabase\":1}");
    mongo_feed(f.view, &f.history, 0, 1000);
    again = mongo_db_dump_sales(&f.db);
    ck_assert_str_eq(sales, again);
    free(sales);
    free(again);
}

START_TEST(a_killed_server_neither_loses_nor_doubles)
{
    int failures = 0, rounds = 0, status;
    size_t at = 0;

    history_make(&f.history, &f.fake, &(struct history_options){700, 5, 0});
    while (at < f.history.record_count) {
        pid_t pid = 0;

        /* Without a disturbance a batch must succeed at once. */
        if (rounds++ < 6)
            pid =
                hurt_later("kill", "start mongo", (int64_t)fake_random_below(&f.fake, 400000), 0);
        do {
            size_t count = 1 + fake_random_below(&f.fake, 60);

            if (count > f.history.record_count - at)
                count = f.history.record_count - at;
            if (count > 0)
                feed_through(at, count, &failures);
            at += count;
        } while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0 && at < f.history.record_count);
        if (pid > 0)
            waitpid(pid, &status, 0);
    }
    ck_assert_int_gt(failures, 0);
    check_all();
}
END_TEST

/* The server is frozen for longer than the time-outs. Calls fail, and writes that reach the server
 * late do no harm. */
START_TEST(calls_to_a_frozen_server_fail_in_time)
{
    int failures = 0, status;
    pid_t pid;

    history_make(&f.history, &f.fake, &(struct history_options){100, 0, 0});
    pid = hurt_later("freeze", "thaw", 20000, 6000000);
    for (size_t at = 0; at < f.history.record_count; at += 20)
        feed_through(at, f.history.record_count - at < 20 ? f.history.record_count - at : 20,
                     &failures);
    waitpid(pid, &status, 0);
    ck_assert_int_gt(failures, 0);
    check_all();
}
END_TEST

/* Only the first read waits for a server that is down; the next ones fail at once. */
START_TEST(a_server_that_is_down_is_waited_for_once)
{
    struct tb_buf doc = {0};
    struct tb_error err = {0};
    int64_t version = 0;
    enum tb_code code;

    history_make(&f.history, &f.fake, &(struct history_options){20, 0, 0});
    mongo_feed(f.view, &f.history, 0, 100);
    mongo_server_do("kill");
    const struct tb_str id = tb_str_of(f.history.orders[0].order.order_id);
    ck_assert_int_eq(f.reader->ops->get(f.reader, id, &doc, &version, &err), TB_UNAVAILABLE);
    ck_assert_ptr_null(strstr(err.text, "a moment ago"));
    ck_assert_int_eq(f.reader->ops->get(f.reader, id, &doc, &version, &err), TB_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.text, "a moment ago"));
    mongo_server_do("start mongo");
    do
        code = f.reader->ops->get(f.reader, id, &doc, &version, &err);
    while (code == TB_UNAVAILABLE);
    ck_assert_int_eq(code, TB_OK);
    tb_buf_release(&doc);
}
END_TEST

static bool ignore(void *ctx, struct tb_str order_id, int64_t placed_at_ms, struct tb_str doc)
{
    (void)ctx, (void)order_id, (void)placed_at_ms, (void)doc;
    return true;
}

/* A list whose connection fails makes its own pool take the server for down, and no other. */
START_TEST(a_failed_list_fails_no_single_order)
{
    const struct tb_list_filter all = {.limit = 10};
    struct tb_mongo *list_mongo = mongo_db_for_queries(&f.db);
    struct tb_mongo *order_mongo = mongo_db_for_queries(&f.db);
    struct tb_view_reader *lists = NULL, *singles = NULL;
    struct tb_buf doc = {0};
    struct tb_error err = {0};
    int64_t version = 0;
    bool more = false;

    history_make(&f.history, &f.fake, &(struct history_options){20, 0, 0});
    mongo_feed(f.view, &f.history, 0, 100);
    ck_ok(tb_view_mongo_open_reader(list_mongo, &lists, &err));
    ck_ok(tb_view_mongo_open_reader(order_mongo, &singles, &err));
    const struct tb_str id = tb_str_of(f.history.orders[0].order.order_id);
    ck_ok(lists->ops->list(lists, &all, ignore, NULL, &more, &err));
    ck_ok(singles->ops->get(singles, id, &doc, &version, &err));
    mongo_server_do("freeze");
    ck_assert_int_eq(lists->ops->list(lists, &all, ignore, NULL, &more, &err), TB_UNAVAILABLE);
    mongo_server_do("thaw");
    ck_ok(singles->ops->get(singles, id, &doc, &version, &err));
    ck_assert_int_eq(lists->ops->list(lists, &all, ignore, NULL, &more, &err), TB_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.text, "a moment ago"));
    tb_view_reader_free(singles);
    tb_view_reader_free(lists);
    tb_mongo_free(order_mongo);
    tb_mongo_free(list_mongo);
    tb_buf_release(&doc);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("view_mongo_fault");
    TCase *tc = tcase_create("faults");
    int status;

    mongo_server_begin_own();
    mongo_server_limits(
        "serverSelectionTimeoutMS=1000&socketTimeoutMS=2000&connectTimeoutMS=1000");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 200);
    tcase_add_test(tc, a_killed_server_neither_loses_nor_doubles);
    tcase_add_test(tc, calls_to_a_frozen_server_fail_in_time);
    tcase_add_test(tc, a_server_that_is_down_is_waited_for_once);
    tcase_add_test(tc, a_failed_list_fails_no_single_order);
    suite_add_tcase(suite, tc);
    status = test_main(suite);
    mongo_server_end();
    return status;
}

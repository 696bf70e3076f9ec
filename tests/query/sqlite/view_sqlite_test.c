/* The SQLite view: what is committed is read back, in order and under every filter, and no version
 * or offset goes back. */
#include "base/sqlite/db.h"
#include "query/doubles/history.h"
#include "query/sqlite/view_sqlite.h"
#include <stdio.h>
#include <stdlib.h>

static const struct tb_plan_rules rules = {.currency = "EUR"};
static struct fixture {
    char dir[128], path[160];
    struct tb_view *view;
    struct tb_view_reader *reader;
    struct tb_plan plan;
    struct tb_arena arena;
    struct fake_random fake;
} f;

static void open_view(void)
{
    struct tb_error err = {0};

    ck_ok(tb_view_sqlite_open(f.path, &f.view, &err));
    ck_ok(tb_view_sqlite_reader(f.path, &f.reader, &err));
}

static void close_view(void)
{
    f.reader->ops->free(f.reader);
    f.view->ops->free(f.view);
}

static void setup(void)
{
    memset(&f, 0, sizeof f);
    tmpdir_make(f.dir);
    snprintf(f.path, sizeof f.path, "%s/view.db", f.dir);
    fake_random_init(&f.fake, 11);
    open_view();
}

static void teardown(void)
{
    close_view();
    tb_plan_release(&f.plan);
    tb_arena_release(&f.arena);
    tmpdir_remove(f.dir);
}

static enum tb_code load(void *ctx, const char *order_id, struct tb_arena *into,
                         struct tb_planned_order *ret_order, struct tb_error *err)
{
    (void)ctx;
    return f.view->ops->load(f.view, order_id, into, ret_order, err);
}

static void plan_records(const struct tb_record *records, size_t count)
{
    struct tb_log_batch batch = {.records = records, .count = count};
    struct tb_error err = {0};

    tb_plan_clear(&f.plan);
    ck_ok(tb_plan_batch(&f.plan, &batch, &rules, load, NULL, &err));
    f.plan.planned_at_ms = HISTORY_START_MS;
}

static void commit_plan(void)
{
    struct tb_error err = {0};

    ck_ok(f.view->ops->commit(f.view, &f.plan, &err));
}

static void feed(const struct history *history, size_t batch)
{
    for (size_t at = 0; at < history->record_count; at += batch) {
        size_t left = history->record_count - at;

        plan_records(history->records + at, left < batch ? left : batch);
        commit_plan();
    }
}

static int64_t offset_of(int32_t partition)
{
    struct tb_error err = {0};
    int64_t next = -2, seen = -2;

    ck_ok(f.view->ops->offset(f.view, partition, &next, &err));
    ck_ok(f.reader->ops->offset(f.reader, partition, &seen, &err));
    ck_assert_int_eq(next, seen);
    return next;
}

static void check_order(const char *order_id, int64_t version, struct tb_str doc)
{
    struct tb_error err = {0};
    struct tb_buf got = {0};
    int64_t got_version = 0;
    enum tb_code code =
        f.reader->ops->get(f.reader, tb_str_of(order_id), &got, &got_version, &err);

    if (version == 0) {
        ck_assert_int_eq(code, TB_NOT_FOUND);
    } else {
        ck_assert_msg(code == TB_OK, "%s", err.text);
        ck_assert_int_eq(got_version, version);
        ck_assert_msg(tb_str_eq(tb_buf_str(&got), doc), "%s is not %s", got.data, doc.ptr);
    }
    tb_buf_release(&got);
}

static void check_history(const struct history *history)
{
    for (size_t i = 0; i < history->order_count; i++) {
        int64_t version = history_reachable(&history->orders[i]);

        check_order(history->orders[i].order.order_id, version, history->orders[i].docs[version]);
    }
}

static int64_t count_rows(const char *sql)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    int64_t count = -1;

    ck_ok(tb_db_open(f.path, TB_DB_READER, 0, &db, &err));
    ck_ok(tb_db_query_int64(db, sql, &count, &err));
    tb_db_close(db);
    return count;
}

/* Rows survive a restart, and repeated records change nothing. */
START_TEST(the_view_has_every_order_of_the_log)
{
    struct history history;

    fake_random_init(&f.fake, test_seed(0x51ab) + (uint64_t)_i);
    history_make(&history, &f.fake, &(struct history_options){80, 20, 5});
    ck_assert_int_eq(offset_of(0), -1);
    feed(&history, 1 + fake_random_below(&f.fake, 200));
    check_history(&history);
    ck_assert_int_eq(offset_of(0), (int64_t)history.record_count);
    ck_assert_int_eq(offset_of(1), -1);
    close_view();
    open_view();
    int64_t letters = count_rows("SELECT count(*) FROM dead_letters");
    feed(&history, 7);
    check_history(&history);
    ck_assert_int_eq(offset_of(0), (int64_t)history.record_count);
    ck_assert_int_eq(count_rows("SELECT count(*) FROM dead_letters"), letters);
    history_release(&history);
}
END_TEST

/* A commit whose outcome was not known comes again, the same plan; and a zombie's older plans,
 * that insert and that update. */
START_TEST(a_repeated_plan_changes_nothing)
{
    struct history history;
    enum { PARTS = 10 }; /* so many that some orders are updated in several of them */
    struct tb_plan old[PARTS];
    size_t part, at = 0;
    int64_t letters;

    history_make(&history, &f.fake, &(struct history_options){60, 25, 0});
    part = history.record_count / PARTS;
    for (int i = 0; i < PARTS; i++) {
        plan_records(history.records + at, i < PARTS - 1 ? part : history.record_count - at);
        at += part;
        commit_plan();
        commit_plan();
        old[i] = f.plan;
        f.plan = (struct tb_plan){0};
    }
    check_history(&history);
    letters = count_rows("SELECT count(*) FROM dead_letters");
    ck_assert_int_gt(letters, 0);
    for (int i = PARTS - 1; i >= 0; i--) {
        f.plan = old[i];
        commit_plan();
        tb_plan_release(&f.plan);
        check_history(&history);
    }
    ck_assert_int_eq(offset_of(0), (int64_t)history.record_count);
    ck_assert_int_eq(count_rows("SELECT count(*) FROM dead_letters"), letters);
    history_release(&history);
}
END_TEST

/* The epoch and sequence of an order's last event are loaded for the next plan. */
START_TEST(an_order_is_loaded_as_it_was_written)
{
    struct tb_error err = {0};
    struct tb_planned_order loaded = {0};
    struct tb_event event;
    struct tb_record record;

    history_place(&f.arena, &f.fake, HISTORY_START_MS, &event);
    history_record(&f.arena, &event, 42, &record);
    plan_records(&record, 1);
    commit_plan();
    ck_ok(f.view->ops->load(f.view, event.order_id, &f.arena, &loaded, &err));
    ck_assert(loaded.exists && !loaded.stub && !loaded.changed);
    ck_assert_int_eq(loaded.sequence, 42);
    ck_assert_str_eq(loaded.epoch, HISTORY_EPOCH);
    ck_assert_int_eq(loaded.received_at_ms, record.timestamp_ms);
    ck_assert(tb_str_eq(history_encode(&f.arena, &loaded.order),
                        history_encode(&f.arena, &event.order)));
    ck_ok(f.view->ops->load(f.view, "019ab0c1-0000-7000-8000-00000000ffff", &f.arena, &loaded,
                            &err));
    ck_assert(!loaded.exists && loaded.order.version == 0);
}
END_TEST

static bool count_each(void *ctx, struct tb_str order_id, int64_t placed_at_ms, struct tb_str doc)
{
    (void)order_id;
    (void)placed_at_ms;
    (void)doc;
    ++*(int *)ctx;
    return true;
}

/* Queries do not return a stub, but its version is stored. */
START_TEST(a_stub_is_no_order)
{
    static const char id[] = "019ab0c1-0000-7000-8000-000000000001";
    struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR("OrderPlaced.v3")},
                                  {TB_STR("ce_subject"), tb_str_of(id)},
                                  {TB_STR("ce_orderversion"), TB_STR("1")}};
    struct tb_record record = {.value = TB_STR("{}"), .headers = headers, .header_count = 3};
    struct tb_list_filter filter = {.limit = 10};
    struct tb_stats stats = {0};
    struct tb_planned_order loaded = {0};
    struct tb_error err = {0};
    bool more = true;
    int listed = 0;

    for (int version = 1; version <= 2; version++) { /* inserted, then updated */
        headers[2].value = version == 1 ? TB_STR("1") : TB_STR("2");
        record.offset = version;
        plan_records(&record, 1);
        commit_plan();
        check_order(id, 0, TB_STR(""));
        ck_ok(f.view->ops->load(f.view, id, &f.arena, &loaded, &err));
        ck_assert(loaded.exists && loaded.stub);
        ck_assert_int_eq(loaded.order.version, version);
    }
    ck_ok(f.reader->ops->list(f.reader, &filter, count_each, &listed, &more, &err));
    ck_assert_int_eq(listed, 0);
    ck_assert(!more);
    ck_ok(f.reader->ops->stats(f.reader, &(struct tb_stats_filter){0}, &f.arena, &stats, &err));
    ck_assert_uint_eq(stats.total_count, 0);
}
END_TEST

/* A dead letter has everything that a person needs to examine and replay it. */
START_TEST(dead_letters_have_the_record)
{
    struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR("OrderShipped.v1")},
                                  {TB_STR("x"), {0}},
                                  {TB_STR("y"), TB_STR("")}};
    struct tb_record records[] = {{.offset = 5,
                                   .timestamp_ms = 77,
                                   .key = TB_STR("k\0k"),
                                   .value = TB_STR("{\xff"),
                                   .headers = headers,
                                   .header_count = 3},
                                  {.offset = 6, .timestamp_ms = 78}};
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    int64_t open = 0;
    bool row = false;

    plan_records(records, 2);
    commit_plan();
    ck_ok(f.reader->ops->count_dead_letters(f.reader, &open, &err));
    ck_assert_int_eq(open, 2);
    ck_ok(tb_db_open(f.path, TB_DB_READER, 0, &db, &err));
    ck_ok(tb_stmt_prepare(&stmt, db,
                          "SELECT \"offset\", timestamp, key, value, headers, reason, type,"
                          " order_id, dead_at, attempts, status FROM dead_letters ORDER BY id",
                          &err));
    ck_ok(tb_stmt_step(&stmt, &row, &err));
    ck_assert_int_eq(tb_stmt_int64(&stmt, 0), 5);
    ck_assert_int_eq(tb_stmt_int64(&stmt, 1), 77);
    ck_assert(tb_str_eq(tb_stmt_text(&stmt, 2), TB_STR("k\0k")));
    ck_assert(tb_str_eq(tb_stmt_text(&stmt, 3), TB_STR("{\xff")));
    ck_assert(
        tb_str_eq(tb_stmt_text(&stmt, 4), TB_STR("\0\0\0\7ce_type\0\0\0\17OrderShipped.v1"
                                                 "\0\0\0\1x\xff\xff\xff\xff\0\0\0\1y\0\0\0\0")));
    ck_assert(tb_str_eq(tb_stmt_text(&stmt, 5), TB_STR("tillbox.decode")));
    ck_assert(tb_str_eq(tb_stmt_text(&stmt, 6), TB_STR("OrderShipped.v1")));
    ck_assert(!tb_stmt_text(&stmt, 7).ptr);
    ck_assert_int_eq(tb_stmt_int64(&stmt, 8), HISTORY_START_MS);
    ck_assert_int_eq(tb_stmt_int64(&stmt, 9), 1);
    ck_assert(tb_str_eq(tb_stmt_text(&stmt, 10), TB_STR("open")));
    ck_ok(tb_stmt_step(&stmt, &row, &err));
    ck_assert(row && !tb_stmt_text(&stmt, 2).ptr && !tb_stmt_text(&stmt, 3).ptr);
    tb_stmt_finalize(&stmt);
    tb_db_close(db);
}
END_TEST

/* A record that is too large for a row must not stop the view: its dead letter has no value. */
START_TEST(a_dead_letter_that_is_too_large_has_no_value)
{
    size_t size = 8u << 20;
    char *value = calloc(1, size);
    struct tb_record record = {.offset = 1, .value = {value, size}};

    plan_records(&record, 1);
    commit_plan();
    ck_assert_int_eq(count_rows("SELECT count(*) FROM dead_letters WHERE value IS NULL"), 1);
    free(value);
}
END_TEST

START_TEST(dead_letters_expire_oldest_first)
{
    struct tb_error err = {0};
    int64_t removed = -1;

    for (int i = 0; i < 10; i++) {
        struct tb_record record = {.offset = i};

        plan_records(&record, 1);
        f.plan.planned_at_ms = f.plan.kept_from_ms = 1000 + i;
        commit_plan();
    }
    ck_ok(f.view->ops->expire_dead_letters(f.view, 1000, 100, &removed, &err));
    ck_assert_int_eq(removed, 0);
    ck_ok(f.view->ops->expire_dead_letters(f.view, 1005, 3, &removed, &err));
    ck_assert_int_eq(removed, 3);
    ck_ok(f.view->ops->expire_dead_letters(f.view, 1005, 3, &removed, &err));
    ck_assert_int_eq(removed, 2);
    ck_assert_int_eq(count_rows("SELECT min(dead_at) FROM dead_letters"), 1005);
    ck_assert_int_eq(count_rows("SELECT count(*) FROM dead_letters"), 5);
}
END_TEST

/* A file of another program or of a newer build is refused and not changed. */
START_TEST(a_file_of_another_application_is_refused)
{
    struct tb_error err = {0};
    struct tb_view *view = NULL;
    struct tb_db *db = NULL;
    int64_t version = count_rows("PRAGMA user_version");
    char restore[40];

    close_view();
    ck_ok(tb_db_open(f.path, TB_DB_DERIVED, 0, &db, &err));
    ck_ok(tb_db_exec(db, "PRAGMA user_version = 99", &err));
    tb_db_close(db);
    ck_assert_int_eq(tb_view_sqlite_open(f.path, &view, &err), TB_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "99"));
    ck_assert_int_eq(count_rows("PRAGMA user_version"), 99);
    ck_ok(tb_db_open(f.path, TB_DB_DERIVED, 0, &db, &err));
    snprintf(restore, sizeof restore, "PRAGMA user_version = %d", (int)version);
    ck_ok(tb_db_exec(db, restore, &err));
    tb_db_close(db);
    open_view();
}
END_TEST

START_TEST(a_reader_needs_a_file)
{
    struct tb_error err = {0};
    struct tb_view_reader *reader = NULL;
    char path[200];

    snprintf(path, sizeof path, "%s/none.db", f.dir);
    ck_assert_int_ne(tb_view_sqlite_reader(path, &reader, &err), TB_OK);
    ck_assert_ptr_null(reader);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/view_sqlite");
    TCase *tc = tcase_create("commit");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, the_view_has_every_order_of_the_log, 0, 6);
    tcase_add_test(tc, a_repeated_plan_changes_nothing);
    tcase_add_test(tc, an_order_is_loaded_as_it_was_written);
    tcase_add_test(tc, a_stub_is_no_order);
    tcase_add_test(tc, a_file_of_another_application_is_refused);
    tcase_add_test(tc, a_reader_needs_a_file);
    suite_add_tcase(suite, tc);

    tc = tcase_create("dead letters");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, dead_letters_have_the_record);
    tcase_add_test(tc, a_dead_letter_that_is_too_large_has_no_value);
    tcase_add_test(tc, dead_letters_expire_oldest_first);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

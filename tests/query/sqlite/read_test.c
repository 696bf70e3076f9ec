/* The SQLite view's queries: the contract of every view, and the indexes that its statements use.
 */
#include "base/sqlite/db.h"
#include "query/sqlite/view_sqlite_priv.h"
#include "query/view_conformance.h"
#include "support/support.h"
#include <stdio.h>

static struct fixture {
    char dir[128], path[160];
    struct tb_view *view;
    struct tb_view_reader *reader;
} f;

static void setup(void)
{
    struct tb_error err = {0};

    tmpdir_make(f.dir);
    snprintf(f.path, sizeof f.path, "%s/view.db", f.dir);
    ck_ok(tb_view_sqlite_open(f.path, &f.view, &err));
    ck_ok(tb_view_sqlite_reader(f.path, &f.reader, &err));
}

static void teardown(void)
{
    tb_view_reader_free(f.reader);
    tb_view_free(f.view);
    tmpdir_remove(f.dir);
}

START_TEST(a_case_of_every_view)
{
    view_case_run(_i, f.view, f.reader);
}
END_TEST

/* SQLite's query plan for a statement, one step a line. */
static void explain(const char *sql, char ret_text[1000])
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    char explained[2000];
    bool row = false;
    size_t used = 0;

    snprintf(explained, sizeof explained, "EXPLAIN QUERY PLAN %s", sql);
    ck_ok(tb_db_open(f.path, TB_DB_READER, 0, &db, &err));
    ck_ok(tb_stmt_prepare(&stmt, db, explained, &err));
    for (;;) {
        ck_ok(tb_stmt_step(&stmt, &row, &err));
        if (!row)
            break;
        struct tb_str detail = tb_stmt_text(&stmt, 3);
        used +=
            (size_t)snprintf(ret_text + used, 1000 - used, "%.*s\n", (int)detail.len, detail.ptr);
    }
    tb_stmt_finalize(&stmt);
    tb_db_close(db);
}

/* No statement scans or sorts, so the cost depends on the answer, not on the size of the view. */
START_TEST(every_statement_uses_its_index)
{
    static const struct {
        const char *const *sql;
        const char *plan;
    } cases[] = {
        {&tb_view_sqlite_list_sql, "SEARCH orders USING INDEX orders_by_time "
                                   "(placed_at>? AND (placed_at,order_id)<(?,?))\n"},
        {&tb_view_sqlite_list_customer_sql,
         "SEARCH orders USING INDEX orders_by_customer "
         "(customer_id=? AND placed_at>? AND (placed_at,order_id)<(?,?))\n"},
        {&tb_view_sqlite_stats_sql, "SEARCH orders USING COVERING INDEX orders_by_time "
                                    "(placed_at>? AND placed_at<?)\n"},
        {&tb_view_sqlite_get_sql, "SEARCH orders USING INDEX sqlite_autoindex_orders_1 "
                                  "(order_id=?)\n"},
        {&tb_view_sqlite_offset_sql, "SEARCH offsets USING INTEGER PRIMARY KEY (rowid=?)\n"},
    };
    char plan[1000];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        explain(*cases[i].sql, plan);
        ck_assert_str_eq(plan, cases[i].plan);
    }
}
END_TEST

struct found {
    size_t orders, others;
    const char *column; /* the last one that differed */
};

static void note_column(void *ctx, const struct tb_order *order, const char *other_column)
{
    struct found *found = ctx;

    (void)order;
    found->orders++;
    found->others += other_column != NULL;
    found->column = other_column ? other_column : found->column;
}

static void execute(const char *sql)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;

    ck_ok(tb_db_open(f.path, TB_DB_DERIVED, 0, &db, &err));
    ck_ok(tb_db_exec(db, sql, &err));
    tb_db_close(db);
}

/* What lists find an order by, and sort and add it up by, is compared with its document. */
START_TEST(a_column_that_differs_from_the_document_is_named)
{
    static const char *const cases[][2] = {
        {"version = version + 1", "version"},
        {"placed_at = placed_at + 1", "placedAt"},
        {"business_date = '1970-01-01'", "businessDate"},
        {"node = 'other'", "node"},
        {"status = (status + 1) % 3", "status"},
        {"source = NULL", "source"},
        {"currency = 'NOK'", "currency"},
        {"kind = 1 - kind", "kind"},
        {"total_minor = total_minor - 1", "totalMinor"},
        {"customer_id = 'other'", "customerId"},
    };
    struct tb_error err = {0};
    struct found all = {0};
    int scan = 0;

    while (strcmp(view_cases[scan].name, "a_scan_goes_through_all_orders") != 0)
        scan++;
    view_case_run(scan, f.view, f.reader); /* fills the view */
    ck_ok(f.reader->ops->scan(f.reader, "", 10000, note_column, &all, &err));
    ck_assert_uint_gt(all.orders, 1);
    ck_assert_uint_eq(all.others, 0);
    execute("CREATE TABLE kept AS SELECT * FROM orders");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct found found = {0};
        char sql[160];

        snprintf(sql, sizeof sql,
                 "UPDATE orders SET %s WHERE order_id = (SELECT max(order_id)"
                 " FROM orders WHERE doc IS NOT NULL)",
                 cases[i][0]);
        execute(sql);
        ck_ok(f.reader->ops->scan(f.reader, "", 10000, note_column, &found, &err));
        ck_assert_uint_eq(found.orders, all.orders);
        ck_assert_uint_eq(found.others, 1);
        ck_assert_str_eq(found.column, cases[i][1]);
        execute("DELETE FROM orders; INSERT INTO orders SELECT * FROM kept");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/view_sqlite_read");
    TCase *tc = tcase_create("read");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_case_of_every_view, 0, view_case_count);
    tcase_add_test(tc, every_statement_uses_its_index);
    tcase_add_test(tc, a_column_that_differs_from_the_document_is_named);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

/* The SQLite view's dead letters: the cases of every view, the migration to the schema's second
 * version, and that each statement uses its index. */
#include "query/dead_letters/dead_letter_cases.h"
#include "query/sqlite/view_sqlite_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture {
    char dir[128], path[160];
    struct tb_view *view;
    struct tb_view_reader *reader;
    struct dead_letter_bed bed;
} f;

static void open_view(void)
{
    struct tb_error err = {0};

    ck_ok(tb_view_sqlite_open(f.path, &f.view, &err));
    ck_ok(tb_view_sqlite_reader(f.path, &f.reader, &err));
    dead_letter_bed_init(&f.bed, f.view, f.reader);
}

static void setup(void)
{
    tmpdir_make(f.dir);
    snprintf(f.path, sizeof f.path, "%s/view.db", f.dir);
    open_view();
}

static void close_view(void)
{
    dead_letter_bed_release(&f.bed);
    f.reader->ops->free(f.reader);
    f.view->ops->free(f.view);
}

static void teardown(void)
{
    close_view();
    tmpdir_remove(f.dir);
}

START_TEST(a_case_of_every_view)
{
    dead_letter_cases[_i].run(&f.bed);
}
END_TEST

/* A view of the schema's first version, with a dead letter of each kind. */
static const char first_version[] =
    "ALTER TABLE orders DROP COLUMN replaced; ALTER TABLE orders DROP COLUMN earlier_epochs;"
    "ALTER TABLE orders DROP COLUMN events;"
    "DROP TABLE origin; DROP TABLE dead_letters;"
    "CREATE TABLE dead_letters("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, partition INTEGER NOT NULL, \"offset\" INTEGER NOT "
    "NULL, order_id TEXT, type TEXT, reason TEXT NOT NULL, message TEXT NOT NULL,"
    " key BLOB, value BLOB, headers BLOB NOT NULL, timestamp INTEGER NOT NULL,"
    " dead_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 1,"
    " status TEXT NOT NULL DEFAULT 'open' CHECK(status IN ('open', 'replayed', 'dropped')),"
    " UNIQUE(partition, \"offset\")) STRICT;"
    "CREATE INDEX dead_letters_by_time ON dead_letters(dead_at);"
    "CREATE INDEX dead_letters_open ON dead_letters(order_id, id) WHERE status = 'open';"
    "INSERT INTO dead_letters(partition, \"offset\", order_id, type, reason, message, key, value,"
    " headers, timestamp, dead_at) VALUES"
    " (2, 7, '019ab0c1-0000-7000-8000-000000000001', 'OrderShipped.v1', 'tillbox.gap',"
    "  'version 12 came while the order stands at 3', x'6b', x'7b7d', x'', 5, 9),"
    " (2, 8, NULL, NULL, 'tillbox.decode', 'version 9 of JSON', NULL, NULL, x'', 5, 9);"
    "DROP TABLE store_sequences; PRAGMA user_version=1";

START_TEST(dead_letters_of_the_first_schema_are_migrated)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_error err = {0};
    struct tb_dead_letter letter;
    struct tb_db *db = NULL;

    close_view();
    ck_ok(tb_db_open(f.path, TB_DB_DERIVED, 0, &db, &err));
    ck_ok(tb_db_exec(db, first_version, &err));
    tb_db_close(db);
    open_view();
    ck_ok(f.reader->ops->get_dead_letter(
        f.reader, (struct tb_dead_letter_position){0, 1000000000044}, &arena, &letter, &err));
    ck_assert_int_eq(letter.version, 12);
    ck_assert_int_eq(letter.attempts, 1);
    ck_assert_int_eq(letter.changed_at_ms, 9);
    ck_assert(tb_str_eq(letter.value, TB_STR("{}")) && tb_str_eq(letter.key, TB_STR("k")));
    ck_ok(f.reader->ops->get_dead_letter(
        f.reader, (struct tb_dead_letter_position){0, 1000000000050}, &arena, &letter, &err));
    ck_assert_int_eq(letter.version, 0);
}
END_TEST

/* No statement scans or sorts, so the cost of a page depends on the page only. */
START_TEST(every_statement_uses_its_index)
{
    static const struct {
        const char *const *sql;
        const char *plan;
    } cases[] = {
        {&tb_view_sqlite_dead_letters_sql, "SEARCH dead_letters USING INDEX dead_letters_by_time "
                                           "((dead_at,partition,offset)>(?,?,?))\n"},
        {&tb_view_sqlite_open_dead_letters_sql,
         "SEARCH dead_letters USING INDEX dead_letters_open "
         "((dead_at,partition,offset)>(?,?,?))\n"},
        {&tb_view_sqlite_order_dead_letters_sql,
         "SEARCH dead_letters USING INDEX dead_letters_by_order "
         "(order_id=? AND (partition,offset)>(?,?))\n"},
        {&tb_view_sqlite_dead_letter_sql,
         "SEARCH dead_letters USING INDEX sqlite_autoindex_dead_letters_1 "
         "(partition=? AND offset=?)\n"},
        {&tb_view_sqlite_redrivable_sql,
         "SEARCH d USING COVERING INDEX dead_letters_open ((dead_at,partition,offset)>(?,?,?))\n"
         "SEARCH o USING INDEX sqlite_autoindex_orders_1 (order_id=?) LEFT-JOIN\n"},
    };
    struct tb_error err = {0};
    struct tb_db *db = NULL;

    ck_ok(tb_db_open(f.path, TB_DB_READER, 0, &db, &err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TB_CLEANUP(tb_buf_release) struct tb_buf sql = {0}, plan = {0};
        TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
        bool row = false;

        tb_buf_addf(&sql, "EXPLAIN QUERY PLAN %s", *cases[i].sql);
        ck_ok(tb_stmt_prepare(&stmt, db, sql.data, &err));
        for (;;) {
            ck_ok(tb_stmt_step(&stmt, &row, &err));
            if (!row)
                break;
            tb_buf_add_str(&plan, tb_stmt_text(&stmt, 3));
            tb_buf_addc(&plan, '\n');
        }
        ck_assert_str_eq(plan.data, cases[i].plan);
    }
    tb_db_close(db);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query/view_sqlite_letters");
    TCase *tc = tcase_create("letters");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_case_of_every_view, 0, dead_letter_case_count);
    tcase_add_test(tc, dead_letters_of_the_first_schema_are_migrated);
    tcase_add_test(tc, every_statement_uses_its_index);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

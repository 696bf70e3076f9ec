/* Promise: a file is opened with a WAL and our settings, or not at all; a migration is complete or
 * has changed nothing; a transaction that was not committed leaves nothing. */
#include "base/sqlite/db_priv.h"
#include "support/support.h"
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#define OURS 0x7469
static char folder[128], path[160];
static struct tb_error err;
static const char *const steps[] = {
    "CREATE TABLE tea(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT",
    "ALTER TABLE tea ADD COLUMN price INTEGER",
};

static void setup(void)
{
    tmpdir_make(folder);
    snprintf(path, sizeof path, "%s/t.db", folder);
}

static void teardown(void)
{
    tmpdir_remove(folder);
}

static struct tb_db *open_db(enum tb_db_mode mode)
{
    struct tb_db *db = NULL;

    ck_ok(tb_db_open(path, mode, 0, &db, &err));
    return db;
}

static int64_t query(struct tb_db *db, const char *sql)
{
    int64_t value = -1;

    ck_ok(tb_db_query_int64(db, sql, &value, &err));
    return value;
}

START_TEST(settings_are_in_force)
{
    struct tb_db *db = open_db(TB_DB_DURABLE);

    ck_assert_int_eq(query(db, "PRAGMA synchronous"), 2);
    ck_assert_int_eq(query(db, "PRAGMA foreign_keys"), 1);
    ck_assert_int_eq(
        query(db, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode='wal'"), 1);
    /* A misspelt column in double quotes is an error, not a string. */
    struct tb_stmt stmt = {0};
    ck_assert_int_ne(tb_stmt_prepare(&stmt, db, "SELECT \"idd\"", &err), TB_OK);
    tb_stmt_finalize(&stmt);
    tb_db_close(db);
    db = open_db(TB_DB_DERIVED);
    ck_assert_int_eq(query(db, "PRAGMA synchronous"), 1);
    tb_db_close(db);
}
END_TEST

START_TEST(a_declared_statement_is_compiled_by_its_first_use)
{
    struct tb_db *db = open_db(TB_DB_DURABLE);
    struct tb_stmt stmt = {0};
    bool row = false;

    tb_stmt_declare(&stmt, db, "SELECT id FROM tea WHERE name = :name");
    tb_stmt_bind_text(&stmt, ":name", TB_STR("green")); /* there is no table yet */
    ck_assert_int_ne(tb_stmt_step(&stmt, &row, &err), TB_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "tea"));
    ck_ok(tb_db_migrate(db, OURS, steps, 2, &err));
    tb_stmt_bind_text(&stmt, ":name", TB_STR("green"));
    ck_ok(tb_stmt_step(&stmt, &row, &err));
    ck_assert(!row);
    tb_stmt_finalize(&stmt);
    tb_stmt_declare(&stmt, db, "SELECT 1");
    tb_stmt_reset(&stmt); /* was not used */
    tb_stmt_finalize(&stmt);
    tb_db_close(db);
}
END_TEST

START_TEST(a_reader_cannot_write_nor_create)
{
    struct tb_db *db = NULL, *reader;

    ck_assert_int_ne(tb_db_open(path, TB_DB_READER, 0, &db, &err), TB_OK);
    ck_assert_ptr_null(db);
    db = open_db(TB_DB_DURABLE);
    ck_ok(tb_db_migrate(db, OURS, steps, 2, &err));
    reader = open_db(TB_DB_READER);
    ck_assert_int_ne(tb_db_exec(reader, "INSERT INTO tea(name) VALUES('green')", &err), TB_OK);
    tb_db_close(reader);
    tb_db_close(db);
}
END_TEST

START_TEST(a_removed_file_is_gone_with_its_wal)
{
    struct tb_db *db = open_db(TB_DB_DERIVED);
    char wal[180];

    snprintf(wal, sizeof wal, "%s-wal", path);
    ck_ok(tb_db_exec(db, "CREATE TABLE tea(id INTEGER) STRICT", &err));
    struct tb_db *reader = open_db(TB_DB_READER); /* so that closing leaves the WAL */
    (void)query(reader, "SELECT count(*) FROM tea");
    tb_db_close(db);
    ck_ok(tb_db_remove(path, &err));
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_ne(access(wal, F_OK), 0);
    tb_db_close(reader);
    ck_ok(tb_db_remove(path, &err)); /* nothing there is fine */
    db = open_db(TB_DB_DERIVED);
    ck_assert_int_eq(query(db, "SELECT count(*) FROM sqlite_schema"), 0);
    tb_db_close(db);
}
END_TEST

START_TEST(migrations_run_once_and_foreign_files_are_refused)
{
    struct tb_db *db = open_db(TB_DB_DURABLE);

    ck_ok(tb_db_migrate(db, OURS, steps, 1, &err));
    ck_ok(tb_db_migrate(db, OURS, steps, 2, &err));
    ck_ok(tb_db_migrate(db, OURS, steps, 2, &err));
    ck_assert_int_eq(query(db, "PRAGMA user_version"), 2);
    /* An older build opens the newer file. */
    ck_assert_int_eq(tb_db_migrate(db, OURS, steps, 1, &err), TB_CONFLICT);
    ck_assert_int_eq(tb_db_migrate(db, OURS + 1, steps, 2, &err), TB_CONFLICT);
    ck_assert_int_eq(query(db, "PRAGMA user_version"), 2);
    tb_db_close(db);
}
END_TEST

START_TEST(a_failed_migration_leaves_the_old_schema)
{
    static const char *const broken[] = {
        "CREATE TABLE tea(id INTEGER PRIMARY KEY) STRICT",
        "CREATE TABLE milk(id INTEGER PRIMARY KEY) STRICT; CREATE TABLE tea(id) STRICT",
    };
    struct tb_db *db = open_db(TB_DB_DURABLE);

    ck_assert_int_ne(tb_db_migrate(db, OURS, broken, 2, &err), TB_OK);
    ck_assert_int_eq(query(db, "PRAGMA user_version"), 0);
    ck_ok(tb_db_migrate(db, OURS, broken, 1, &err));
    ck_assert_int_ne(tb_db_migrate(db, OURS, broken, 2, &err), TB_OK);
    ck_assert_int_eq(query(db, "PRAGMA user_version"), 1);
    ck_assert_int_eq(query(db, "SELECT count(*) FROM sqlite_schema WHERE name='milk'"), 0);
    tb_db_close(db);
}
END_TEST

static enum tb_code insert(struct tb_db *db, struct tb_str name, bool commit)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};

    TB_TRY(tb_stmt_prepare(&stmt, db, "INSERT INTO tea(name, price) VALUES(:name, :price)", &err));
    TB_TRY(tb_txn_begin(&txn, db, &err));
    tb_stmt_bind_text(&stmt, ":name", name);
    tb_stmt_bind_int64(&stmt, ":price", 350);
    TB_TRY(tb_stmt_run(&stmt, &err));
    return commit ? tb_txn_commit(&txn, &err) : TB_OK;
}

START_TEST(an_uncommitted_transaction_leaves_nothing)
{
    struct tb_db *db = open_db(TB_DB_DURABLE);

    ck_ok(tb_db_migrate(db, OURS, steps, 2, &err));
    ck_ok(insert(db, TB_STR("green"), true));
    ck_ok(insert(db, TB_STR("black"), false));
    ck_assert_int_eq(insert(db, (struct tb_str){0}, true), TB_CONFLICT); /* NOT NULL */
    ck_assert_int_eq(query(db, "SELECT count(*) FROM tea"), 1);
    ck_ok(insert(db, TB_STR(""), true)); /* empty is not absent */
    ck_assert_int_eq(query(db, "SELECT count(*) FROM tea WHERE name = ''"), 1);
    ck_assert_int_eq(tb_db_checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE), SQLITE_OK);
    tb_db_close(db);
}
END_TEST

START_TEST(a_second_writer_gets_busy)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn first = {0};
    struct tb_txn second = {0};
    struct tb_db *a = open_db(TB_DB_DURABLE), *b = open_db(TB_DB_DURABLE);

    ck_ok(tb_db_exec(b, "PRAGMA busy_timeout=1", &err));
    ck_ok(tb_txn_begin(&first, a, &err));
    ck_assert_int_eq(tb_txn_begin(&second, b, &err), TB_BUSY);
    tb_txn_rollback(&first);
    ck_ok(tb_txn_begin(&second, b, &err));
    tb_txn_rollback(&second);
    tb_db_close(b);
    tb_db_close(a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("db");
    TCase *tc = tcase_create("db");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, settings_are_in_force);
    tcase_add_test(tc, a_declared_statement_is_compiled_by_its_first_use);
    tcase_add_test(tc, a_reader_cannot_write_nor_create);
    tcase_add_test(tc, migrations_run_once_and_foreign_files_are_refused);
    tcase_add_test(tc, a_removed_file_is_gone_with_its_wal);
    tcase_add_test(tc, a_failed_migration_leaves_the_old_schema);
    tcase_add_test(tc, an_uncommitted_transaction_leaves_nothing);
    tcase_add_test(tc, a_second_writer_gets_busy);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

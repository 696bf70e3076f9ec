/* Promise: damage of the store that is found while it is used is told with the file's path, the
 * page and the way out, and is not taken for damage of log or view; a file that was cut is told as
 * that. Method: a store with orders, of which one page in the middle is overwritten; WALs that are
 * emptied. */
#include "edge/damage.h"
#include "edge/derived.h"
#include "store/fixture.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PAGE 4096
#define ORDERS 60

static struct fixture f;
static struct tb_damage damage;
static char text[TB_DAMAGE_TEXT_SIZE];

static void setup(void)
{
    fixture_init(&f);
    fault_vfs_uninstall(); /* the file is damaged behind its back */
    fixture_open(&f);
    for (int i = 0; i < ORDERS; i++)
        fixture_place(&f, NULL);
    fixture_close(&f);
    tb_damage_init(&damage, f.dir, f.path);
}

static void teardown(void)
{
    tb_damage_release(&damage);
    fixture_release(&f);
}

/* Of the table or index `name`, the leaf that its middle is in. Returns the page's number. */
static int64_t damage_leaf_of(const char *name)
{
    char sql[200], junk[PAGE];
    int64_t page;
    int fd = open(f.path, O_WRONLY);

    snprintf(sql, sizeof sql,
             "SELECT pageno FROM dbstat WHERE name = '%s' AND pagetype = 'leaf' LIMIT 1 OFFSET 3",
             name);
    page = fixture_query_file(f.path, sql);
    memset(junk, 'x', sizeof junk);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, junk, sizeof junk, (page - 1) * PAGE), (ssize_t)sizeof junk);
    close(fd);
    return page;
}

static struct tb_error read_all_orders(void)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    int64_t sum = 0;

    ck_ok(tb_db_open(f.path, TB_DB_READER, 0, &db, &err));
    ck_assert_int_eq(tb_db_query_int64(db, "SELECT sum(length(doc)) FROM orders", &sum, &err),
                     TB_CORRUPT);
    tb_db_close(db);
    return err;
}

static bool marks_log_and_view(void)
{
    char path[200];

    snprintf(path, sizeof path, "%s/" TB_DAMAGE_MARKER, f.dir);
    return access(path, F_OK) == 0;
}

START_TEST(a_damaged_page_of_the_store_is_told)
{
    int64_t page = damage_leaf_of("orders");
    struct tb_error err = {0};
    char words[40];

    tb_damage_step(&damage, false);
    tb_damage_of_store(&damage, text);
    ck_assert_str_eq(text, ""); /* nobody has met it */
    err = read_all_orders();
    tb_damage_note(&damage, &err);
    tb_damage_of_store(&damage, text);
    ck_assert_ptr_nonnull(strstr(text, f.path));
    tb_damage_step(&damage, false);
    tb_damage_of_store(&damage, text);
    ck_assert_ptr_nonnull(strstr(text, f.path));
    snprintf(words, sizeof words, "page %lld:", (long long)page);
    ck_assert_msg(strcasestr(text, words) != NULL, "no %s in: %s", words, text);
    ck_assert_ptr_nonnull(strstr(text, "put back a copy"));
    ck_assert(!marks_log_and_view());
    text[0] = '\0';
    tb_damage_of_derived(&damage, text);
    ck_assert_str_eq(text, "");
}
END_TEST

/* The writer found it. */
START_TEST(a_caller_may_suspect_the_store)
{
    damage_leaf_of("outbox");
    tb_damage_step(&damage, true);
    tb_damage_of_store(&damage, text);
    ck_assert_ptr_nonnull(strstr(text, f.path));
    ck_assert_ptr_nonnull(strcasestr(text, "page "));
}
END_TEST

START_TEST(damage_of_the_log_is_not_the_stores)
{
    struct tb_error err = {0};

    tb_error_set(&err, TB_CORRUPT, "SQLite: malformed (11) in %s/log.db", f.dir);
    err.native = 11;
    tb_damage_note(&damage, &err);
    tb_damage_step(&damage, false);
    tb_damage_of_store(&damage, text);
    ck_assert_str_eq(text, "");
    tb_damage_of_derived(&damage, text);
    ck_assert_ptr_nonnull(strstr(text, "log.db"));
    ck_assert_ptr_nonnull(strstr(text, "restart"));
    ck_assert(marks_log_and_view());
}
END_TEST

static struct tb_db *log_db;

/* Log and view are looked through by the next start. */
START_TEST(a_log_that_was_cut_is_marked)
{
    struct tb_error err = {0};
    char path[200], wal[210];

    snprintf(path, sizeof path, "%s/log.db", f.dir);
    snprintf(wal, sizeof wal, "%s-wal", path);
    ck_ok(tb_db_open(path, TB_DB_DURABLE, 0, &log_db, &err));
    ck_ok(tb_db_exec(log_db, "CREATE TABLE t(a)", &err));
    ck_assert(!tb_damage_look_for_losses(&damage));
    ck_assert(!marks_log_and_view());
    ck_assert_int_eq(truncate(wal, 0), 0);
    ck_assert(!tb_damage_look_for_losses(&damage)); /* the store is not lost */
    ck_assert(marks_log_and_view());
    tb_damage_of_store(&damage, text);
    ck_assert_str_eq(text, "");
    tb_damage_of_derived(&damage, text);
    ck_assert_msg(strstr(text, wal) && strstr(text, "restart"), "%s", text);
    tb_db_close(log_db);
}
END_TEST

/* What reads the hole finds damage, but that is not what the person is to be told. */
START_TEST(a_hole_in_the_store_is_told_as_a_loss)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;

    ck_ok(tb_db_open(f.path, TB_DB_DURABLE, 0, &db, &err));
    ck_ok(tb_db_exec(db, "UPDATE meta SET forced_offline = 1", &err));
    char wal[200];
    snprintf(wal, sizeof wal, "%s-wal", f.path);
    ck_assert_int_eq(truncate(wal, 0), 0);
    tb_error_set(&err, TB_CORRUPT, "SQLite: malformed (11) in %s", f.path);
    err.native = 11;
    tb_damage_note(&damage, &err);
    ck_assert(tb_damage_look_for_losses(&damage));
    tb_damage_step(&damage, true);
    ck_assert_str_eq(damage.store, "");
    ck_assert(!damage.store_was_checked); /* SQLite would find the hole, and report it again */
    tb_damage_of_store(&damage, text);
    ck_assert_msg(strstr(text, wal) && strstr(text, "restart the node"), "%s", text);
    tb_db_close(db);
}
END_TEST

static void clear_text(void)
{
    text[0] = '\0';
}

int main(void)
{
    Suite *suite = suite_create("damage");
    TCase *tc = tcase_create("damage");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_checked_fixture(tc, clear_text, NULL);
    tcase_add_test(tc, a_damaged_page_of_the_store_is_told);
    tcase_add_test(tc, a_caller_may_suspect_the_store);
    tcase_add_test(tc, damage_of_the_log_is_not_the_stores);
    tcase_add_test(tc, a_log_that_was_cut_is_marked);
    tcase_add_test(tc, a_hole_in_the_store_is_told_as_a_loss);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

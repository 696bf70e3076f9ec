/* Promise: a file that was put back keeps all that it has beside the rollback journal of a file
 * that was being made in its place; the journal of a file whose making was not finished counts. */
#include "base/sqlite/db_priv.h"
#include "support/support.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OURS 0x7469
static char folder[128], path[160];
static struct tb_error err;
static const char *const steps[] = {"CREATE TABLE tea(id INTEGER PRIMARY KEY, name TEXT) STRICT"};

static void setup(void)
{
    tmpdir_make(folder);
    snprintf(path, sizeof path, "%s/t.db", folder);
}

static void teardown(void)
{
    tmpdir_remove(folder);
}

static struct tb_db *open_db(void)
{
    struct tb_db *db = NULL;

    ck_ok(tb_db_open(path, TB_DB_DURABLE, 0, &db, &err));
    return db;
}

static int64_t query(struct tb_db *db, const char *sql)
{
    int64_t value = -1;

    ck_ok(tb_db_query_int64(db, sql, &value, &err));
    return value;
}

/* The journal of a file that had no pages before (sqlite.org/fileformat2.html, "The Rollback
 * Journal"): a header of one sector, and no page records. */
static void write_journal(void)
{
    static const uint8_t header[] = {
        0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, /* magic */
        0,    0,    0,    0,    1,    2,    3,    4,    /* records, nonce */
        0,    0,    0,    0,                            /* pages of the file before */
        0,    0,    2,    0,    0,    0,    16,   0};   /* sector of 512, page of 4096 bytes */
    uint8_t sector[512] = {0};
    char journal[192];
    int fd;

    memcpy(sector, header, sizeof header);
    snprintf(journal, sizeof journal, "%s-journal", path);
    fd = open(journal, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, sector, sizeof sector), sizeof sector);
    close(fd);
}

static bool has_journal(void)
{
    char journal[192];

    snprintf(journal, sizeof journal, "%s-journal", path);
    return access(journal, F_OK) == 0;
}

static void copy(const char *from_path, const char *suffix, const char *to_path)
{
    char command[512];

    snprintf(command, sizeof command, "cp %s%s %s%s", from_path, suffix, to_path, suffix);
    ck_assert_int_eq(system(command), 0);
}

/* _i 0: the copy is of a closed file; 1: of an open one, whose WAL has everything. */
START_TEST(a_file_that_was_put_back)
{
    struct tb_db *db = open_db();
    char copied[192];

    ck_ok(tb_db_migrate(db, OURS, steps, 1, &err));
    ck_ok(tb_db_exec(db, "INSERT INTO tea(name) VALUES('green'), ('black')", &err));
    if (_i == 1) {
        snprintf(copied, sizeof copied, "%s/copy.db", folder);
        copy(path, "", copied);
        copy(path, "-wal", copied);
    }
    tb_db_close(db);
    if (_i == 1) {
        copy(copied, "", path);
        copy(copied, "-wal", path);
    }
    write_journal();
    db = open_db();
    ck_assert_int_eq(query(db, "SELECT count(*) FROM tea"), 2);
    ck_assert(!has_journal());
    tb_db_close(db);
}
END_TEST

START_TEST(a_file_whose_making_was_not_finished)
{
    struct tb_db *db = open_db();

    ck_assert_int_eq(query(db, "PRAGMA page_count"), 1);
    tb_db_close(db);
    write_journal();
    db = open_db();
    ck_assert_int_eq(query(db, "PRAGMA page_count"), 1); /* made again */
    ck_assert(!has_journal());
    ck_ok(tb_db_migrate(db, OURS, steps, 1, &err));
    tb_db_close(db);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("journal");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_file_that_was_put_back, 0, 2);
    tcase_add_test(tc, a_file_whose_making_was_not_finished);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

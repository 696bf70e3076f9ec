/* Promise: a database file that was put back from a copy beside a WAL of a later moment is either
 * told as such, and neither file is touched, or the WAL makes of it exactly what it was at the
 * end. A process that was killed at any moment is never told this. Method: a history with
 * checkpoints, some of which a reader stops. Its files are kept after each step, as a kill leaves
 * them; then each database file is put beside each later WAL. */
#include "base/sqlite/db_priv.h"
#include "support/support.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEPS 40

static char dir[128], path[160];
static struct tb_db *db, *reader;
static int64_t last_row;
static struct moment {
    struct tb_buf file, wal, backup; /* backup: made by SQLite, with what the WAL has */
    int64_t sum;                     /* of what a reader sees */
} moments[STEPS];

static const char sum_sql[] = "SELECT coalesce(sum(id * length(filler) + changed), 0) FROM rows";

static void setup(void)
{
    tmpdir_make(dir);
    snprintf(path, sizeof path, "%s/a b%%20?#.db", dir); /* to be quoted in an URI */
}

static void teardown(void)
{
    tb_db_close(reader);
    tb_db_close(db);
    tmpdir_remove(dir);
}

static void open_writer(void)
{
    struct tb_error err = {0};

    ck_ok(tb_db_open(path, TB_DB_DURABLE, 1000, &db, &err));
    ck_ok(tb_db_exec(db,
                     "CREATE TABLE IF NOT EXISTS rows(id INTEGER PRIMARY KEY, filler TEXT,"
                     " changed INTEGER)",
                     &err));
    ck_ok(tb_db_mark_wal(db, &err));
}

static void commit_rows(int count)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_error err = {0};
    char sql[200];

    ck_ok(tb_txn_begin(&txn, db, &err));
    for (int i = 0; i < count; i++) {
        last_row++;
        snprintf(sql, sizeof sql,
                 "INSERT INTO rows VALUES(%lld, hex(randomblob(900)), 0);"
                 "UPDATE rows SET changed = changed + 1 WHERE id = %lld",
                 (long long)last_row, (long long)(1 + last_row * 7 % 11));
        ck_ok(tb_db_exec(db, sql, &err));
    }
    ck_ok(tb_txn_commit(&txn, &err));
}

static int64_t sum(struct tb_db *from)
{
    struct tb_error err = {0};
    int64_t value = -1;

    ck_ok(tb_db_query_int64(from, sum_sql, &value, &err));
    return value;
}

static void hold_snapshot(bool hold)
{
    struct tb_error err = {0};

    tb_db_close(reader);
    reader = NULL;
    if (!hold)
        return;
    ck_ok(tb_db_open(path, TB_DB_READER, 0, &reader, &err));
    ck_ok(tb_db_exec(reader, "BEGIN", &err));
    (void)sum(reader);
}

static void read_file(const char *suffix, struct tb_buf *out)
{
    char name[200];

    snprintf(name, sizeof name, "%s%s", path, suffix);
    tb_buf_clear(out);
    if (access(name, F_OK) == 0)
        read_whole_file(name, out);
}

static void write_file(const char *name, const struct tb_buf *bytes)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes->data, bytes->len), (ssize_t)bytes->len);
    close(fd);
}

static void make_backup(struct tb_buf *out)
{
    char name[200];
    sqlite3 *copy = NULL;

    snprintf(name, sizeof name, "%s/backup", dir);
    (void)unlink(name);
    ck_assert_int_eq(sqlite3_open(name, &copy), SQLITE_OK);
    sqlite3_backup *backup = sqlite3_backup_init(copy, "main", db->raw, "main");
    ck_assert_ptr_nonnull(backup);
    ck_assert_int_eq(sqlite3_backup_step(backup, -1), SQLITE_DONE);
    sqlite3_backup_finish(backup);
    sqlite3_close(copy);
    tb_buf_clear(out);
    read_whole_file(name, out);
}

static void keep(struct moment *moment)
{
    read_file("", &moment->file);
    read_file("-wal", &moment->wal);
    make_backup(&moment->backup);
    moment->sum = sum(db);
}

/* Commits, checkpoints, snapshots that stop checkpoints, and restarts. */
static void make_history(void)
{
    open_writer();
    for (int i = 0; i < STEPS; i++) {
        if (i % 10 == 4)
            hold_snapshot(true);
        if (i % 10 == 7)
            hold_snapshot(false);
        if (i == 22) {
            tb_db_close(db);
            open_writer();
        }
        if (i % 3 == 1)
            (void)tb_db_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE);
        else
            commit_rows(1 + i % 4);
        keep(&moments[i]);
    }
    hold_snapshot(false);
    tb_db_close(db);
    db = NULL;
}

static void forget_history(void)
{
    for (int i = 0; i < STEPS; i++) {
        tb_buf_release(&moments[i].file);
        tb_buf_release(&moments[i].wal);
        tb_buf_release(&moments[i].backup);
    }
}

static enum tb_code put(const struct tb_buf *file, const struct tb_buf *wal, int64_t *ret_sum)
{
    struct tb_error err = {0};
    struct tb_db *opened = NULL;
    char name[200];
    enum tb_code code;

    (void)unlink(path);
    snprintf(name, sizeof name, "%s-shm", path);
    (void)unlink(name);
    write_file(path, file);
    snprintf(name, sizeof name, "%s-wal", path);
    write_file(name, wal);
    code = tb_db_open(path, TB_DB_DURABLE, 1000, &opened, &err);
    if (code == TB_OK) {
        ck_ok(tb_db_check(opened, &err));
        *ret_sum = sum(opened);
    } else {
        ck_assert_int_eq(err.native, TB_DB_FOREIGN_WAL);
        ck_assert_ptr_nonnull(strstr(err.text, path));
    }
    tb_db_close(opened);
    return code;
}

static void check_untouched(const struct tb_buf *file, const struct tb_buf *wal)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf now = {0};

    read_file("", &now);
    ck_assert(tb_str_eq(tb_buf_str(&now), tb_buf_str(file)));
    read_file("-wal", &now);
    ck_assert(tb_str_eq(tb_buf_str(&now), tb_buf_str(wal)));
}

START_TEST(every_file_beside_every_later_wal)
{
    int told = 0, whole = 0;
    int64_t found = -1;

    make_history();
    for (int i = 0; i < STEPS; i++) {
        ck_assert_int_eq(put(&moments[i].file, &moments[i].wal, &found), TB_OK);
        ck_assert_int_eq(found, moments[i].sum);
        for (int later = i + 1; later < STEPS; later++) {
            const struct tb_buf *const wal = &moments[later].wal;
            const struct tb_buf *const files[] = {&moments[i].file, &moments[i].backup};

            for (int kind = 0; wal->len > 0 && kind < 2; kind++) {
                if (put(files[kind], wal, &found) == TB_OK) {
                    whole++;
                    ck_assert_msg(found == moments[later].sum, "file %d, kind %d, WAL %d: %lld", i,
                                  kind, later, (long long)found);
                } else {
                    told++;
                    check_untouched(files[kind], wal);
                }
            }
        }
    }
    ck_assert_int_gt(told, STEPS);
    ck_assert_int_gt(whole, STEPS);
    forget_history();
}
END_TEST

/* A file of a build that made no mark proves nothing. */
START_TEST(a_file_without_a_mark)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf file = {0}, wal = {0};
    struct tb_error err = {0};
    int64_t found = -1;

    ck_ok(tb_db_open(path, TB_DB_DURABLE, 1000, &db, &err));
    ck_ok(tb_db_exec(db, "CREATE TABLE rows(id INTEGER PRIMARY KEY, filler TEXT, changed INTEGER)",
                     &err));
    commit_rows(3);
    (void)tb_db_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE);
    ck_ok(tb_db_mark_wal(db, &err));
    commit_rows(3);
    read_file("", &file);
    read_file("-wal", &wal);
    tb_db_close(db);
    db = NULL;
    ck_assert_int_eq(put(&file, &wal, &found), TB_OK);
    ck_assert_int_gt(found, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_mark");
    TCase *tc = tcase_create("wal_mark");

    /* Thousands of syncs, on which no test here depends. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, every_file_beside_every_later_wal);
    tcase_add_test(tc, a_file_without_a_mark);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

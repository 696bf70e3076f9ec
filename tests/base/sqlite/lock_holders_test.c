/* Promise: other processes that hold a database up are named. Method: texts as the kernel writes
 * them, and a child process that holds real locks. */
#include "base/sqlite/db.h"
#include "base/sqlite/lock_holders.h"
#include "support/support.h"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SELF 100
#define INODE 5718023
#define OURS "1: POSIX  ADVISORY  READ 100 fe:00:5718023 128 128\n"

static struct tb_lock_holder holders[TB_LOCK_HOLDERS_MAX];

static size_t parse(const char *text)
{
    memset(holders, 0, sizeof holders);
    return tb_lock_holders_parse(tb_str_of(text), INODE, SELF, holders);
}

/* A reading may miss a lock, so the most that several find. */
static size_t find(const char *path)
{
    struct tb_lock_holder found[TB_LOCK_HOLDERS_MAX];
    size_t most = 0;

    for (int i = 0; i < 5; i++) {
        TB_CLEANUP(tb_buf_release) struct tb_buf locks = {0};

        ck_assert(tb_lock_holders_read(&locks));
        size_t count = tb_lock_holders_find(tb_buf_str(&locks), path, found);
        if (count > most)
            memcpy(holders, found, sizeof holders);
        most = count > most ? count : most;
    }
    return most;
}

START_TEST(writers_and_readers_are_told_apart)
{
    ck_assert_uint_eq(parse(OURS "2: POSIX  ADVISORY  WRITE 7 fe:00:5718023 120 120\n"
                                 "3: POSIX  ADVISORY  READ 8 fe:00:5718023 124 124\n"
                                 "4: POSIX  ADVISORY  READ 8 fe:00:5718023 128 128\n"),
                      2);
    ck_assert_int_eq(holders[0].pid, 7);
    ck_assert(holders[0].writes && !holders[0].reads);
    ck_assert_int_eq(holders[1].pid, 8);
    ck_assert(holders[1].reads && !holders[1].writes);
}
END_TEST

/* The kernel joins adjacent locks of a process, and ours may be of any kind. */
START_TEST(joined_locks_count_for_each)
{
    ck_assert_uint_eq(parse("1: POSIX  ADVISORY  WRITE 100 fe:00:5718023 120 121\n"
                            "2: POSIX  ADVISORY  READ 9 fe:00:5718023 123 128\n"
                            "3: POSIX  ADVISORY  WRITE 9 fe:00:5718023 0 EOF\n"),
                      1);
    ck_assert(holders[0].reads && holders[0].writes);
}
END_TEST

START_TEST(others_are_left_out)
{
    static const char *const texts[] = {
        "",
        OURS,
        /* a connection without a transaction */
        OURS "2: POSIX  ADVISORY  READ 7 fe:00:5718023 128 128\n",
        /* another file; a file of another device with the same number */
        OURS "2: POSIX  ADVISORY  WRITE 7 fe:00:5718024 120 120\n",
        OURS "2: POSIX  ADVISORY  WRITE 7 00:2a:5718023 120 120\n",
        /* one who waits for the lock; a lock of another kind */
        OURS "2: -> POSIX  ADVISORY  WRITE 7 fe:00:5718023 120 120\n",
        OURS "2: FLOCK  ADVISORY  WRITE 7 fe:00:5718023 0 EOF\n",
        OURS "2: OFDLCK ADVISORY  READ -1 fe:00:5718023 123 123\n",
        /* ours is not there, so the device is not known */
        "2: POSIX  ADVISORY  WRITE 7 fe:00:5718023 120 120\n",
        /* cut off, or no line of locks at all */
        OURS "2: POSIX  ADVISORY  WRITE 7 fe:00:57180",
        OURS "2: POSIX  ADVISORY  WRITE 7 5718023 120 120\nPOSIX\n\n2:",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(parse(texts[i]) == 0, "%s", texts[i]);
}
END_TEST

START_TEST(there_is_a_limit)
{
    struct tb_buf text = {0};

    tb_buf_adds(&text, OURS);
    for (int i = 0; i < 2 * TB_LOCK_HOLDERS_MAX; i++)
        tb_buf_addf(&text, "%d: POSIX  ADVISORY  READ %d fe:00:5718023 123 123\n", i, 200 + i);
    tb_buf_addc(&text, '\0');
    ck_assert_uint_eq(parse(text.data), TB_LOCK_HOLDERS_MAX);
    tb_buf_release(&text);
}
END_TEST

/* Forked before we open the database, because SQLite must not be carried over a fork. It waits
 * until it is told to hold a lock, says when it does, and waits to be killed. */
static struct {
    pid_t pid;
    int to, from; /* pipes */
} other;

static void be_other(const char *path, const char *begin, int to, int from)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    char byte = 0;

    if (read(to, &byte, 1) == 1 && tb_db_open(path, TB_DB_DURABLE, 0, &db, &err) == TB_OK &&
        tb_db_exec(db, begin, &err) == TB_OK)
        byte = 'h';
    (void)!write(from, &byte, 1);
    for (;;)
        pause();
}

static void start_other(const char *path, const char *begin)
{
    int to[2], from[2];

    ck_assert_int_eq(pipe(to), 0);
    ck_assert_int_eq(pipe(from), 0);
    other.pid = fork();
    ck_assert_int_ge(other.pid, 0);
    if (other.pid == 0)
        be_other(path, begin, to[0], from[1]);
    other.to = to[1];
    other.from = from[0];
}

static void other_holds(void)
{
    char byte = 'g';

    ck_assert_int_eq(write(other.to, &byte, 1), 1);
    ck_assert_int_eq(read(other.from, &byte, 1), 1);
    ck_assert_int_eq(byte, 'h');
}

static void end_other(void)
{
    ck_assert_int_eq(kill(other.pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(other.pid, NULL, 0), other.pid);
}

START_TEST(a_real_process_is_named)
{
    static const char *const begins[] = {"BEGIN; SELECT * FROM t", "BEGIN IMMEDIATE"};
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    char dir[128], path[160];

    tmpdir_make(dir);
    snprintf(path, sizeof path, "%s/a.db", dir);
    start_other(path, begins[_i]);
    ck_ok(tb_db_open(path, TB_DB_DURABLE, 0, &db, &err));
    ck_ok(tb_db_exec(db, "CREATE TABLE t(a); INSERT INTO t VALUES(1)", &err));
    ck_assert_uint_eq(find(path), 0);
    other_holds();
    ck_assert_uint_eq(find(path), 1);
    ck_assert_int_eq(holders[0].pid, other.pid);
    ck_assert_int_eq(holders[0].writes, _i == 1);
    if (_i == 0)
        ck_assert(holders[0].reads);
    ck_assert_int_gt((int)strlen(holders[0].name), 0);
    end_other();
    ck_assert_uint_eq(find(path), 0);
    tb_db_close(db);
    tmpdir_remove(dir);
}
END_TEST

/* It has the whole file, so that nobody gets a lock that would tell the file's device. */
START_TEST(who_keeps_a_file_for_itself_is_named_by_the_error)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    char dir[128], path[160], pid[32];

    tmpdir_make(dir);
    snprintf(path, sizeof path, "%s/a.db", dir);
    start_other(path, "PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE");
    snprintf(pid, sizeof pid, "(pid %ld) has it locked", (long)other.pid);
    other_holds();
    ck_assert_int_eq(tb_db_open(path, TB_DB_DURABLE, 0, &db, &err), TB_BUSY);
    ck_assert_msg(strstr(err.text, pid) && strstr(err.text, path), "%s", err.text);
    end_other();
    ck_ok(tb_db_open(path, TB_DB_DURABLE, 0, &db, &err));
    tb_db_close(db);
    tmpdir_remove(dir);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lock_holders");
    TCase *tc = tcase_create("lock holders");

    tcase_add_test(tc, writers_and_readers_are_told_apart);
    tcase_add_test(tc, joined_locks_count_for_each);
    tcase_add_test(tc, others_are_left_out);
    tcase_add_test(tc, there_is_a_limit);
    tcase_add_loop_test(tc, a_real_process_is_named, 0, 2);
    tcase_add_test(tc, who_keeps_a_file_for_itself_is_named_by_the_error);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

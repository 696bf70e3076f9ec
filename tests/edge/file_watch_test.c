/* Promise: a file that was moved, removed or cut is told within a second, and nothing is stored
 * any more; a program that has held a file up for long enough is named, once, and for as long as
 * it does; shorter holds are not. Method: a store whose clock the test moves, and a child process
 * that holds real locks; readings of the kernel's list of locks that miss it now and then. */
#include "base/diag/diag.h"
#include "base/sqlite/lock_holders.h"
#include "base/sqlite/wal_backlog.h"
#include "edge/file_watch.h"
#include "store/fixture.h"
#include "store/writer_priv.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fixture f;
static struct tb_data_dir *dir;
static struct tb_file_watch *watch;
static struct tb_damage damage;
static struct tb_hold holds[TB_HOLDS_MAX];
/* Forked before the store is opened, because SQLite must not be carried over a fork. It holds what
 * the byte says that it is sent: a snapshot (s), the write lock (w), nothing any more (n). */
static pid_t other;
static int to_other, from_other;
static int held_up_lines, free_lines, lost_lines; /* of the diagnostics */
static char last_line[2000];
static struct tb_buf locks; /* as the kernel listed them when the child had changed them; slow */
/* Readings in a row that miss the child's locks, at most; 0: none does. */
static int torn_max, torn;

void __wrap_tb_diag(enum tb_diag_level level, const char *event, const char *format, ...);
void __wrap_tb_diag(enum tb_diag_level level, const char *event, const char *format, ...)
{
    va_list args;

    (void)level;
    held_up_lines += strcmp(event, "file.held_up") == 0;
    free_lines += strcmp(event, "file.free") == 0;
    lost_lines += strcmp(event, "edge.file_lost") == 0;
    va_start(args, format);
    vsnprintf(last_line, sizeof last_line, format, args);
    va_end(args);
}

bool __real_tb_lock_holders_read(struct tb_buf *out);
bool __wrap_tb_lock_holders_read(struct tb_buf *out);
bool __wrap_tb_lock_holders_read(struct tb_buf *out)
{
    char pid[24];
    size_t len;

    if (locks.len == 0 && !__real_tb_lock_holders_read(&locks))
        return false;
    torn = torn < torn_max && fake_random_below(&f.random, 3) > 0 ? torn + 1 : 0;
    snprintf(pid, sizeof pid, " %ld ", (long)other);
    for (size_t at = 0; at < locks.len; at += len + 1) {
        const char *line = locks.data + at, *end = memchr(line, '\n', locks.len - at);

        len = end ? (size_t)(end - line) : locks.len - at;
        if (torn == 0 || !memmem(line, len, pid, strlen(pid)))
            tb_buf_addf(out, "%.*s\n", (int)len, line);
    }
    return true;
}

static void be_other(int in, int out)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    char byte, ok;

    while (read(in, &byte, 1) == 1) {
        const char *sql = byte == 'w'   ? "BEGIN IMMEDIATE"
                          : byte == 's' ? "BEGIN; SELECT * FROM orders"
                                        : "ROLLBACK";

        ok = (db || tb_db_open(f.path, TB_DB_DURABLE, 0, &db, &err) == TB_OK) &&
             tb_db_exec(db, sql, &err) == TB_OK;
        if (write(out, &ok, 1) != 1)
            break;
    }
    _exit(0);
}

static void other_holds(char what)
{
    char ok = 0;

    ck_assert_int_eq(write(to_other, &what, 1), 1);
    ck_assert_int_eq(read(from_other, &ok, 1), 1);
    ck_assert_int_eq(ok, 1);
    tb_buf_release(&locks);
}

static void start_other(void)
{
    int in[2], out[2];

    ck_assert_int_eq(pipe(in), 0);
    ck_assert_int_eq(pipe(out), 0);
    other = fork();
    ck_assert_int_ge(other, 0);
    if (other == 0) {
        close(in[1]);
        be_other(in[0], out[1]);
    }
    to_other = in[1];
    from_other = out[0];
}

static void setup(void)
{
    struct tb_error err = {0};

    fixture_init(&f);
    fault_vfs_uninstall(); /* the locks are to be real ones */
    start_other();
    fixture_open(&f);
    ck_ok(tb_data_dir_open(f.dir, false, &dir, &err));
    const struct tb_file_watch_options options = {
        .clock = &f.clock.clock, .dir = dir, .writer = f.writer, .damage = &damage};
    tb_damage_init(&damage, f.dir, f.path);
    ck_ok(tb_file_watch_new(&options, &watch, &err));
    fixture_place(&f, NULL);
    held_up_lines = free_lines = lost_lines = torn_max = torn = 0;
}

static void teardown(void)
{
    ck_assert_int_eq(kill(other, SIGKILL), 0);
    ck_assert_int_eq(waitpid(other, NULL, 0), other);
    tb_file_watch_free(watch);
    tb_damage_release(&damage);
    tb_data_dir_free(dir);
    tb_buf_release(&locks);
    fault_vfs_install();
    fixture_release(&f);
}

static size_t holds_after(int64_t ms)
{
    fake_clock_advance(&f.clock, ms);
    memset(holds, 0, sizeof holds);
    (void)tb_file_watch_step(watch);
    return tb_file_watch_holds(watch, holds);
}

START_TEST(a_writer_is_named_after_a_second)
{
    other_holds('w');
    ck_assert_uint_eq(holds_after(0), 0);
    ck_assert_uint_eq(holds_after(999), 0);
    ck_assert_uint_eq(holds_after(1), 1);
    ck_assert_str_eq(holds[0].file, "store.db");
    ck_assert_str_eq(holds[0].path, f.path);
    ck_assert_int_eq(holds[0].pid, other);
    ck_assert_int_gt((int)strlen(holds[0].program), 0);
    ck_assert(holds[0].writes);
    ck_assert_int_eq(holds[0].held_ms, 1000);
    other_holds('n');
    ck_assert_uint_eq(holds_after(0), 0);
    other_holds('w');
    ck_assert_uint_eq(holds_after(999), 0); /* another hold */
}
END_TEST

/* The writer goes on trying, so that the lock's end is noticed without a command. */
START_TEST(the_writer_waits_for_the_lock_by_itself)
{
    struct request r;

    other_holds('w');
    request_place(&r, NULL, NULL, 1);
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.answer.status, 503);
    request_release(&r);
    ck_assert_int_ge(tb_writer_locked_ms(f.writer), 0);
    fake_clock_advance(&f.clock, 2000);
    ck_assert_int_ge(tb_writer_step(f.writer), 0);
    ck_assert_int_eq(tb_writer_locked_ms(f.writer), 2000);
    ck_assert_uint_eq(holds_after(0), 0); /* who has had it for so long is not known */
    ck_assert_uint_eq(holds_after(1000), 1);
    ck_assert_int_eq(holds[0].held_ms, 1000);
    other_holds('n');
    fake_clock_advance(&f.clock, 2000);
    (void)tb_writer_step(f.writer);
    ck_assert_int_lt(tb_writer_locked_ms(f.writer), 0);
    ck_assert(tb_writer_healthy(f.writer));
    fixture_place(&f, NULL);
}
END_TEST

static void place_many(int count)
{
    for (int i = 0; i < count; i++)
        fixture_place(&f, NULL);
}

/* Only one whose snapshot stops checkpoints: a reader harms nobody while nothing is written. */
START_TEST(a_reader_is_named_after_a_minute_if_the_wal_grows)
{
    other_holds('s');
    ck_assert_uint_eq(holds_after(0), 0);
    ck_assert_uint_eq(holds_after(59999), 0);
    ck_assert_uint_eq(holds_after(60001), 0);
    place_many(200); /* more than WAL_PAGES_BUSY */
    tb_db_maybe_checkpoint(f.store->db, 1);
    ck_assert_uint_eq(holds_after(0), 1);
    ck_assert_int_eq(holds[0].held_ms, 120000);
    ck_assert_int_eq(holds[0].pid, other);
    ck_assert(!holds[0].writes);
    ck_assert_int_gt(holds[0].wal_bytes, 200 * 4096);
    (void)tb_writer_step(f.writer); /* retention, which is due, commits */
    other_holds('n');
    /* The writer tries the checkpoint again without a commit. */
    for (int steps = 0; steps < 3 && tb_wal_backlog_bytes() > 0; steps++) {
        int64_t until_ms = tb_writer_step(f.writer);

        if (tb_wal_backlog_bytes() == 0)
            break;
        ck_assert(until_ms >= 0 && until_ms <= TB_WRITER_UPKEEP_MS);
        fake_clock_advance(&f.clock, until_ms);
    }
    ck_assert_uint_eq(holds_after(0), 0);
    ck_assert_int_eq(tb_wal_backlog_bytes(), 0);
}
END_TEST

static int64_t wait_ms; /* for the watch's next step */
static int64_t sold_ms; /* when the last order was placed */

/* Moves the clock by ms in steps of the watch, which come up to 20 ms too late, as on a busy
 * machine. With sells, an order is placed and a checkpoint tried every second. */
static void run_for(int64_t ms, bool sells)
{
    while (ms > 0) {
        int64_t late_ms = (int64_t)fake_random_below(&f.random, 20);
        int64_t step_ms = wait_ms + late_ms < ms ? wait_ms + late_ms : ms;

        fake_clock_advance(&f.clock, step_ms);
        ms -= step_ms;
        wait_ms -= step_ms;
        if (wait_ms > 0)
            continue;
        if (sells && tb_clock_mono_ms(&f.clock.clock) - sold_ms >= 1000) {
            sold_ms = tb_clock_mono_ms(&f.clock.clock);
            fixture_place(&f, NULL);
            tb_db_maybe_checkpoint(f.store->db, 1);
        }
        wait_ms = tb_file_watch_step(watch);
    }
}

static void check_named(bool writes)
{
    char who[80];

    memset(holds, 0, sizeof holds);
    ck_assert_uint_eq(tb_file_watch_holds(watch, holds), 1);
    ck_assert_int_eq(holds[0].pid, other);
    ck_assert_int_eq(holds[0].writes, writes);
    snprintf(who, sizeof who, "%s (pid %ld)", holds[0].program, (long)other);
    ck_assert_ptr_nonnull(strstr(last_line, who));
    ck_assert_ptr_nonnull(strstr(last_line, f.path));
}

/* Whenever it comes, on a till that sells; and it stays named without a break, although readings
 * miss it, once it was seen. */
START_TEST(a_reader_is_named_between_60_and_61_seconds)
{
    run_for(5000, true);
    for (int phase = 0; phase < 2; phase++) {
        torn_max = 0;
        other_holds('s');
        run_for(800, true);
        torn_max = 2;
        run_for(59199, true);
        ck_assert_uint_eq(tb_file_watch_holds(watch, holds), 0);
        run_for(1001, true);
        check_named(false);
        for (int i = 0; i < 40; i++) {
            run_for(1000, true);
            check_named(false);
        }
        ck_assert_int_eq(held_up_lines, phase + 1);
        ck_assert_int_eq(free_lines, phase);
        other_holds('n');
        run_for(1000 + 137 * phase, true);
        ck_assert_uint_eq(tb_file_watch_holds(watch, holds), 0);
        ck_assert_int_eq(free_lines, phase + 1);
    }
}
END_TEST

/* Also on a till that stands idle. */
START_TEST(a_write_lock_is_named_between_1_and_2_seconds)
{
    for (int i = 0; i < 30; i++) {
        bool idle = i % 2 > 0;

        torn_max = 0;
        run_for(3000 + 37 * i, !idle);
        other_holds('w');
        run_for(800, false);
        torn_max = 2;
        run_for(199, false);
        ck_assert_uint_eq(tb_file_watch_holds(watch, holds), 0);
        run_for(1001, false);
        check_named(true);
        run_for(10000, false);
        check_named(true);
        other_holds('n');
        run_for(1000, false);
        ck_assert_uint_eq(tb_file_watch_holds(watch, holds), 0);
        ck_assert_int_eq(held_up_lines, i + 1);
        ck_assert_int_eq(free_lines, i + 1);
    }
}
END_TEST

/* A program that reads again and again, without a pause, never has an old state: checkpoints come
 * past it. */
START_TEST(many_short_reads_are_not_a_long_one)
{
    for (int i = 0; i < 150; i++) {
        other_holds('s');
        run_for(700, true);
        other_holds('n');
        tb_db_maybe_checkpoint(f.store->db, 1);
    }
    ck_assert_int_eq(held_up_lines, 0);
}
END_TEST

static void step(void)
{
    fake_clock_advance(&f.clock, tb_file_watch_step(watch));
}

static void check_refused(const char *words)
{
    char health[TB_DAMAGE_TEXT_SIZE] = "";
    struct request r;

    tb_damage_of_store(&damage, health);
    ck_assert_msg(strstr(health, words) && strstr(health, f.path), "%s", health);
    request_place(&r, NULL, NULL, 1);
    fixture_run(&f, &r);
    ck_assert_int_eq(r.job.answer.status, 503);
    ck_assert_ptr_nonnull(
        memmem(r.job.answer.body.data, r.job.answer.body.len, health, strlen(health)));
    request_release(&r);
}

/* _i 1: it is cut, so that nothing can be rescued. */
START_TEST(a_lost_wal_is_told_and_nothing_is_stored)
{
    char wal[200];
    int64_t places = 0;

    snprintf(wal, sizeof wal, "%s-wal", f.path);
    place_many(3);
    step();
    ck_assert_int_eq(lost_lines, 0);
    ck_assert_int_eq(_i == 0 ? unlink(wal) : truncate(wal, 0), 0);
    step();
    check_refused("-wal was");
    check_refused("restart the node");
    ck_assert_int_eq(f.losses, 1); /* whatever becomes of the files, the next start knows it */
    ck_assert_int_eq(f.lost_number, 4);
    ck_assert_int_eq(f.lost_sequence, 4);
    for (int i = 0; i < 4; i++) {
        step();
        places += tb_writer_step(f.writer);
    }
    ck_assert_int_gt(places, 0); /* it does not spin */
    ck_assert_int_eq(lost_lines, 1);
    ck_assert_int_eq(f.losses, 1);
    ck_assert(!tb_db_wants_checkpoint(f.store->db));
    fixture_close(&f);
    if (_i == 0)
        ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM orders"), 4);
}
END_TEST

START_TEST(a_store_that_is_put_back_takes_orders)
{
    char moved[200], health[TB_DAMAGE_TEXT_SIZE] = "";

    snprintf(moved, sizeof moved, "%s.moved", f.path);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(rename(f.path, moved), 0);
        step();
        check_refused("put it back");
        ck_assert_int_eq(rename(moved, f.path), 0);
        step();
        fixture_place(&f, NULL);
        tb_damage_of_store(&damage, health);
        ck_assert_str_eq(health, "");
        ck_assert_int_eq(lost_lines, i + 1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file_watch");
    TCase *tc = tcase_create("holds");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_writer_is_named_after_a_second);
    tcase_add_test(tc, the_writer_waits_for_the_lock_by_itself);
    tcase_add_test(tc, a_reader_is_named_after_a_minute_if_the_wal_grows);
    tcase_add_test(tc, a_reader_is_named_between_60_and_61_seconds);
    tcase_add_test(tc, a_write_lock_is_named_between_1_and_2_seconds);
    tcase_add_test(tc, many_short_reads_are_not_a_long_one);
    tcase_add_loop_test(tc, a_lost_wal_is_told_and_nothing_is_stored, 0, 2);
    tcase_add_test(tc, a_store_that_is_put_back_takes_orders);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

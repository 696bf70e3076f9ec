/* Promise: whichever of a till's files is lost, older, damaged or of another till, one by one and
 * in every combination, the till starts; then the view has exactly the orders of the store, in
 * their versions and with their sums; an order number is given a second time only if the till has
 * said so; and the next start finds nothing to do.
 *
 * Method: the files of one history are kept at two moments, and those of another till of the same
 * name. Each test puts a combination of them into a folder, starts a till there, and sells on. */
#include "base/config/config.h"
#include "edge/heartbeat_note.h"
#include "edge/till.h"
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum what { KEPT, LOST, OLDER, FOREIGN, DAMAGED, WHAT_COUNT };
/* OLDER_IN_PLACE: the file was overwritten, so it is not seen to be a copy. */
enum { STORE_OLDER_IN_PLACE = DAMAGED, STORE_COUNT };
#define COMBINATIONS (STORE_COUNT * WHAT_COUNT * WHAT_COUNT)
#define OLD_ORDERS 3
#define START_CASES 5

struct history {
    char now[128], before[128], other[128]; /* folders with store.db, log.db and view.db */
    char old_ids[OLD_ORDERS][TB_UUID_SIZE]; /* in `before` and in `now` */
    int64_t wall_ms;
    int64_t last_number; /* of `now` */
};
/* Two histories: in the second one retention has removed the first records of the log. */
static struct history histories[2];
static struct till till;
/* Log and view are put as a build would have left them whose log had six partitions. */
static bool six_partitions;

/* Making the histories. */

static void copy_file(const char *from, const char *to, const char *name)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf bytes = {0};
    char path[300];
    int fd;

    snprintf(path, sizeof path, "%s/%s", from, name);
    read_whole_file(path, &bytes);
    snprintf(path, sizeof path, "%s/%s", to, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes.data, bytes.len), (ssize_t)bytes.len);
    close(fd);
}

static void keep_files(char ret_folder[128])
{
    tmpdir_make(ret_folder);
    copy_file(till.f.dir, ret_folder, "store.db");
    copy_file(till.f.dir, ret_folder, "log.db");
    copy_file(till.f.dir, ret_folder, "view.db");
}

static int rename_into(const char *folder, const char *file, const char *name)
{
    char from[256], to[256];

    snprintf(from, sizeof from, "%s/%s", folder, file);
    snprintf(to, sizeof to, "%s/%s", till.f.dir, name);
    return rename(from, to);
}

static void change_old(const struct history *history)
{
    for (int i = 0; i < OLD_ORDERS; i++)
        till_change(&till, history->old_ids[i]);
}

/* The outbox keeps its rows for a day, so it has only the later events of the old orders. */
static void make_history(struct history *history, int days)
{
    till_open(&till);
    till_sell(&till, 20);
    for (int i = 0; i < OLD_ORDERS; i++) {
        fixture_place(&till.f, history->old_ids[i]);
        till.row++;
    }
    till_catch_up(&till);
    for (int hour = 0; hour < 24 * days; hour++)
        till_pass_hour(&till);
    till_sell(&till, 20);
    change_old(history);
    till_catch_up(&till);
    for (int hour = 0; hour < 3; hour++)
        till_pass_hour(&till);
    till_stop(&till);
    keep_files(history->before);
    till_start(&till);
    till_sell(&till, 10);
    change_old(history);
    till_catch_up(&till);
    history->wall_ms = till.f.clock.wall_ms;
    history->last_number = tb_store_last_number(till.f.store);
    till_stop(&till);
    keep_files(history->now);
    fixture_release(&till.f);
}

static void make_other(struct history *history)
{
    till_prepare(&till);
    fake_random_init(&till.f.random, 77);
    fake_clock_advance(&till.f.clock, 12345);
    till_start(&till);
    till_sell(&till, 50);
    till_catch_up(&till);
    till_stop(&till);
    keep_files(history->other);
    fixture_release(&till.f);
}

static void make_histories(void)
{
    make_history(&histories[0], 2);
    make_history(&histories[1], 10);
    make_other(&histories[0]);
    make_other(&histories[1]);
}

static void remove_histories(void)
{
    for (int i = 0; i < 2; i++) {
        tmpdir_remove(histories[i].now);
        tmpdir_remove(histories[i].before);
        tmpdir_remove(histories[i].other);
    }
}

/* Making the folder. */

static void damage(const char *name)
{
    char path[300], zeroes[200] = {0};
    int fd;

    snprintf(path, sizeof path, "%s/%s", till.f.dir, name);
    fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, zeroes, sizeof zeroes, 0), sizeof zeroes);
    close(fd);
}

static void change_file(const char *name, enum tb_db_mode mode, const char *sql)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    char path[300];

    snprintf(path, sizeof path, "%s/%s", till.f.dir, name);
    ck_ok(tb_db_open(path, mode, 0, &db, &err));
    ck_ok(tb_db_exec(db, sql, &err));
    tb_db_close(db);
}

/* A key's last hexadecimal digit chooses its partition. */
#define OLD_PARTITION(p)                                                                          \
    "CREATE TABLE records_1_" p "(offset INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL,"        \
    " key BLOB, value BLOB, headers BLOB NOT NULL) STRICT;"                                       \
    "INSERT INTO records_1_" p " SELECT row_number() OVER (ORDER BY offset) + 20, timestamp,"     \
    " key, value, headers FROM records WHERE"                                                     \
    " instr('123456789abcdef', substr(CAST(key AS TEXT), 36, 1)) % 6 = " p ";"                    \
    "INSERT INTO offsets SELECT 'view', 'order-events', " p ", max(offset) + 1"                   \
    " FROM records_1_" p " HAVING count(*) > 0;"                                                  \
    "INSERT INTO marks SELECT 1, " p ", 5, max(offset) FROM records_1_" p " HAVING count(*) > 0;"
static const char old_log[] =
    "DROP TABLE offsets; DROP TABLE marks; ALTER TABLE sequences DROP COLUMN store_sequence;"
    "CREATE TABLE topics("
    " id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL) STRICT;"
    "INSERT INTO topics VALUES(1, 'order-events', 6);"
    "CREATE TABLE offsets("
    " group_name TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,"
    " next INTEGER NOT NULL, PRIMARY KEY(group_name, topic, partition)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE marks("
    " topic INTEGER NOT NULL, partition INTEGER NOT NULL, uptime_ms INTEGER NOT NULL,"
    " next INTEGER NOT NULL, PRIMARY KEY(topic, partition, uptime_ms)) STRICT, WITHOUT "
    "ROWID;" OLD_PARTITION("0") OLD_PARTITION("1") OLD_PARTITION("2") OLD_PARTITION("3")
        OLD_PARTITION("4")
            OLD_PARTITION("5") "DROP TABLE records;"
                               "PRAGMA user_version = 3; PRAGMA application_id = 1952599111;";
static const char old_view[] =
    "DROP TABLE store_sequences; INSERT OR REPLACE INTO offsets SELECT value, 21 + value"
    " FROM json_each('[0,1,2,3,4,5]'); PRAGMA user_version = 5;";

static void make_old(const char *name)
{
    if (strcmp(name, "log.db") == 0)
        change_file(name, TB_DB_DURABLE, old_log);
    if (strcmp(name, "view.db") == 0)
        change_file(name, TB_DB_DERIVED, old_view);
}

static void put(const struct history *history, const char *name, enum what what)
{
    const char *from[] = {[KEPT] = history->now,
                          [OLDER] = history->before,
                          [FOREIGN] = history->other,
                          [DAMAGED] = history->now};

    if (what != LOST)
        copy_file(from[what], till.f.dir, name);
    if (what != LOST && six_partitions)
        make_old(name);
    if (what == DAMAGED)
        damage(name);
}

/* The copied store takes itself for the original. */
static void own_store(void)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    struct statx st;
    char sql[200];

    ck_assert_int_eq(statx(AT_FDCWD, till.f.path, 0, STATX_INO | STATX_BTIME, &st), 0);
    snprintf(sql, sizeof sql, "UPDATE meta SET file_id = '%llu-%lld.%09u'",
             (unsigned long long)st.stx_ino,
             st.stx_mask & STATX_BTIME ? (long long)st.stx_btime.tv_sec : 0,
             st.stx_mask & STATX_BTIME ? st.stx_btime.tv_nsec : 0);
    ck_ok(tb_db_open(till.f.path, TB_DB_DURABLE, 0, &db, &err));
    ck_ok(tb_db_exec(db, sql, &err));
    tb_db_close(db);
}

static void put_all(const struct history *history, int store, enum what log, enum what view)
{
    till_prepare(&till);
    fake_random_init(&till.f.random, 1000);
    fake_clock_advance(&till.f.clock, history->wall_ms - till.f.clock.wall_ms);
    put(history, "store.db", store == STORE_OLDER_IN_PLACE ? OLDER : (enum what)store);
    if (store == KEPT || store == STORE_OLDER_IN_PLACE)
        own_store();
    put(history, "log.db", log);
    put(history, "view.db", view);
}

/* Checks. */

struct sums {
    int64_t orders, versions, total_minor;
};

static struct sums sums_of_store(void)
{
    return (struct sums){
        fixture_query_file(till.f.path, "SELECT count(*) FROM orders"),
        fixture_query_file(till.f.path, "SELECT coalesce(sum(version), 0) FROM orders"),
        fixture_query_file(till.f.path, "SELECT coalesce(sum(total_minor), 0) FROM orders"
                                        " WHERE status <> 'CANCELLED'"),
    };
}

struct comparison {
    struct sums sums;
    struct tb_stmt orders; /* of the store, in the order of a scan */
};

static void check_order(void *ctx, const struct tb_order *order, const char *other_column)
{
    struct comparison *comparison = ctx;
    struct tb_error err = {0};
    bool row = false;

    ck_assert_ptr_null(other_column);
    comparison->sums.orders++;
    comparison->sums.versions += order->version;
    comparison->sums.total_minor += order->status == TB_CANCELLED ? 0 : order->total_minor;
    ck_ok(tb_stmt_step(&comparison->orders, &row, &err));
    ck_assert(row);
    ck_assert(tb_str_eq(tb_stmt_text(&comparison->orders, 0), tb_str_of(order->order_id)));
    ck_assert_int_eq(tb_stmt_int64(&comparison->orders, 1), order->version);
}

static struct sums sums_of_view(void)
{
    struct comparison comparison = {0};
    struct tb_error err = {0};
    struct tb_db *db = NULL;

    ck_ok(tb_db_open(till.f.path, TB_DB_READER, 0, &db, &err));
    ck_ok(tb_stmt_prepare(&comparison.orders, db,
                          "SELECT order_id, version FROM orders ORDER BY order_id", &err));
    ck_ok(till.reader->ops->scan(till.reader, "", 10000, check_order, &comparison, &err));
    tb_stmt_finalize(&comparison.orders);
    tb_db_close(db);
    return comparison.sums;
}

static void check_view(void)
{
    struct sums store = sums_of_store(), view = sums_of_view();
    struct tb_stats_filter all = {0};
    struct tb_arena arena = {0};
    struct tb_stats stats = {0};
    struct tb_error err = {0};
    int64_t dead_letters = -1;

    ck_assert_int_eq(view.orders, store.orders);
    ck_assert_int_eq(view.versions, store.versions);
    ck_assert_int_eq(view.total_minor, store.total_minor);
    ck_ok(till.reader->ops->stats(till.reader, &all, &arena, &stats, &err));
    ck_assert_uint_eq(stats.total_count, store.orders > 0);
    if (store.orders > 0) {
        ck_assert_int_eq(stats.totals[0].orders, store.orders);
        ck_assert(stats.totals[0].total_minor == store.total_minor);
    }
    ck_ok(till.reader->ops->count_dead_letters(till.reader, &dead_letters, &err));
    ck_assert_int_eq(dead_letters, 0);
    tb_arena_release(&arena);
}

static int64_t recoveries(const char *file)
{
    char sql[200];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM recoveries WHERE file LIKE '%s'", file);
    return fixture_query_file(till.f.path, sql);
}

/* `tillbox config` fails. */
static bool is_noted(void)
{
    char path[200];

    snprintf(path, sizeof path, "%s/" TB_RESTORED_NOTE, till.f.dir);
    return access(path, F_OK) == 0;
}

static int64_t files_aside(const char *name)
{
    char command[300];
    int64_t count = 0;
    FILE *list;

    snprintf(command, sizeof command, "ls %s | grep -c '^%s.set-aside-[0-9TZ-]*$'", till.f.dir,
             name);
    list = popen(command, "r");
    ck_assert_ptr_nonnull(list);
    ck_assert_int_eq(fscanf(list, "%" SCNd64, &count), 1);
    pclose(list);
    return count;
}

static void check_numbers(const struct history *history, int store, enum what log, enum what view,
                          int64_t first)
{
    /* Nothing shows that files were overwritten by those of one earlier moment. */
    bool is_consistent =
        store == STORE_OLDER_IN_PLACE && (log == OLDER || (log != KEPT && view == OLDER));
    bool is_new = store == LOST || store == FOREIGN;

    if (store == KEPT || log == KEPT || view == KEPT)
        ck_assert_int_gt(first, history->last_number);
    if (first <= history->last_number && !is_new && !is_consistent)
        ck_assert_int_gt(recoveries("store.db"), 0);
    if (store == KEPT && (log == KEPT || view == KEPT))
        ck_assert_int_eq(recoveries("store.db"), 0);
}

static void check_set_aside(int store, enum what log, enum what view)
{
    if (log == FOREIGN && store != FOREIGN)
        ck_assert_int_eq(files_aside("log.db"), 1);
    if (log == DAMAGED || (store == KEPT && log == OLDER))
        ck_assert_int_eq(files_aside("log.db"), 1);
    if (view == DAMAGED || (view == FOREIGN && store != FOREIGN))
        ck_assert_int_eq(files_aside("view.db"), 1);
    if (six_partitions)
        ck_assert_int_eq(files_aside("log.db"), log != LOST);
    if (store == KEPT && log == KEPT && view <= OLDER)
        ck_assert_int_eq(files_aside("log.db") + files_aside("view.db"), six_partitions);
}

static void sell_on(const struct history *history, int store)
{
    till_sell(&till, 10);
    if (store != LOST && store != FOREIGN)
        change_old(history);
    till_catch_up(&till);
    check_view();
}

static void run_combination(const struct history *history, int index)
{
    int store = index / (WHAT_COUNT * WHAT_COUNT);
    enum what log = (enum what)(index / WHAT_COUNT % WHAT_COUNT);
    enum what view = (enum what)(index % WHAT_COUNT);
    int64_t first, known;

    put_all(history, store, log, view);
    till_start(&till);
    first = tb_store_last_number(till.f.store) + 1;
    check_set_aside(store, log, view);
    check_numbers(history, store, log, view, first);
    till_recover(&till);
    check_view();
    sell_on(history, store);
    known = recoveries("%");
    ck_assert(is_noted() == (recoveries("store.db") > 0));
    till_stop(&till);
    till_start(&till);
    ck_assert_int_eq(recoveries("%"), known);
    check_view();
    sell_on(history, store);
    /* A rebuild needs a log that has everything; and it takes long, so not each test has one. */
    if (history == &histories[0] && index % 7 == 0) {
        ck_assert_int_eq(till_rebuild(&till), TB_REBUILD_DONE);
        check_view();
    }
    till_close(&till);
}

START_TEST(every_combination)
{
    run_combination(&histories[0], _i);
}
END_TEST

START_TEST(every_combination_with_a_shortened_log)
{
    run_combination(&histories[1], _i);
}
END_TEST

/* A log with six partitions is made anew from the store, and its view goes on. */
START_TEST(every_combination_with_six_partitions)
{
    six_partitions = true;
    run_combination(&histories[_i % 2], _i);
}
END_TEST

/* True: a call failed. */
static bool start_fails_at(int64_t call)
{
    struct tb_derived derived = {0};
    struct tb_error err = {0};
    bool failed;

    fault_vfs_install();
    fixture_open(&till.f);
    fault_vfs_fail(FAULT_CHANGES, call, SQLITE_IOERR, /* forever= */ true, (uint64_t)call);
    failed = till_open_derived(&till, &derived, &err) != TB_OK;
    tb_view_free(derived.view);
    tb_log_inproc_free(derived.log);
    fixture_close(&till.f);
    fault_vfs_heal();
    fault_vfs_uninstall();
    return failed;
}

/* The start fails at each call that changes a file. The next start does all that is left. */
START_TEST(a_start_that_failed_is_made_good)
{
    static const struct {
        int store;
        enum what log, view;
    } cases[START_CASES] = {
        {KEPT, KEPT, KEPT},    {KEPT, DAMAGED, KEPT},
        {KEPT, LOST, FOREIGN}, {STORE_OLDER_IN_PLACE, KEPT, KEPT},
        {KEPT, KEPT, KEPT}, /* with six partitions */
    };
    const int store = cases[_i].store;
    bool failed = true;

    six_partitions = _i == START_CASES - 1;
    for (int64_t call = 1; failed; call++) {
        put_all(&histories[0], store, cases[_i].log, cases[_i].view);
        failed = start_fails_at(call);
        till_start(&till);
        check_set_aside(store, cases[_i].log, cases[_i].view);
        check_numbers(&histories[0], store, cases[_i].log, cases[_i].view,
                      tb_store_last_number(till.f.store) + 1);
        if (_i == 0)
            ck_assert_int_eq(recoveries("%"), 0);
        till_recover(&till);
        check_view();
        till_close(&till);
        if (call == 1)
            ck_assert(failed);
    }
}
END_TEST

/* Opens the till's files while a read fails, from the call on or only that one. *ret_failed: it
 * came to that. */
static enum tb_code open_unreadable(const char *suffix, int64_t call, bool forever,
                                    bool *ret_failed)
{
    struct tb_derived derived = {0};
    struct tb_error err = {0};
    enum tb_code code;

    fault_vfs_install();
    fault_vfs_fail_only(suffix);
    fault_vfs_fail(FAULT_READ, call, SQLITE_IOERR_READ, forever, 1);
    code = fixture_try_open(&till.f, &err);
    if (code == TB_OK)
        code = till_open_derived(&till, &derived, &err);
    *ret_failed = fault_vfs_failures() > 0;
    tb_view_free(derived.view);
    tb_log_inproc_free(derived.log);
    fixture_close(&till.f);
    fault_vfs_heal();
    fault_vfs_uninstall();
    return code;
}

/* A read fails once, each in turn: the start is tried again, and nothing is taken for damaged. */
START_TEST(a_read_that_fails_once_condemns_nothing)
{
    int64_t calls = 0;
    bool failed = true;

    put_all(&histories[0], KEPT, KEPT, KEPT);
    while (failed) {
        enum tb_code code = open_unreadable(NULL, ++calls, false, &failed);

        ck_assert(code == TB_OK || (failed && code == TB_UNAVAILABLE));
    }
    ck_assert_int_gt(calls, 20);
    till_start(&till);
    ck_assert_int_eq(recoveries("%"), 0);
    ck_assert_int_eq(files_aside("log.db") + files_aside("view.db") + files_aside("views.db"), 0);
    check_view();
    till_close(&till);
}
END_TEST

/* At last what cannot be read is set aside. */
START_TEST(a_file_that_cannot_be_read_is_given_up)
{
    static const char *const names[] = {"log.db", "view.db"};
    const char *name = names[_i];
    bool failed = false;
    char suffix[16];

    snprintf(suffix, sizeof suffix, "/%s", name);
    put_all(&histories[0], KEPT, KEPT, KEPT);
    ck_assert_int_eq(open_unreadable(suffix, 1, true, &failed), TB_UNAVAILABLE);
    ck_assert_int_eq(files_aside(name), 0);
    till.gives_up_reading = true;
    (void)open_unreadable(suffix, 1, true, &failed); /* the new file cannot be read, either */
    till.gives_up_reading = false;
    ck_assert_int_eq(files_aside(name), 1);
    till_start(&till);
    ck_assert_int_gt(recoveries(name), 0);
    till_recover(&till);
    check_view();
    sell_on(&histories[0], KEPT);
    till_close(&till);
}
END_TEST

static void remove_file(const char *name)
{
    char path[300];

    snprintf(path, sizeof path, "%s/%s", till.f.dir, name);
    ck_assert_int_eq(unlink(path), 0);
}

static void make_empty(const char *name)
{
    char path[300];
    int fd;

    snprintf(path, sizeof path, "%s/%s", till.f.dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

/* Log and view were lost once, so that nothing was known of the old offsets. Then the old view is
 * put back. The new log has grown past its offsets, and has other records before them: one
 * snapshot of each order instead of all its events. */
START_TEST(a_view_of_an_earlier_log)
{
    char kept[128], id[TB_UUID_SIZE];

    till_open(&till);
    for (int i = 0; i < 12; i++) {
        fixture_place(&till.f, id);
        till.row++;
        for (int change = 0; change < 4; change++)
            till_change(&till, id);
    }
    till_catch_up(&till);
    for (int hour = 0; hour < 48; hour++)
        till_pass_hour(&till);
    till_stop(&till);
    keep_files(kept);
    remove_file("log.db");
    remove_file("view.db");
    till_start(&till);
    till_recover(&till);
    till_sell(&till, 150);
    till_catch_up(&till);
    till_stop(&till);
    copy_file(kept, till.f.dir, "view.db");
    till_start(&till);
    till_recover(&till);
    check_view();
    till_close(&till);
    tmpdir_remove(kept);
}
END_TEST

/* Log and view were made anew by snapshots alone, because the outbox has no row any more. Then the
 * store is put back: only the snapshots show how far it was. _i 1: the log is lost, too, so that
 * the view must show it. */
START_TEST(a_store_from_before_the_snapshots)
{
    char kept[128], id[TB_UUID_SIZE];

    till_open(&till);
    fixture_place(&till.f, id);
    till.row++;
    till_catch_up(&till);
    till_stop(&till);
    keep_files(kept);
    till_start(&till);
    till_change(&till, id);
    till_sell(&till, 3);
    till_catch_up(&till);
    for (int hour = 0; hour < 48; hour++)
        till_pass_hour(&till);
    till_stop(&till);
    remove_file("log.db");
    remove_file("view.db");
    till_start(&till);
    till_recover(&till);
    till_stop(&till);
    if (_i == 1)
        remove_file("log.db");
    copy_file(kept, till.f.dir, "store.db");
    till_start(&till);
    ck_assert_int_eq(files_aside("view.db"), 1);
    ck_assert(is_noted());
    till_recover(&till);
    check_view();
    till_close(&till);
    tmpdir_remove(kept);
}
END_TEST

/* The same before the new log has its first record: its offsets will be those that the dead
 * letters of the old view have. */
START_TEST(a_view_beside_an_empty_log)
{
    char kept[128];

    till_open(&till);
    till_sell(&till, 10);
    till_catch_up(&till);
    till_stop(&till);
    keep_files(kept);
    remove_file("log.db");
    remove_file("view.db");
    till_start(&till);
    till_stop(&till);
    copy_file(kept, till.f.dir, "view.db");
    till_start(&till);
    ck_assert_int_eq(files_aside("view.db"), 1);
    till_recover(&till);
    check_view();
    till_close(&till);
    tmpdir_remove(kept);
}
END_TEST

/* A file of another kind in their place, for example by a wrong name in a script that copies. */
START_TEST(a_file_of_another_kind)
{
    static const char *const files[] = {"log.db", "view.db"};
    char kept[128];

    till_open(&till);
    till_sell(&till, 10);
    till_catch_up(&till);
    till_stop(&till);
    keep_files(kept);
    remove_file(files[_i]);
    ck_assert_int_eq(rename_into(kept, "store.db", files[_i]), 0);
    till_start(&till);
    ck_assert_int_eq(files_aside(files[_i]), 1);
    till_recover(&till);
    check_view();
    till_close(&till);
    tmpdir_remove(kept);
}
END_TEST

/* After a rebuild another file is served. */
START_TEST(the_served_view_is_named)
{
    till_open(&till);
    till_sell(&till, 10);
    till_catch_up(&till);
    ck_assert_int_eq(till_rebuild(&till), TB_REBUILD_DONE);
    till_stop(&till);
    damage("view.2.db");
    till_start(&till);
    ck_assert_int_eq(recoveries("view.2.db"), 1);
    ck_assert_int_eq(recoveries("view.db"), 0);
    ck_assert_int_eq(files_aside("view.2.db"), 1);
    till_close(&till);
}
END_TEST

/* The note of a store that was put back cannot be written: nothing is concluded yet, so that the
 * next try says it all. Only the last one starts without the note. */
START_TEST(a_note_that_cannot_be_written_is_tried_again)
{
    struct tb_derived derived = {0};
    struct tb_error err = {0};
    char path[200];

    put_all(&histories[0], OLDER, KEPT, KEPT);
    snprintf(path, sizeof path, "%s/" TB_RESTORED_NOTE, till.f.dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    fixture_open(&till.f);
    ck_assert_int_eq(till_open_derived(&till, &derived, &err), TB_UNAVAILABLE);
    ck_assert_msg(strstr(err.text, TB_RESTORED_NOTE), "%s", err.text);
    fixture_close(&till.f);
    ck_assert_int_eq(recoveries("%"), 0);
    ck_assert_int_eq(files_aside("log.db") + files_aside("view.db"), 0);
    if (_i == 0)
        ck_assert_int_eq(rmdir(path), 0);
    till.gives_up_reading = _i == 1;
    till_start(&till);
    ck_assert_int_eq(recoveries("store.db"), 1);
    ck_assert(is_noted()); /* or the folder is still there */
    till_close(&till);
}
END_TEST

/* Store, log and view were all put back from one moment: only the last heartbeat that Kafka has
 * acknowledged shows it. */
START_TEST(the_last_heartbeat_knows_more)
{
    const struct history *history = &histories[0];
    struct tb_heartbeat_note note = {.number = history->last_number};
    char path[300];

    snprintf(path, sizeof path, "%s/store.db", history->now);
    note.sequence = fixture_query_file(path, "SELECT seq FROM sqlite_sequence");
    put_all(history, STORE_OLDER_IN_PLACE, OLDER, OLDER);
    fixture_open(&till.f);
    tb_store_id(till.f.store, note.store_id);
    snprintf(note.epoch, sizeof note.epoch, "%s", tb_store_epoch(till.f.store));
    fixture_close(&till.f);
    if (_i == 1) /* of a store that was deleted */
        note.store_id[0] = 'x';
    tb_heartbeat_note_write(till.f.dir, &note);
    till_start(&till);
    ck_assert_int_eq(tb_store_last_number(till.f.store), history->last_number);
    ck_assert_int_eq(recoveries("store.db"), 1);
    ck_assert_int_eq(files_aside("log.db"), _i == 0); /* its events are numbered as lost ones */
    ck_assert(strcmp(tb_store_epoch(till.f.store), note.epoch) != 0 || _i == 1);
    till_recover(&till);
    check_view();
    till_stop(&till);
    till_start(&till);
    ck_assert_int_eq(recoveries("store.db"), 1);
    sell_on(history, STORE_OLDER_IN_PLACE);
    till_close(&till);
}
END_TEST

/* What is cut or foreign counts as no heartbeat. */
START_TEST(a_malformed_heartbeat)
{
    static const char *const texts[] = {"",          "till1/1 0123456789abcdef 12 ",
                                        "a b c d\n", "till1/1 0123456789abcdef 12 13",
                                        "\n",        "x\0y"};
    struct tb_heartbeat_note note;
    char path[300];
    FILE *file;

    till_prepare(&till);
    snprintf(path, sizeof path, "%s/" TB_HEARTBEAT_NOTE, till.f.dir);
    ck_assert(!tb_heartbeat_note_read(till.f.dir, &note));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        fputs(texts[i], file);
        fclose(file);
        ck_assert(!tb_heartbeat_note_read(till.f.dir, &note));
    }
    fixture_release(&till.f);
}
END_TEST

static bool sends_snapshots(void)
{
    struct tb_outbox_snapshots left = {0};
    struct tb_error err = {0};

    ck_ok(tb_outbox_read_snapshots(till.outbox, TB_CURSOR_INPROC, &left, &err));
    return left.next <= left.last;
}

/* The log is lost, and the new one gets the snapshots, but no row yet. */
static void lose_log(void)
{
    put_all(&histories[0], KEPT, KEPT, KEPT);
    till_start(&till);
    till_catch_up(&till);
    for (int hour = 0; hour < 30; hour++)
        till_pass_hour(&till);
    till_sell(&till, 10);
    till_catch_up(&till);
    till_stop(&till);
    remove_file("log.db");
    till_start(&till);
    ck_assert(sends_snapshots());
    for (int steps = 0; sends_snapshots(); steps++) {
        ck_assert_int_lt(steps, 1000);
        (void)tb_relay_step(till.relay);
        fake_clock_advance(&till.f.clock, TB_RELAY_IDLE_MS);
        (void)tb_writer_step(till.f.writer);
    }
    till_stop(&till);
}

/* Then an older copy of the lost one is put back, which lacks events that the outbox has no more.
 */
START_TEST(an_older_log_after_a_lost_one)
{
    lose_log();
    copy_file(histories[0].before, till.f.dir, "log.db");
    till_start(&till);
    till_recover(&till);
    check_view();
    till_close(&till);
}
END_TEST

/* A start ends after the store has left the log behind, before the log is set aside. */
START_TEST(a_log_that_was_to_be_set_aside)
{
    struct tb_error err = {0};

    put_all(&histories[0], KEPT, OLDER, OLDER);
    fixture_open(&till.f);
    ck_ok(tb_store_restart_cursor(till.f.store, TB_CURSOR_INPROC, "another log", &err));
    fixture_close(&till.f);
    till_start(&till);
    ck_assert_int_eq(files_aside("log.db"), 1);
    ck_assert_int_eq(recoveries("log.db"), 1);
    till_recover(&till);
    check_view();
    till_close(&till);
}
END_TEST

/* Then the new log is lost, too (_i 1: it is empty), and the view with it. */
START_TEST(a_log_that_is_lost_again)
{
    lose_log();
    remove_file("log.db");
    remove_file("view.db");
    if (_i == 1)
        make_empty("log.db");
    till_start(&till);
    ck_assert(sends_snapshots());
    till_recover(&till);
    check_view();
    till_close(&till);
}
END_TEST

/* Log and view of a build that did not write where they come from. */
START_TEST(files_without_an_origin)
{
    six_partitions = true;
    put_all(&histories[1], KEPT, KEPT, KEPT);
    change_file("store.db", TB_DB_DURABLE, "UPDATE meta SET log_id = ''");
    change_file("log.db", TB_DB_DURABLE, "DROP TABLE origin; PRAGMA user_version = 2");
    change_file("view.db", TB_DB_DERIVED, "DROP TABLE origin; PRAGMA user_version = 4");
    till_start(&till);
    ck_assert_int_eq(files_aside("log.db"), 1);
    ck_assert_int_eq(files_aside("view.db"), 0);
    till_recover(&till);
    check_view();
    sell_on(&histories[1], KEPT);
    till_close(&till);
}
END_TEST

/* A till that was stopped before its first order. */
START_TEST(a_log_with_six_partitions_and_no_topic)
{
    till_open(&till);
    till_stop(&till);
    change_file("log.db", TB_DB_DURABLE,
                "DROP TABLE records; PRAGMA user_version = 3; PRAGMA application_id = 1952599111");
    till_start(&till);
    ck_assert_int_eq(files_aside("log.db"), 1);
    till_sell(&till, 10);
    till_catch_up(&till);
    check_view();
    till_close(&till);
}
END_TEST

static int64_t letters(const char *where)
{
    char sql[200];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM dead_letters %s", where);
    return fixture_query_file(till.view_path, sql);
}

/* The dead letters of all partitions stay, each with a number that no other one gets, also after a
 * rebuild. */
START_TEST(dead_letters_of_six_partitions)
{
    six_partitions = true;
    put_all(&histories[0], KEPT, KEPT, KEPT);
    change_file("view.db", TB_DB_DERIVED,
                "INSERT INTO dead_letters(partition, \"offset\", last_offset, version, reason,"
                " message, status, attempts, follows, dead_at, changed_at, timestamp, headers)"
                " SELECT p.value, o.value, o.value + 1, 0, 'tillbox.decode', 'x', 'dropped', 2, 0,"
                " 1, 1, 1, x'' FROM json_each('[0,1,2,3,4,5]') p, json_each('[3,21,40]') o");
    till_start(&till);
    till_recover(&till);
    check_view();
    ck_assert_int_eq(letters("WHERE partition = 0"), 18);
    ck_assert_int_eq(letters("WHERE \"offset\" = 21"), 1); /* of partition 0 */
    ck_assert_int_eq(letters("WHERE \"offset\" = 1000000000129"
                             " AND last_offset = 1000000000135"),
                     1); /* 3-21 */
    till_sell(&till, 1);
    till_corrupt_last(&till);
    till_catch_up(&till);
    ck_assert_int_eq(letters(""), 19);
    ck_assert_int_eq(letters("WHERE \"offset\" > 1000000000251 AND status = 'open'"), 1);
    ck_assert_int_eq(till_rebuild(&till), TB_REBUILD_DONE);
    tb_generations_path(till.f.dir, 2, till.view_path);
    ck_assert_int_eq(letters(""), 19);
    till_close(&till);
}
END_TEST

/* After the upgrade, the old file is put back from a backup, of which nothing else is. */
START_TEST(a_file_of_six_partitions_is_put_back)
{
    const char *name = _i == 0 ? "log.db" : "view.db";

    six_partitions = true;
    put_all(&histories[0], KEPT, KEPT, KEPT);
    till_start(&till);
    till_recover(&till);
    if (_i >= 2)
        sell_on(&histories[0], KEPT);
    till_stop(&till);
    put(&histories[0], name, KEPT);
    till_start(&till);
    ck_assert_int_eq(files_aside("log.db"), _i == 0 ? 2 : 1);
    ck_assert_int_eq(files_aside("view.db"), _i != 0);
    till_recover(&till);
    check_view();
    sell_on(&histories[0], KEPT);
    ck_assert_int_eq(till_rebuild(&till), TB_REBUILD_DONE);
    check_view();
    till_close(&till);
}
END_TEST

START_TEST(a_damaged_store_is_named)
{
    struct tb_error err = {0};

    put_all(&histories[0], KEPT, KEPT, KEPT);
    damage("store.db");
    ck_assert_int_eq(fixture_try_open(&till.f, &err), TB_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.text, till.f.path));
    ck_assert_ptr_nonnull(strstr(err.text, "put back a copy"));
    fixture_release(&till.f);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_unchecked_fixture(tc, make_histories, remove_histories);
    tcase_set_timeout(tc, 300);
    suite_add_tcase(suite, tc);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("derived");
    TCase *files = add_case(suite, "files"), *failures = add_case(suite, "failures");
    TCase *single = add_case(suite, "single");

    /* Thousands of syncs, on which no test here depends. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    tcase_add_loop_test(files, every_combination, 0, COMBINATIONS);
    /* With the whole store, and with one that was put back. */
    tcase_add_loop_test(files, every_combination_with_a_shortened_log, 0, WHAT_COUNT * WHAT_COUNT);
    tcase_add_loop_test(files, every_combination_with_a_shortened_log,
                        STORE_OLDER_IN_PLACE * WHAT_COUNT * WHAT_COUNT, COMBINATIONS);
    tcase_add_loop_test(files, every_combination_with_six_partitions, 0, WHAT_COUNT * WHAT_COUNT);
    tcase_add_loop_test(files, every_combination_with_six_partitions,
                        STORE_OLDER_IN_PLACE * WHAT_COUNT * WHAT_COUNT, COMBINATIONS);
    tcase_add_test(single, a_view_of_an_earlier_log);
    tcase_add_test(single, a_view_beside_an_empty_log);
    tcase_add_loop_test(single, a_store_from_before_the_snapshots, 0, 2);
    tcase_add_loop_test(single, a_file_of_another_kind, 0, 2);
    tcase_add_test(single, the_served_view_is_named);
    tcase_add_loop_test(single, a_note_that_cannot_be_written_is_tried_again, 0, 2);
    tcase_add_loop_test(single, the_last_heartbeat_knows_more, 0, 2);
    tcase_add_test(single, a_malformed_heartbeat);
    tcase_add_test(single, an_older_log_after_a_lost_one);
    tcase_add_test(single, a_log_that_was_to_be_set_aside);
    tcase_add_loop_test(single, a_log_that_is_lost_again, 0, 2);
    tcase_add_test(single, files_without_an_origin);
    tcase_add_test(single, a_log_with_six_partitions_and_no_topic);
    tcase_add_test(single, dead_letters_of_six_partitions);
    tcase_add_loop_test(single, a_file_of_six_partitions_is_put_back, 0, 3);
    tcase_add_test(single, a_damaged_store_is_named);
    tcase_add_test(failures, a_read_that_fails_once_condemns_nothing);
    tcase_add_loop_test(failures, a_file_that_cannot_be_read_is_given_up, 0, 2);
    tcase_add_loop_test(failures, a_start_that_failed_is_made_good, 0, START_CASES);
    return test_main(suite);
}

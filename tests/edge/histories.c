#include "edge/histories.h"
#include "base/config/config.h"
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct history histories[2];
struct till till;
bool six_partitions;

/* Making the histories. */

void copy_file(const char *from, const char *to, const char *name)
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

void keep_files(char ret_folder[128])
{
    tmpdir_make(ret_folder);
    copy_file(till.f.dir, ret_folder, "store.db");
    copy_file(till.f.dir, ret_folder, "log.db");
    copy_file(till.f.dir, ret_folder, "view.db");
}

int rename_into(const char *folder, const char *file, const char *name)
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

void make_histories(void)
{
    make_history(&histories[0], 2);
    make_history(&histories[1], 10);
    make_other(&histories[0]);
    make_other(&histories[1]);
}

void remove_histories(void)
{
    for (int i = 0; i < 2; i++) {
        tmpdir_remove(histories[i].now);
        tmpdir_remove(histories[i].before);
        tmpdir_remove(histories[i].other);
    }
}

/* Making the folder. */

void damage(const char *name)
{
    char path[300], zeroes[200] = {0};
    int fd;

    snprintf(path, sizeof path, "%s/%s", till.f.dir, name);
    fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, zeroes, sizeof zeroes, 0), sizeof zeroes);
    close(fd);
}

void change_file(const char *name, enum tb_db_mode mode, const char *sql)
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

void put(const struct history *history, const char *name, enum what what)
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

void put_all(const struct history *history, int store, enum what log, enum what view)
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

void check_view(void)
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

int64_t recoveries(const char *file)
{
    char sql[200];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM recoveries WHERE file LIKE '%s'", file);
    return fixture_query_file(till.f.path, sql);
}

/* `tillbox config` fails. */
bool is_noted(void)
{
    char path[200];

    snprintf(path, sizeof path, "%s/" TB_RESTORED_NOTE, till.f.dir);
    return access(path, F_OK) == 0;
}

int64_t files_aside(const char *name)
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

void check_numbers(const struct history *history, int store, enum what log, enum what view,
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

void check_set_aside(int store, enum what log, enum what view)
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

void sell_on(const struct history *history, int store)
{
    till_sell(&till, 10);
    if (store != LOST && store != FOREIGN)
        change_old(history);
    till_catch_up(&till);
    check_view();
}

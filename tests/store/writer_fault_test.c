/* Promise: whatever the disk does, what was answered with 2xx survives, what was answered with
 * "not done" is not there, and the store is consistent. Method: one scenario with every kind of
 * write; each of its calls fails in turn. */
#include "base/sqlite/db_priv.h"
#include "store/fixture.h"
#include "store/writer_priv.h"
#include <sqlite3.h>
#include <stdio.h>

#define ORDERS_MAX 16
/* Pages of the WAL: so few that the scenario checkpoints several times. */
#define WAL_PAGES 12

static struct fixture f;

/* The answers that the clients got. */
static struct {
    struct {
        char id[TB_UUID_SIZE];
        int64_t acked_version; /* 0: not acknowledged */
        bool refused;          /* the answer was: definitely not placed */
    } orders[ORDERS_MAX];
    int count;
    int acked;
} told;

static void setup(void)
{
    memset(&told, 0, sizeof told);
    fixture_init(&f);
}

static void teardown(void)
{
    fixture_release(&f);
}

static void note(const struct request *r, int order)
{
    const struct tb_answer *answer = &r->job.answer;

    ck_assert_int_eq(r->done, 1);
    if (answer->status < 300) {
        told.acked++;
        if (answer->version > told.orders[order].acked_version)
            told.orders[order].acked_version = answer->version;
        return;
    }
    ck_assert_msg(r->job.code == TB_UNAVAILABLE || r->job.code == TB_FULL ||
                      r->job.code == TB_UNKNOWN || answer->status == 404,
                  "%d %s", answer->status, tb_buf_str(&answer->body).ptr);
    ck_assert(answer->status == 503 || answer->status == 507 || answer->status == 404);
    if (r->job.command.type == TB_CMD_PLACE && r->job.code != TB_UNKNOWN)
        told.orders[order].refused = true;
}

static int new_order(void)
{
    int order = told.count++;

    ck_assert_int_lt(order, ORDERS_MAX);
    snprintf(told.orders[order].id, TB_UUID_SIZE, "01890000-0000-7000-8000-%012d", order);
    return order;
}

/* Places some orders in one batch; the writer may have to reopen first. */
static void place_batch(int count)
{
    struct request rs[4];
    int orders[4];

    fake_clock_advance(&f.clock, TB_WRITER_REOPEN_CAP_MS);
    for (int i = 0; i < count; i++) {
        char key[20];
        orders[i] = new_order();
        snprintf(key, sizeof key, "key-%d", orders[i]);
        request_place(&rs[i], told.orders[orders[i]].id, key, 1);
        ck_assert_int_eq(tb_writer_post(f.writer, &rs[i].job), TB_OK);
    }
    tb_writer_step(f.writer);
    for (int i = 0; i < count; i++) {
        note(&rs[i], orders[i]);
        request_release(&rs[i]);
    }
}

static void change(enum tb_command_type type, int order)
{
    struct request r;

    fake_clock_advance(&f.clock, TB_WRITER_REOPEN_CAP_MS);
    request_change(&r, type, told.orders[order].id, "change", (unsigned)type);
    snprintf(r.key, sizeof r.key, "change-%d-%d", order, (int)type);
    r.job.idempotency_key = tb_str_of(r.key);
    fixture_run(&f, &r);
    note(&r, order);
    request_release(&r);
}

static void clean(void)
{
    fake_clock_advance(&f.clock, FIXTURE_DAY_MS + 2 * TB_RETENTION_ROUND_MS);
    for (int i = 0; i < 4; i++)
        tb_writer_step(f.writer);
}

static void open_small(void)
{
    struct tb_error err = {0};

    if (fixture_try_open(&f, &err) == TB_OK)
        tb_db_set_checkpoint_pages(f.store->db, WAL_PAGES);
}

/* Creates a store, places and changes orders, moves cursors, runs retention, closes, opens,
 * places. */
static void scenario(void)
{
    open_small();
    if (!f.writer)
        return;
    place_batch(1);
    place_batch(3);
    change(TB_CMD_LINES, 0);
    change(TB_CMD_SHIP, 1);
    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, 3, 1);
    fake_clock_advance(&f.clock, TB_WRITER_CURSOR_MS);
    tb_writer_step(f.writer);
    clean();
    place_batch(2);
    fixture_close(&f);
    open_small();
    if (!f.writer)
        return;
    change(TB_CMD_ADDRESS, 2);
    place_batch(1);
    place_batch(4);
    tb_writer_post_cursor(f.writer, TB_CURSOR_INPROC, 6, 1);
    clean();
}

static void check_told(void)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;

    fixture_check_consistent(&f);
    ck_ok(tb_db_open(f.path, TB_DB_READER, 0, &db, &err));
    for (int i = 0; i < told.count; i++) {
        char sql[160];
        int64_t version = 0;

        snprintf(sql, sizeof sql,
                 "SELECT coalesce((SELECT version FROM orders WHERE order_id = '%s'), 0)",
                 told.orders[i].id);
        ck_ok(tb_db_query_int64(db, sql, &version, &err));
        ck_assert_msg(version >= told.orders[i].acked_version, "order %d: %d, told %d", i,
                      (int)version, (int)told.orders[i].acked_version);
        ck_assert_msg(version == 0 || !told.orders[i].refused, "order %d was refused", i);
    }
    tb_db_close(db);
}

/* Afterwards the store works again, and a repeat with the same key gets the first answer. */
static void check_usable(void)
{
    struct tb_error err = {0};

    /* A disk that fails while SQLite makes the file may leave half a file header, to be removed
     * by hand: nothing can have been stored in it yet. */
    if (fixture_try_open(&f, &err) == TB_CORRUPT && told.count == 0)
        return;
    ck_assert_msg(f.writer != NULL, "%s", err.text);
    check_told();
    for (int i = 0; i < told.count; i++) {
        struct request r;
        char key[20];

        snprintf(key, sizeof key, "key-%d", i);
        request_place(&r, told.orders[i].id, key, 1);
        fixture_run(&f, &r);
        /* Retention may have deleted the key; the order id is then a conflict, for ever. */
        ck_assert(r.job.answer.status == 201 || r.job.answer.status == 409);
        request_release(&r);
    }
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM orders"), told.count);
}

static int64_t count_calls(unsigned kinds)
{
    int64_t before, count;

    setup();
    before = fault_vfs_calls(kinds);
    scenario();
    ck_assert_int_eq(told.acked, 14);
    count = fault_vfs_calls(kinds) - before;
    teardown();
    ck_assert_int_gt(count, 1);
    return count;
}

/* Kinds of cuts; those that depend on a seed are run with two seeds. */
static const enum fault_cut cuts[] = {FAULT_CUT_DROP, FAULT_CUT_KEEP,    FAULT_CUT_TEAR,
                                      FAULT_CUT_TEAR, FAULT_CUT_SHUFFLE, FAULT_CUT_SHUFFLE};
#define CUT_COUNT ((int)(sizeof cuts / sizeof *cuts))

/* The power is cut at every write, sync, truncation and deletion. */
START_TEST(acknowledged_survives_a_power_cut)
{
    enum fault_cut how = cuts[_i];
    int64_t count = count_calls(FAULT_CHANGES);

    for (int64_t n = 1; n <= count; n++) {
        setup();
        fault_vfs_cut_power(n, how, (uint64_t)(_i * 1000 + n));
        scenario();
        ck_assert(fault_vfs_power_is_off());
        fixture_close(&f);
        fault_vfs_reboot();
        check_usable();
        teardown();
    }
}
END_TEST

static const struct {
    unsigned kinds;
    int code;
    bool forever;
} errors[] = {
    {FAULT_WRITE, SQLITE_IOERR_WRITE, false},
    {FAULT_WRITE, SQLITE_IOERR_WRITE, true},
    {FAULT_WRITE, SQLITE_FULL, false},
    {FAULT_WRITE, SQLITE_FULL, true},
    {FAULT_SYNC, SQLITE_IOERR_FSYNC, false},
    {FAULT_SYNC, SQLITE_IOERR_FSYNC, true},
    {FAULT_READ, SQLITE_IOERR_READ, false},
    {FAULT_READ, SQLITE_IOERR_READ, true},
    {FAULT_TRUNCATE, SQLITE_IOERR_TRUNCATE, false},
    {FAULT_OPEN, SQLITE_CANTOPEN, false},
    {FAULT_DELETE, SQLITE_IOERR_DELETE, false},
    {FAULT_ALL, SQLITE_IOERR, true},
};
#define ERROR_COUNT ((int)(sizeof errors / sizeof *errors))

/* Every call fails once, or for ever; the scenario goes on, and then the power is cut. So nothing
 * that was acknowledged after the failure may depend on what the failure has lost. */
START_TEST(acknowledged_survives_io_errors)
{
    int64_t count = count_calls(errors[_i].kinds);

    for (int64_t n = 1; n <= count; n++) {
        uint64_t seed = (uint64_t)(_i * 1000 + n);
        setup();
        fault_vfs_fail(errors[_i].kinds, n, errors[_i].code, errors[_i].forever, seed);
        scenario();
        fault_vfs_heal();
        fault_vfs_cut_power_now(n % 2 ? FAULT_CUT_DROP : FAULT_CUT_SHUFFLE, seed);
        fixture_close(&f);
        fault_vfs_reboot();
        check_usable();
        teardown();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/writer_fault");
    TCase *tc = tcase_create("faults");

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, acknowledged_survives_a_power_cut, 0, CUT_COUNT);
    tcase_add_loop_test(tc, acknowledged_survives_io_errors, 0, ERROR_COUNT);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

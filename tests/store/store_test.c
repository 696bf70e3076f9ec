/* Promise: after an interrupted migration a store has the old schema or the new one; it refuses
 * foreign files, and recognises a copy of itself. Method: real files, copied and cut. */
#include "base/sqlite/db_priv.h"
#include "store/fixture.h"
#include "store/recovery.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STORE_APPLICATION_ID 0x74627374

static struct fixture f;

static void setup(void)
{
    fixture_init(&f);
}

static void teardown(void)
{
    fixture_release(&f);
}

static void write_file(const char *path, const struct tb_buf *bytes)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes->data, 1, bytes->len, file), bytes->len);
    fclose(file);
}

/* A store keeps everything when it is closed and opened again. */
START_TEST(reopening_keeps_everything)
{
    char epoch[TB_EPOCH_SIZE];

    fixture_open(&f);
    snprintf(epoch, sizeof epoch, "%s", tb_store_epoch(f.store));
    ck_assert_uint_eq(strlen(epoch), 16);
    ck_assert_int_eq(tb_store_last_sequence(f.store), 0);
    fixture_place(&f, NULL);
    fixture_place(&f, NULL);
    fixture_reopen(&f);
    ck_assert_str_eq(tb_store_epoch(f.store), epoch);
    ck_assert_int_eq(tb_store_last_sequence(f.store), 2);
    fixture_place(&f, NULL);
    fixture_check_consistent(&f);
    fixture_close(&f);
    char wal[200];
    snprintf(wal, sizeof wal, "%s-wal", f.path);
    ck_assert_int_ne(access(wal, F_OK), 0); /* everything is in the file */
}
END_TEST

static const struct {
    const char *bound, *present, *next; /* present NULL: not known */
    bool is_copy;
} folders[] = {
    {"a:1-2.3", "a:1-2.3", "", false},
    {"a:1-2.3", "b:1-2.3", "a:1-2.3", false}, /* a crash before it got its name */
    {"a:1-2.3", "b:1-2.3", "", true},
    {"a:1-2.3", "b:1-2.3", "c:1-2.3", true},
    {"a:1-2.3", "a:1-2.4", "", true},
    {"a:1-2.3", "", "", true},
    {"a:1-2.3", NULL, "", false},
    {"", "a:1-2.3", "", false},
    {"1-2.3", "a:1-2.3", "", false}, /* what an earlier build has noted */
};

static void set_folder(const char *present, const char *next)
{
    f.folder = (struct tb_folder_identity){.is_known = present != NULL};
    snprintf(f.folder.present, sizeof f.folder.present, "%s", present ? present : "");
    snprintf(f.folder.next, sizeof f.folder.next, "%s", next);
}

/* A backup that is written over the file leaves the file's own identity as it was. */
START_TEST(a_file_of_another_folder_is_a_copy)
{
    struct tb_error err = {0};
    char epoch[TB_EPOCH_SIZE];

    fixture_open(&f);
    ck_assert(tb_store_is_new(f.store));
    ck_ok(tb_store_bind(f.store, folders[_i].bound, &err));
    ck_assert(!tb_store_is_new(f.store));
    fixture_place(&f, NULL);
    snprintf(epoch, sizeof epoch, "%s", tb_store_epoch(f.store));
    set_folder(folders[_i].present, folders[_i].next);
    fixture_reopen(&f);
    ck_assert(!tb_store_is_new(f.store));
    ck_assert_str_eq(tb_store_folder_id(f.store), folders[_i].bound);
    ck_assert_int_eq(strcmp(tb_store_epoch(f.store), epoch) != 0, folders[_i].is_copy);
    ck_assert_int_eq(tb_store_is_copy(f.store), folders[_i].is_copy);
    set_folder("n:4-5.6", "");
    ck_ok(tb_store_bind(f.store, "n:4-5.6", &err));
    ck_assert(!tb_store_is_copy(f.store));
    snprintf(epoch, sizeof epoch, "%s", tb_store_epoch(f.store));
    fixture_place(&f, NULL);
    fixture_reopen(&f);
    ck_assert(!tb_store_is_copy(f.store));
    ck_assert_str_eq(tb_store_epoch(f.store), epoch);
    ck_ok(tb_store_reopen(f.store, &err)); /* after a failure, while the till runs */
}
END_TEST

/* A restored copy is a fork: the same rows, and a new epoch for what follows. */
START_TEST(a_copy_begins_a_new_epoch)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf bytes = {0};
    char epoch[TB_EPOCH_SIZE], backup[200];
    struct tb_error err = {0};

    fixture_open(&f);
    fixture_place(&f, NULL);
    snprintf(epoch, sizeof epoch, "%s", tb_store_epoch(f.store));
    fixture_close(&f);
    read_whole_file(f.path, &bytes);
    fixture_open(&f);
    fixture_place(&f, NULL);
    fixture_close(&f);

    /* The copy gets the inode number of the deleted file, and must still be recognised as another.
     */
    snprintf(backup, sizeof backup, "%s-wal", f.path);
    unlink(backup);
    ck_assert_int_eq(unlink(f.path), 0);
    write_file(f.path, &bytes);
    fixture_open(&f);
    ck_assert_str_ne(tb_store_epoch(f.store), epoch);
    ck_assert_int_eq(tb_store_last_sequence(f.store), 0);
    fixture_reopen(&f); /* nobody was told */
    ck_assert(tb_store_is_copy(f.store));
    ck_ok(tb_store_bind(f.store, "", &err));
    fixture_place(&f, NULL);
    ck_assert_int_eq(tb_store_last_sequence(f.store), 1);
    snprintf(epoch, sizeof epoch, "%s", tb_store_epoch(f.store));
    fixture_reopen(&f);
    ck_assert_str_eq(tb_store_epoch(f.store), epoch);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM epochs"), 2);
    fixture_check_consistent(&f);
}
END_TEST

/* Two renewals without a row in between leave one new epoch. */
START_TEST(an_epoch_without_rows_is_replaced)
{
    struct tb_error err = {0};
    char first[TB_EPOCH_SIZE];

    fixture_open(&f);
    snprintf(first, sizeof first, "%s", tb_store_epoch(f.store));
    ck_ok(tb_store_renew_epoch(f.store, &err));
    ck_assert_str_ne(tb_store_epoch(f.store), first);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM epochs"), 1);
    fixture_place(&f, NULL);
    ck_ok(tb_store_renew_epoch(f.store, &err));
    ck_ok(tb_store_renew_epoch(f.store, &err));
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM epochs"), 2);
    ck_assert_int_eq(tb_store_last_sequence(f.store), 0);
}
END_TEST

static const char *const foreign_changes[] = {
    "PRAGMA user_version = 99",
    "PRAGMA application_id = 12345",
    "UPDATE meta SET node = 'till2'",
};

/* Foreign files are refused with a reason, and not a byte of them is changed. */
START_TEST(foreign_files_are_refused_and_unchanged)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf before = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf after = {0};
    struct tb_error err = {0};

    fixture_open(&f);
    fixture_place(&f, NULL);
    ck_ok(tb_db_exec(f.store->db, foreign_changes[_i], &err));
    fixture_close(&f);
    read_whole_file(f.path, &before);
    ck_assert_int_eq(fixture_try_open(&f, &err), TB_CONFLICT);
    ck_assert_uint_gt(strlen(err.text), 20);
    read_whole_file(f.path, &after);
    ck_assert_uint_eq(before.len, after.len);
    ck_assert_int_eq(memcmp(before.data, after.data, before.len), 0);
}
END_TEST

#define SCHEMA_VERSION 7

/* A schema with one more version, as a later build may have it. */
static const char *const later[] = {
    [SCHEMA_VERSION] = "ALTER TABLE orders ADD COLUMN note TEXT NOT NULL DEFAULT '';"
                       "UPDATE orders SET note = 'n' || number;"
                       "CREATE INDEX orders_note ON orders(note);"
                       "CREATE TABLE extra(a INTEGER PRIMARY KEY) STRICT;"
                       "INSERT INTO extra(a) SELECT number FROM orders",
};

static enum tb_code migrate_later(struct tb_error *err)
{
    struct tb_db *db = NULL;
    enum tb_code code = tb_db_open(f.path, TB_DB_DURABLE, 0, &db, err);

    if (code == TB_OK)
        code = tb_db_migrate(db, STORE_APPLICATION_ID, later, SCHEMA_VERSION + 1, err);
    tb_db_close(db);
    return code;
}

static void make_old(void)
{
    fixture_init(&f);
    fixture_open(&f);
    for (int i = 0; i < 12; i++)
        fixture_place(&f, NULL);
    fixture_close(&f);
}

static void check_old_or_new(bool done)
{
    int64_t version = fixture_query(&f, "PRAGMA user_version");

    ck_assert(version == SCHEMA_VERSION + 1 || (version == SCHEMA_VERSION && !done));
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM pragma_integrity_check WHERE"
                                       " integrity_check <> 'ok'"),
                     0);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM pragma_table_info('orders')"
                                       " WHERE name = 'note'"),
                     version - SCHEMA_VERSION);
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM sqlite_schema"
                                       " WHERE name IN ('extra', 'orders_note')"),
                     2 * (version - SCHEMA_VERSION));
    ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM orders"), 12);
    if (version > SCHEMA_VERSION)
        ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM extra"), 12);
}

/* The power is cut at every write of a migration: the schema is the old one or the new one. */
START_TEST(a_cut_migration_is_old_or_new)
{
    struct tb_error err = {0};
    int64_t count;

    make_old();
    count = fault_vfs_changes();
    ck_ok(migrate_later(&err));
    count = fault_vfs_changes() - count;
    check_old_or_new(true);
    fixture_release(&f);
    ck_assert_int_gt(count, 8);
    for (int64_t n = 1; n <= count; n++) {
        make_old();
        fault_vfs_cut_power(n, (enum fault_cut)_i, (uint64_t)n);
        bool done = migrate_later(&err) == TB_OK;
        ck_assert(fault_vfs_power_is_off());
        fault_vfs_reboot();
        check_old_or_new(done);
        ck_ok(migrate_later(&err));
        check_old_or_new(true);
        /* This build refuses the later schema. */
        ck_assert_int_eq(fixture_try_open(&f, &err), TB_CONFLICT);
        fixture_release(&f);
    }
}
END_TEST

/* Creates a store with the schema of the first build. */
static void make_first(void)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;

    make_old();
    ck_ok(tb_db_open(f.path, TB_DB_DURABLE, 0, &db, &err));
    ck_ok(tb_db_exec(db,
                     "DROP TABLE parked; DROP TABLE snapshots; DROP TABLE recoveries;"
                     "DROP TABLE delivered; DROP TABLE resend;"
                     "ALTER TABLE meta DROP COLUMN number_floor;"
                     "ALTER TABLE meta DROP COLUMN log_id; DROP INDEX idempotency_uptime;"
                     "ALTER TABLE meta DROP COLUMN uptime_ms;"
                     "ALTER TABLE outbox DROP COLUMN uptime_ms;"
                     "ALTER TABLE idempotency DROP COLUMN uptime_ms;"
                     "CREATE INDEX idempotency_created_at ON idempotency(created_at);"
                     "PRAGMA user_version = 1",
                     &err));
    tb_db_close(db);
}

static enum tb_code migrate_first(struct tb_error *err)
{
    struct tb_db *db = NULL;
    enum tb_code code = tb_db_open(f.path, TB_DB_DURABLE, 0, &db, err);

    if (code == TB_OK)
        code = tb_store_migrate(db, err);
    tb_db_close(db);
    return code;
}

/* The power is cut at every write of the migration from the first build's schema to this one's. */
START_TEST(a_first_store_migrates_whole)
{
    struct tb_error err = {0};
    int64_t count;

    make_first();
    count = fault_vfs_changes();
    ck_ok(migrate_first(&err));
    count = fault_vfs_changes() - count;
    fixture_release(&f);
    ck_assert_int_gt(count, 4);
    for (int64_t n = 1; n <= count; n++) {
        make_first();
        fault_vfs_cut_power(n, (enum fault_cut)_i, (uint64_t)n);
        bool done = migrate_first(&err) == TB_OK;
        ck_assert(fault_vfs_power_is_off());
        fault_vfs_reboot();
        int64_t version = fixture_query(&f, "PRAGMA user_version");
        ck_assert(version == SCHEMA_VERSION || (version >= 1 && !done));
        ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM sqlite_schema"
                                           " WHERE name IN ('parked', 'parked_order_id')"),
                         version > 1 ? 2 : 0);
        fixture_open(&f);
        fixture_place(&f, NULL);
        fixture_check_consistent(&f);
        ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM orders"), 13);
        ck_assert_int_eq(fixture_query(&f, "SELECT count(*) FROM parked"), 0);
        fixture_release(&f);
    }
}
END_TEST

/* When the writer reopens, it refuses a file that was replaced while it was open. */
START_TEST(reopen_refuses_another_file)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf bytes = {0};
    struct tb_error err = {0};
    char moved[200];

    fixture_open(&f);
    fixture_place(&f, NULL);
    ck_assert_int_eq(tb_db_checkpoint(f.store->db, SQLITE_CHECKPOINT_TRUNCATE), SQLITE_OK);
    read_whole_file(f.path, &bytes);
    snprintf(moved, sizeof moved, "%s.moved", f.path);
    ck_assert_int_eq(rename(f.path, moved), 0);
    write_file(f.path, &bytes);
    ck_assert_int_eq(tb_store_reopen(f.store, &err), TB_CORRUPT);
    ck_assert_int_eq(unlink(f.path), 0);
    ck_assert_int_eq(tb_store_reopen(f.store, &err), TB_UNAVAILABLE);
    ck_assert_int_ne(access(f.path, F_OK), 0);
    ck_assert_int_eq(rename(moved, f.path), 0);
    ck_ok(tb_store_reopen(f.store, &err));
    fixture_place(&f, NULL);
}
END_TEST

START_TEST(debezium_view_shows_the_outbox)
{
    fixture_open(&f);
    fixture_place(&f, NULL);
    ck_assert_int_eq(fixture_query(&f,
                                   "SELECT count(*) FROM outbox_debezium d JOIN outbox o"
                                   " ON d.id = o.event_id WHERE aggregatetype = 'order' AND"
                                   " aggregateid = o.order_id AND d.type = 'OrderPlaced.v2' AND"
                                   " d.payload = o.payload"),
                     1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/store");
    TCase *tc = tcase_create("files");
    TCase *cut = tcase_create("migration");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, reopening_keeps_everything);
    tcase_add_test(tc, a_copy_begins_a_new_epoch);
    tcase_add_loop_test(tc, a_file_of_another_folder_is_a_copy, 0,
                        (int)(sizeof folders / sizeof *folders));
    tcase_add_test(tc, an_epoch_without_rows_is_replaced);
    tcase_add_loop_test(tc, foreign_files_are_refused_and_unchanged, 0,
                        (int)(sizeof foreign_changes / sizeof *foreign_changes));
    tcase_add_test(tc, reopen_refuses_another_file);
    tcase_add_test(tc, debezium_view_shows_the_outbox);
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(cut, a_cut_migration_is_old_or_new, 0, FAULT_CUT_COUNT);
    tcase_add_loop_test(cut, a_first_store_migrates_whole, 0, FAULT_CUT_COUNT);
    suite_add_tcase(suite, cut);
    return test_main(suite);
}

/* Promise: a till finds what has happened to one of its files, in cases that no combination of
 * whole files makes: files of earlier builds, starts that ended early, odd files, notes beside the
 * databases. Then its view has exactly the orders of the store. */
#include "base/config/config.h"
#include "edge/heartbeat_note.h"
#include "edge/histories.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
    Suite *suite = suite_create("derived_files");
    TCase *single = add_case(suite, "single");

    /* Thousands of syncs, on which no test here depends. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
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
    return test_main(suite);
}

/* Goal: acknowledged records stay in the log, and an idle log writes nothing.
 * Method: the contract of log.h; then what only this log promises, with processes that are killed
 * and commits that fail. One file, fake clock. */
#include "base/sqlite/db_priv.h"
#include "bridge/log/inproc/fixture.h"
#include "bridge/log/log_conformance.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* The contract's subject. */

static void *subject_make(void)
{
    struct log_fixture *fix = calloc(1, sizeof *fix);

    ck_assert_ptr_nonnull(fix);
    make_log(fix);
    return fix;
}

static enum tb_code subject_writer(void *log, struct tb_log_writer **ret_writer,
                                   struct tb_error *err)
{
    return tb_log_inproc_writer(((struct log_fixture *)log)->log, ret_writer, err);
}

static enum tb_code subject_reader(void *log, const char *group, struct tb_log_reader **ret_reader,
                                   struct tb_error *err)
{
    return tb_log_inproc_reader(((struct log_fixture *)log)->log, group, ret_reader, err);
}

static void subject_reopen(void *log)
{
    struct log_fixture *fix = log;

    tb_log_inproc_free(fix->log);
    open_log(fix);
}

static void subject_cut(void *log, int32_t partition, int64_t begin)
{
    struct log_fixture *fix = log;
    struct tb_error err = {0};
    int64_t removed = 0;

    ck_assert_int_eq(partition, 0);
    tb_log_inproc_allow_removal(fix->log, INT64_MAX);
    ck_ok(tb_inproc_mark_end(fix->log, &err));
    ck_ok(tb_inproc_remove_expired(fix->log, INT64_MAX, begin, &removed, &err));
    ck_assert_int_eq(tb_log_inproc_range(fix->log, "g").begin, begin);
}

static void subject_destroy(void *log)
{
    struct log_fixture *fix = log;

    tb_log_inproc_free(fix->log);
    tmpdir_remove(fix->dir);
    free(fix);
}

static const struct log_conformance inproc = {
    .lacks = LOG_LACKS_REBALANCE,
    .partitions = 1,
    .make = subject_make,
    .writer = subject_writer,
    .reader = subject_reader,
    .reopen = subject_reopen,
    .cut = subject_cut,
    .destroy = subject_destroy,
};

/* Promises of this log beyond log.h. */

/* After a process was killed, the log has every acknowledged record and the offset that was stored
 * by the same commit. An unacknowledged batch is there as a whole or not at all. */
START_TEST(acknowledged_outlives_the_process)
{
    struct tb_error err = {0};
    struct log_fixture child;
    int status;

    tmpdir_make(child.dir);
    snprintf(child.path, sizeof child.path, "%s/log.db", child.dir);
    fake_clock_init(&child.clock, 1700000000000);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        open_log(&child);
        ck_ok(tb_log_inproc_writer(child.log, &child.writer, &err));
        ck_ok(tb_log_inproc_reader(child.log, "g", &child.reader, &err));
        log_put_text(child.writer, "k", "1");
        ck_ok(child.reader->ops->commit(child.reader, 0, 1, &err));
        log_put_text(child.writer, "k", "2");
        ck_ok(child.reader->ops->commit(child.reader, 0, 2, &err));
        ck_ok(child.writer->ops->append(child.writer, &(struct tb_record){.key = TB_STR("k")}, 1,
                                        &err));
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);

    open_log(&child);
    ck_ok(tb_log_inproc_reader(child.log, "g", &child.reader, &err));
    struct tb_log_range range;
    ck_ok(child.reader->ops->range(child.reader, 0, &range, &err));
    ck_assert_int_eq(range.end, 2);
    ck_assert_int_eq(range.committed, 1);
    log_read(child.reader, f.seen, 1);
    ck_assert(tb_str_eq(f.seen->records[0].value, TB_STR("2")));
    child.reader->ops->free(child.reader);
    tb_log_inproc_free(child.log);
    tmpdir_remove(child.dir);
}
END_TEST

/* Readers see nothing of a batch before its commit. */
START_TEST(nothing_is_seen_before_its_commit)
{
    append("k", "1", 1);
    log_check_end(f.reader);
    ck_assert_int_eq(range_now().end, 0);
    log_await_acks(f.writer, 1);
    log_read(f.reader, f.seen, 1);
}
END_TEST

static int refuse_commit(void *ctx)
{
    (void)ctx;
    return 1;
}

static void break_commits(bool broken)
{
    sqlite3_commit_hook(f.log->db->raw, broken ? refuse_commit : NULL, NULL);
}

/* After a failed commit none of its appends is acknowledged or visible, and the next record gets
 * the offset of the first of them. The log reopens the file by itself. */
START_TEST(a_failed_commit_is_unknown)
{
    struct tb_log_ack acks[8];
    struct tb_error err = {0};
    size_t n = 0;

    log_put_text(f.writer, "k", "0");
    commit(1);
    append("k", "lost", 7);
    append("k", "lost too", 8);
    break_commits(true);
    ck_assert_int_ne(f.writer->ops->poll(f.writer, 0, acks, 8, &n, &err), TB_OK);
    ck_assert_int_eq(range_now().end, 1);
    ck_assert_uint_eq(idle_poll(), 0);

    log_put_text(f.writer, "k", "1");
    log_read(f.reader, f.seen, 2);
    log_check_end(f.reader);
    ck_assert_int_eq(f.seen->records[1].offset, 1);
    ck_assert(tb_str_eq(f.seen->records[1].value, TB_STR("1")));
    close_all();
    open_log(&f);
    open_both();
    ck_assert_int_eq(range_now().end, 2);
    ck_assert_int_eq(range_now().committed, 1);
}
END_TEST

/* Records that were durable before a failure are still acknowledged. */
START_TEST(acknowledgements_survive_a_later_failure)
{
    struct tb_log_ack acks[8];
    struct tb_error err = {0};
    size_t n = 0;

    for (int i = 0; i < 3; i++)
        append("k", "v", i);
    ck_ok(f.writer->ops->poll(f.writer, 0, acks, 1, &n, &err));
    ck_assert_uint_eq(n, 1);
    append("k", "v", 3);
    break_commits(true);
    ck_ok(f.writer->ops->poll(f.writer, 0, acks, 8, &n, &err));
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(acks[0].tag, 1);
    ck_assert_int_eq(acks[1].tag, 2);
    ck_assert_int_ne(f.writer->ops->poll(f.writer, 0, acks, 8, &n, &err), TB_OK);
    ck_assert_int_eq(range_now().end, 3);
}
END_TEST

/* append is TB_BUSY when the batch is full, by records or by bytes. poll makes room. */
START_TEST(a_full_batch_is_busy)
{
    static char large[700 * 1024];
    struct tb_record record = {.key = TB_STR("k"), .value = {large, _i ? sizeof large : 1}};
    struct tb_error err = {0};
    enum tb_code code = TB_OK;
    size_t taken = 0;

    memset(large, 'x', sizeof large);
    while (code == TB_OK) {
        code = f.writer->ops->append(f.writer, &record, 1, &err);
        taken += code == TB_OK;
    }
    ck_assert_int_eq(code, TB_BUSY);
    ck_assert_uint_eq(taken, _i ? 3 : TB_LOG_BATCH_MAX);
    log_await_acks(f.writer, taken);
    ck_ok(f.writer->ops->append(f.writer, &record, 1, &err));
    log_await_acks(f.writer, 1);
    /* Large records come in batches that hold little, but always one. */
    log_read(f.reader, f.seen, taken + 1);
    ck_assert_uint_eq(f.seen->records[taken].value.len, record.value.len);
}
END_TEST

/* A record that is larger than a batch may be is read alone. */
START_TEST(a_record_larger_than_a_batch)
{
    size_t len = TB_INPROC_BATCH_BYTES + 12345;
    char *large = calloc(1, len);

    ck_assert_ptr_nonnull(large);
    log_put_text(f.writer, "k", "before");
    log_put(f.writer, &(struct tb_record){.key = TB_STR("k"), .value = {large, len}});
    log_put_text(f.writer, "k", "after");
    log_read(f.reader, f.seen, 3);
    ck_assert_uint_eq(f.seen->records[1].value.len, len);
    ck_assert(tb_str_eq(f.seen->records[2].value, TB_STR("after")));
    free(large);
}
END_TEST

START_TEST(one_reader_a_group_and_one_writer)
{
    struct tb_log_reader *reader = NULL;
    struct tb_log_writer *writer = NULL;
    struct tb_error err = {0};

    ck_assert_int_eq(tb_log_inproc_reader(f.log, "g", &reader, &err), TB_BUSY);
    ck_assert_int_eq(tb_log_inproc_writer(f.log, &writer, &err), TB_BUSY);
    f.reader->ops->free(f.reader);
    ck_ok(tb_log_inproc_reader(f.log, "g", &f.reader, &err));
}
END_TEST

static void append_event(const char *epoch, const char *sequence)
{
    const struct tb_header headers[] = {{TB_STR("ce_epoch"), tb_str_of(epoch)},
                                        {TB_STR("ce_sequence"), tb_str_of(sequence)}};
    struct tb_record record = {.key = TB_STR("k"), .headers = headers, .header_count = 2};
    struct tb_error err = {0};

    ck_ok(f.writer->ops->append(f.writer, &record, 1, &err));
}

static int64_t high_sequence(const char *epoch)
{
    struct tb_error err = {0};
    int64_t sequence = -1;

    ck_ok(tb_log_inproc_high_sequence(f.log, epoch, &sequence, &err));
    return sequence;
}

/* The highest sequence of each epoch is that of a committed record: a record that was rolled back
 * does not raise it, one that is sent again does not lower it, and a malformed header is ignored.
 */
START_TEST(high_sequence_follows_the_commits)
{
    append_event("aaaa", "00000000000000000007");
    append_event("aaaa", "00000000000000000003");
    append_event("bbbb", "00000000000000000009");
    append_event("aaaa", "00000000000000000005");
    append_event("cccc", "12x");
    append_event("cccc", "99999999999999999999");
    log_await_acks(f.writer, 6);
    append_event("bbbb", "00000000000000000010");
    break_commits(true);
    struct tb_log_ack acks[2];
    struct tb_error err = {0};
    size_t n = 0;
    ck_assert_int_ne(f.writer->ops->poll(f.writer, 0, acks, 2, &n, &err), TB_OK);
    close_all();
    open_log(&f);
    open_both();
    ck_assert_int_eq(high_sequence("aaaa"), 7);
    ck_assert_int_eq(high_sequence("bbbb"), 9);
    ck_assert_int_eq(high_sequence("cccc"), 0);
    ck_assert_int_eq(high_sequence("never"), 0);
    append_event("bbbb", "00000000000000000004");
    log_await_acks(f.writer, 1);
    ck_assert_int_eq(high_sequence("bbbb"), 9);
}
END_TEST

/* A figure that changes with every write to the file, by whichever way. */
static int64_t data_version(struct tb_db *watcher)
{
    struct tb_error err = {0};
    int64_t version = 0;

    ck_ok(tb_db_query_int64(watcher, "PRAGMA data_version", &version, &err));
    return version;
}

/* Committed offsets are stored with the next append. An idle log stores them once, then it writes
 * nothing. */
START_TEST(an_idle_minute_writes_once)
{
    struct tb_error err = {0};
    struct tb_db *watcher = NULL;
    int writes = 0;
    int64_t version;

    ck_ok(tb_db_open(f.path, TB_DB_READER, 0, &watcher, &err));
    log_put_text(f.writer, "k", "1");
    version = data_version(watcher);
    commit(1);
    ck_assert_uint_eq(idle_poll(), 0);
    ck_assert_int_eq(data_version(watcher), version); /* not at once */
    for (int i = 0; i < 120; i++) {
        fake_clock_advance(&f.clock, 500);
        idle_poll();
        writes += data_version(watcher) != version;
        version = data_version(watcher);
    }
    ck_assert_int_eq(writes, 1);
    commit(1); /* says nothing new */
    fake_clock_advance(&f.clock, 5000);
    idle_poll();
    ck_assert_int_eq(data_version(watcher), version);
    tb_db_close(watcher);
}
END_TEST

/* At a low rate an append's commit also stores the offset of the record before: there is no second
 * commit for it. */
START_TEST(offsets_are_stored_with_appends)
{
    struct tb_error err = {0};
    struct tb_db *watcher = NULL;
    int64_t version, stored;

    ck_ok(tb_db_open(f.path, TB_DB_READER, 0, &watcher, &err));
    for (int i = 0; i < 10; i++) {
        log_put_text(f.writer, "k", "v");
        version = data_version(watcher);
        commit(i + 1);
        fake_clock_advance(&f.clock, 900);
        idle_poll();
        ck_assert_int_eq(data_version(watcher), version);
        if (i > 0) {
            ck_ok(tb_db_query_int64(watcher, "SELECT next FROM offsets", &stored, &err));
            ck_assert_int_eq(stored, i);
        }
    }
    tb_db_close(watcher);
}
END_TEST

/* The file of another program or of a newer build is refused and not changed. */
START_TEST(a_foreign_file_is_refused)
{
    struct tb_log_inproc *log = NULL;
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    char path[200];
    int64_t version = 0;

    snprintf(path, sizeof path, "%s/foreign.db", f.dir);
    ck_ok(tb_db_open(path, TB_DB_DURABLE, 0, &db, &err));
    ck_ok(tb_db_exec(db,
                     _i ? "PRAGMA application_id=1952599089; PRAGMA user_version=99"
                        : "PRAGMA application_id=1; PRAGMA user_version=1",
                     &err));
    ck_assert_int_eq(tb_log_inproc_open(path, &f.clock.clock, &log, &err), TB_CONFLICT);
    ck_ok(tb_db_query_int64(db, "PRAGMA user_version", &version, &err));
    ck_assert_int_eq(version, _i ? 99 : 1);
    tb_db_close(db);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log_inproc");
    TCase *tc = tcase_create("in-process log");

    suite_add_tcase(suite, log_conformance_case(&inproc));
    tcase_add_checked_fixture(tc, log_setup, log_teardown);
    tcase_add_test(tc, acknowledged_outlives_the_process);
    tcase_add_test(tc, nothing_is_seen_before_its_commit);
    tcase_add_test(tc, a_failed_commit_is_unknown);
    tcase_add_test(tc, acknowledgements_survive_a_later_failure);
    tcase_add_loop_test(tc, a_full_batch_is_busy, 0, 2);
    tcase_add_test(tc, a_record_larger_than_a_batch);
    tcase_add_test(tc, one_reader_a_group_and_one_writer);
    tcase_add_test(tc, high_sequence_follows_the_commits);
    tcase_add_test(tc, an_idle_minute_writes_once);
    tcase_add_test(tc, offsets_are_stored_with_appends);
    tcase_add_loop_test(tc, a_foreign_file_is_refused, 0, 2);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

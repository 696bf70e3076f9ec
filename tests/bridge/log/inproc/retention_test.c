/* Goal: the file of the log stops growing, and records that a reader still needs stay in it.
 * Method: days of records under a fake clock; groups that lag. */
#include "bridge/log/inproc/fixture.h"
#include <stdio.h>

#define DAY_MS INT64_C(86400000)

/* total_ms: for how long the node has been running. */
static void keep_for(int64_t ms, int64_t total_ms)
{
    tb_log_inproc_set_retention(f.log, ms, tb_uptime_start(total_ms, &f.clock.clock));
}

static int64_t page_count(void)
{
    struct tb_error err = {0};
    int64_t pages = 0;

    ck_ok(tb_db_query_int64(f.log->db, "PRAGMA page_count", &pages, &err));
    return pages;
}

static int64_t uptime_ms(void)
{
    return tb_uptime_ms(&f.log->uptime, &f.clock.clock);
}

/* What was there at that uptime, and now if it is INT64_MAX. */
static int64_t expire(int64_t expired_ms, int64_t limit)
{
    struct tb_error err = {0};
    int64_t removed = -1;

    ck_ok(tb_inproc_mark_end(f.log, &err));
    ck_ok(tb_inproc_remove_expired(f.log, expired_ms, limit, &removed, &err));
    return removed;
}

static void append_days_records(int count)
{
    static char value[600];
    char key[16];
    size_t outstanding = 0;

    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "k%d", i);
        append(key, value, i);
        if (++outstanding == 100 || i == count - 1) {
            log_await_acks(f.writer, outstanding);
            outstanding = 0;
        }
    }
}

static void read_and_commit_all(void)
{
    struct tb_error err = {0};

    for (;;) {
        struct tb_log_batch batch;

        ck_ok(f.reader->ops->poll(f.reader, TB_LOG_BATCH_MAX, 0, &batch, &err));
        if (batch.count == 0)
            return;
        ck_ok(f.reader->ops->commit(f.reader, batch.partition,
                                    batch.records[batch.count - 1].offset + 1, &err));
    }
}

static int64_t kept(void)
{
    return range_now().end - range_now().begin;
}

/* When as many records are removed as are added, the file stops growing. No young record is
 * removed. */
START_TEST(retention_levels_off)
{
    int64_t settled = 0;

    keep_for(2 * DAY_MS, 0);
    release_all();
    for (int day = 0; day < 12; day++) {
        append_days_records(600);
        read_and_commit_all();
        while (expire(uptime_ms() - 2 * DAY_MS, 100) == 100)
            continue;
        if (day == 6)
            settled = page_count();
        fake_clock_advance(&f.clock, DAY_MS);
    }
    ck_assert_int_le(page_count(), settled + settled / 10);
    ck_assert_int_eq(kept(), 2 * 600); /* this day's and of the day before */
}
END_TEST

/* Records that a group has not committed stay, also if the group has committed nothing yet. */
START_TEST(retention_waits_for_every_group)
{
    struct tb_error err = {0};
    struct tb_log_reader *slow = NULL;

    release_all();
    for (int i = 0; i < 10; i++)
        log_put_text(f.writer, "k", "v");
    ck_assert_int_eq(expire(INT64_MAX, 100), 0);
    read_and_commit_all();
    ck_ok(tb_log_inproc_reader(f.log, "slow", &slow, &err));
    ck_assert_int_eq(expire(INT64_MAX, 100), 0);
    ck_ok(slow->ops->commit(slow, 0, 4, &err));
    slow->ops->free(slow);
    ck_assert_int_eq(expire(uptime_ms() - 1, 100), 0); /* not older than that */
    ck_assert_int_eq(expire(INT64_MAX, 3), 3);
    ck_assert_int_eq(expire(INT64_MAX, 100), 1);
    ck_assert_int_eq(range_now().begin, 4);
}
END_TEST

/* While a standalone reader is open nothing is removed. After it was freed retention goes on. */
START_TEST(retention_waits_for_a_standalone_reader)
{
    struct tb_error err = {0};
    struct tb_log_reader *visitor = NULL;
    struct tb_log_range range;

    release_all();
    for (int i = 0; i < 10; i++)
        log_put_text(f.writer, "k", "v");
    read_and_commit_all();
    ck_ok(tb_log_inproc_reader(f.log, NULL, &visitor, &err));
    ck_assert_int_eq(expire(INT64_MAX, 100), 0);
    log_read(visitor, f.seen, 10);
    ck_ok(visitor->ops->commit(visitor, 0, 10, &err));
    ck_assert_int_eq(visitor->ops->commit(visitor, 0, 11, &err), TB_INVALID);
    ck_ok(visitor->ops->range(visitor, 0, &range, &err));
    ck_assert_int_eq(range.end, 10);
    ck_assert_int_eq(range.committed, -1);
    ck_assert_int_eq(expire(INT64_MAX, 100), 0);
    visitor->ops->free(visitor);
    ck_assert_int_eq(expire(INT64_MAX, 100), 9);
}
END_TEST

/* When all other records were removed the newest one stays, so the next offset is still known. */
START_TEST(offsets_go_on_after_retention)
{

    for (int i = 0; i < 10; i++)
        log_put_text(f.writer, "k", "v");
    read_and_commit_all();
    release_all();
    ck_assert_int_eq(expire(INT64_MAX, 100), 9);
    close_all();
    open_log(&f);
    open_both();
    ck_assert_int_eq(range_now().begin, 9);
    ck_assert_int_eq(range_now().end, 10);
    ck_assert_int_eq(range_now().committed, 10);
    log_check_end(f.reader);
    log_put_text(f.writer, "k", "next");
    log_read(f.reader, f.seen, 1);
    ck_assert_int_eq(f.seen->records[0].offset, 10);
}
END_TEST

START_TEST(retention_does_not_touch_an_open_batch)
{
    struct tb_error err = {0};
    int64_t removed = 0;

    append("k", "v", 1);
    ck_assert_int_eq(tb_inproc_remove_expired(f.log, INT64_MAX, 10, &removed, &err), TB_BUSY);
    ck_assert_int_eq(tb_inproc_mark_end(f.log, &err), TB_BUSY);
    log_await_acks(f.writer, 1);
}
END_TEST

/* Records that the group has committed stay until they are released: the view that reads them may
 * be set back. */
START_TEST(retention_waits_for_the_release)
{

    for (int i = 0; i < 10; i++)
        log_put_text(f.writer, "k", "v");
    read_and_commit_all();
    ck_assert_int_eq(expire(INT64_MAX, 100), 0);
    tb_log_inproc_allow_removal(f.log, 4);
    ck_assert_int_eq(expire(INT64_MAX, 100), 4);
    ck_assert_int_eq(range_now().begin, 4);
    close_all();
    open_log(&f);
    open_both();
    ck_assert_int_eq(expire(INT64_MAX, 100), 0); /* it is for the process to say so */
    ck_assert_int_eq(range_now().begin, 4);
}
END_TEST

static void append_and_read(int count)
{
    append_days_records(count);
    read_and_commit_all();
}

/* A poll removes at most a thousand records, so that no append waits long for it. */
START_TEST(the_writer_removes_expired_records)
{
    keep_for(2 * DAY_MS, 0);
    append_and_read(2500);
    release_all();
    (void)idle_poll();
    ck_assert_int_eq(kept(), 2500); /* young */
    fake_clock_advance(&f.clock, 3 * DAY_MS);
    (void)idle_poll();
    ck_assert_int_eq(kept(), 2500); /* nothing was released since */
    append_and_read(500);
    release_all();
    for (int left = 3000; left > 1000; left -= 1000) {
        ck_assert_int_eq(kept(), left);
        (void)idle_poll();
    }
    (void)idle_poll();
    (void)idle_poll();
    ck_assert_int_eq(kept(), 500);
}
END_TEST

START_TEST(all_is_kept_without_retention)
{
    append_and_read(50);
    release_all();
    fake_clock_advance(&f.clock, 9000 * DAY_MS);
    (void)idle_poll();
    ck_assert_int_eq(kept(), 50);
}
END_TEST

/* Records that must be there, and that may be gone: how many were appended when. */
#define STEPS 60
struct model {
    int64_t running_ms, appended_ms[STEPS];
    int64_t counts[STEPS];
    int count;
};
#define KEEP_MS (10 * DAY_MS)

static void restart(struct model *model, struct fake_random *random)
{
    close_all();
    f.clock.wall_ms = (int64_t)fake_random_below(random, UINT64_C(4000000000000));
    f.clock.mono_us = (int64_t)fake_random_below(random, 1000000);
    open_log(&f);
    open_both();
    keep_for(KEEP_MS, model->running_ms);
}

static int64_t young_records(const struct model *model)
{
    int64_t count = 0;

    for (int i = 0; i < model->count; i++)
        if (model->running_ms - model->appended_ms[i] < KEEP_MS)
            count += model->counts[i];
    return count;
}

/* Whatever clock and restarts do, no record goes before the node has run for the time to keep it,
 * and all go when it has. (The newest record always stays.) */
START_TEST(no_step_of_the_clock_removes_early)
{
    struct fake_random random;
    struct model model = {0};

    fake_random_init(&random, test_seed(70 + (uint64_t)_i));
    keep_for(KEEP_MS, 0);
    for (int i = 0; i < STEPS; i++) {
        int64_t ms = (int64_t)fake_random_below(&random, 3 * (uint64_t)DAY_MS);

        switch (fake_random_below(&random, 4)) {
        case 0:
            f.clock.wall_ms = (int64_t)fake_random_below(&random, UINT64_C(4000000000000));
            break;
        case 1:
            restart(&model, &random);
            break;
        case 2:
            model.appended_ms[model.count] = model.running_ms;
            model.counts[model.count] = (int64_t)fake_random_below(&random, 90) + 10;
            append_and_read((int)model.counts[model.count++]);
            break;
        default:
            fake_clock_advance(&f.clock, ms);
            model.running_ms += ms;
        }
        release_all();
        (void)idle_poll();
        ck_assert_int_ge(kept(), young_records(&model));
    }
    for (int day = 0; day < 12; day++) {
        fake_clock_advance(&f.clock, DAY_MS);
        release_all();
        (void)idle_poll();
    }
    ck_assert_int_le(kept(), 1);
}
END_TEST

/* Without new marks for each poll, old ones go. */
START_TEST(marks_are_few)
{
    struct tb_error err = {0};
    int64_t marks = 0;

    keep_for(KEEP_MS, 0);
    append_and_read(60);
    for (int i = 0; i < 1000; i++) {
        fake_clock_advance(&f.clock, DAY_MS / 8);
        release_all();
        (void)idle_poll();
    }
    ck_ok(tb_db_query_int64(f.log->db, "SELECT count(*) FROM marks", &marks, &err));
    ck_assert_int_gt(marks, 0);
    ck_assert_int_le(marks, 18);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log_inproc_retention");
    TCase *tc = tcase_create("retention");

    tcase_add_checked_fixture(tc, log_setup, log_teardown);
    tcase_add_test(tc, retention_levels_off);
    tcase_add_test(tc, retention_waits_for_a_standalone_reader);
    tcase_add_test(tc, retention_waits_for_every_group);
    tcase_add_test(tc, offsets_go_on_after_retention);
    tcase_add_test(tc, retention_does_not_touch_an_open_batch);
    tcase_add_test(tc, retention_waits_for_the_release);
    tcase_add_test(tc, the_writer_removes_expired_records);
    tcase_add_test(tc, all_is_kept_without_retention);
    tcase_add_loop_test(tc, no_step_of_the_clock_removes_early, 0, 10);
    tcase_add_test(tc, marks_are_few);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

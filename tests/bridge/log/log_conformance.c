/* Goal: a relay and a consumer that are right on one log are right on any other.
 * Method: the promises of log.h one by one, over seeded histories where order matters. */
#include "bridge/log/log_conformance.h"
#include "bridge/log/log_tools.h"
#include "support/support.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const struct log_conformance *subject;

static struct {
    void *log;
    struct tb_log_writer *writer;
    struct tb_log_reader *reader; /* of group "g" */
    struct log_seen *seen;
} f;

static struct tb_log_reader *open_reader(const char *group)
{
    struct tb_error err = {0};
    struct tb_log_reader *reader = NULL;

    ck_ok(subject->reader(f.log, group, &reader, &err));
    return reader;
}

static void open_both(void)
{
    struct tb_error err = {0};

    ck_ok(subject->writer(f.log, &f.writer, &err));
    f.reader = open_reader("g");
}

static void close_both(void)
{
    f.reader->ops->free(f.reader);
    f.writer->ops->free(f.writer);
}

static void setup(void)
{
    f.log = subject->make();
    f.seen = calloc(1, sizeof *f.seen);
    ck_assert_ptr_nonnull(f.seen);
    open_both();
}

static void teardown(void)
{
    close_both();
    tb_arena_release(&f.seen->arena);
    free(f.seen);
    subject->destroy(f.log);
}

static struct tb_log_range range_of(struct tb_log_reader *reader, int32_t partition)
{
    struct tb_error err = {0};
    struct tb_log_range range;

    ck_ok(reader->ops->range(reader, partition, &range, &err));
    return range;
}

/* Records of one key stay in one partition and in the order of their appends, whatever is
 * appended between them; a partition's offsets count from 0 without holes. */
START_TEST(order_per_key)
{
    enum { KEYS = 40, RECORDS = 5000 };
    int appended[KEYS] = {0}, seen[KEYS] = {0};
    int64_t next[TB_LOG_PARTITIONS] = {0};
    struct tb_error err = {0};
    struct fake_random random;
    size_t outstanding = 0;

    fake_random_init(&random, test_seed((uint64_t)_i + 1));
    for (int i = 0; i < RECORDS; i++) {
        int k = (int)fake_random_below(&random, KEYS);
        char key[16], value[16];
        struct tb_record record = {0};
        enum tb_code code;

        snprintf(key, sizeof key, "order-%d", k);
        snprintf(value, sizeof value, "%d", appended[k]++);
        record.key = tb_str_of(key);
        record.value = tb_str_of(value);
        while ((code = f.writer->ops->append(f.writer, &record, i, &err)) == TB_BUSY) {
            log_settle(f.writer, outstanding);
            outstanding = 0;
        }
        ck_ok(code);
        outstanding++;
        if (fake_random_below(&random, 100) == 0) {
            log_settle(f.writer, outstanding);
            outstanding = 0;
        }
    }
    log_settle(f.writer, outstanding);

    log_read(f.reader, f.seen, RECORDS);
    log_check_end(f.reader);
    for (size_t i = 0; i < f.seen->count; i++) {
        const struct tb_record *record = &f.seen->records[i];
        int k = atoi(record->key.ptr + strlen("order-"));

        ck_assert_int_eq(record->partition, tb_log_partition(record->key, TB_LOG_PARTITIONS));
        ck_assert_int_eq(record->offset, next[record->partition]++);
        ck_assert_int_eq(atoi(record->value.ptr), seen[k]++);
    }
    for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++) {
        ck_assert_int_eq(range_of(f.reader, p).begin, 0);
        ck_assert_int_eq(range_of(f.reader, p).end, next[p]);
    }
}
END_TEST

/* Keys, values and headers are bytes: nothing is cut at a NUL, and absent is not empty. */
START_TEST(bytes_come_back_as_they_were)
{
    static char every_byte[256];
    static struct tb_header many[TB_LOG_HEADERS_MAX];
    const struct tb_header odd[] = {
        {TB_STR("empty"), TB_STR("")},   {TB_STR("absent"), {0}},
        {TB_STR(""), TB_STR("no name")}, {TB_STR("twice"), TB_STR("1")},
        {TB_STR("twice"), TB_STR("2")},  {TB_STR("bytes"), {every_byte, sizeof every_byte}},
    };
    const struct tb_record records[] = {
        {.key = TB_STR("k"), .value = TB_STR("v")},
        {.key = TB_STR("k"), .value = {0}},
        {.key = TB_STR("k"), .value = TB_STR("")},
        {.key = {every_byte, sizeof every_byte}, .value = {every_byte, sizeof every_byte}},
        {.key = TB_STR("k"), .value = TB_STR("v"), .headers = odd, .header_count = 6},
        {.key = TB_STR("k"), .value = {0}, .headers = many, .header_count = TB_LOG_HEADERS_MAX},
    };
    const struct tb_record *record = &records[_i];

    for (size_t i = 0; i < sizeof every_byte; i++)
        every_byte[i] = (char)i;
    for (size_t i = 0; i < TB_LOG_HEADERS_MAX; i++)
        many[i] =
            (struct tb_header){{every_byte + subject->names_are_text, i}, {every_byte, 255 - i}};
    log_put(f.writer, record);
    log_read(f.reader, f.seen, 1);
    log_check_same(record, &f.seen->records[0]);
}
END_TEST

/* What can never be stored is refused for good, and leaves nothing behind. */
START_TEST(too_many_headers_are_refused)
{
    static struct tb_header many[TB_LOG_HEADERS_MAX + 1];
    struct tb_record record = {
        .key = TB_STR("k"), .headers = many, .header_count = TB_LOG_HEADERS_MAX + 1};
    struct tb_error err = {0};

    for (size_t i = 0; i <= TB_LOG_HEADERS_MAX; i++)
        many[i] = (struct tb_header){TB_STR("n"), TB_STR("v")};
    ck_assert_int_eq(f.writer->ops->append(f.writer, &record, 1, &err), TB_INVALID);
    log_put_text(f.writer, "k", "next");
    log_read(f.reader, f.seen, 1);
    ck_assert(tb_str_eq(f.seen->records[0].value, TB_STR("next")));
    ck_assert_int_eq(f.seen->records[0].offset, 0);
}
END_TEST

/* The log sets the time of the append: later records are not older while the clock is sound. */
START_TEST(records_carry_the_time_of_their_append)
{
    log_put_text(f.writer, "k", "1");
    log_put_text(f.writer, "k", "2");
    log_read(f.reader, f.seen, 2);
    ck_assert_int_gt(f.seen->records[0].timestamp_ms, 0);
    ck_assert_int_ge(f.seen->records[1].timestamp_ms, f.seen->records[0].timestamp_ms);
}
END_TEST

/* What one group has read and committed is nothing to another. */
START_TEST(groups_are_independent)
{
    struct tb_error err = {0};
    struct tb_log_reader *other = open_reader("other");
    int32_t p = tb_log_partition(TB_STR("k"), TB_LOG_PARTITIONS);

    log_put_text(f.writer, "k", "1");
    log_put_text(f.writer, "k", "2");
    log_read(f.reader, f.seen, 2);
    ck_ok(f.reader->ops->commit(f.reader, p, 2, &err));
    ck_assert_int_eq(range_of(other, p).committed, -1);
    log_read(other, f.seen, 2);
    log_check_same(&f.seen->records[0], &f.seen->records[2]);
    ck_ok(other->ops->commit(other, p, 1, &err));
    ck_assert_int_eq(range_of(f.reader, p).committed, 2);
    ck_assert_int_eq(range_of(other, p).committed, 1);
    other->ops->free(other);
}
END_TEST

/* A committed offset is the next record to read, and outlives the process. */
START_TEST(a_group_goes_on_where_it_committed)
{
    struct tb_error err = {0};
    int32_t p = tb_log_partition(TB_STR("k"), TB_LOG_PARTITIONS);

    for (int i = 0; i < 5; i++)
        log_put_text(f.writer, "k", (const char *[]){"0", "1", "2", "3", "4"}[i]);
    log_read(f.reader, f.seen, 5);
    ck_ok(f.reader->ops->commit(f.reader, p, 1, &err));
    ck_ok(f.reader->ops->commit(f.reader, p, f.seen->records[_i - 1].offset + 1, &err));
    close_both();
    subject->reopen(f.log);
    open_both();

    ck_assert_int_eq(range_of(f.reader, p).committed, _i);
    if (_i < 5) {
        log_read(f.reader, f.seen, 5 - (size_t)_i);
        ck_assert_int_eq(f.seen->records[5].offset, _i);
        log_check_same(&f.seen->records[5], &f.seen->records[_i]);
    } else {
        log_check_end(f.reader);
    }
}
END_TEST

/* An offset beyond the records would skip those that come. */
START_TEST(a_commit_beyond_the_end_is_refused)
{
    struct tb_error err = {0};
    int32_t p = tb_log_partition(TB_STR("k"), TB_LOG_PARTITIONS);

    log_put_text(f.writer, "k", "1");
    log_read(f.reader, f.seen, 1);
    ck_assert_int_eq(f.reader->ops->commit(f.reader, p, 2, &err), TB_INVALID);
    ck_assert_int_eq(f.reader->ops->commit(f.reader, -1, 0, &err), TB_INVALID);
    ck_assert_int_eq(f.reader->ops->commit(f.reader, TB_LOG_PARTITIONS, 0, &err), TB_INVALID);
    ck_assert_int_eq(range_of(f.reader, p).committed, -1);
}
END_TEST

START_TEST(a_new_log_is_empty)
{
    for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++) {
        struct tb_log_range range = range_of(f.reader, p);

        ck_assert_int_eq(range.begin, 0);
        ck_assert_int_eq(range.end, 0);
        ck_assert_int_eq(range.committed, -1);
    }
    log_check_end(f.reader);
}
END_TEST

/* A reader that seeks back reads the same records again, and goes on behind them. */
START_TEST(seek_reads_again)
{
    struct tb_error err = {0};
    int32_t p = tb_log_partition(TB_STR("k"), TB_LOG_PARTITIONS);

    for (int i = 0; i < 4; i++)
        log_put_text(f.writer, "k", (const char *[]){"0", "1", "2", "3"}[i]);
    log_read(f.reader, f.seen, 4);
    ck_ok(f.reader->ops->seek(f.reader, p, 1, &err));
    log_read(f.reader, f.seen, 3);
    log_check_end(f.reader);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(f.seen->records[4 + i].offset, (int64_t)i + 1);
        log_check_same(&f.seen->records[4 + i], &f.seen->records[1 + i]);
    }
}
END_TEST

/* max bounds a batch; a batch is of one partition; no partition waits for another to be drained.
 */
START_TEST(batches_are_bounded_and_fair)
{
    enum { EACH = 60, MAX = 7 };
    struct tb_error err = {0};
    struct tb_log_batch batch;
    int last_turn[TB_LOG_PARTITIONS] = {0};
    char keys[TB_LOG_PARTITIONS][16];

    for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++) {
        log_key_of(p, keys[p]);
        for (int i = 0; i < EACH; i++)
            log_put_text(f.writer, keys[p], "v");
    }
    for (int turn = 1; f.seen->count < (size_t)EACH * TB_LOG_PARTITIONS; turn++) {
        ck_ok(f.reader->ops->poll(f.reader, MAX, 20000, &batch, &err));
        ck_assert_uint_gt(batch.count, 0);
        ck_assert_uint_le(batch.count, MAX);
        for (size_t i = 1; i < batch.count; i++)
            ck_assert_int_eq(batch.records[i].offset, batch.records[i - 1].offset + 1);
        log_seen_add(f.seen, &batch);
        last_turn[batch.partition] = turn;
        if (turn == TB_LOG_PARTITIONS * 4) {
            for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++)
                ck_assert_int_gt(last_turn[p], 0);
        }
    }
}
END_TEST

/* One poll; 1 if it was the alarm. */
static int read_or_alarm(void)
{
    struct tb_error err = {0};
    struct tb_log_batch batch;
    enum tb_code code = f.reader->ops->poll(f.reader, 100, 10, &batch, &err);

    if (code == TB_OK)
        log_seen_add(f.seen, &batch);
    else
        ck_assert_int_eq(code, TB_CORRUPT);
    return code == TB_CORRUPT;
}

/* A position that retention has overtaken is an alarm for that partition, every time: what was
 * removed is never skipped in silence. The others are still read. */
START_TEST(a_position_out_of_range_never_skips)
{
    struct tb_error err = {0};
    char gone[16], fine[16];
    const int64_t begin = subject->cut ? 6 : 0;
    int64_t until_ms;
    size_t expected;
    bool inside;
    int corrupt = 0;

    log_key_of(1, gone);
    log_key_of(2, fine);
    for (int i = 0; i < 10; i++)
        log_put_text(f.writer, gone, "v");
    log_read(f.reader, f.seen, 10);
    ck_ok(f.reader->ops->commit(f.reader, 1, 10, &err));
    close_both();
    if (subject->cut)
        subject->cut(f.log, 1, 6);
    open_both();
    ck_assert_int_eq(range_of(f.reader, 1).begin, begin);
    log_put_text(f.writer, gone, "v");
    log_put_text(f.writer, fine, "fine");

    ck_ok(f.reader->ops->seek(f.reader, 1, _i, &err));
    f.seen->count = 0;
    inside = _i >= begin && _i <= 11;
    expected = inside ? (size_t)(11 - _i) + 1 : 1;
    /* Until all is there, and then that it stays so. */
    until_ms = tb_clock_mono_ms(&tb_clock_system) + 20000;
    while ((f.seen->count < expected || (!inside && corrupt < 2)) &&
           tb_clock_mono_ms(&tb_clock_system) < until_ms)
        corrupt += read_or_alarm();
    for (int i = 0; i < 20; i++)
        corrupt += read_or_alarm();
    ck_assert_uint_eq(f.seen->count, expected);
    if (inside) {
        ck_assert_int_eq(corrupt, 0);
    } else {
        ck_assert_int_gt(corrupt, 1);
        ck_assert(tb_str_eq(f.seen->records[0].value, TB_STR("fine")));
    }
}
END_TEST

static void *read_for_ever(void *arg)
{
    struct tb_log_batch *batch = arg;
    struct tb_error err = {0};

    return f.reader->ops->poll(f.reader, 10, -1, batch, &err) == TB_OK ? batch : NULL;
}

/* A reader that waits without end returns with the record that is appended meanwhile, or before
 * it waits: neither moment loses the wake-up. */
START_TEST(an_append_wakes_a_waiting_reader)
{
    for (int i = 0; i < 50; i++) {
        struct tb_log_batch batch;
        pthread_t thread;
        void *result;

        ck_assert_int_eq(pthread_create(&thread, NULL, read_for_ever, &batch), 0);
        log_put_text(f.writer, "k", "v");
        ck_assert_int_eq(pthread_join(thread, &result), 0);
        ck_assert_ptr_eq(result, &batch);
        ck_assert_uint_eq(batch.count, 1);
        ck_assert_int_eq(batch.records[0].offset, i);
    }
}
END_TEST

/* wake ends a wait without a record, also one that begins after it. */
START_TEST(wake_ends_a_wait)
{
    for (int i = 0; i < 50; i++) {
        struct tb_log_batch batch;
        pthread_t thread;
        void *result;

        ck_assert_int_eq(pthread_create(&thread, NULL, read_for_ever, &batch), 0);
        f.reader->ops->wake(f.reader);
        ck_assert_int_eq(pthread_join(thread, &result), 0);
        ck_assert_ptr_eq(result, &batch);
        ck_assert_uint_eq(batch.count, 0);
    }
}
END_TEST

#define STREAM 3000
#define STREAM_SLOW 600

static int stream_length(void)
{
    return subject->slow ? STREAM_SLOW : STREAM;
}

static void *write_stream(void *arg)
{
    size_t outstanding = 0;
    struct tb_error err = {0};
    struct fake_random random;

    fake_random_init(&random, *(uint64_t *)arg);
    for (int i = 0; i < stream_length(); i++) {
        char key[16];
        struct tb_record record = {.key = {key, 0}, .value = TB_STR("v")};

        snprintf(key, sizeof key, "k%d", (int)fake_random_below(&random, 20));
        record.key = tb_str_of(key);
        ck_ok(f.writer->ops->append(f.writer, &record, i, &err));
        if (++outstanding == 50 || fake_random_below(&random, 4) == 0) {
            log_settle(f.writer, outstanding);
            outstanding = 0;
        }
    }
    log_settle(f.writer, outstanding);
    return NULL;
}

/* A reader that commits while the writer appends misses nothing and sees nothing twice. */
START_TEST(reading_while_writing)
{
    uint64_t seed = test_seed((uint64_t)_i + 1);
    int64_t next[TB_LOG_PARTITIONS] = {0};
    struct tb_error err = {0};
    pthread_t thread;
    int seen = 0;

    ck_assert_int_eq(pthread_create(&thread, NULL, write_stream, &seed), 0);
    while (seen < stream_length()) {
        struct tb_log_batch batch;

        ck_ok(f.reader->ops->poll(f.reader, 64, -1, &batch, &err));
        for (size_t i = 0; i < batch.count; i++)
            ck_assert_int_eq(batch.records[i].offset, next[batch.partition]++);
        seen += (int)batch.count;
        if (batch.count > 0)
            ck_ok(f.reader->ops->commit(f.reader, batch.partition, next[batch.partition], &err));
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    log_check_end(f.reader);
    close_both();
    subject->reopen(f.log);
    open_both();
    for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++)
        ck_assert_int_eq(range_of(f.reader, p).committed, next[p] > 0 ? next[p] : -1);
    log_check_end(f.reader);
}
END_TEST

TCase *log_conformance_case(const struct log_conformance *log)
{
    TCase *tc = tcase_create("the contract of log.h");

    subject = log;
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, order_per_key, 0, log->slow ? 1 : 3);
    tcase_add_loop_test(tc, bytes_come_back_as_they_were, 0, 6);
    tcase_add_test(tc, too_many_headers_are_refused);
    tcase_add_test(tc, records_carry_the_time_of_their_append);
    tcase_add_test(tc, groups_are_independent);
    tcase_add_loop_test(tc, a_group_goes_on_where_it_committed, log->slow ? 4 : 1, 6);
    tcase_add_test(tc, a_commit_beyond_the_end_is_refused);
    tcase_add_test(tc, a_new_log_is_empty);
    tcase_add_test(tc, seek_reads_again);
    tcase_add_test(tc, batches_are_bounded_and_fair);
    tcase_add_loop_test(tc, a_position_out_of_range_never_skips, log->slow ? 10 : 0, 14);
    tcase_add_test(tc, an_append_wakes_a_waiting_reader);
    tcase_add_test(tc, wake_ends_a_wait);
    tcase_add_loop_test(tc, reading_while_writing, 0, log->slow ? 1 : 3);
    return tc;
}

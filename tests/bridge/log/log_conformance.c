/* Goal: a relay and a consumer that work with one log work with any other.
 * Method: one test for each promise of log.h, with seeded histories where the order matters. */
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
    int64_t until_ms; /* patience; monotonic */
} f;

static struct tb_log_reader *open_reader(const char *group)
{
    struct tb_error err = {0};
    struct tb_log_reader *reader = NULL;

    ck_ok(subject->reader(f.log, group, &reader, &err));
    return reader;
}

static int32_t partitions(void)
{
    return subject->partitions > 0 ? subject->partitions : TEST_PARTITIONS;
}

static bool lacks(unsigned part)
{
    return subject->lacks & part;
}

static void open_both(void)
{
    struct tb_error err = {0};

    if (!lacks(LOG_LACKS_WRITER))
        ck_ok(subject->writer(f.log, &f.writer, &err));
    f.reader = open_reader("g");
    ck_assert(!f.reader->ops->pause == lacks(LOG_LACKS_REBALANCE));
    ck_assert(!f.reader->ops->is_assigned == lacks(LOG_LACKS_REBALANCE));
    ck_assert(!f.reader->ops->confirm == lacks(LOG_LACKS_REBALANCE));
}

static void close_both(void)
{
    f.reader->ops->free(f.reader);
    if (f.writer)
        f.writer->ops->free(f.writer);
}

static void setup(void)
{
    f.until_ms = tb_clock_mono_ms(&tb_clock_system) + LOG_PATIENCE_MS;
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

static void check_patience(void)
{
    ck_assert_msg(tb_clock_mono_ms(&tb_clock_system) < f.until_ms, "waited too long");
}

/* A busy cluster may not answer in time. */
static struct tb_log_range range_of(struct tb_log_reader *reader, int32_t partition)
{
    struct tb_error err = {0};
    struct tb_log_range range;
    enum tb_code code;

    while ((code = reader->ops->range(reader, partition, &range, &err)) == TB_UNAVAILABLE)
        check_patience();
    ck_ok(code);
    return range;
}

static void put(const struct tb_record *record)
{
    if (!lacks(LOG_LACKS_WRITER))
        log_put(f.writer, record);
    else
        subject->put(f.log, record);
}

static void put_text(const char *key, const char *value)
{
    put(&(struct tb_record){.key = tb_str_of(key), .value = tb_str_of(value)});
}

/* Polls of a log that cannot wait before a test gives up. */
#define IDLE_POLLS 1000

/* Reads `count` more records. */
static void read_from(struct tb_log_reader *reader, size_t count)
{
    struct tb_error err = {0};
    struct tb_log_batch batch;
    size_t wanted = f.seen->count + count;

    if (!lacks(LOG_LACKS_WAITING)) {
        log_read(reader, f.seen, count);
        return;
    }
    for (int polls = 0; f.seen->count < wanted && polls < IDLE_POLLS; polls++) {
        ck_ok(reader->ops->poll(reader, TB_LOG_BATCH_MAX, 0, &batch, &err));
        log_seen_add(f.seen, &batch);
        subject->idle(f.log);
    }
    ck_assert_uint_eq(f.seen->count, wanted);
}

/* One poll, which returns a batch or the error TB_CORRUPT. */
static enum tb_code poll_once(size_t max, int64_t wait_ms, struct tb_log_batch *ret_batch)
{
    struct tb_error err = {0};
    enum tb_code code = log_poll(f.reader, max, wait_ms, ret_batch, &err);

    if (lacks(LOG_LACKS_WAITING))
        subject->idle(f.log);
    ck_assert_msg(code == TB_OK || code == TB_CORRUPT, "%s", err.text);
    return code;
}

/* Polls an empty log until the reader's group has assigned all partitions to it. */
static void await_group(void)
{
    struct tb_log_batch batch;
    int32_t p = 0;

    while (p < partitions() && f.reader->ops->is_assigned) {
        check_patience();
        ck_assert_int_eq(poll_once(1, 100, &batch), TB_OK);
        ck_assert_uint_eq(batch.count, 0);
        while (p < partitions() && f.reader->ops->is_assigned(f.reader, p))
            p++;
    }
}

/* Records of one key stay in one partition and in the order of their appends, whatever is
 * appended between them; a partition's offsets count from 0 without holes. */
START_TEST(order_per_key)
{
    enum { KEYS = 40, RECORDS = 5000 };
    int appended[KEYS] = {0}, seen[KEYS] = {0};
    int64_t next[TEST_PARTITIONS] = {0};
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
        if (lacks(LOG_LACKS_WRITER)) {
            put(&record);
            continue;
        }
        while ((code = f.writer->ops->append(f.writer, &record, i, &err)) == TB_BUSY) {
            log_await_acks(f.writer, outstanding);
            outstanding = 0;
        }
        ck_ok(code);
        outstanding++;
        if (fake_random_below(&random, 100) == 0) {
            log_await_acks(f.writer, outstanding);
            outstanding = 0;
        }
    }
    if (!lacks(LOG_LACKS_WRITER))
        log_await_acks(f.writer, outstanding);

    read_from(f.reader, RECORDS);
    log_check_end(f.reader);
    for (size_t i = 0; i < f.seen->count; i++) {
        const struct tb_record *record = &f.seen->records[i];
        int k = atoi(record->key.ptr + strlen("order-"));

        ck_assert_int_eq(record->partition, tb_log_partition(record->key, partitions()));
        ck_assert_int_eq(record->offset, next[record->partition]++);
        ck_assert_int_eq(atoi(record->value.ptr), seen[k]++);
    }
    for (int32_t p = 0; p < partitions(); p++) {
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
            (struct tb_header){{every_byte + subject->names_are_text, i}, {every_byte, 127 - i}};
    put(record);
    read_from(f.reader, 1);
    log_check_same(record, &f.seen->records[0]);
}
END_TEST

/* A record that can never be stored is TB_INVALID, and nothing of it is in the log. */
START_TEST(too_many_headers_are_refused)
{
    static struct tb_header many[TB_LOG_HEADERS_MAX + 1];
    static char long_value[TB_LOG_HEADER_BYTES_MAX];
    struct tb_header longest = {TB_STR("n"), {long_value, sizeof long_value}};
    struct tb_record too_many = {
        .key = TB_STR("k"), .headers = many, .header_count = TB_LOG_HEADERS_MAX + 1};
    struct tb_record too_long = {.key = TB_STR("k"), .headers = &longest, .header_count = 1};
    struct tb_error err = {0};

    for (size_t i = 0; i <= TB_LOG_HEADERS_MAX; i++)
        many[i] = (struct tb_header){TB_STR("n"), TB_STR("v")};
    ck_assert_int_eq(f.writer->ops->append(f.writer, &too_many, 1, &err), TB_INVALID);
    ck_assert_int_eq(f.writer->ops->append(f.writer, &too_long, 1, &err), TB_INVALID);
    put_text("k", "next");
    read_from(f.reader, 1);
    ck_assert(tb_str_eq(f.seen->records[0].value, TB_STR("next")));
    ck_assert_int_eq(f.seen->records[0].offset, 0);
}
END_TEST

/* The log sets the time of the append: later records are not older while the clock is sound. */
START_TEST(records_carry_the_time_of_their_append)
{
    put_text("k", "1");
    put_text("k", "2");
    read_from(f.reader, 2);
    ck_assert_int_gt(f.seen->records[0].timestamp_ms, 0);
    ck_assert_int_ge(f.seen->records[1].timestamp_ms, f.seen->records[0].timestamp_ms);
}
END_TEST

/* A group's positions and commits do not change those of another group. */
START_TEST(groups_are_independent)
{
    struct tb_error err = {0};
    struct tb_log_reader *other = open_reader("other");
    int32_t p = tb_log_partition(TB_STR("k"), partitions());

    put_text("k", "1");
    put_text("k", "2");
    read_from(f.reader, 2);
    ck_ok(f.reader->ops->commit(f.reader, p, 2, &err));
    ck_assert_int_eq(range_of(other, p).committed, -1);
    read_from(other, 2);
    log_check_same(&f.seen->records[0], &f.seen->records[2]);
    ck_ok(other->ops->commit(other, p, 1, &err));
    ck_assert_int_eq(range_of(f.reader, p).committed, 2);
    ck_assert_int_eq(range_of(other, p).committed, 1);
    other->ops->free(other);
}
END_TEST

/* A committed offset is that of the next record to read. It survives the end of the process. */
START_TEST(a_group_goes_on_where_it_committed)
{
    struct tb_error err = {0};
    int32_t p = tb_log_partition(TB_STR("k"), partitions());

    for (int i = 0; i < 5; i++)
        put_text("k", (const char *[]){"0", "1", "2", "3", "4"}[i]);
    read_from(f.reader, 5);
    ck_ok(f.reader->ops->commit(f.reader, p, 1, &err));
    ck_ok(f.reader->ops->commit(f.reader, p, f.seen->records[_i - 1].offset + 1, &err));
    close_both();
    subject->reopen(f.log);
    open_both();

    ck_assert_int_eq(range_of(f.reader, p).committed, _i);
    if (_i < 5) {
        read_from(f.reader, 5 - (size_t)_i);
        ck_assert_int_eq(f.seen->records[5].offset, _i);
        log_check_same(&f.seen->records[5], &f.seen->records[_i]);
    } else {
        log_check_end(f.reader);
    }
}
END_TEST

/* Such an offset would skip records that are appended later. */
START_TEST(a_commit_beyond_the_end_is_refused)
{
    struct tb_error err = {0};
    int32_t p = tb_log_partition(TB_STR("k"), partitions());

    put_text("k", "1");
    read_from(f.reader, 1);
    ck_assert_int_eq(f.reader->ops->commit(f.reader, p, 2, &err), TB_INVALID);
    ck_assert_int_eq(f.reader->ops->commit(f.reader, -1, 0, &err), TB_INVALID);
    ck_assert_int_eq(f.reader->ops->commit(f.reader, partitions(), 0, &err), TB_INVALID);
    ck_assert_int_eq(range_of(f.reader, p).committed, -1);
}
END_TEST

START_TEST(a_new_log_is_empty)
{
    for (int32_t p = 0; p < partitions(); p++) {
        struct tb_log_range range = range_of(f.reader, p);

        ck_assert_int_eq(range.begin, 0);
        ck_assert_int_eq(range.end, 0);
        ck_assert_int_eq(range.committed, -1);
    }
    log_check_end(f.reader);
}
END_TEST

/* A reader that seeks back reads the same records again and then goes on. */
START_TEST(seek_reads_again)
{
    struct tb_error err = {0};
    int32_t p = tb_log_partition(TB_STR("k"), partitions());

    for (int i = 0; i < 4; i++)
        put_text("k", (const char *[]){"0", "1", "2", "3"}[i]);
    read_from(f.reader, 4);
    ck_ok(f.reader->ops->seek(f.reader, p, 1, &err));
    read_from(f.reader, 3);
    log_check_end(f.reader);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(f.seen->records[4 + i].offset, (int64_t)i + 1);
        log_check_same(&f.seen->records[4 + i], &f.seen->records[1 + i]);
    }
}
END_TEST

/* A batch has at most max records of one partition, and no partition must wait until another one
 * is empty. */
START_TEST(batches_are_bounded_and_fair)
{
    enum { EACH = 60, MAX = 7 };
    struct tb_log_batch batch;
    int last_turn[TEST_PARTITIONS] = {0};
    char keys[TEST_PARTITIONS][16];

    await_group();
    for (int32_t p = 0; p < partitions(); p++) {
        log_key_of(p, keys[p]);
        for (int i = 0; i < EACH; i++)
            put_text(keys[p], "v");
    }
    for (int turn = 1; f.seen->count < (size_t)(EACH * partitions()); turn++) {
        ck_assert_int_eq(poll_once(MAX, 20000, &batch), TB_OK);
        ck_assert_uint_gt(batch.count, 0);
        ck_assert_uint_le(batch.count, MAX);
        for (size_t i = 1; i < batch.count; i++)
            ck_assert_int_eq(batch.records[i].offset, batch.records[i - 1].offset + 1);
        log_seen_add(f.seen, &batch);
        last_turn[batch.partition] = turn;
        if (turn == partitions() * 4) {
            for (int32_t p = 0; p < partitions(); p++)
                ck_assert_int_gt(last_turn[p], 0);
        }
    }
}
END_TEST

/* One poll. Returns 1 if it was the error TB_CORRUPT. */
static int read_or_alarm(void)
{
    struct tb_log_batch batch;
    enum tb_code code = poll_once(100, 10, &batch);

    if (code == TB_OK)
        log_seen_add(f.seen, &batch);
    return code == TB_CORRUPT;
}

/* If the record at a position was removed, each poll of that partition is an alarm: removed
 * records are never skipped silently. The other partitions are still read. */
START_TEST(a_position_out_of_range_never_skips)
{
    struct tb_error err = {0};
    const bool alone = partitions() == 1;
    const int32_t p = alone ? 0 : 1;
    char gone[16], fine[16];
    const int64_t begin = subject->cut ? 6 : 0;
    size_t expected;
    bool inside;
    int corrupt = 0;

    log_key_of(1, gone);
    log_key_of(2, fine);
    for (int i = 0; i < 10; i++)
        put_text(gone, "v");
    read_from(f.reader, 10);
    ck_ok(f.reader->ops->commit(f.reader, p, 10, &err));
    close_both();
    if (subject->cut)
        subject->cut(f.log, p, 6);
    open_both();
    ck_assert_int_eq(range_of(f.reader, p).begin, begin);
    put_text(gone, "v");
    if (!alone)
        put_text(fine, "fine");

    ck_ok(f.reader->ops->seek(f.reader, p, _i, &err));
    f.seen->count = 0;
    inside = _i >= begin && _i <= 11;
    expected = (inside ? (size_t)(11 - _i) : 0) + !alone;
    /* First until all records were read, then some polls more: nothing may change. */
    while (f.seen->count < expected || (!inside && corrupt < 2)) {
        check_patience();
        corrupt += read_or_alarm();
    }
    for (int i = 0; i < 20; i++)
        corrupt += read_or_alarm();
    ck_assert_uint_eq(f.seen->count, expected);
    if (inside) {
        ck_assert_int_eq(corrupt, 0);
    } else {
        ck_assert_int_gt(corrupt, 1);
        ck_assert(alone || tb_str_eq(f.seen->records[0].value, TB_STR("fine")));
    }
}
END_TEST

/* When all is read the position is the end; a sought record is before it again. */
START_TEST(the_position_is_behind_what_was_returned)
{
    struct tb_error err = {0};
    int32_t p = tb_log_partition(TB_STR("k"), partitions());

    if (!f.reader->ops->position)
        return;
    for (int i = 0; i < 3; i++)
        put_text("k", "v");
    read_from(f.reader, 3);
    while (f.reader->ops->position(f.reader, p) != range_of(f.reader, p).end) {
        check_patience();
        (void)read_or_alarm();
    }
    ck_ok(f.reader->ops->seek(f.reader, p, 1, &err));
    ck_assert_int_le(f.reader->ops->position(f.reader, p), 1);
    ck_assert_int_eq(f.reader->ops->position(f.reader, TB_LOG_PARTITIONS_MAX), -1);
}
END_TEST

static void *read_for_ever(void *arg)
{
    struct tb_log_batch *batch = arg;
    struct tb_error err = {0};

    return f.reader->ops->poll(f.reader, 10, -1, batch, &err) == TB_OK ? batch : NULL;
}

/* A poll without a time limit returns the record, whether it is appended while poll waits or just
 * before it waits. */
START_TEST(an_append_wakes_a_waiting_reader)
{
    await_group();
    for (int i = 0; i < 50; i++) {
        struct tb_log_batch batch;
        pthread_t thread;
        void *result;

        ck_assert_int_eq(pthread_create(&thread, NULL, read_for_ever, &batch), 0);
        put_text("k", "v");
        ck_assert_int_eq(pthread_join(thread, &result), 0);
        ck_assert_ptr_eq(result, &batch);
        ck_assert_uint_eq(batch.count, 1);
        ck_assert_int_eq(batch.records[0].offset, i);
    }
}
END_TEST

/* wake ends a poll that waits, or the next one if none waits. */
START_TEST(wake_ends_a_wait)
{
    await_group();
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
            log_await_acks(f.writer, outstanding);
            outstanding = 0;
        }
    }
    log_await_acks(f.writer, outstanding);
    return NULL;
}

/* A reader that commits while the writer appends reads each record once. */
START_TEST(reading_while_writing)
{
    uint64_t seed = test_seed((uint64_t)_i + 1);
    int64_t next[TEST_PARTITIONS] = {0};
    struct tb_error err = {0};
    pthread_t thread;
    int seen = 0;

    await_group();
    ck_assert_int_eq(pthread_create(&thread, NULL, write_stream, &seed), 0);
    while (seen < stream_length()) {
        struct tb_log_batch batch;

        ck_ok(log_poll(f.reader, 64, -1, &batch, &err));
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
    for (int32_t p = 0; p < partitions(); p++)
        ck_assert_int_eq(range_of(f.reader, p).committed, next[p] > 0 ? next[p] : -1);
    log_check_end(f.reader);
}
END_TEST

/* A paused reader goes on serving its group but returns no records; resumed, it returns them all.
 */
START_TEST(a_paused_reader_returns_nothing)
{
    struct tb_error err = {0};
    struct tb_log_batch batch;

    put_text("k", "0");
    read_from(f.reader, 1);
    ck_ok(f.reader->ops->pause(f.reader, true, &err));
    put_text("k", "1");
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(poll_once(10, 20, &batch), TB_OK);
        ck_assert_uint_eq(batch.count, 0);
    }
    ck_ok(f.reader->ops->pause(f.reader, false, &err));
    read_from(f.reader, 1);
    ck_assert_int_eq(f.seen->records[1].offset, 1);
}
END_TEST

/* The partition of a batch is assigned, its assignment has a number, and the group confirms it
 * with a commit. */
START_TEST(an_assignment_is_confirmed)
{
    int32_t p = tb_log_partition(TB_STR("k"), partitions());
    struct tb_log_batch batch = {0};
    struct tb_error err = {0};

    ck_assert(!f.reader->ops->is_assigned(f.reader, p));
    put_text("k", "0");
    put_text("k", "1");
    while (batch.count == 0) {
        check_patience();
        ck_assert_int_eq(poll_once(10, 20000, &batch), TB_OK);
    }
    ck_assert_uint_gt(batch.assignment, 0);
    ck_assert(f.reader->ops->is_assigned(f.reader, p));
    ck_ok(f.reader->ops->confirm(f.reader, p, 1, &err));
    ck_assert_int_eq(range_of(f.reader, p).committed, 1);
}
END_TEST

/* A dead letter, or one that is sent again, goes where its event was. */
START_TEST(a_fixed_partition_is_used)
{
    struct tb_record record = {.key = TB_STR("k"), .value = TB_STR("v"), .fixed_partition = true};

    record.partition = (tb_log_partition(record.key, partitions()) + 1) % partitions();
    put(&record);
    read_from(f.reader, 1);
    ck_assert_int_eq(f.seen->records[0].partition, record.partition);
    ck_assert_int_eq(range_of(f.reader, record.partition).end, 1);
}
END_TEST

static void add(TCase *tc, const TTest *test, unsigned needs, int begin, int end)
{
    static const char *const parts[] = {"a writer", "several groups", "a poll that waits",
                                        "a clock",  "rebalances",     "lost positions"};

    if (!lacks(needs)) {
        tcase_add_shared(tc, test, begin, end);
        return;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (subject->lacks & needs & (1u << i)) {
            printf("%s does not run: this log lacks %s\n", test->name, parts[i]);
            return;
        }
    }
}

TCase *log_conformance_case(const struct log_conformance *log)
{
    TCase *tc = tcase_create("the contract of log.h");

    subject = log;
    tcase_set_timeout(tc, LOG_TEST_TIMEOUT_S);
    tcase_add_checked_fixture(tc, setup, teardown);
    add(tc, order_per_key, 0, 0, log->slow ? 1 : 3);
    add(tc, bytes_come_back_as_they_were, 0, 0, 6);
    add(tc, the_position_is_behind_what_was_returned, 0, 0, 1);
    add(tc, a_fixed_partition_is_used, LOG_LACKS_WRITER, 0, 1);
    add(tc, too_many_headers_are_refused, LOG_LACKS_WRITER, 0, 1);
    add(tc, records_carry_the_time_of_their_append, LOG_LACKS_CLOCK, 0, 1);
    add(tc, groups_are_independent, LOG_LACKS_GROUPS, 0, 1);
    add(tc, a_group_goes_on_where_it_committed, 0, log->slow ? 4 : 1, 6);
    add(tc, a_commit_beyond_the_end_is_refused, 0, 0, 1);
    add(tc, a_new_log_is_empty, 0, 0, 1);
    add(tc, seek_reads_again, 0, 0, 1);
    add(tc, batches_are_bounded_and_fair, 0, 0, 1);
    add(tc, a_position_out_of_range_never_skips, LOG_LACKS_LOST_POSITION, log->slow ? 10 : 0, 14);
    add(tc, an_append_wakes_a_waiting_reader, LOG_LACKS_WAITING, 0, 1);
    add(tc, wake_ends_a_wait, LOG_LACKS_WAITING, 0, 1);
    add(tc, reading_while_writing, LOG_LACKS_WAITING | LOG_LACKS_WRITER, 0, log->slow ? 1 : 3);
    add(tc, a_paused_reader_returns_nothing, LOG_LACKS_REBALANCE, 0, 1);
    add(tc, an_assignment_is_confirmed, LOG_LACKS_REBALANCE, 0, 1);
    return tc;
}

/* Goal: a reader returns every record of its partitions in order, none of a revoked partition, and
 * skips no record that was lost.
 * Method: mock brokers; groups of two readers, pauses, positions before the log's begin, refusals.
 */
#include "bridge/log/kafka/mock.h"
#include "bridge/log/log_tools.h"
#include "support/support.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TOPIC "order-events"

static struct {
    struct mock mock;
    struct tb_log_writer *writer;
    struct log_seen *seen;
    int64_t until_ms;
} f;

/* session_ms: the group waits so long for a silent member, and almost as long for the others when
 * a second one comes. */
static void setup_session(const char *session_ms)
{
    struct tb_error err = {0};

    memset(&f, 0, sizeof f);
    mock_make(&f.mock, 1);
    mock_set(&f.mock, "session.timeout.ms", session_ms);
    mock_topic(&f.mock, TOPIC, TEST_PARTITIONS);
    f.seen = calloc(1, sizeof *f.seen);
    ck_assert_ptr_nonnull(f.seen);
    ck_ok(tb_log_kafka_writer(&f.mock.options, TOPIC, &f.writer, &err));
    f.until_ms = tb_clock_mono_ms(&tb_clock_system) + LOG_PATIENCE_MS;
}

static void setup(void)
{
    setup_session("12000");
}

static void setup_two(void)
{
    setup_session("4000");
}

static void teardown(void)
{
    f.writer->ops->free(f.writer);
    tb_arena_release(&f.seen->arena);
    free(f.seen);
    mock_free(&f.mock);
}

static struct tb_log_reader *open_reader(void)
{
    struct tb_log_reader *reader = NULL;
    struct tb_error err = {0};

    ck_ok(tb_log_kafka_reader(&f.mock.options, TOPIC, "g", &reader, &err));
    return reader;
}

static void check_patience(void)
{
    ck_assert_msg(tb_clock_mono_ms(&tb_clock_system) < f.until_ms, "waited too long");
}

static int count_assigned(struct tb_log_reader *reader)
{
    int n = 0;

    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        n += reader->ops->is_assigned(reader, p);
    return n;
}

static size_t poll_seen(struct tb_log_reader *reader, size_t max, int64_t wait_ms)
{
    struct tb_error err = {0};
    struct tb_log_batch batch = {0};

    check_patience();
    ck_ok(log_poll(reader, max, wait_ms, &batch, &err));
    log_seen_add(f.seen, &batch);
    return batch.count;
}

static void put_many(int from, int to)
{
    struct tb_error err = {0};
    size_t outstanding = 0;

    for (int i = from; i < to; i++) {
        char key[16], value[16];
        struct tb_record record;

        snprintf(key, sizeof key, "k%d", i % 20);
        snprintf(value, sizeof value, "%d", i);
        record = (struct tb_record){.key = tb_str_of(key), .value = tb_str_of(value)};
        ck_ok(f.writer->ops->append(f.writer, &record, i, &err));
        if (++outstanding == 100 || i == to - 1) {
            log_await_acks(f.writer, outstanding);
            outstanding = 0;
        }
    }
}

static int64_t committed(struct tb_log_reader *reader, int32_t p)
{
    struct tb_log_range range;
    struct tb_error err = {0};
    enum tb_code code;

    while ((code = reader->ops->range(reader, p, &range, &err)) == TB_UNAVAILABLE)
        check_patience(); /* busy brokers may not answer in time */
    ck_ok(code);
    return range.committed;
}

struct share {
    struct tb_log_reader *readers[2];
    int64_t done[TEST_PARTITIONS], committed[TEST_PARTITIONS];
    int written;
    bool shared; /* at some moment each had three partitions */
};

/* One poll of each reader. A batch begins where its partition was read up to, or before, because
 * the last commit of the partition's previous reader may have been refused: mock brokers refuse
 * commits while a group is being formed. It never begins later. */
static void read_both(struct share *share)
{
    struct tb_error err = {0};

    for (int r = 0; r < 2 && share->readers[r]; r++) {
        struct tb_log_reader *reader = share->readers[r];
        struct tb_log_batch batch = {0};
        int64_t *done;

        ck_ok(log_poll(reader, 50, 20, &batch, &err));
        if (batch.count == 0)
            continue;
        done = &share->done[batch.partition];
        ck_assert(reader->ops->is_assigned(reader, batch.partition));
        ck_assert_int_le(batch.records[0].offset, *done);
        for (size_t i = 1; i < batch.count; i++)
            ck_assert_int_eq(batch.records[i].offset, batch.records[i - 1].offset + 1);
        if (batch.records[batch.count - 1].offset + 1 > *done)
            *done = batch.records[batch.count - 1].offset + 1;
        share->committed[batch.partition] = batch.records[batch.count - 1].offset + 1;
        ck_ok(
            reader->ops->commit(reader, batch.partition, share->committed[batch.partition], &err));
    }
}

/* The second reader joins when the first has all partitions, and leaves when each has three. */
static void join_and_leave(struct share *share)
{
    struct tb_error err = {0};
    int32_t other = 0;

    if (!share->readers[1] && !share->shared &&
        count_assigned(share->readers[0]) == TEST_PARTITIONS)
        share->readers[1] = open_reader();
    if (!share->readers[1] || count_assigned(share->readers[0]) != 3 ||
        count_assigned(share->readers[1]) != 3)
        return;
    share->shared = true;
    while (share->readers[0]->ops->is_assigned(share->readers[0], other))
        other++;
    ck_ok(share->readers[0]->ops->commit(share->readers[0], other, 0, &err)); /* ignored */
    share->readers[1]->ops->free(share->readers[1]);
    share->readers[1] = NULL;
}

static int sum(const int64_t done[TEST_PARTITIONS])
{
    int64_t n = 0;

    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        n += done[p];
    return (int)n;
}

/* A second reader gets half of the partitions, and the first gets them back when the second
 * leaves. Every record is read, each partition without a hole, and a reader's commit of a
 * partition that it does not have is ignored. A commit may be lost while the group is being
 * formed, but no offset is committed that was not read. */
START_TEST(two_readers_share)
{
    enum { RECORDS = 600 };
    struct share share = {.readers = {open_reader(), NULL}};

    while (!share.shared || count_assigned(share.readers[0]) < TEST_PARTITIONS ||
           sum(share.done) < RECORDS) {
        check_patience();
        if (share.written < RECORDS) {
            put_many(share.written, share.written + 10);
            share.written += 10;
        }
        join_and_leave(&share);
        read_both(&share);
    }
    share.readers[0]->ops->free(share.readers[0]);
    share.readers[0] = open_reader();
    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        ck_assert_int_le(committed(share.readers[0], p), share.committed[p]);
    share.readers[0]->ops->free(share.readers[0]);
}
END_TEST

/* A paused reader returns no record and stays in its group. When it goes on, it returns all
 * records in order: those that it had fetched before the pause and those that were appended during
 * it. */
START_TEST(a_pause_keeps_the_order)
{
    enum { RECORDS = 1500 };
    struct tb_log_reader *reader = open_reader();
    int64_t next[TEST_PARTITIONS] = {0};
    struct tb_error err = {0};

    put_many(0, 700);
    while (f.seen->count < 50)
        poll_seen(reader, 10, 100);
    for (int round = 0; round < 4; round++) {
        ck_ok(reader->ops->pause(reader, true, &err));
        put_many(700 + round * 200, 900 + round * 200);
        for (int i = 0; i < 20; i++)
            ck_assert_uint_eq(poll_seen(reader, 10, 5), 0);
        ck_assert_int_eq(count_assigned(reader), TEST_PARTITIONS);
        ck_ok(reader->ops->pause(reader, false, &err));
        for (int i = 0; i < 20; i++)
            poll_seen(reader, 10, 100);
    }
    while (f.seen->count < RECORDS)
        poll_seen(reader, 100, 100);
    for (size_t i = 0; i < f.seen->count; i++)
        ck_assert_int_eq(f.seen->records[i].offset, next[f.seen->records[i].partition]++);
    log_check_end(reader);
    reader->ops->free(reader);
}
END_TEST

/* The pause is longer than the time that the group waits for a silent member. */
START_TEST(a_paused_reader_stays_in_its_group)
{
    struct tb_log_reader *reader = open_reader();
    int64_t until_ms;
    struct tb_error err = {0};

    put_many(0, 20);
    while (f.seen->count < 20)
        poll_seen(reader, 100, 100);
    ck_ok(reader->ops->pause(reader, true, &err));
    until_ms = tb_clock_mono_ms(&tb_clock_system) + 14000; /* the session is 12 s */
    while (tb_clock_mono_ms(&tb_clock_system) < until_ms) {
        ck_assert_uint_eq(poll_seen(reader, 100, 200), 0);
        ck_assert_int_eq(count_assigned(reader), TEST_PARTITIONS);
    }
    ck_ok(reader->ops->pause(reader, false, &err));
    put_many(20, 40);
    while (f.seen->count < 40)
        poll_seen(reader, 100, 100);
    reader->ops->free(reader);
}
END_TEST

/* Number of different records that were read. */
static int count_seen_once(void)
{
    bool seen[TEST_PARTITIONS][100] = {{false}};
    int n = 0;

    for (size_t i = 0; i < f.seen->count; i++) {
        bool *one = &seen[f.seen->records[i].partition][f.seen->records[i].offset];

        n += !*one;
        *one = true;
    }
    return n;
}

/* librdkafka keeps a partition paused that was revoked while it was paused. Here the pause ends
 * while the group is being formed (0), or while the partition is another reader's (1); then the
 * partition comes back, and must be read. */
START_TEST(a_pause_does_not_come_back_with_a_partition)
{
    struct tb_log_reader *reader = open_reader(), *other;
    int left = _i ? TEST_PARTITIONS / 2 : 0;
    struct tb_error err = {0};

    put_many(0, 20);
    while (f.seen->count < 20)
        poll_seen(reader, 100, 100);
    ck_ok(reader->ops->pause(reader, true, &err));
    other = open_reader();
    while (count_assigned(reader) != left) {
        poll_seen(reader, 100, 100);
        poll_seen(other, 100, 100);
    }
    ck_ok(reader->ops->pause(reader, false, &err));
    while (count_assigned(reader) ==
           0) { /* until the group is formed: then nobody waits for a reader that leaves */
        poll_seen(reader, 100, 100);
        poll_seen(other, 100, 100);
    }
    other->ops->free(other);
    f.seen->count = 0;
    put_many(20, 60);
    while (count_seen_once() < 60)
        poll_seen(reader, 100, 100);
    reader->ops->free(reader);
}
END_TEST

/* A mock broker keeps 5 MiB for each partition. More records than that remove the one at the
 * committed offset. */
static void overtake(int32_t p)
{
    static char value[500000];
    struct tb_record record = {.key = TB_STR("k"),
                               .value = {value, sizeof value},
                               .fixed_partition = true,
                               .partition = p};

    for (size_t i = 0; i < sizeof value; i++) /* bytes that do not compress */
        value[i] = (char)(i * i >> 7 ^ i * 2654435761U >> 13);
    for (int i = 0; i < 20; i++)
        log_put(f.writer, &record);
}

/* The record at a committed offset was removed: the partition stops with an alarm, also after a
 * restart, and the others are read. A person decides where to go on, and seek does it. */
START_TEST(an_overtaken_offset_is_an_alarm)
{
    struct tb_log_reader *reader = open_reader();
    struct tb_error err = {0};
    struct tb_log_range range;
    char stopped[16], fine[16], problem[240];

    log_key_of(1, stopped);
    log_key_of(2, fine);
    log_put_text(f.writer, stopped, "0");
    log_read(reader, f.seen, 1);
    ck_ok(reader->ops->commit(reader, 1, 1, &err));
    reader->ops->free(reader);
    overtake(1);
    log_put_text(f.writer, fine, "fine");

    for (int restart = 0; restart < 2; restart++) {
        int alarms = 0;

        reader = open_reader();
        f.seen->count = 0;
        while (alarms < 2 || f.seen->count < 1) {
            struct tb_log_batch batch = {0};
            enum tb_code code;

            check_patience();
            code = log_poll(reader, 100, 10, &batch, &err);
            ck_assert_msg(code == TB_OK || code == TB_CORRUPT, "%s", err.text);
            alarms += code == TB_CORRUPT;
            if (code == TB_OK)
                log_seen_add(f.seen, &batch);
        }
        ck_assert_uint_eq(f.seen->count, 1);
        ck_assert_int_eq(f.seen->records[0].partition, 2);
        ck_assert_msg(strstr(err.text, "stands at 1 of order-events-1") != NULL, "%s", err.text);
        tb_log_kafka_reader_problem(reader, problem);
        ck_assert_ptr_nonnull(strstr(problem, "order-events-1 is stopped at 1"));
        if (restart == 0)
            reader->ops->free(reader);
    }
    ck_ok(reader->ops->range(reader, 1, &range, &err));
    ck_assert_int_gt(range.begin, 1);
    ck_assert_int_eq(range.end, 21);
    ck_ok(reader->ops->seek(reader, 1, range.begin, &err));
    log_read(reader, f.seen, (size_t)(range.end - range.begin));
    ck_assert_int_eq(f.seen->records[1].offset, range.begin);
    log_check_end(reader);
    reader->ops->free(reader);
}
END_TEST

/* Commits that fail are sent again; the last one is in the cluster after the reader was freed. */
START_TEST(commits_outlive_refusals)
{
    const rd_kafka_resp_err_t errors[] = {
        RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE};
    struct tb_log_reader *reader = open_reader();
    int64_t done[TEST_PARTITIONS] = {0};
    struct tb_error err = {0};
    size_t seen = 0;

    put_many(0, 300);
    while (seen < 300) {
        struct tb_log_batch batch = {0};

        check_patience();
        ck_ok(log_poll(reader, 10, 100, &batch, &err));
        if (batch.count == 0)
            continue;
        if (seen < 100 && seen + batch.count >= 100)
            mock_fail(&f.mock, MOCK_OFFSET_COMMIT, errors[_i], 2);
        seen += batch.count;
        done[batch.partition] = batch.records[batch.count - 1].offset + 1;
        ck_ok(reader->ops->commit(reader, batch.partition, done[batch.partition], &err));
    }
    for (int i = 0; i < 40; i++)
        poll_seen(reader, 10, 50); /* time to send the last failed commit again */
    reader->ops->free(reader);
    reader = open_reader();
    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        ck_assert_int_eq(committed(reader, p), done[p] > 0 ? done[p] : -1);
    reader->ops->free(reader);
}
END_TEST

/* A group that takes long to form is a problem with a text. It is over when the group is formed.
 */
START_TEST(a_group_that_is_not_formed_is_a_problem)
{
    struct fake_clock clock;
    struct tb_log_reader *reader;
    struct tb_log_batch batch = {0};
    struct tb_error err = {0};
    char problem[240];

    fake_clock_init(&clock, 0);
    f.mock.options.clock = &clock.clock;
    reader = open_reader();
    ck_ok(reader->ops->poll(reader, 100, 0, &batch, &err));
    fake_clock_advance(&clock, 20000); /* the group waits 3 s for more members */
    ck_assert_int_eq(reader->ops->poll(reader, 100, 0, &batch, &err), TB_UNAVAILABLE);
    tb_log_kafka_reader_problem(reader, problem);
    ck_assert_ptr_nonnull(strstr(problem, "group g is still being formed"));
    do {
        check_patience();
        fake_clock_advance(&clock, 100);
        (void)!reader->ops->poll(reader, 100, 0, &batch, &err);
        usleep(5000);
    } while (count_assigned(reader) < TEST_PARTITIONS);
    ck_ok(reader->ops->poll(reader, 100, 0, &batch, &err));
    tb_log_kafka_reader_problem(reader, problem);
    ck_assert_str_eq(problem, "");
    reader->ops->free(reader);
}
END_TEST

/* Without brokers a poll fails and the problem says why. When they are back, the reader goes on.
 */
START_TEST(brokers_go_and_come_back)
{
    struct tb_log_reader *reader = open_reader();
    struct tb_error err = {0};
    struct tb_log_batch batch = {0};
    char problem[240];
    enum tb_code code;

    put_many(0, 20);
    while (f.seen->count < 20)
        poll_seen(reader, 100, 100);
    rd_kafka_mock_broker_set_down(f.mock.cluster, -1);
    do {
        check_patience();
        code = reader->ops->poll(reader, 100, 100, &batch, &err);
    } while (code == TB_OK);
    ck_assert_int_eq(code, TB_UNAVAILABLE);
    tb_log_kafka_reader_problem(reader, problem);
    ck_assert_str_ne(problem, "");
    rd_kafka_mock_broker_set_up(f.mock.cluster, -1);
    put_many(20, 40);
    while (f.seen->count < 40) {
        check_patience();
        code = reader->ops->poll(reader, 100, 100, &batch, &err);
        ck_assert(code == TB_OK || code == TB_UNAVAILABLE);
        if (code == TB_OK)
            log_seen_add(f.seen, &batch);
    }
    reader->ops->free(reader);
}
END_TEST

/* Without brokers free returns, whether the reader was in its group (1) or not (0). */
START_TEST(leaving_does_not_wait_for_brokers)
{
    struct tb_log_reader *reader = open_reader();

    if (_i == 1) {
        put_many(0, 20);
        while (f.seen->count < 20)
            poll_seen(reader, 100, 100);
    }
    rd_kafka_mock_broker_set_down(f.mock.cluster, -1);
    reader->ops->free(reader);
    rd_kafka_mock_broker_set_up(f.mock.cluster, -1);
    put_many(20, 21);
}
END_TEST

/* A tail begins at the end, has no group, and refuses commits. */
START_TEST(a_tail_reads_new_records)
{
    struct tb_log_reader *reader = NULL;
    struct tb_error err = {0};
    struct tb_log_batch batch = {0};
    int n = 1000;

    put_many(0, 50);
    ck_ok(tb_log_kafka_tail(&f.mock.options, TOPIC, &reader, &err));
    while (batch.count == 0) { /* until it has found the end of the log */
        put_many(n, n + 1);
        n++;
        check_patience();
        ck_ok(reader->ops->poll(reader, 100, 50, &batch, &err));
    }
    ck_assert_int_ge(atoi(batch.records[0].value.ptr), 1000);
    ck_assert_int_eq(reader->ops->commit(reader, batch.partition, 1, &err), TB_INVALID);
    reader->ops->free(reader);
}
END_TEST

/* A standalone reader begins at the begin, or where it seeks. Its commits are accepted but not
 * stored, and a position out of range is an alarm. */
START_TEST(a_standalone_reader_reads_all_from_the_beginning)
{
    struct tb_log_reader *reader = NULL;
    struct tb_error err = {0};
    struct tb_log_batch batch = {0};
    struct tb_log_range range = {0};

    put_many(0, 50);
    for (int visit = 0; visit < 2; visit++) {
        f.seen->count = 0;
        ck_ok(tb_log_kafka_reader(&f.mock.options, TOPIC, NULL, &reader, &err));
        log_read(reader, f.seen, 50);
        for (int32_t p = 0; p < TEST_PARTITIONS; p++) {
            ck_ok(reader->ops->range(reader, p, &range, &err));
            ck_assert_int_eq(range.committed, -1);
            ck_ok(reader->ops->commit(reader, p, range.end, &err));
        }
        reader->ops->free(reader);
    }
    ck_ok(tb_log_kafka_reader(&f.mock.options, TOPIC, NULL, &reader, &err));
    ck_ok(reader->ops->range(reader, 0, &range, &err));
    ck_ok(reader->ops->seek(reader, 0, range.end + 1, &err));
    while (reader->ops->poll(reader, 100, 50, &batch, &err) != TB_CORRUPT)
        check_patience();
    reader->ops->free(reader);
}
END_TEST

/* Others may write any number of headers of any size. */
START_TEST(headers_beyond_the_limits_are_not_read)
{
    static char long_value[TB_LOG_HEADER_BYTES_MAX / 2], value[] = "v";
    size_t sizes[] = {1, sizeof long_value}, counts[] = {100, 3}, expected[] = {64, 1};
    struct tb_log_reader *reader = NULL;
    struct tb_log_batch batch = {0};
    struct tb_error err = {0};

    memset(long_value, 'x', sizeof long_value);
    ck_assert_int_eq(rd_kafka_brokers_add(f.mock.rk, f.mock.options.brokers), 1);
    for (size_t i = 0; i < 2; i++) {
        rd_kafka_headers_t *headers = rd_kafka_headers_new(counts[i]);

        for (size_t n = 0; n < counts[i]; n++)
            ck_assert_int_eq(rd_kafka_header_add(headers, "h", 1, long_value, (ssize_t)sizes[i]),
                             0);
        ck_assert_int_eq(rd_kafka_producev(f.mock.rk, RD_KAFKA_V_TOPIC(TOPIC),
                                           RD_KAFKA_V_PARTITION((int32_t)i),
                                           RD_KAFKA_V_VALUE(value, 1), RD_KAFKA_V_HEADERS(headers),
                                           RD_KAFKA_V_END),
                         0);
    }
    ck_assert_int_eq(rd_kafka_flush(f.mock.rk, LOG_PATIENCE_MS), 0);
    reader = mock_read_all(&f.mock, TOPIC);
    for (int read = 0; read < 2;) {
        check_patience();
        ck_ok(log_poll(reader, 10, 1000, &batch, &err));
        if (batch.count == 0)
            continue;
        ck_assert_uint_eq(batch.records[0].header_count, expected[batch.partition]);
        ck_assert_uint_eq(batch.records[0].headers[0].value.len, sizes[batch.partition]);
        ck_assert(batch.records[0].sender_time); /* a mock topic has the sender's time */
        read++;
    }
    tb_log_reader_free(reader);
}
END_TEST

/* A reader waits seconds until its group is formed. */
#define PROCESSES 8

static Suite *make_suite(void)
{
    Suite *suite = suite_create("log_kafka_reader");
    TCase *tc = tcase_create("mock brokers"), *two = tcase_create("two readers");

    tcase_set_timeout(tc, LOG_TEST_TIMEOUT_S);
    tcase_set_timeout(two, LOG_TEST_TIMEOUT_S);
    tcase_add_checked_fixture(two, setup_two, teardown);
    tcase_add_shared(two, two_readers_share, 0, 1);
    tcase_add_shared(two, a_pause_does_not_come_back_with_a_partition, 0, 2);
    suite_add_tcase(suite, two);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_shared(tc, a_pause_keeps_the_order, 0, 1);
    tcase_add_shared(tc, a_paused_reader_stays_in_its_group, 0, 1);
    tcase_add_shared(tc, an_overtaken_offset_is_an_alarm, 0, 1);
    tcase_add_shared(tc, commits_outlive_refusals, 0, 5);
    tcase_add_shared(tc, a_group_that_is_not_formed_is_a_problem, 0, 1);
    tcase_add_shared(tc, brokers_go_and_come_back, 0, 1);
    tcase_add_shared(tc, leaving_does_not_wait_for_brokers, 0, 2);
    tcase_add_shared(tc, a_tail_reads_new_records, 0, 1);
    tcase_add_shared(tc, headers_beyond_the_limits_are_not_read, 0, 1);
    tcase_add_shared(tc, a_standalone_reader_reads_all_from_the_beginning, 0, 1);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return test_main_side_by_side(make_suite, PROCESSES);
}

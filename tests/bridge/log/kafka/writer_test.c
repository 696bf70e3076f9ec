/* Goal: every append is answered once; acknowledged records are in the log in order; and a record
 * that was not acknowledged can be sent again until it is.
 * Method: mock brokers that stop, move leaders, refuse and answer late, and a sender that works
 * like the relay: it goes back to the first record without an acknowledgement. */
#include "bridge/log/kafka/mock.h"
#include "bridge/log/log_sender.h"
#include "bridge/log/log_tools.h"
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>

#define TOPIC "order-events"
#define RECORDS 200
#define KEYS 7

static struct {
    struct mock mock;
    struct tb_log_writer *writer;
    struct log_sender *sender;
} f;

static void open_writer(void)
{
    struct tb_error err = {0};

    ck_ok(tb_log_kafka_writer(&f.mock.options, TOPIC, &f.writer, &err));
    if (f.sender)
        f.sender->writer = f.writer;
}

static void setup_of(int brokers, int partitions)
{
    struct fake_random random;

    memset(&f, 0, sizeof f);
    mock_make(&f.mock, brokers);
    mock_set(&f.mock, "socket.timeout.ms", "20000"); /* on a busy machine no answer is late */
    mock_topic(&f.mock, TOPIC, partitions);
    f.mock.options.partitions = partitions == 1;
    open_writer();
    fake_random_init(&random, 1);
    f.sender = log_sender_new(f.writer, RECORDS, KEYS, &random, LOG_PATIENCE_MS);
}

static void setup(void)
{
    setup_of(1, TEST_PARTITIONS);
}

static void setup_three(void)
{
    setup_of(3, TEST_PARTITIONS);
}

static void setup_one_partition(void)
{
    setup_of(1, 1);
    f.sender->one_order = true;
}

static void teardown(void)
{
    f.writer->ops->free(f.writer);
    log_sender_free(f.sender);
    mock_free(&f.mock);
}

static int64_t deadline(void)
{
    return tb_clock_mono_ms(&tb_clock_system) + LOG_PATIENCE_MS;
}

static void check_patience(int64_t until_ms)
{
    char problem[240];

    tb_log_kafka_writer_problem(f.writer, problem);
    ck_assert_msg(tb_clock_mono_ms(&tb_clock_system) < until_ms, "waited too long: %s", problem);
}

static void append_ok(int from, int to)
{
    struct tb_error err = {0};

    for (int i = from; i < to; i++)
        ck_ok(log_sender_append(f.sender, i, &err));
}

static void deliver_all(void (*between)(int next))
{
    ck_assert_int_eq(f.sender->outstanding, 0);
    f.sender->resend = false;
    f.sender->next = log_sender_first_missing(f.sender);
    while (log_sender_step(f.sender)) {
        if (between)
            between(f.sender->next);
    }
}

static int check_log(void)
{
    struct tb_log_reader *reader = mock_read_all(&f.mock, TOPIC);
    int again = log_sender_check(f.sender, reader);

    reader->ops->free(reader);
    return again;
}

static void wait_connected(bool wanted)
{
    int64_t until_ms = deadline();

    while (tb_log_kafka_connected(f.writer) != wanted) {
        log_sender_poll(f.sender, 10);
        check_patience(until_ms);
    }
}

static void check_problem(const char *part)
{
    char problem[240];

    tb_log_kafka_writer_problem(f.writer, problem);
    ck_assert_msg(strstr(problem, part) != NULL, "\"%s\" lacks \"%s\"", problem, part);
}

/* Records that were appended without brokers are delivered when the brokers are back, once and in
 * order. */
START_TEST(brokers_go_and_come_back)
{
    append_ok(0, 50);
    log_sender_drain(f.sender);
    wait_connected(true);
    check_problem("");
    rd_kafka_mock_broker_set_down(f.mock.cluster, -1);
    append_ok(50, RECORDS);
    wait_connected(false);
    ck_assert_int_eq(f.sender->outstanding, RECORDS - 50);
    rd_kafka_mock_broker_set_up(f.mock.cluster, -1);
    log_sender_drain(f.sender);
    wait_connected(true);
    check_problem("");
    ck_assert_int_eq(log_sender_first_missing(f.sender), RECORDS);
    ck_assert_int_eq(check_log(), 0);
}
END_TEST

static void move_leaders(int next)
{
    for (int32_t p = 0; p < TEST_PARTITIONS && next % 40 == 20; p++)
        rd_kafka_mock_partition_set_leader(f.mock.cluster, TOPIC, p, 1 + (next / 40 + p) % 3);
}

START_TEST(leaders_move)
{
    deliver_all(move_leaders);
    check_log();
}
END_TEST

/* Every error that a broker may answer, in the middle of a stream: in the end all records are in
 * the log in order, and none is refused that was not unacknowledged alone. */
static const rd_kafka_resp_err_t errors[] = {
    RD_KAFKA_RESP_ERR__TRANSPORT, /* the connection breaks */
    RD_KAFKA_RESP_ERR_UNKNOWN,
    RD_KAFKA_RESP_ERR_INVALID_MSG,
    RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
    RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
    RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
    RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
    RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
    RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
    RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
    RD_KAFKA_RESP_ERR_INVALID_RECORD,
};
#define ERRORS ((int)(sizeof errors / sizeof *errors))
#define ERRORS_AT_ONCE 4
static int error_now, errors_end;

static void fail_twice(int next)
{
    if (error_now < errors_end && next >= 30 + 40 * (error_now % ERRORS_AT_ONCE))
        mock_fail(&f.mock, MOCK_PRODUCE, errors[error_now++], 2);
}

START_TEST(errors_pass)
{
    error_now = _i * ERRORS_AT_ONCE;
    errors_end = error_now + ERRORS_AT_ONCE;
    deliver_all(fail_twice);
    ck_assert_int_eq(error_now, errors_end);
    check_log();
    wait_connected(true);
}
END_TEST

/* A broker that refuses our clock is named for as long as the connection lasts, and the records
 * get an earlier time. */
START_TEST(a_refused_clock_is_named)
{
    char problem[240] = "";

    mock_fail(&f.mock, MOCK_PRODUCE, RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, 3);
    deliver_all(NULL);
    check_log();
    tb_log_kafka_writer_problem(f.writer, problem);
    ck_assert_ptr_nonnull(strstr(problem, "refuses this node's clock"));
}
END_TEST

static int64_t ahead_ms;

static int64_t wall_ahead(void *ctx)
{
    (void)ctx;
    return tb_clock_wall_ms(&tb_clock_system) + ahead_ms;
}

static int64_t mono(void *ctx)
{
    (void)ctx;
    return tb_clock_mono_us(&tb_clock_system);
}

/* Once the clock is set right nothing of that is left, although the connection stays. */
START_TEST(a_clock_that_was_set_right_is_not_named)
{
    static const struct tb_clock clock = {NULL, wall_ahead, mono};
    struct tb_log_ack ack;
    struct tb_error err = {0};
    char problem[240] = "";
    size_t count = 0;

    f.writer->ops->free(f.writer);
    f.mock.options.clock = &clock;
    ahead_ms = 7200000;
    open_writer();
    mock_fail(&f.mock, MOCK_PRODUCE, RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, 1);
    append_ok(0, RECORDS / 2);
    log_sender_drain(f.sender);
    deliver_all(NULL);
    tb_log_kafka_writer_problem(f.writer, problem);
    ck_assert_ptr_nonnull(strstr(problem, "refuses this node's clock"));
    ahead_ms -= 59000; /* nearly as wrong as before */
    ck_ok(f.writer->ops->poll(f.writer, 0, &ack, 1, &count, &err));
    tb_log_kafka_writer_problem(f.writer, problem);
    ck_assert_ptr_nonnull(strstr(problem, "refuses this node's clock"));
    ahead_ms = 0;
    ck_ok(f.writer->ops->poll(f.writer, 0, &ack, 1, &count, &err));
    tb_log_kafka_writer_problem(f.writer, problem);
    ck_assert_str_eq(problem, "");
    check_log();
}
END_TEST

/* The broker appends the records and answers too late. They are sent again and are in the log
 * twice; none is missing. */
START_TEST(late_answers_repeat)
{
    f.writer->ops->free(f.writer);
    mock_set(&f.mock, "socket.timeout.ms", "2000");
    open_writer();
    append_ok(0, 20);
    log_sender_drain(f.sender);
    rd_kafka_mock_broker_push_request_error_rtts(f.mock.cluster, 1, MOCK_PRODUCE, 1,
                                                 RD_KAFKA_RESP_ERR_NO_ERROR, 4000);
    deliver_all(NULL);
    ck_assert_int_gt(check_log(), 0);
}
END_TEST

/* Records of different keys that share a partition: one batch. */
static void put_neighbours(void)
{
    for (int i = 0, n = 0; i < SENDER_KEYS_MAX && n < 10; i++) {
        char key[16];

        snprintf(key, sizeof key, "key-%d", i);
        if (tb_log_partition(tb_str_of(key), TEST_PARTITIONS) == 3)
            f.sender->keys[n++] = i;
    }
}

/* A broker refuses a whole batch because of one record: no record is TB_INVALID, all are
 * retry_alone. When each is sent alone, only the one that is refused again is TB_INVALID. */
START_TEST(a_refused_record_is_found_alone)
{
    const rd_kafka_resp_err_t refusals[] = {
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_RECORD,
        RD_KAFKA_RESP_ERR_INVALID_MSG, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE};

    f.writer->ops->free(f.writer);
    mock_set(&f.mock, "linger.ms", "500"); /* what is appended below is one batch */
    open_writer();
    append_ok(10, 20); /* the connection is made */
    log_sender_drain(f.sender);
    put_neighbours();
    mock_fail(&f.mock, MOCK_PRODUCE, refusals[_i], 1);
    append_ok(0, 8);
    log_sender_drain(f.sender);
    ck_assert_int_eq(f.sender->invalid, 0);
    ck_assert_int_gt(f.sender->retry_alone, 1);
    ck_assert_int_eq(f.sender->retry_alone, f.sender->unknown);
    check_problem("not delivered");

    append_ok(0, 1);
    log_sender_drain(f.sender);
    ck_assert_int_eq(f.sender->states[0], SENDER_DONE);
    check_problem("");
    mock_fail(&f.mock, MOCK_PRODUCE, refusals[_i], 1);
    append_ok(1, 2);
    log_sender_drain(f.sender);
    ck_assert_int_eq(f.sender->invalid, 1);
    append_ok(2, 3);
    log_sender_drain(f.sender);
    ck_assert_int_eq(f.sender->states[2], SENDER_DONE);
}
END_TEST

/* The first of two requests fails, and its record is not in the log. librdkafka concludes from the
 * success of the second that both succeeded. That is true only of brokers that know the producer:
 * mock brokers do not, and real ones may not know it yet or any more. */
START_TEST(an_acknowledgement_has_the_brokers_offset)
{
    f.writer->ops->free(f.writer);
    mock_set(&f.mock, "batch.num.messages", "1");
    open_writer();
    append_ok(10, 20);
    log_sender_drain(f.sender);
    put_neighbours();
    rd_kafka_mock_broker_push_request_error_rtts(f.mock.cluster, 1, MOCK_PRODUCE, 1,
                                                 RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, 300);
    append_ok(0, 2);
    log_sender_drain(f.sender);
    ck_assert_int_eq(f.sender->states[0], SENDER_UNKNOWN);
    ck_assert_int_eq(f.sender->states[1], SENDER_DONE);
}
END_TEST

/* Records after a refused one of the same key are not sent, so they are not retry_alone. */
START_TEST(records_after_a_refused_one_are_not_sent)
{
    for (int i = 0; i < 10; i++)
        f.sender->keys[i] = 0;
    mock_fail(&f.mock, MOCK_PRODUCE, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 1);
    append_ok(0, 10);
    log_sender_drain(f.sender);
    ck_assert_int_eq(f.sender->retry_alone, 1);
    ck_assert_int_eq(f.sender->unknown, 10);
    deliver_all(NULL);
    ck_assert_int_eq(check_log(), 0);
}
END_TEST

/* In one partition no record after a refused one is sent, whatever its key. The refused record is
 * refused again alone and parked with the later ones of its key; all others follow in the order of
 * their appends. */
START_TEST(in_one_partition_nothing_overtakes_a_refused_record)
{
    for (int i = 0; i < 20; i++)
        f.sender->keys[i] = i % 10;
    mock_fail(&f.mock, MOCK_PRODUCE, RD_KAFKA_RESP_ERR_INVALID_RECORD, 2);
    append_ok(0, 20);
    log_sender_drain(f.sender);
    ck_assert_int_eq(f.sender->retry_alone, 1);
    ck_assert_int_eq(f.sender->unknown, 20);
    deliver_all(NULL);
    ck_assert_int_eq(f.sender->invalid, 1);
    ck_assert_int_eq(f.sender->parked_from[0], 0);
    ck_assert_int_eq(check_log(), 0);
}
END_TEST

/* An error that may pass is never TB_INVALID, also if the record was unacknowledged alone. */
START_TEST(a_wrong_clock_or_a_missing_permission_is_not_permanent)
{
    const rd_kafka_resp_err_t refusals[] = {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
                                            RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                                            RD_KAFKA_RESP_ERR_POLICY_VIOLATION};

    append_ok(0, 7);
    log_sender_drain(f.sender);
    mock_fail(&f.mock, MOCK_PRODUCE, refusals[_i], 1);
    append_ok(7, 8);
    log_sender_drain(f.sender);
    ck_assert_int_eq(f.sender->unknown, 1);
    ck_assert_int_eq(f.sender->invalid + f.sender->retry_alone, 0);
}
END_TEST

/* append refuses a record that is too large, so that it does not fail a batch with others. */
START_TEST(too_large_is_refused_at_once)
{
    struct tb_error err = {0};
    char *large = calloc(1, TB_LOG_KAFKA_RECORD_MAX + 1);
    struct tb_record record = {.key = TB_STR("k"), .value = {large, TB_LOG_KAFKA_RECORD_MAX + 1}};

    ck_assert_ptr_nonnull(large);
    append_ok(0, 10);
    ck_assert_int_eq(f.writer->ops->append(f.writer, &record, 11, &err), TB_INVALID);
    append_ok(10, 20);
    log_sender_drain(f.sender);
    ck_assert_int_eq(log_sender_first_missing(f.sender), 20);
    free(large);
}
END_TEST

/* A producer with a fatal error is replaced, and its unacknowledged records are unknown. */
START_TEST(a_fatal_error_costs_only_the_producer)
{
    append_ok(0, 20);
    log_sender_drain(f.sender);
    mock_fail(&f.mock, MOCK_PRODUCE, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1);
    append_ok(20, 60);
    log_sender_drain(f.sender);
    ck_assert_int_gt(f.sender->unknown, 0);
    ck_assert_int_eq(f.sender->retry_alone, 0);
    deliver_all(NULL);
    check_log();
}
END_TEST

/* append takes no record before poll has returned the records that must be sent again. */
START_TEST(nothing_overtakes_an_unknown)
{
    struct tb_error err = {0};

    append_ok(0, 10);
    tb_log_kafka_disconnect(f.writer);
    ck_assert_int_eq(log_sender_append(f.sender, 10, &err), TB_UNAVAILABLE);
    ck_ok(tb_log_kafka_connect(f.writer, &err));
    ck_assert_int_eq(log_sender_append(f.sender, 10, &err), TB_BUSY);
    log_sender_poll(f.sender, 0);
    ck_assert_int_eq(f.sender->unknown + log_sender_first_missing(f.sender), 10);
    deliver_all(NULL);
    check_log();
}
END_TEST

/* The writer is closed without brokers: every append is answered. Opened again, it delivers. */
START_TEST(closing_does_not_wait_for_brokers)
{
    struct tb_error err = {0};

    rd_kafka_mock_broker_set_down(f.mock.cluster, -1);
    append_ok(0, RECORDS);
    log_sender_poll(f.sender, 50);
    tb_log_kafka_disconnect(f.writer);
    ck_assert(!tb_log_kafka_connected(f.writer));
    log_sender_poll(f.sender, 0);
    ck_assert_int_eq(f.sender->outstanding, 0);
    ck_assert_int_eq(f.sender->unknown, RECORDS);
    rd_kafka_mock_broker_set_up(f.mock.cluster, -1);
    ck_ok(tb_log_kafka_connect(f.writer, &err));
    deliver_all(NULL);
    check_log();
}
END_TEST

START_TEST(the_window_is_bounded)
{
    struct tb_record record = {.key = TB_STR("k"), .value = TB_STR("v")};
    struct tb_log_ack acks[TB_LOG_INFLIGHT_MAX];
    struct tb_error err = {0};
    int64_t until_ms = deadline();
    size_t answered = 0, n = 0;

    rd_kafka_mock_broker_set_down(f.mock.cluster, -1);
    for (int i = 0; i < TB_LOG_INFLIGHT_MAX; i++)
        ck_ok(f.writer->ops->append(f.writer, &record, i, &err));
    ck_assert_int_eq(f.writer->ops->append(f.writer, &record, -1, &err), TB_BUSY);
    rd_kafka_mock_broker_set_up(f.mock.cluster, -1);
    while (answered < TB_LOG_INFLIGHT_MAX) {
        check_patience(until_ms);
        ck_ok(f.writer->ops->poll(f.writer, 100, acks, 7, &n, &err));
        ck_assert_uint_le(n, 7);
        answered += n;
    }
    append_ok(0, 1);
    log_sender_drain(f.sender);
}
END_TEST

static void wait_problem(const char *part)
{
    int64_t until_ms = deadline();
    char problem[240] = "";

    while (!strstr(problem, part)) {
        log_sender_poll(f.sender, 10);
        check_patience(until_ms);
        tb_log_kafka_writer_problem(f.writer, problem);
    }
    ck_assert(!tb_log_kafka_connected(f.writer));
}

/* A topic that is missing or forbidden is a problem with a text. When it is there, the writer
 * delivers without being opened again. */
START_TEST(the_topic_is_waited_for)
{
    static const struct {
        rd_kafka_resp_err_t error;
        const char *problem;
    } problems[] = {
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "topic order-events is not there"},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "authorization failed"},
    };

    rd_kafka_mock_topic_set_error(f.mock.cluster, TOPIC, problems[_i].error);
    wait_problem(problems[_i].problem);
    rd_kafka_mock_topic_set_error(f.mock.cluster, TOPIC, RD_KAFKA_RESP_ERR_NO_ERROR);
    wait_connected(true);
    check_problem("");
    deliver_all(NULL);
    check_log();
}
END_TEST

START_TEST(another_partition_count_is_reported)
{
    f.writer->ops->free(f.writer);
    f.mock.options.partitions = 12;
    open_writer();
    wait_problem("has 6 partitions, not 12");
}
END_TEST

/* Dead letters stay in their record's partition, whatever their key. */
START_TEST(a_fixed_partition_is_used)
{
    struct tb_log_reader *reader = mock_read_all(&f.mock, TOPIC);
    struct tb_record record = {.key = TB_STR("k"), .value = TB_STR("v"), .fixed_partition = true};
    struct log_seen *seen = calloc(1, sizeof *seen);
    struct tb_error err = {0};

    ck_assert_ptr_nonnull(seen);
    for (record.partition = 0; record.partition < TEST_PARTITIONS; record.partition++)
        log_put(f.writer, &record);
    log_read(reader, seen, TEST_PARTITIONS);
    for (size_t i = 0; i < seen->count; i++)
        ck_assert_int_eq(seen->records[i].offset, 0);
    record.partition = -1;
    ck_assert_int_eq(f.writer->ops->append(f.writer, &record, 1, &err), TB_INVALID);
    tb_arena_release(&seen->arena);
    free(seen);
    reader->ops->free(reader);
}
END_TEST

START_TEST(a_header_name_with_nul_is_refused)
{
    const struct tb_header header = {{"a\0b", 3}, TB_STR("v")};
    struct tb_record record = {.key = TB_STR("k"), .headers = &header, .header_count = 1};
    struct tb_error err = {0};

    ck_assert_int_eq(f.writer->ops->append(f.writer, &record, 1, &err), TB_INVALID);
}
END_TEST

/* Faults last until a time-out is over. */
#define PROCESSES 4

static Suite *make_suite(void)
{
    Suite *suite = suite_create("log_kafka_writer");
    TCase *one = tcase_create("one broker"), *three = tcase_create("three brokers");
    TCase *one_partition = tcase_create("one partition");

    tcase_set_timeout(one, LOG_TEST_TIMEOUT_S);
    tcase_set_timeout(three, LOG_TEST_TIMEOUT_S);
    tcase_set_timeout(one_partition, LOG_TEST_TIMEOUT_S);

    tcase_add_checked_fixture(one, setup, teardown);
    tcase_add_shared(one, brokers_go_and_come_back, 0, 1);
    tcase_add_shared(one, errors_pass, 0, ERRORS / ERRORS_AT_ONCE);
    tcase_add_shared(one, a_refused_clock_is_named, 0, 1);
    tcase_add_shared(one, a_clock_that_was_set_right_is_not_named, 0, 1);
    tcase_add_shared(one, late_answers_repeat, 0, 1);
    tcase_add_shared(one, a_refused_record_is_found_alone, 0, 4);
    tcase_add_shared(one, an_acknowledgement_has_the_brokers_offset, 0, 1);
    tcase_add_shared(one, records_after_a_refused_one_are_not_sent, 0, 1);
    tcase_add_shared(one, a_wrong_clock_or_a_missing_permission_is_not_permanent, 0, 3);
    tcase_add_shared(one, too_large_is_refused_at_once, 0, 1);
    tcase_add_shared(one, a_fatal_error_costs_only_the_producer, 0, 1);
    tcase_add_shared(one, nothing_overtakes_an_unknown, 0, 1);
    tcase_add_shared(one, closing_does_not_wait_for_brokers, 0, 1);
    tcase_add_shared(one, the_window_is_bounded, 0, 1);
    tcase_add_shared(one, the_topic_is_waited_for, 0, 2);
    tcase_add_shared(one, another_partition_count_is_reported, 0, 1);
    tcase_add_shared(one, a_fixed_partition_is_used, 0, 1);
    tcase_add_shared(one, a_header_name_with_nul_is_refused, 0, 1);
    suite_add_tcase(suite, one);
    tcase_add_checked_fixture(three, setup_three, teardown);
    tcase_add_shared(three, leaders_move, 0, 1);
    suite_add_tcase(suite, three);
    tcase_add_checked_fixture(one_partition, setup_one_partition, teardown);
    tcase_add_shared(one_partition, in_one_partition_nothing_overtakes_a_refused_record, 0, 1);
    tcase_add_shared(one_partition, errors_pass, 0, ERRORS / ERRORS_AT_ONCE);
    suite_add_tcase(suite, one_partition);
    return suite;
}

int main(void)
{
    return test_main_side_by_side(make_suite, PROCESSES);
}

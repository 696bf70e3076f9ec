/* Goal: the queries return what the cluster knows, or fail soon if it does not answer.
 * Method: two mock brokers, the group's coordinator and the leader of all partitions. */
#include "bridge/log/kafka/mock.h"
#include "bridge/log/kafka/offsets_query.h"
#include "bridge/log/log_tools.h"
#include "support/support.h"
#include <stdio.h>

#define TOPIC "order-events"
#define GROUP "g"
#define RECORDS 60
#define COORDINATOR 1
#define LEADER 2

static struct {
    struct mock mock;
    struct tb_log_reader *reader;
    struct kafka_handle *query;
    struct tb_log_range ranges[TEST_PARTITIONS];
} f;

static void put_records(void)
{
    struct tb_log_writer *writer = NULL;
    struct tb_error err = {0};
    char key[16];

    ck_ok(tb_log_kafka_writer(&f.mock.options, TOPIC, &writer, &err));
    for (int i = 0; i < RECORDS; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        log_put_text(writer, key, "{}");
    }
    writer->ops->free(writer);
}

static void setup(void)
{
    struct tb_error err = {0};

    memset(&f, 0, sizeof f);
    mock_make(&f.mock, 2);
    mock_topic(&f.mock, TOPIC, TEST_PARTITIONS);
    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        rd_kafka_mock_partition_set_leader(f.mock.cluster, TOPIC, p, LEADER);
    rd_kafka_mock_coordinator_set(f.mock.cluster, "group", GROUP, COORDINATOR);
    put_records();
    ck_ok(tb_log_kafka_reader(&f.mock.options, TOPIC, GROUP, &f.reader, &err));
    ck_ok(tb_log_kafka_offsets_query_open(&f.mock.options, TOPIC, GROUP, &f.query, &err));
}

static void teardown(void)
{
    tb_log_kafka_offsets_query_free(f.query);
    f.reader->ops->free(f.reader);
    mock_free(&f.mock);
}

static enum tb_code ask(struct tb_error *err)
{
    return tb_log_kafka_query_assigned(f.query, f.reader, f.ranges, TEST_PARTITIONS, err);
}

/* Busy brokers may not answer in time. */
static void ask_until_answered(void)
{
    struct tb_error err = {0};

    while (ask(&err) != TB_OK)
        ck_assert_int_eq(err.code, TB_UNAVAILABLE);
}

/* Reads all records and commits them. */
static void read_all(void)
{
    struct tb_log_batch batch = {0};
    struct tb_error err = {0};

    for (size_t count = 0; count < RECORDS; count += batch.count) {
        ck_ok(log_poll(f.reader, 100, 100, &batch, &err));
        if (batch.count > 0)
            ck_ok(f.reader->ops->commit(f.reader, batch.partition,
                                        batch.records[batch.count - 1].offset + 1, &err));
    }
}

START_TEST(ranges_of_assigned_partitions)
{
    int64_t records = 0;

    ask_until_answered(); /* nothing is assigned yet */
    for (int32_t p = 0; p < TEST_PARTITIONS; p++)
        ck_assert_int_eq(f.ranges[p].end, -1);
    read_all();
    ask_until_answered();
    for (int32_t p = 0; p < TEST_PARTITIONS; p++) {
        ck_assert_int_eq(f.ranges[p].begin, 0);
        records += f.ranges[p].end;
    }
    ck_assert_int_eq(records, RECORDS);
}
END_TEST

/* The query fails soon: without assigned partitions (0) no broker answers; with all of them (1)
 * the coordinator answers, but the leader does not. */
START_TEST(an_absent_leader_is_not_waited_for)
{
    struct tb_error err = {0};

    if (_i == 1)
        read_all();
    ask_until_answered();
    rd_kafka_mock_broker_set_down(f.mock.cluster, _i == 1 ? LEADER : -1);
    ck_assert_int_eq(ask(&err), TB_UNAVAILABLE);
    rd_kafka_mock_broker_set_up(f.mock.cluster, _i == 1 ? LEADER : -1);
    ask_until_answered();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log_kafka_offsets_query");
    TCase *tc = tcase_create("mock brokers");

    tcase_set_timeout(tc, LOG_TEST_TIMEOUT_S);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, ranges_of_assigned_partitions);
    tcase_add_loop_test(tc, an_absent_leader_is_not_waited_for, 0, 2);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

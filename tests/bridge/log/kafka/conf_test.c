/* Goal: no setting can break a promise, each mistake is named, and a missing topic is
 * distinguished from one with another number of partitions. Method: tables of properties and of
 * topics. */
#include "bridge/log/kafka/mock.h"
#include "support/support.h"

#define WRONGS 19

static struct tb_log_kafka_options options = {
    .brokers = "127.0.0.1:1", .client_id = "test", .clock = &tb_clock_system};

static enum tb_code open_and_free(bool consumer, struct tb_error *err)
{
    struct tb_log_writer *writer = NULL;
    struct tb_log_reader *reader = NULL;
    enum tb_code code = consumer ? tb_log_kafka_reader(&options, "t", "g", &reader, err)
                                 : tb_log_kafka_writer(&options, "t", &writer, err);

    if (writer)
        writer->ops->free(writer);
    if (reader)
        reader->ops->free(reader);
    return code;
}

/* Reader and writer refuse each of these properties, with its name and a reason. */
START_TEST(wrong_settings_are_named)
{
    static const struct tb_log_kafka_property wrong[] = {
        {"enable.idempotence", "false", TB_KAFKA_BOTH},
        {"acks", "1", TB_KAFKA_PRODUCER},
        {"request.required.acks", "1", TB_KAFKA_PRODUCER},
        {"message.timeout.ms", "1000", TB_KAFKA_PRODUCER},
        {"delivery.timeout.ms", "1000", TB_KAFKA_BOTH},
        {"partitioner", "random", TB_KAFKA_BOTH},
        {"transactional.id", "t", TB_KAFKA_PRODUCER},
        {"queuing.strategy", "lifo", TB_KAFKA_PRODUCER},
        {"enable.auto.commit", "true", TB_KAFKA_CONSUMER},
        {"enable.auto.offset.store", "true", TB_KAFKA_CONSUMER},
        {"auto.offset.reset", "latest", TB_KAFKA_BOTH},
        {"partition.assignment.strategy", "cooperative-sticky", TB_KAFKA_CONSUMER},
        {"group.id", "other", TB_KAFKA_CONSUMER},
        {"bootstrap.servers", "other:1", TB_KAFKA_BOTH},
        {"allow.auto.create.topics", "true", TB_KAFKA_BOTH},
        {"no.such.property", "1", TB_KAFKA_BOTH},
        {"lingerms", "1", TB_KAFKA_PRODUCER},
        {"linger.ms", "soon", TB_KAFKA_PRODUCER},
        {"session.timeout.ms", "-7", TB_KAFKA_CONSUMER},
    };

    options.properties = &wrong[_i % WRONGS];
    options.property_count = 1;
    for (int consumer = 0; consumer < 2; consumer++) {
        struct tb_error err = {0};

        ck_assert_int_eq(open_and_free(consumer, &err), TB_INVALID);
        ck_assert_msg(strstr(err.text, wrong[_i].key) != NULL, "%s", err.text);
    }
}
END_TEST

/* librdkafka refuses settings that contradict each other; its text is the error's. */
START_TEST(contradictions_are_refused)
{
    static const struct tb_log_kafka_property many = {"max.in.flight", "100", TB_KAFKA_PRODUCER};
    struct tb_error err = {0};

    options.properties = &many;
    options.property_count = 1;
    ck_assert_int_eq(open_and_free(false, &err), TB_INVALID);
    ck_assert_msg(strstr(err.text, "max.in.flight") != NULL, "%s", err.text);
}
END_TEST

/* Reader and writer accept other properties, also those that only the other one knows. */
START_TEST(other_settings_are_taken)
{
    static const struct tb_log_kafka_property fine[] = {
        {"linger.ms", "1", TB_KAFKA_BOTH},
        {"fetch.wait.max.ms", "10", TB_KAFKA_BOTH},
        {"linger.ms", "2", TB_KAFKA_PRODUCER},
        {"session.timeout.ms", "6000", TB_KAFKA_CONSUMER},
        {"security.protocol", "ssl", TB_KAFKA_BOTH},
        {"client.rack", "r1", TB_KAFKA_BOTH},
    };
    struct tb_error err = {0};

    options.properties = fine;
    options.property_count = sizeof fine / sizeof *fine;
    ck_ok(open_and_free(false, &err));
    ck_ok(open_and_free(true, &err));
}
END_TEST

START_TEST(brokers_and_group_are_needed)
{
    struct tb_log_reader *reader = NULL;
    struct tb_error err = {0};

    ck_assert_int_eq(tb_log_kafka_reader(&options, "t", "", &reader, &err), TB_INVALID);
    options.brokers = "";
    ck_assert_int_eq(open_and_free(false, &err), TB_INVALID);
    ck_assert_int_eq(open_and_free(true, &err), TB_INVALID);
}
END_TEST

/* The topic exists with the right number of partitions, with another, not at all, or no broker
 * answers. */
START_TEST(topics_are_checked)
{
    struct tb_log_kafka_topic topics[] = {{.name = "order-events", .partitions = 6},
                                          {.name = "node-status", .partitions = 1}};
    struct tb_error err = {0};
    struct mock mock;

    mock_make(&mock, 1);
    mock_topic(&mock, "order-events", 6);
    mock_topic(&mock, "node-status", 1);
    ck_ok(tb_log_kafka_check_topics(&mock.options, topics, 2, false, 60000, &err));
    topics[1].partitions = 3;
    ck_assert_int_eq(tb_log_kafka_check_topics(&mock.options, topics, 2, true, 60000, &err),
                     TB_INVALID);
    ck_assert_str_eq(err.text, "topic node-status has 1 partitions, not 3: set [kafka] partitions "
                               "to 1, here and at every other till and central");
    /* A topic that may have more partitions can get them; the others' number decides. */
    topics[1].more_partitions = true;
    ck_assert_int_eq(tb_log_kafka_check_topics(&mock.options, topics, 2, false, 60000, &err),
                     TB_INVALID);
    ck_assert_str_eq(err.text, "topic node-status has 1 partitions, not 3: add partitions with "
                               "kafka-topics.sh --alter --topic node-status --partitions 3");
    topics[1].partitions = 1;
    topics[0].partitions = 3;
    topics[0].more_partitions = true;
    ck_ok(tb_log_kafka_check_topics(&mock.options, topics, 2, false, 60000, &err));
    rd_kafka_mock_topic_set_error(mock.cluster, "order-events",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    ck_assert_int_eq(tb_log_kafka_check_topics(&mock.options, topics, 2, false, 60000, &err),
                     TB_NOT_FOUND);
    rd_kafka_mock_broker_set_down(mock.cluster, -1);
    ck_assert_int_eq(tb_log_kafka_check_topics(&mock.options, topics, 2, false, 300, &err),
                     TB_UNAVAILABLE);
    mock_free(&mock);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log_kafka_conf");
    TCase *tc = tcase_create("settings and topics");

    tcase_add_loop_test(tc, wrong_settings_are_named, 0, WRONGS);
    tcase_add_test(tc, contradictions_are_refused);
    tcase_add_test(tc, other_settings_are_taken);
    tcase_add_test(tc, brokers_and_group_are_needed);
    tcase_add_test(tc, topics_are_checked);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

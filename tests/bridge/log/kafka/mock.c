#include "bridge/log/kafka/mock.h"
#include "support/support.h"

/* Shorter than the defaults, which are made for slow networks. A session must still survive on a
 * busy machine. */
static const struct tb_log_kafka_property quick[] = {
    {"fetch.wait.max.ms", "10", TB_KAFKA_CONSUMER},
    {"session.timeout.ms", "4000", TB_KAFKA_CONSUMER},
    {"heartbeat.interval.ms", "500", TB_KAFKA_CONSUMER},
    {"topic.metadata.refresh.interval.ms", "500", TB_KAFKA_BOTH},
    {"reconnect.backoff.ms", "20", TB_KAFKA_BOTH},
    {"reconnect.backoff.max.ms", "100", TB_KAFKA_BOTH},
    {"retry.backoff.ms", "20", TB_KAFKA_BOTH},
    {"socket.timeout.ms", "2000", TB_KAFKA_PRODUCER},
};

void mock_make(struct mock *mock, int brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[200];

    *mock = (struct mock){0};
    /* Without brokers of its own it would log that it finds none. */
    ck_assert_int_eq(rd_kafka_conf_set(conf, "log_level", "0", text, sizeof text), 0);
    mock->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    ck_assert_ptr_nonnull(mock->rk);
    mock->cluster = rd_kafka_mock_cluster_new(mock->rk, brokers);
    ck_assert_ptr_nonnull(mock->cluster);
    memcpy(mock->properties, quick, sizeof quick);
    mock->options = (struct tb_log_kafka_options){
        .brokers = rd_kafka_mock_cluster_bootstraps(mock->cluster),
        .client_id = "test",
        .properties = mock->properties,
        .property_count = sizeof quick / sizeof *quick,
        .clock = &tb_clock_system,
    };
}

void mock_set(struct mock *mock, const char *key, const char *value)
{
    ck_assert_uint_lt(mock->options.property_count, 24);
    mock->properties[mock->options.property_count++] =
        (struct tb_log_kafka_property){key, value, TB_KAFKA_BOTH};
}

void mock_free(struct mock *mock)
{
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->rk);
}

void mock_topic(struct mock *mock, const char *name, int partitions)
{
    ck_assert_int_eq(rd_kafka_mock_topic_create(mock->cluster, name, partitions, 1), 0);
}

void mock_fail(struct mock *mock, int16_t request, rd_kafka_resp_err_t error, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rd_kafka_mock_push_request_errors(mock->cluster, request, 1, error);
}

struct tb_log_reader *mock_read_all(struct mock *mock, const char *topic)
{
    struct tb_log_reader *reader = NULL;
    struct tb_error err = {0};

    ck_ok(tb_log_kafka_reader(&mock->options, topic, NULL, &reader, &err));
    return reader;
}

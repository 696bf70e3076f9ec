/* A Kafka cluster for tests: librdkafka's mock brokers, in this process.
 *
 * They speak the real protocol and fail when a test asks for it. Unlike real brokers they lose
 * everything when they are freed, store a record twice if a producer sends it twice, and create no
 * topics. The first reader of a group waits 3 s until the group is formed.
 *
 * Thread:  one owner.
 * Memory:  make it after Check has forked, and free it in the same process.
 * Errors:  a failed check assertion.
 * Units:   milliseconds. */
#pragma once
#include "bridge/log/kafka/kafka.h"
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

/* Numbers of the protocol's requests. */
enum {
    MOCK_PRODUCE = 0,
    MOCK_FETCH = 1,
    MOCK_METADATA = 3,
    MOCK_OFFSET_COMMIT = 8,
    MOCK_INIT_PRODUCER_ID = 22
};

struct mock {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    struct tb_log_kafka_options options; /* for readers and writers */
    struct tb_log_kafka_property properties[24];
};
void mock_make(struct mock *mock, int brokers);
void mock_free(struct mock *mock);
/* Adds a property; it overrides earlier ones. */
void mock_set(struct mock *mock, const char *key, const char *value);
void mock_topic(struct mock *mock, const char *name, int partitions);
/* The next count requests of that kind are answered with the error. */
void mock_fail(struct mock *mock, int16_t request, rd_kafka_resp_err_t error, size_t count);
/* A standalone reader, which reads all records from the begin. */
struct tb_log_reader *mock_read_all(struct mock *mock, const char *topic);

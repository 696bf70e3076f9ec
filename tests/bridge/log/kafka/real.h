/* A real Kafka cluster for tests: the broker that tests/services started in the folder
 * TB_KAFKA_DIR, or the cluster TILLBOX_TEST_KAFKA. If neither is set, the tests use mock brokers.
 *
 * Thread:  one owner.
 * Errors:  a failed check assertion.
 * Units:   milliseconds. */
#pragma once
#include "bridge/log/kafka/kafka.h"

/* Only a failing test waits for it. */
#define REAL_PATIENCE_MS 60000

const char *real_brokers(void); /* NULL: none */
/* Creates a topic whose name is tillbox-test-, `name` and numbers. message_max: the largest batch
 * that it accepts; 0: the brokers' default. */
void real_topic(const struct tb_log_kafka_options *options, const char *name, int partitions,
                int message_max, char ret_topic[64]);
/* tests/services/service.sh VERB on the broker of TB_KAFKA_DIR: freeze, thaw, kill, start. False:
 * the tests did not start the broker. */
bool real_steer(const char *verb);

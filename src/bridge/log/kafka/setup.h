/* The Kafka part of the configuration: how a node reaches Kafka, and which topics it uses.
 *
 * Thread:  make it before threads start; then it is read-only.
 * Memory:  borrows from the config, client_id and clock.
 * Errors:  TB_INVALID: the configuration names no brokers. */
#pragma once
#include "base/config/config.h"
#include "bridge/log/kafka/kafka.h"

#define TB_TOPIC_NODE_STATUS "node-status"
#define TB_TOPIC_PROJECTION_READY "projection-ready"
#define TB_TOPIC_NAME_SIZE 256
#define TB_KAFKA_TOPICS 4

struct tb_kafka_setup {
    struct tb_log_kafka_options options; /* for topics with [kafka] partitions */
    struct tb_log_kafka_options letters; /* for the dead letters: that many or more */
    struct tb_log_kafka_options others;  /* for topics with any number of partitions */
    const char *topic;                   /* of the events */
    char dead_letters[TB_TOPIC_NAME_SIZE];
    struct tb_log_kafka_topic topics[TB_KAFKA_TOPICS]; /* all, for tb_log_kafka_check_topics */
    bool create;                                       /* [kafka] create_topics */
    struct tb_log_kafka_property *properties;          /* owned */
};
TB_CHECKED enum tb_code tb_kafka_setup_make(const struct tb_config *config, const char *client_id,
                                            const struct tb_clock *clock,
                                            struct tb_kafka_setup *ret_setup,
                                            struct tb_error *err);
void tb_kafka_setup_release(struct tb_kafka_setup *setup); /* zeroed is fine */

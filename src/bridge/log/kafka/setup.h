/* Kafka as the configuration has it: how edges and centrals reach it, and which topics there are.
 *
 * Thread:  made before threads start, read-only after.
 * Memory:  borrows from the config; released by tb_kafka_setup_release.
 * Errors:  TB_INVALID: the configuration names no brokers.
 * Units:   milliseconds. */
#pragma once
#include "base/config/config.h"
#include "bridge/log/kafka/kafka.h"

#define TB_TOPIC_NODE_STATUS "node-status"
#define TB_TOPIC_PROJECTION_READY "projection-ready"
#define TB_TOPIC_NAME_SIZE 256

struct tb_kafka_setup {
    struct tb_log_kafka_options options; /* for the events' topic: as many partitions as set */
    struct tb_log_kafka_options others;  /* for topics with any number of partitions */
    const char *topic;                   /* of the events */
    char dead_letters[TB_TOPIC_NAME_SIZE];
    struct tb_log_kafka_topic topics[4]; /* all of them, to be checked or created */
    size_t topic_count;
    bool create;
    struct tb_log_kafka_property *properties; /* owned */
};
/* client_id and clock are borrowed. */
TB_CHECKED enum tb_code tb_kafka_setup_make(const struct tb_config *config, const char *client_id,
                                            const struct tb_clock *clock,
                                            struct tb_kafka_setup *ret_setup,
                                            struct tb_error *err);
void tb_kafka_setup_release(struct tb_kafka_setup *setup); /* zeroed is fine */

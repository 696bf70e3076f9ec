#include "bridge/log/kafka/setup.h"
#include <stdio.h>
#include <stdlib.h>

/* Kept short: a message that a view is ready is useless after a few seconds. */
#define READY_KEPT_MS INT64_C(3600000)

static enum tb_code take_properties(const struct tb_config *config, struct tb_kafka_setup *setup,
                                    struct tb_error *err)
{
    static const enum tb_log_kafka_side sides[TB_CONFIG_SECTION_COUNT] = {
        [TB_CONFIG_KAFKA_PROPERTIES] = TB_KAFKA_BOTH,
        [TB_CONFIG_KAFKA_PRODUCER] = TB_KAFKA_PRODUCER,
        [TB_CONFIG_KAFKA_CONSUMER] = TB_KAFKA_CONSUMER,
    };
    const struct tb_config_property *first = tb_config_properties(config);
    size_t count = 0;

    for (const struct tb_config_property *p = first; p; p = p->next)
        count++;
    if (count == 0)
        return TB_OK;
    setup->properties = calloc(count, sizeof *setup->properties);
    if (!setup->properties)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    for (const struct tb_config_property *p = first; p; p = p->next)
        setup->properties[setup->options.property_count++] =
            (struct tb_log_kafka_property){p->key, p->value, sides[p->section]};
    setup->options.properties = setup->properties;
    return TB_OK;
}

static void list_topics(const struct tb_config *config, struct tb_kafka_setup *setup)
{
    int partitions = (int)tb_config_int(config, TB_KAFKA_PARTITIONS);
    int copies = (int)tb_config_int(config, TB_KAFKA_REPLICATION);

    /* A broker takes records of any clock for a topic with its own time; otherwise it refuses a
     * clock that is an hour ahead. A month-old backlog of a till is not too old for it, either. */
    const struct tb_log_kafka_topic topics[] = {
        {.name = setup->topic,
         .partitions = partitions,
         .replication = copies,
         .log_time = true,
         .retention_ms = -1},
        {.name = setup->dead_letters,
         .partitions = partitions,
         .replication = copies,
         .more_partitions = true,
         .log_time = true},
        {.name = TB_TOPIC_NODE_STATUS,
         .partitions = 1,
         .replication = copies,
         .compacted = true,
         .more_partitions = true,
         .log_time = true},
        {.name = TB_TOPIC_PROJECTION_READY,
         .partitions = 1,
         .replication = copies,
         .more_partitions = true,
         .log_time = true,
         .retention_ms = READY_KEPT_MS},
    };

    snprintf(setup->dead_letters, sizeof setup->dead_letters, "%s.DLT", setup->topic);
    memcpy(setup->topics, topics, sizeof topics);
}

enum tb_code tb_kafka_setup_make(const struct tb_config *config, const char *client_id,
                                 const struct tb_clock *clock, struct tb_kafka_setup *ret_setup,
                                 struct tb_error *err)
{
    struct tb_kafka_setup *setup = ret_setup;

    if (tb_config_text(config, TB_KAFKA_BROKERS)[0] == '\0')
        return tb_error_set(err, TB_INVALID,
                            "log.kind = kafka needs [kafka] brokers (--kafka-brokers host:port)");
    *setup = (struct tb_kafka_setup){
        .options = {.brokers = tb_config_text(config, TB_KAFKA_BROKERS),
                    .client_id = client_id,
                    .partitions = (int)tb_config_int(config, TB_KAFKA_PARTITIONS),
                    .clock = clock},
        .topic = tb_config_text(config, TB_KAFKA_TOPIC),
        .create = tb_config_int(config, TB_KAFKA_CREATE_TOPICS) != 0,
    };
    TB_TRY(take_properties(config, setup, err));
    setup->others = setup->options;
    setup->others.partitions = 0;
    setup->letters = setup->options;
    setup->letters.more_partitions = true;
    list_topics(config, setup);
    return TB_OK;
}

void tb_kafka_setup_release(struct tb_kafka_setup *setup)
{
    free(setup->properties);
    setup->properties = NULL;
}

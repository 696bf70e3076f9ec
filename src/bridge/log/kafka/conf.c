#include "bridge/log/kafka/kafka_priv.h"
#include <stdlib.h>

#define AS_TEXT_(number) #number
#define AS_TEXT(number) AS_TEXT_(number)

/* Where the user's word counts less than a promise, and what to say then. */
static const struct {
    const char *key, *why;
} fixed[] = {
    {"bootstrap.servers", "set [kafka] brokers"},
    {"metadata.broker.list", "set [kafka] brokers"},
    {"group.id", "set [kafka] group"},
    {"enable.idempotence", "without it retries reorder an order's events"},
    {"acks", "an event counts as delivered when all replicas have it"},
    {"request.required.acks", "an event counts as delivered when all replicas have it"},
    {"message.timeout.ms", "an event never expires"},
    {"delivery.timeout.ms", "an event never expires"},
    {"transactional.id", "the outbox needs no transactions"},
    {"delivery.report.only.error", "every event's delivery is looked at"},
    {"queuing.strategy", "events are sent in their order"},
    {"partitioner", "an order stays in its partition whatever client wrote it"},
    {"allow.auto.create.topics", "use --create-topics"},
    {"enable.auto.commit", "offsets follow the view"},
    {"auto.commit.enable", "offsets follow the view"},
    {"enable.auto.offset.store", "offsets follow the view"},
    {"auto.offset.reset", "a lost position stops with an alarm and never skips"},
    {"enable.partition.eof", "the end of a partition is no event"},
};

static const struct tb_log_kafka_property ours[] = {
    {"socket.keepalive.enable", "true", TB_KAFKA_BOTH},
    {"socket.nagle.disable", "true", TB_KAFKA_BOTH},
    {"reconnect.backoff.max.ms", "10000", TB_KAFKA_BOTH},
    {"log.connection.close", "false", TB_KAFKA_BOTH},
    {"allow.auto.create.topics", "false", TB_KAFKA_BOTH},
    {"enable.idempotence", "true", TB_KAFKA_PRODUCER},
    {"acks", "all", TB_KAFKA_PRODUCER},
    {"message.timeout.ms", "0", TB_KAFKA_PRODUCER},
    {"max.in.flight.requests.per.connection", "5", TB_KAFKA_PRODUCER},
    /* The relay lingers by itself. More here, and a window that is full stands still meanwhile; so
     * it does while more than so many for one partition are waited for. */
    {"linger.ms", "1", TB_KAFKA_PRODUCER},
    {"batch.num.messages", "1000", TB_KAFKA_PRODUCER},
    /* The outbox is the queue; this one holds what may be unacknowledged. */
    {"queue.buffering.max.messages", AS_TEXT(TB_LOG_INFLIGHT_MAX), TB_KAFKA_PRODUCER},
    {"queue.buffering.max.kbytes", "16384", TB_KAFKA_PRODUCER},
    {"message.max.bytes", AS_TEXT(TB_LOG_KAFKA_RECORD_MAX), TB_KAFKA_PRODUCER},
    {"partitioner", "murmur2_random", TB_KAFKA_PRODUCER},
    {"enable.auto.commit", "false", TB_KAFKA_CONSUMER},
    {"enable.auto.offset.store", "false", TB_KAFKA_CONSUMER},
    {"auto.offset.reset", "error", TB_KAFKA_CONSUMER},
    {"partition.assignment.strategy", "range", TB_KAFKA_CONSUMER},
    {"session.timeout.ms", "45000", TB_KAFKA_CONSUMER},
    /* The consumer polls every second or so, and a batch takes some seconds at worst. So long,
     * too, is a word to the group waited for that a silent network has swallowed. */
    {"max.poll.interval.ms", "120000", TB_KAFKA_CONSUMER},
    {"check.crcs", "true", TB_KAFKA_CONSUMER},
    {"isolation.level", "read_committed", TB_KAFKA_CONSUMER},
    /* What is fetched unpacks to several times its size, and the library keeps about as much again
     * for each message: more of both is memory and no speed. A larger batch still comes whole. */
    {"queued.max.messages.kbytes", "8192", TB_KAFKA_CONSUMER},
    {"fetch.message.max.bytes", "262144", TB_KAFKA_CONSUMER},
    /* A topic that was missing is found within this. */
    {"topic.metadata.refresh.interval.ms", "30000", TB_KAFKA_CONSUMER},
};

static enum tb_code set(rd_kafka_conf_t *conf, const char *key, const char *value,
                        struct tb_error *err)
{
    char text[200];

    if (rd_kafka_conf_set(conf, key, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return TB_OK;
    return tb_error_set(err, TB_INVALID, "Kafka property %s: %s", key, text);
}

static enum tb_code check_users(const struct tb_log_kafka_property *property, struct tb_error *err)
{
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (strcmp(property->key, fixed[i].key) == 0)
            return tb_error_set(err, TB_INVALID, "Kafka property %s is not to be set: %s",
                                property->key, fixed[i].why);
    }
    /* The library of long-lived distributions loses its way with it, and so would we: partitions
     * come and go as a whole here. */
    if (strcmp(property->key, "partition.assignment.strategy") == 0 &&
        strstr(property->value, "cooperative"))
        return tb_error_set(err, TB_INVALID,
                            "Kafka property %s: only range and roundrobin are supported",
                            property->key);
    return TB_OK;
}

/* The other side's are looked at as well: a mistake shows wherever the file is used first. */
static enum tb_code set_users(const struct kafka_settings *settings, bool consumer,
                              rd_kafka_conf_t *conf, struct tb_error *err)
{
    rd_kafka_conf_t *other_side = rd_kafka_conf_new();
    enum tb_code code = TB_OK;

    for (size_t i = 0; i < settings->property_count && code == TB_OK; i++) {
        const struct tb_log_kafka_property *property = &settings->properties[i];
        bool here =
            property->side == TB_KAFKA_BOTH || (property->side == TB_KAFKA_CONSUMER) == consumer;

        code = check_users(property, err);
        if (code == TB_OK)
            code = set(here ? conf : other_side, property->key, property->value, err);
    }
    rd_kafka_conf_destroy(other_side);
    return code;
}

static enum tb_code set_compression(rd_kafka_conf_t *conf, struct tb_error *err)
{
    char features[512];
    size_t size = sizeof features;

    if (rd_kafka_conf_get(conf, "builtin.features", features, &size) != RD_KAFKA_CONF_OK ||
        !strstr(features, "lz4"))
        return TB_OK;
    return set(conf, "compression.codec", "lz4", err);
}

static enum tb_code set_all(const struct kafka_settings *settings, const char *group, bool tail,
                            rd_kafka_conf_t *conf, struct tb_error *err)
{
    bool consumer = group != NULL;

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (ours[i].side == TB_KAFKA_BOTH || (ours[i].side == TB_KAFKA_CONSUMER) == consumer)
            TB_TRY(set(conf, ours[i].key, ours[i].value, err));
    }
    TB_TRY(set(conf, "client.id", settings->client_id, err));
    if (!consumer)
        TB_TRY(set_compression(conf, err));
    TB_TRY(set_users(settings, consumer, conf, err));
    TB_TRY(set(conf, "bootstrap.servers", settings->brokers, err));
    if (consumer)
        TB_TRY(set(conf, "group.id", group, err));
    /* Whoever only listens for wake-ups has nothing to lose by a jump to the end. */
    return tail ? set(conf, "auto.offset.reset", "latest", err) : TB_OK;
}

enum tb_code tb_kafka_conf(const struct kafka_settings *settings, const char *group, bool tail,
                           rd_kafka_conf_t **ret_conf, struct tb_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    enum tb_code code = set_all(settings, group, tail, conf, err);

    if (code != TB_OK) {
        rd_kafka_conf_destroy(conf);
        return code;
    }
    *ret_conf = conf;
    return TB_OK;
}

void tb_kafka_settings_release(struct kafka_settings *settings)
{
    for (size_t i = 0; i < settings->property_count; i++) {
        free((void *)(uintptr_t)settings->properties[i].key);
        free((void *)(uintptr_t)settings->properties[i].value);
    }
    free(settings->properties);
    free(settings->brokers);
    free(settings->client_id);
    *settings = (struct kafka_settings){0};
}

static bool copy_properties(const struct tb_log_kafka_options *options,
                            struct kafka_settings *settings)
{
    settings->properties = calloc(options->property_count + 1, sizeof *settings->properties);
    if (!settings->properties)
        return false;
    for (size_t i = 0; i < options->property_count; i++) {
        struct tb_log_kafka_property *copy = &settings->properties[i];

        settings->property_count = i + 1;
        copy->side = options->properties[i].side;
        copy->key = strdup(options->properties[i].key);
        copy->value = strdup(options->properties[i].value);
        if (!copy->key || !copy->value)
            return false;
    }
    return true;
}

enum tb_code tb_kafka_settings_copy(const struct tb_log_kafka_options *options,
                                    struct kafka_settings *ret_settings, struct tb_error *err)
{
    struct kafka_settings copy = {.partitions = options->partitions, .clock = options->clock};

    if (!options->brokers || options->brokers[0] == '\0')
        return tb_error_set(err, TB_INVALID, "no Kafka brokers are named");
    copy.brokers = strdup(options->brokers);
    copy.client_id = strdup(options->client_id ? options->client_id : "tillbox");
    if (!copy.brokers || !copy.client_id || !copy_properties(options, &copy)) {
        tb_kafka_settings_release(&copy);
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    }
    *ret_settings = copy;
    return TB_OK;
}

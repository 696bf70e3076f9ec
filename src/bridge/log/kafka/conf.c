#include "bridge/log/kafka/kafka_priv.h"

#define AS_TEXT_(number) #number
#define AS_TEXT(number) AS_TEXT_(number)

/* Properties that users may not set, because a promise of ours depends on them, and why. */
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
    {"enable.partition.eof", "without it nobody could tell that a partition is read"},
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
    /* The relay already collects records. Waiting longer here, for time or for a larger batch,
     * would stop the relay while its window is full. */
    {"linger.ms", "1", TB_KAFKA_PRODUCER},
    {"batch.num.messages", "1000", TB_KAFKA_PRODUCER},
    /* The outbox is the queue; librdkafka only needs room for the unacknowledged records. */
    {"queue.buffering.max.messages", AS_TEXT(TB_LOG_INFLIGHT_MAX), TB_KAFKA_PRODUCER},
    {"queue.buffering.max.kbytes", "16384", TB_KAFKA_PRODUCER},
    {"message.max.bytes", AS_TEXT(TB_LOG_KAFKA_RECORD_MAX), TB_KAFKA_PRODUCER},
    {"partitioner", "murmur2_random", TB_KAFKA_PRODUCER},
    {"enable.auto.commit", "false", TB_KAFKA_CONSUMER},
    {"enable.auto.offset.store", "false", TB_KAFKA_CONSUMER},
    {"auto.offset.reset", "error", TB_KAFKA_CONSUMER},
    {"partition.assignment.strategy", "range", TB_KAFKA_CONSUMER},
    {"session.timeout.ms", "45000", TB_KAFKA_CONSUMER},
    /* The consumer polls about every second, and a batch takes some seconds at worst. The group
     * waits this long, too, for a member whose request the network has lost. */
    {"max.poll.interval.ms", "120000", TB_KAFKA_CONSUMER},
    {"check.crcs", "true", TB_KAFKA_CONSUMER},
    {"isolation.level", "read_committed", TB_KAFKA_CONSUMER},
    /* A partition may end with a transaction's marker, which is no record: without this nobody
     * could tell that all of it is read. */
    {"enable.partition.eof", "true", TB_KAFKA_CONSUMER},
    /* Fetched batches unpack to several times their size, and librdkafka needs about as much again
     * for each message: larger values cost memory and gain no speed. A larger batch still works.
     */
    {"queued.max.messages.kbytes", "8192", TB_KAFKA_CONSUMER},
    {"fetch.message.max.bytes", "262144", TB_KAFKA_CONSUMER},
    /* A missing topic that was created is found within this time. */
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
    /* librdkafka 2.0.2 has faults with cooperative assignment, and our reader expects that all
     * partitions are assigned and revoked together. */
    if (strcmp(property->key, "partition.assignment.strategy") == 0 &&
        strstr(property->value, "cooperative"))
        return tb_error_set(err, TB_INVALID,
                            "Kafka property %s: only range and roundrobin are supported",
                            property->key);
    return TB_OK;
}

/* Checks the properties of the other side too, so that a mistake shows in the first program that
 * reads the file. */
static enum tb_code set_users(const struct tb_log_kafka_options *options, bool consumer,
                              rd_kafka_conf_t *conf, struct tb_error *err)
{
    rd_kafka_conf_t *other_side = rd_kafka_conf_new();
    enum tb_code code = TB_OK;

    for (size_t i = 0; i < options->property_count && code == TB_OK; i++) {
        const struct tb_log_kafka_property *property = &options->properties[i];
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

static enum tb_code set_all(const struct tb_log_kafka_options *options, const char *group,
                            bool tail, rd_kafka_conf_t *conf, struct tb_error *err)
{
    bool consumer = group != NULL;

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (ours[i].side == TB_KAFKA_BOTH || (ours[i].side == TB_KAFKA_CONSUMER) == consumer)
            TB_TRY(set(conf, ours[i].key, ours[i].value, err));
    }
    TB_TRY(set(conf, "client.id", options->client_id, err));
    if (!consumer)
        TB_TRY(set_compression(conf, err));
    /* With one partition the writer sends one record at a time: there is no batch to wait for. */
    if (!consumer && options->partitions == 1)
        TB_TRY(set(conf, "linger.ms", "0", err));
    TB_TRY(set_users(options, consumer, conf, err));
    TB_TRY(set(conf, "bootstrap.servers", options->brokers, err));
    if (consumer)
        TB_TRY(set(conf, "group.id", group, err));
    /* A tail only receives wake-ups: it loses nothing by jumping to the end. */
    return tail ? set(conf, "auto.offset.reset", "latest", err) : TB_OK;
}

enum tb_code tb_kafka_conf(const struct tb_log_kafka_options *options, const char *group,
                           bool tail, rd_kafka_conf_t **ret_conf, struct tb_error *err)
{
    rd_kafka_conf_t *conf;
    enum tb_code code;

    if (!options->brokers || options->brokers[0] == '\0')
        return tb_error_set(err, TB_INVALID, "no Kafka brokers are named");
    conf = rd_kafka_conf_new();
    code = set_all(options, group, tail, conf, err);
    if (code != TB_OK) {
        rd_kafka_conf_destroy(conf);
        return code;
    }
    *ret_conf = conf;
    return TB_OK;
}

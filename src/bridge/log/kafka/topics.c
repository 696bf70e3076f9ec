#include "bridge/log/kafka/kafka_priv.h"
#include <inttypes.h>
#include <stdio.h>

/* Between two queries of a topic that is just being created. */
#define PAUSE_MS 100

/* One call of tb_log_kafka_check_topics, with a handle of its own. */
struct check {
    const struct tb_log_kafka_options *options;
    struct kafka_handle *handle; /* of the first topic */
    char cause[200];             /* why no broker answers */
    int64_t until_ms;            /* monotonic */
};

static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    struct check *check = ((struct kafka_handle *)opaque)->owner;

    (void)rk;
    if (check && code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        tb_kafka_plain_error((rd_kafka_resp_err_t)code, text, check->cause);
}

static int64_t left_ms(const struct check *check)
{
    return check->until_ms - tb_clock_mono_ms(check->options->clock);
}

static bool is_temporary(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__TIMED_OUT ||
           code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

static rd_kafka_resp_err_t query_topic(const struct check *check, const char *topic,
                                       struct kafka_topic_layout *ret_layout)
{
    rd_kafka_t *rk = check->handle->rk;
    rd_kafka_topic_t *asked = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_resp_err_t code;

    if (!asked)
        return rd_kafka_last_error();
    code = tb_kafka_query_topic(rk, asked, PAUSE_MS, ret_layout);
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT)
        code = tb_kafka_query_topic(rk, asked, TB_KAFKA_QUERY_TIMEOUT_MS, ret_layout);
    rd_kafka_topic_destroy(asked);
    return code;
}

/* *ret_count 0: the topic does not exist. created: waits until the topic can be written and read.
 */
static enum tb_code count_partitions(struct check *check, const char *topic, bool created,
                                     int *ret_count, struct tb_error *err)
{
    rd_kafka_resp_err_t code;

    do {
        struct kafka_topic_layout layout = {0};

        rd_kafka_poll(check->handle->rk, 0);
        code = query_topic(check, topic, &layout);
        if (!code && (!created || (layout.partitions > 0 && layout.has_leaders))) {
            *ret_count = layout.partitions;
            return TB_OK;
        }
        if (code && !is_temporary(code))
            return tb_error_set(err, TB_UNAVAILABLE, "topic %s: %s", topic,
                                rd_kafka_err2str(code));
        rd_kafka_poll(check->handle->rk, PAUSE_MS);
    } while (left_ms(check) > 0);
    if (code)
        return tb_error_set(err, TB_UNAVAILABLE, "topic %s: %s", topic,
                            check->cause[0] ? check->cause : rd_kafka_err2str(code));
    return tb_error_set(err, TB_UNAVAILABLE, "topic %s: made, but its brokers are not ready",
                        topic);
}

static void set_config(rd_kafka_NewTopic_t *topic, const struct tb_log_kafka_topic *wanted)
{
    char retention[24];

    if (wanted->compacted)
        rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
    if (wanted->log_time)
        rd_kafka_NewTopic_set_config(topic, "message.timestamp.type", "LogAppendTime");
    if (wanted->retention_ms == 0)
        return;
    snprintf(retention, sizeof retention, "%" PRId64, wanted->retention_ms);
    rd_kafka_NewTopic_set_config(topic, "retention.ms", retention);
}

static enum tb_code read_answer(const struct tb_log_kafka_topic *wanted, rd_kafka_event_t *event,
                                struct tb_error *err)
{
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics;
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const char *text = rd_kafka_event_error_string(event);
    size_t count = 0;

    if (!code && result) {
        topics = rd_kafka_CreateTopics_result_topics(result, &count);
        if (count == 1) {
            code = rd_kafka_topic_result_error(topics[0]);
            text = rd_kafka_topic_result_error_string(topics[0]);
        }
    }
    /* Another program creates it at the same moment. */
    if (!code || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return TB_OK;
    return tb_error_set(err, TB_UNAVAILABLE, "create topic %s: %s", wanted->name,
                        text ? text : rd_kafka_err2str(code));
}

static enum tb_code create_topic(struct check *check, const struct tb_log_kafka_topic *wanted,
                                 struct tb_error *err)
{
    int replication = wanted->replication > 0 ? wanted->replication : -1;
    rd_kafka_NewTopic_t *topic;
    rd_kafka_queue_t *answers;
    rd_kafka_event_t *event;
    enum tb_code code;
    char text[200];

    topic =
        rd_kafka_NewTopic_new(wanted->name, wanted->partitions, replication, text, sizeof text);
    if (!topic)
        return tb_error_set(err, TB_INVALID, "topic %s: %s", wanted->name, text);
    set_config(topic, wanted);
    answers = rd_kafka_queue_new(check->handle->rk);
    rd_kafka_CreateTopics(check->handle->rk, &topic, 1, NULL, answers);
    event = rd_kafka_queue_poll(answers, left_ms(check) > 0 ? (int)left_ms(check) : 0);
    code = event ? read_answer(wanted, event, err)
                 : tb_error_set(err, TB_UNAVAILABLE, "create topic %s: no answer", wanted->name);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(answers);
    rd_kafka_NewTopic_destroy(topic);
    return code;
}

static enum tb_code read_partitions_answer(const struct tb_log_kafka_topic *wanted,
                                           rd_kafka_event_t *event, struct tb_error *err)
{
    const rd_kafka_CreatePartitions_result_t *result =
        rd_kafka_event_CreatePartitions_result(event);
    const rd_kafka_topic_result_t **topics;
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    size_t count = 0;

    if (!code && result) {
        topics = rd_kafka_CreatePartitions_result_topics(result, &count);
        if (count == 1)
            code = rd_kafka_topic_result_error(topics[0]);
    }
    return code ? tb_error_set(err, TB_UNAVAILABLE, "add partitions to topic %s: %s", wanted->name,
                               rd_kafka_err2str(code))
                : TB_OK;
}

static enum tb_code add_partitions(struct check *check, const struct tb_log_kafka_topic *wanted,
                                   struct tb_error *err)
{
    rd_kafka_NewPartitions_t *more;
    rd_kafka_queue_t *answers;
    rd_kafka_event_t *event;
    enum tb_code code;
    char text[200];

    more = rd_kafka_NewPartitions_new(wanted->name, (size_t)wanted->partitions, text, sizeof text);
    if (!more)
        return tb_error_set(err, TB_INVALID, "topic %s: %s", wanted->name, text);
    answers = rd_kafka_queue_new(check->handle->rk);
    rd_kafka_CreatePartitions(check->handle->rk, &more, 1, NULL, answers);
    event = rd_kafka_queue_poll(answers, left_ms(check) > 0 ? (int)left_ms(check) : 0);
    code = event ? read_partitions_answer(wanted, event, err)
                 : tb_error_set(err, TB_UNAVAILABLE, "topic %s: no answer", wanted->name);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(answers);
    rd_kafka_NewPartitions_destroy(more);
    return code;
}

static enum tb_code check_topic(struct check *check, const struct tb_log_kafka_topic *wanted,
                                bool create, struct tb_error *err)
{
    char text[240];
    int count = 0;

    TB_TRY(count_partitions(check, wanted->name, false, &count, err));
    if (count == 0 && !create)
        return tb_error_set(err, TB_NOT_FOUND,
                            "topic %s is not there: create it with %d partitions, or start once "
                            "with --create-topics",
                            wanted->name, wanted->partitions);
    if (count == 0) {
        TB_TRY(create_topic(check, wanted, err));
        TB_TRY(count_partitions(check, wanted->name, true, &count, err));
    }
    if (count == wanted->partitions || (wanted->more_partitions && count > wanted->partitions))
        return TB_OK;
    if (wanted->more_partitions && create)
        return add_partitions(check, wanted, err);
    tb_kafka_partition_mismatch(wanted->name, count, wanted->partitions, wanted->more_partitions,
                                text);
    return tb_error_set(err, TB_INVALID, "%s", text);
}

enum tb_code tb_log_kafka_check_topics(const struct tb_log_kafka_options *options,
                                       const struct tb_log_kafka_topic *topics, size_t count,
                                       bool create, int64_t timeout_ms, struct tb_error *err)
{
    struct check check = {.options = options,
                          .until_ms = tb_clock_mono_ms(options->clock) + timeout_ms};
    rd_kafka_conf_t *conf = NULL;
    enum tb_code code = TB_OK;

    TB_TRY(tb_kafka_conf(options, NULL, false, &conf, err));
    rd_kafka_conf_set_error_cb(conf, on_error);
    TB_TRY(
        tb_kafka_handle_new(RD_KAFKA_PRODUCER, conf, topics[0].name, &check, &check.handle, err));
    for (size_t i = 0; i < count && code == TB_OK; i++)
        code = check_topic(&check, &topics[i], create, err);
    tb_kafka_handle_destroy(check.handle, TB_KAFKA_QUERY_TIMEOUT_MS);
    return code;
}

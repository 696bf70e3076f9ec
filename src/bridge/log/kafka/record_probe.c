#include "bridge/log/kafka/record_probe.h"
#include "bridge/log/kafka/kafka_priv.h"
#include <stdlib.h>

/* A consumer needs the name of a group, although it never joins one. */
#define GROUP "tillbox-probe"
/* Without an answer for so long, nothing is known. */
#define DEADLINE_MS 10000
#define CLOSE_MS 0

struct tb_log_probe {
    const struct tb_log_kafka_options *options;
    const char *topic;
    struct kafka_handle *handle;
    int64_t until_ms; /* monotonic */
    struct tb_log_range ranges[TB_LOG_PARTITIONS_MAX];
    /* The position that is being read of each partition, as an index + 1; 0: none. */
    size_t reading[TB_LOG_PARTITIONS_MAX];
    size_t reading_count, count;
    struct tb_log_probe_position positions[TB_LOG_PROBE_MAX];
};

/* An error of a connection shows by the deadline. */
static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    (void)rk, (void)code, (void)text, (void)opaque;
}

static enum tb_code open_handle(struct tb_log_probe *probe, struct tb_error *err)
{
    rd_kafka_conf_t *conf = NULL;
    char text[200];

    TB_TRY(tb_kafka_conf(probe->options, GROUP, false, &conf, err));
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", text, sizeof text);
    return tb_kafka_handle_new(RD_KAFKA_CONSUMER, conf, probe->topic, probe, &probe->handle, err);
}

/* Judges positions outside of the partitions' ranges. */
static enum tb_code judge_ranges(struct tb_log_probe *probe, struct tb_error *err)
{
    TB_CLEANUP(tb_kafka_list_free)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    rd_kafka_resp_err_t code;

    for (size_t i = 0; i < probe->count; i++)
        if (i == 0 || probe->positions[i].partition != probe->positions[i - 1].partition)
            rd_kafka_topic_partition_list_add(list, probe->topic, probe->positions[i].partition);
    code = tb_kafka_query_watermarks(probe->handle->rk, list, probe->ranges);
    if (code)
        return tb_error_set(err, TB_UNAVAILABLE, "ends of the log: %s", rd_kafka_err2str(code));
    for (size_t i = 0; i < probe->count; i++) {
        struct tb_log_probe_position *position = &probe->positions[i];
        const struct tb_log_range *range = &probe->ranges[position->partition];

        if (position->offset >= range->end)
            position->result = TB_LOG_PROBE_LOST;
        else if (position->offset < range->begin)
            position->result = TB_LOG_PROBE_REMOVED;
    }
    return TB_OK;
}

/* Reads the next position of each partition. */
static enum tb_code begin_round(struct tb_log_probe *probe, struct tb_error *err)
{
    TB_CLEANUP(tb_kafka_list_free)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    rd_kafka_resp_err_t code;

    memset(probe->reading, 0, sizeof probe->reading);
    probe->reading_count = 0;
    for (size_t i = 0; i < probe->count; i++) {
        const struct tb_log_probe_position *position = &probe->positions[i];
        size_t *reading = &probe->reading[position->partition];

        if (position->result != TB_LOG_PROBE_UNKNOWN || *reading > 0)
            continue;
        *reading = i + 1;
        probe->reading_count++;
        rd_kafka_topic_partition_list_add(list, probe->topic, position->partition)->offset =
            position->offset;
    }
    code = rd_kafka_assign(probe->handle->rk, probe->reading_count > 0 ? list : NULL);
    return code ? tb_error_set(err, TB_UNAVAILABLE, "%s", rd_kafka_err2str(code)) : TB_OK;
}

static bool has_event_id(const rd_kafka_message_t *message, const char *event_id)
{
    rd_kafka_headers_t *headers = NULL;
    const void *value = NULL;
    size_t size = 0;

    return !rd_kafka_message_headers(message, &headers) &&
           !rd_kafka_header_get_last(headers, "ce_id", &value, &size) &&
           size == strlen(event_id) && memcmp(value, event_id, size) == 0;
}

static void take(struct tb_log_probe *probe, const rd_kafka_message_t *message)
{
    size_t i = message->partition >= 0 && message->partition < TB_LOG_PARTITIONS_MAX
                   ? probe->reading[message->partition]
                   : 0;
    struct tb_log_probe_position *position;
    bool is_answer = !message->err || message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ||
                     message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET;

    if (i == 0 || !is_answer) /* of an earlier round, or a fault of the cluster */
        return;
    position = &probe->positions[i - 1];
    if (!message->err && message->offset < position->offset)
        return;
    position->result = !message->err && message->offset == position->offset &&
                               has_event_id(message, position->event_id)
                           ? TB_LOG_PROBE_THERE
                           : TB_LOG_PROBE_LOST;
    probe->reading[message->partition] = 0;
    probe->reading_count--;
}

static bool is_done(const struct tb_log_probe *probe)
{
    for (size_t i = 0; i < probe->count; i++)
        if (probe->positions[i].result == TB_LOG_PROBE_UNKNOWN)
            return false;
    return true;
}

enum tb_code tb_log_probe_step(struct tb_log_probe *probe, bool *ret_done, struct tb_error *err)
{
    rd_kafka_message_t *message;

    while ((message = rd_kafka_consumer_poll(probe->handle->rk, 0)) != NULL) {
        take(probe, message);
        rd_kafka_message_destroy(message);
    }
    *ret_done = is_done(probe);
    if (*ret_done)
        return TB_OK;
    if (probe->reading_count == 0)
        return begin_round(probe, err);
    if (tb_clock_mono_ms(probe->options->clock) < probe->until_ms)
        return TB_OK;
    return tb_error_set(err, TB_UNAVAILABLE, "the log is not read within %d s",
                        DEADLINE_MS / 1000);
}

enum tb_code tb_log_probe_open(const struct tb_log_kafka_options *options, const char *topic,
                               const struct tb_log_probe_position *positions, size_t count,
                               struct tb_log_probe **ret_probe, struct tb_error *err)
{
    struct tb_log_probe *probe = calloc(1, sizeof *probe);
    enum tb_code code;

    TB_ASSERT(count <= TB_LOG_PROBE_MAX);
    if (!probe)
        return tb_error_set(err, TB_UNAVAILABLE, "out of memory");
    probe->options = options;
    probe->topic = topic;
    probe->until_ms = tb_clock_mono_ms(options->clock) + DEADLINE_MS;
    probe->count = count;
    memcpy(probe->positions, positions, count * sizeof *positions);
    code = open_handle(probe, err);
    if (code == TB_OK)
        code = judge_ranges(probe, err);
    if (code != TB_OK) {
        tb_log_probe_free(probe);
        return code;
    }
    *ret_probe = probe;
    return TB_OK;
}

const struct tb_log_probe_position *tb_log_probe_positions(const struct tb_log_probe *probe)
{
    return probe->positions;
}

void tb_log_probe_free(struct tb_log_probe *probe)
{
    if (!probe)
        return;
    if (probe->handle)
        tb_kafka_handle_destroy(probe->handle, CLOSE_MS);
    free(probe);
}

#include "bridge/log/kafka/kafka_priv.h"
#include <stdarg.h>
#include <stdio.h>

/* A refusal is shown at least this long, although the check of the topic may succeed earlier. */
#define REFUSED_MS 5000

void tb_kafka_problem_init(struct kafka_problem *problem)
{
    TB_ASSERT(pthread_mutex_init(&problem->lock, NULL) == 0);
    for (size_t i = 0; i < KAFKA_PROBLEM_KINDS; i++)
        problem->texts[i][0] = '\0';
}

void tb_kafka_problem_release(struct kafka_problem *problem)
{
    pthread_mutex_destroy(&problem->lock);
}

void tb_kafka_problem_set(struct kafka_problem *problem, enum kafka_problem_kind kind,
                          const char *format, ...)
{
    va_list args;

    va_start(args, format);
    pthread_mutex_lock(&problem->lock);
    vsnprintf(problem->texts[kind], sizeof problem->texts[kind], format, args);
    pthread_mutex_unlock(&problem->lock);
    va_end(args);
}

void tb_kafka_problem_get(struct kafka_problem *problem, char ret_text[240])
{
    enum kafka_problem_kind kind = KAFKA_PROBLEM_CONNECTION;

    pthread_mutex_lock(&problem->lock);
    if (problem->texts[kind][0] == '\0')
        kind = KAFKA_PROBLEM_OPERATION;
    memcpy(ret_text, problem->texts[kind], sizeof problem->texts[kind]);
    pthread_mutex_unlock(&problem->lock);
}

/* End of the useful part of librdkafka's text. After it come how long it took, how often it
 * happened, and guesses about broker versions of ten years ago. */
static const char *end_of(const char *text)
{
    static const char *const useless[] = {" (after ", ": probably due to broker version",
                                          " or broker version is <"};
    const char *end = text + strlen(text);

    for (size_t i = 0; i < sizeof useless / sizeof *useless; i++) {
        const char *at = strstr(text, useless[i]);

        end = at && at < end ? at : end;
    }
    return end;
}

/* "sasl_ssl://broker:9093/bootstrap: what happened (after 3ms in state CONNECT, 2 identical ...)"
 */
void tb_kafka_plain_error(rd_kafka_resp_err_t code, const char *text, char ret_text[200])
{
    const char *what = "", *scheme = strstr(text, "://"), *blank = strchr(text, ' '), *role, *end;
    int host_len = 0;

    if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION)
        what = "credentials refused: ";
    else if (code == RD_KAFKA_RESP_ERR__SSL)
        what = "no trusted connection: ";
    else if (code == RD_KAFKA_RESP_ERR__RESOLVE)
        what = "no such host: ";
    if (scheme && scheme < blank)
        text = scheme + 3;
    end = end_of(text);
    role = strstr(text, "/bootstrap: ");
    if (role && role < end)
        host_len = (int)(role - text);
    else
        role = NULL;
    role = role ? role + strlen("/bootstrap") : text;
    snprintf(ret_text, 200, "%s%.*s%.*s", what, host_len, text, (int)(end - role), role);
}

rd_kafka_resp_err_t tb_kafka_query_topic(rd_kafka_t *rk, rd_kafka_topic_t *topic, int timeout_ms,
                                         struct kafka_topic_layout *ret_layout)
{
    const struct rd_kafka_metadata *found = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, topic, &found, timeout_ms);

    if (code)
        return code;
    *ret_layout = (struct kafka_topic_layout){.has_leaders = true};
    if (found->topic_cnt == 1) {
        const struct rd_kafka_metadata_topic *metadata = &found->topics[0];

        code = metadata->err;
        ret_layout->partitions = metadata->partition_cnt;
        for (int i = 0; i < metadata->partition_cnt; i++)
            ret_layout->has_leaders &= metadata->partitions[i].leader >= 0;
    }
    rd_kafka_metadata_destroy(found);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        ret_layout->partitions = 0;
        code = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    return code;
}

/* Sets each element's offset. Not by rd_kafka_query_watermark_offsets, which ignores its time-out
 * while a partition has no leader. */
static rd_kafka_resp_err_t list_offsets(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list,
                                        int64_t which)
{
    rd_kafka_resp_err_t code;

    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = which; /* the protocol sends begin and end as special times */
    code = rd_kafka_offsets_for_times(rk, list, TB_KAFKA_QUERY_TIMEOUT_MS);
    for (int i = 0; i < list->cnt && !code; i++)
        code = list->elems[i].err;
    return code;
}

rd_kafka_resp_err_t tb_kafka_query_watermarks(rd_kafka_t *rk,
                                              rd_kafka_topic_partition_list_t *list,
                                              struct tb_log_range *ranges)
{
    rd_kafka_resp_err_t code = list_offsets(rk, list, RD_KAFKA_OFFSET_BEGINNING);

    for (int i = 0; i < list->cnt && !code; i++)
        ranges[list->elems[i].partition].begin = list->elems[i].offset;
    if (!code)
        code = list_offsets(rk, list, RD_KAFKA_OFFSET_END);
    for (int i = 0; i < list->cnt && !code; i++)
        ranges[list->elems[i].partition].end = list->elems[i].offset;
    return code;
}

void tb_kafka_partition_mismatch(const char *topic, int count, int expected, bool more,
                                 char ret_text[240])
{
    int len =
        snprintf(ret_text, 240, "topic %.60s has %d partitions, not %d: ", topic, count, expected);

    if (more)
        snprintf(ret_text + len, 240 - (size_t)len,
                 "add partitions with kafka-topics.sh --alter --topic %.60s --partitions %d",
                 topic, expected);
    else
        snprintf(ret_text + len, 240 - (size_t)len,
                 "set [kafka] partitions to %d, here and at every other till and central", count);
}

static bool is_right(const struct tb_log_kafka_options *options, int partitions)
{
    return options->partitions <= 0 || partitions == options->partitions ||
           (options->more_partitions && partitions > options->partitions);
}

static enum kafka_cluster_state check_topic(const struct kafka_handle *handle,
                                            const struct tb_log_kafka_options *options,
                                            bool was_ready, struct kafka_problem *problem)
{
    const char *name = rd_kafka_topic_name(handle->topic);
    struct kafka_topic_layout layout = {0};
    rd_kafka_resp_err_t code =
        tb_kafka_query_topic(handle->rk, handle->topic, TB_KAFKA_QUERY_TIMEOUT_MS, &layout);
    char text[240];

    if (code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__TIMED_OUT)
        return KAFKA_DOWN;
    if (code && was_ready) /* not for long, or a record's answer will tell */
        return KAFKA_READY;
    if (!code && layout.partitions > 0 && is_right(options, layout.partitions))
        return KAFKA_READY;
    if (code)
        snprintf(text, sizeof text, "topic %s: %s", name, rd_kafka_err2str(code));
    else if (layout.partitions == 0)
        snprintf(text, sizeof text, "topic %s is not there", name);
    else
        tb_kafka_partition_mismatch(name, layout.partitions, options->partitions,
                                    options->more_partitions, text);
    tb_kafka_problem_set(problem, KAFKA_PROBLEM_CONNECTION, "%s", text);
    return KAFKA_MISCONFIGURED;
}

void tb_kafka_cluster_check(struct kafka_cluster *cluster, const struct kafka_handle *handle,
                            const struct tb_log_kafka_options *options,
                            struct kafka_problem *problem)
{
    int64_t now_ms = tb_clock_mono_ms(options->clock);
    struct kafka_topic_layout ignored;
    enum kafka_cluster_state state;

    if (now_ms < cluster->check_at_ms ||
        (cluster->state == KAFKA_READY && options->partitions <= 0))
        return;
    cluster->check_at_ms =
        now_ms + (cluster->state == KAFKA_READY ? TB_KAFKA_READY_RECHECK_MS : TB_KAFKA_RECHECK_MS);
    /* A query with time-out 0 tells whether a broker is connected: it times out if one is, and
     * only then the real query below may wait. */
    if (tb_kafka_query_topic(handle->rk, handle->topic, 0, &ignored) ==
        RD_KAFKA_RESP_ERR__TRANSPORT)
        return;
    state = check_topic(handle, options, cluster->state == KAFKA_READY, problem);
    if (state == KAFKA_DOWN)
        return;
    cluster->state = state;
    cluster->cause[0] = '\0';
    if (state == KAFKA_READY)
        cluster->check_at_ms = now_ms + TB_KAFKA_READY_RECHECK_MS;
    if (state == KAFKA_READY)
        tb_kafka_problem_set(problem, KAFKA_PROBLEM_CONNECTION, "%s", "");
}

static bool is_connection_error(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__TIMED_OUT ||
           code == RD_KAFKA_RESP_ERR__RESOLVE;
}

/* A single lost connection is no problem: librdkafka opens another, and reports ALL_BROKERS_DOWN
 * if it cannot. The problem's text then is the last connection error, which says more. */
void tb_kafka_cluster_on_error(struct kafka_cluster *cluster,
                               const struct tb_log_kafka_options *options,
                               struct kafka_problem *problem, rd_kafka_resp_err_t code,
                               const char *text)
{
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        tb_kafka_plain_error(code, text, cluster->cause);
    if (is_connection_error(code) && cluster->state == KAFKA_READY)
        return;
    tb_kafka_problem_set(problem, KAFKA_PROBLEM_CONNECTION, "%s",
                         cluster->cause[0] ? cluster->cause : "no broker answers");
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        cluster->state = KAFKA_DOWN;
        cluster->check_at_ms = 0;
    } else if (!is_connection_error(code)) {
        cluster->state = KAFKA_MISCONFIGURED;
        cluster->check_at_ms = tb_clock_mono_ms(options->clock) + REFUSED_MS;
    }
}

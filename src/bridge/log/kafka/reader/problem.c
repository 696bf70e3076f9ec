#include "bridge/log/kafka/reader/reader_priv.h"
#include <inttypes.h>
#include <stdio.h>

/* librdkafka reports these once. The text stays until partitions are assigned or records arrive.
 */
static bool is_group_error(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        return true;
    default:
        return false;
    }
}

void tb_kafka_reader_on_error(struct kafka_reader *reader, rd_kafka_resp_err_t code,
                              const char *text)
{
    bool group_error = is_group_error(code);

    if (!group_error && code != RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        tb_kafka_cluster_on_error(&reader->cluster, &reader->options, &reader->problem, code,
                                  text);
        return;
    }
    if (group_error && reader->role != KAFKA_MEMBER)
        return;
    snprintf(reader->refused, sizeof reader->refused, "%s %s: %s", group_error ? "group" : "topic",
             group_error ? reader->group : reader->topic, rd_kafka_err2str(code));
    tb_kafka_reader_update_problem(reader);
}

void tb_kafka_reader_update_problem(struct kafka_reader *reader)
{
    const char *text = reader->refused[0] ? reader->refused : reader->commit_failed;
    char forming[200];

    for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX; p++) {
        const struct kafka_reader_partition *part = &reader->parts[p];

        if (!part->assigned || !part->corrupt)
            continue;
        tb_kafka_problem_set(&reader->problem, KAFKA_PROBLEM_OPERATION,
                             "%s-%d is stopped at %" PRId64 ": %s", reader->topic, (int)p,
                             part->next, part->why);
        return;
    }
    if (reader->unassigned_too_long && !reader->refused[0]) {
        snprintf(forming, sizeof forming, "group %s is still being formed", reader->group);
        text = forming;
    }
    tb_kafka_problem_set(&reader->problem, KAFKA_PROBLEM_OPERATION, "%s", text);
}

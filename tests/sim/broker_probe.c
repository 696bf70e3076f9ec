#include "bridge/log/kafka/record_probe.h"
#include "sim/broker.h"
#include <stdlib.h>

struct tb_log_probe {
    int client;
    size_t count;
    struct tb_log_probe_position positions[];
};

enum tb_code tb_log_probe_open(const struct tb_log_kafka_options *options, const char *topic,
                               const struct tb_log_probe_position *positions, size_t count,
                               struct tb_log_probe **ret_probe, struct tb_error *err)
{
    struct tb_log_probe *probe = calloc(1, sizeof *probe + count * sizeof *positions);

    TB_ASSERT(probe && broker_topic_of(topic) == BROKER_EVENTS);
    probe->client = broker_client(broker_now, options->client_id);
    probe->count = count;
    memcpy(probe->positions, positions, count * sizeof *positions);
    if (broker_reaches(broker_now, probe->client)) {
        *ret_probe = probe;
        return TB_OK;
    }
    free(probe);
    return tb_error_set(err, TB_UNAVAILABLE, "the simulated broker does not answer");
}

enum tb_code tb_log_probe_step(struct tb_log_probe *probe, bool *ret_done, struct tb_error *err)
{
    if (!broker_reaches(broker_now, probe->client) || broker_chance(broker_now, 8))
        return tb_error_set(err, TB_UNAVAILABLE, "the simulated broker does not answer");
    for (size_t i = 0; i < probe->count; i++) {
        struct tb_log_probe_position *position = &probe->positions[i];
        const struct broker_partition *part =
            &broker_now->topics[BROKER_EVENTS][position->partition];
        bool there = position->offset < (int64_t)part->count &&
                     tb_str_eq(tb_record_header(&part->records[position->offset], "ce_id"),
                               tb_str_of(position->event_id));

        position->result = there ? TB_LOG_PROBE_THERE : TB_LOG_PROBE_LOST;
    }
    *ret_done = true;
    return TB_OK;
}

const struct tb_log_probe_position *tb_log_probe_positions(const struct tb_log_probe *probe)
{
    return probe->positions;
}

void tb_log_probe_free(struct tb_log_probe *probe)
{
    free(probe);
}

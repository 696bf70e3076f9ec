/* A build without librdkafka: the connected edition is refused, so that the rest is never used. */
#include "edge/kafka_uplink.h"

enum tb_code tb_edge_kafka_open(const struct tb_edge_kafka_options *options,
                                struct tb_edge_kafka **ret_kafka, struct tb_error *err)
{
    (void)options, (void)ret_kafka;
    return tb_error_set(err, TB_INVALID,
                        "log.kind = kafka: this program was built without Kafka "
                        "(-DTILLBOX_KAFKA=OFF); only inproc is there");
}

enum tb_code tb_edge_kafka_start(struct tb_edge_kafka *kafka, struct tb_error *err)
{
    (void)kafka;
    return tb_error_set(err, TB_INTERNAL, "built without Kafka");
}

void tb_edge_kafka_stop(struct tb_edge_kafka *kafka)
{
    (void)kafka;
}

void tb_edge_kafka_free(struct tb_edge_kafka *kafka)
{
    (void)kafka;
}

void tb_edge_kafka_wake(struct tb_edge_kafka *kafka)
{
    (void)kafka;
}

void tb_edge_kafka_force(struct tb_edge_kafka *kafka, bool offline)
{
    (void)kafka, (void)offline;
}

void tb_edge_kafka_figures(const struct tb_edge_kafka *kafka, struct tb_link_figures *ret_figures)
{
    (void)kafka, (void)ret_figures;
}

int64_t tb_edge_kafka_event_max(void)
{
    return 0;
}

/* A build without librdkafka: the connected edition is refused, so that the rest is never used. */
#include "edge/kafka_uplink.h"

enum tb_code tb_kafka_uplink_open(const struct tb_kafka_uplink_options *options,
                                  struct tb_kafka_uplink **ret_kafka, struct tb_error *err)
{
    (void)options, (void)ret_kafka;
    return tb_error_set(err, TB_INVALID,
                        "log.kind = kafka: this program was built without Kafka "
                        "(-DTILLBOX_KAFKA=OFF); only inproc is there");
}

enum tb_code tb_kafka_uplink_start(struct tb_kafka_uplink *kafka, struct tb_error *err)
{
    (void)kafka;
    return tb_error_set(err, TB_INTERNAL, "built without Kafka");
}

void tb_kafka_uplink_stop(struct tb_kafka_uplink *kafka)
{
    (void)kafka;
}

void tb_kafka_uplink_free(struct tb_kafka_uplink *kafka)
{
    (void)kafka;
}

void tb_kafka_uplink_wake(struct tb_kafka_uplink *kafka)
{
    (void)kafka;
}

void tb_kafka_uplink_set_offline(struct tb_kafka_uplink *kafka, bool offline)
{
    (void)kafka, (void)offline;
}

void tb_kafka_uplink_status(const struct tb_kafka_uplink *kafka,
                            struct tb_link_status *ret_figures)
{
    (void)kafka, (void)ret_figures;
}

int64_t tb_kafka_uplink_event_max(void)
{
    return 0;
}

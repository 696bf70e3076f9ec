/* For a build without librdkafka: open fails, so the other functions are never called. */
#include "edge/kafka_uplink.h"

enum tb_code tb_kafka_uplink_open(const struct tb_kafka_uplink_options *options,
                                  struct tb_kafka_uplink **ret_uplink, struct tb_error *err)
{
    (void)options, (void)ret_uplink;
    return tb_error_set(err, TB_INVALID,
                        "log.kind = kafka: this program was built without Kafka "
                        "(-DTILLBOX_KAFKA=OFF); only inproc is there");
}

enum tb_code tb_kafka_uplink_start(struct tb_kafka_uplink *uplink, struct tb_error *err)
{
    (void)uplink;
    return tb_error_set(err, TB_INTERNAL, "built without Kafka");
}

void tb_kafka_uplink_stop(struct tb_kafka_uplink *uplink)
{
    (void)uplink;
}

void tb_kafka_uplink_free(struct tb_kafka_uplink *uplink)
{
    (void)uplink;
}

void tb_kafka_uplink_wake(struct tb_kafka_uplink *uplink)
{
    (void)uplink;
}

void tb_kafka_uplink_unpark(struct tb_kafka_uplink *uplink)
{
    (void)uplink;
}

void tb_kafka_uplink_resend(struct tb_kafka_uplink *uplink)
{
    (void)uplink;
}

void tb_kafka_uplink_set_offline(struct tb_kafka_uplink *uplink, bool offline)
{
    (void)uplink, (void)offline;
}

void tb_kafka_uplink_status(struct tb_kafka_uplink *uplink, struct tb_link_status *ret_status)
{
    (void)uplink, (void)ret_status;
}

int64_t tb_kafka_uplink_event_max(void)
{
    return 0;
}

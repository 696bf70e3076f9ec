/* The way to Kafka: a second relay with a cursor of its own, the link and the heartbeats, all on
 * one thread. Nobody who takes an order waits for any of it.
 *
 * Thread:  open, start, step, stop and free from one thread; the rest from any.
 * Memory:  borrows what its options point to.
 * Errors:  TB_INVALID: the settings are wrong, or this build has no Kafka. What the cluster or
 *          the network refuses is a problem to show, never an error.
 * Units:   milliseconds. */
#pragma once
#include "api/api.h"
#include "base/config/config.h"

struct tb_kafka_uplink_options {
    const struct tb_config *config;
    const char *store_path;
    bool forced_offline;
    const struct tb_clock *clock;
    const struct tb_random *random;
    /* As the relay's, on its thread; a reason is always given. */
    void (*moved)(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms);
    bool (*park)(void *ctx, const char *cursor_name, const char *order_id, int64_t row,
                 const char *reason);
    void *ctx;
};
struct tb_kafka_uplink;
TB_CHECKED enum tb_code tb_kafka_uplink_open(const struct tb_kafka_uplink_options *options,
                                             struct tb_kafka_uplink **ret_kafka,
                                             struct tb_error *err);
TB_CHECKED enum tb_code tb_kafka_uplink_start(struct tb_kafka_uplink *kafka, struct tb_error *err);
/* For an owner with a loop of its own, instead of start and stop: one round; returns milliseconds
 * to wait for the next. */
int64_t tb_kafka_uplink_step(struct tb_kafka_uplink *kafka);
void tb_kafka_uplink_stop(struct tb_kafka_uplink *kafka); /* waits for the thread; NULL is fine */
void tb_kafka_uplink_free(struct tb_kafka_uplink *kafka); /* NULL is fine */
void tb_kafka_uplink_wake(struct tb_kafka_uplink *kafka); /* the outbox has more */
void tb_kafka_uplink_set_offline(struct tb_kafka_uplink *kafka, bool offline);
void tb_kafka_uplink_status(const struct tb_kafka_uplink *kafka,
                            struct tb_link_status *ret_figures);
/* Room for an event and its traceparent; what is larger a broker would refuse. */
int64_t tb_kafka_uplink_event_max(void);

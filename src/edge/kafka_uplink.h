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

struct tb_edge_kafka_options {
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
struct tb_edge_kafka;
TB_CHECKED enum tb_code tb_edge_kafka_open(const struct tb_edge_kafka_options *options,
                                           struct tb_edge_kafka **ret_kafka, struct tb_error *err);
TB_CHECKED enum tb_code tb_edge_kafka_start(struct tb_edge_kafka *kafka, struct tb_error *err);
/* For an owner with a loop of its own, instead of start and stop: one round; returns milliseconds
 * to wait for the next. */
int64_t tb_edge_kafka_step(struct tb_edge_kafka *kafka);
void tb_edge_kafka_stop(struct tb_edge_kafka *kafka); /* waits for the thread; NULL is fine */
void tb_edge_kafka_free(struct tb_edge_kafka *kafka); /* NULL is fine */
void tb_edge_kafka_wake(struct tb_edge_kafka *kafka); /* the outbox has more */
void tb_edge_kafka_force(struct tb_edge_kafka *kafka, bool offline);
void tb_edge_kafka_figures(const struct tb_edge_kafka *kafka, struct tb_link_figures *ret_figures);
/* Room for an event and its traceparent; what is larger a broker would refuse. */
int64_t tb_edge_kafka_event_max(void);

/* Looks whether Kafka still has the records that it has acknowledged: after each connection, each
 * hour, and when it acknowledges a record where it had one before. If it does not, the relay sends
 * again what is missing. Until a new connection has looked, the store keeps the places of before:
 * what is acknowledged meanwhile may be behind what is lost, and must not hide it.
 *
 * Thread:  the uplink's. */
#pragma once
#include "bridge/log/kafka/record_probe.h"
#include "bridge/log/kafka/setup.h"
#include "bridge/relay/relay.h"

struct tb_log_check_options {
    const struct tb_kafka_setup *setup;
    struct tb_outbox_reader *outbox;
    struct tb_relay *relay;
    const struct tb_relay_resend_options *resend;
    const struct tb_clock *clock;
    bool hold; /* [link] on_log_loss = alarm: only note what is lost */
};
struct tb_log_check {
    struct tb_log_check_options options;
    struct tb_log_probe *probe; /* NULL: none is under way */
    bool connected;             /* at the last step */
    bool has_looked;            /* since it is connected */
    bool blocks;                /* nothing may be sent before the result is known */
    int64_t due_ms, blocks_until_ms, checked_ms; /* monotonic */
    struct tb_delivered delivered[TB_DELIVERED_MAX];
    size_t count;
};
void tb_log_check_release(struct tb_log_check *check); /* zeroed is fine */
/* Returns how many milliseconds to wait before the next step. */
int64_t tb_log_check_step(struct tb_log_check *check, bool connected);

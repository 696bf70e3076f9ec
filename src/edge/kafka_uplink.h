/* The uplink to Kafka: a second relay with its own cursor, the link and the heartbeats, all on one
 * thread. No thread that takes orders waits for it.
 *
 * Thread:  open, start, step, stop and free from one thread; the rest from any.
 * Memory:  borrows what its options point to.
 * Errors:  TB_INVALID: the settings are wrong, or this build has no Kafka. A fault of the cluster
 * or the network is no error: the link status shows it. */
#pragma once
#include "api/api.h"
#include "base/config/config.h"
#include "bridge/relay/resend.h"

/* When there are too few cores, a thread with this priority gets about a third of the time of one
 * that takes orders: the view may fall behind for a moment, the taking of orders may not. */
#define TB_NICE_BEHIND_ORDERS 5

struct tb_kafka_uplink_options {
    const struct tb_config *config;
    const char *store_path;
    bool forced_offline;
    const struct tb_clock *clock;
    const struct tb_random *random;
    /* As in struct tb_relay_options, on the uplink's thread; reason is never "". */
    void (*on_cursor)(void *ctx, const char *cursor_name, int64_t row, int64_t at_ms);
    void (*on_snapshots)(void *ctx, const char *cursor_name, int64_t next);
    bool (*park)(void *ctx, const char *cursor_name, const struct tb_parked_order *order,
                 const char *reason);
    bool (*unparked)(void *ctx, const char *cursor_name, const char *order_id);
    /* Kafka has acknowledged a heartbeat (bridge/relay/heartbeat.h). */
    void (*on_heartbeat)(void *ctx, const char *epoch, int64_t sequence, int64_t number);
    const struct tb_relay_resend_options *resend; /* NULL: what Kafka loses is not sent again */
    void *ctx;
};
struct tb_kafka_uplink;
TB_CHECKED enum tb_code tb_kafka_uplink_open(const struct tb_kafka_uplink_options *options,
                                             struct tb_kafka_uplink **ret_uplink,
                                             struct tb_error *err);
TB_CHECKED enum tb_code tb_kafka_uplink_start(struct tb_kafka_uplink *uplink,
                                              struct tb_error *err);
/* Does one round. For an owner with its own loop, which calls neither start nor stop. Returns how
 * many milliseconds to wait before the next round. */
int64_t tb_kafka_uplink_step(struct tb_kafka_uplink *uplink);
void tb_kafka_uplink_stop(struct tb_kafka_uplink *uplink); /* waits for the end of the thread */
void tb_kafka_uplink_free(struct tb_kafka_uplink *uplink); /* NULL is fine */
void tb_kafka_uplink_wake(struct tb_kafka_uplink *uplink); /* the outbox has more rows */
/* The store has requests to send parked orders again. */
void tb_kafka_uplink_unpark(struct tb_kafka_uplink *uplink);
/* The store has a request to send events again. */
void tb_kafka_uplink_resend(struct tb_kafka_uplink *uplink);
void tb_kafka_uplink_set_offline(struct tb_kafka_uplink *uplink, bool offline);
void tb_kafka_uplink_status(struct tb_kafka_uplink *uplink, struct tb_link_status *ret_status);
/* The largest event, in bytes, that a broker accepts together with its traceparent. */
int64_t tb_kafka_uplink_event_max(void);

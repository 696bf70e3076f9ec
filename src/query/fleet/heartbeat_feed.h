/* The node feed: heartbeats from the topic node-status into what is known of each node.
 *
 * What is no heartbeat is counted and passed by. A heartbeat that cannot be noted is tried again
 * for ever, while the reader goes on being served; noting one twice changes nothing.
 *
 * Thread:  step from the owner; wake the reader from any.
 * Memory:  borrows its options; what it keeps of a batch is its own.
 * Errors:  none leaves it: trouble is told once, and so is its end.
 * Units:   milliseconds. */
#pragma once
#include "base/time/backoff.h"
#include "bridge/log/log.h"
#include "query/fleet/nodes.h"

/* Heartbeats kept at once; a batch of the log may be longer and is then taken in parts. */
#define TB_HEARTBEAT_FEED_MAX 256

struct tb_heartbeat_feed_options {
    struct tb_log_reader *reader;
    const struct tb_clock *clock;
    const struct tb_random *random;
    /* All of them, in this order. */
    enum tb_code (*note)(void *ctx, const struct tb_heartbeat_record *list, size_t count,
                         struct tb_error *err);
    /* Once per change: what fails, or a code of TB_OK when it works again. */
    void (*trouble)(void *ctx, const struct tb_error *err);
    void *ctx;
};
struct tb_heartbeat_feed {
    struct tb_heartbeat_feed_options options;
    /* Zero at first. */
    struct tb_backoff backoff;
    struct tb_heartbeat_record kept[TB_HEARTBEAT_FEED_MAX]; /* of the last batch, not noted yet */
    size_t kept_count;
    bool owed; /* the log has not been told that the batch is done */
    int32_t owed_partition;
    int64_t owed_next;
    bool paused, failing;
    int64_t retry_at_ms; /* monotonic */
    uint64_t strange;    /* records that are no heartbeats */
};
void tb_heartbeat_feed_init(struct tb_heartbeat_feed *feed,
                            const struct tb_heartbeat_feed_options *options);
/* One batch, or nothing. Waits for records at most wait_ms; returns how long to pause then. */
int64_t tb_heartbeat_feed_step(struct tb_heartbeat_feed *feed, int64_t wait_ms);

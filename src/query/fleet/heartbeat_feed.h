/* Heartbeat feed: reads heartbeats from the topic node-status and saves them.
 *
 * A record that is no heartbeat is counted and skipped. A heartbeat that cannot be saved is
 * retried for ever while the reader is polled on; saving one twice changes nothing.
 *
 * Thread:  one owner; any thread may wake the reader.
 * Memory:  its options belong to the caller; it copies the heartbeats of a batch.
 * Errors:  reported once per outage, and so is its end. */
#pragma once
#include "base/time/backoff.h"
#include "bridge/log/place.h"
#include "query/fleet/nodes.h"

/* Heartbeats that are read and saved together. */
#define TB_HEARTBEAT_FEED_MAX 256

struct tb_heartbeat_feed_options {
    struct tb_log_reader *reader;
    const struct tb_clock *clock;
    const struct tb_random *random;
    /* Saves all of them, in this order. */
    enum tb_code (*save)(void *ctx, const struct tb_heartbeat_record *list, size_t count,
                         struct tb_error *err);
    /* All records before the place are saved. NULL: nobody stores it. */
    enum tb_code (*passed)(void *ctx, int32_t partition, const struct tb_log_place *place,
                           struct tb_error *err);
    /* Once per outage: the error that began it, and TB_OK when it is over. */
    void (*on_outage)(void *ctx, const struct tb_error *err);
    void *ctx;
};
struct tb_heartbeat_feed {
    struct tb_heartbeat_feed_options options;
    struct tb_backoff backoff;
    struct tb_heartbeat_record unsaved[TB_HEARTBEAT_FEED_MAX]; /* of the last batch */
    size_t unsaved_count;
    bool commit_due; /* the batch's next offset is not committed to the log yet */
    int32_t commit_partition;
    struct tb_log_place commit_place;
    bool paused, failing;
    int64_t retry_at_ms;    /* monotonic */
    uint64_t invalid_count; /* records that are no heartbeats */
};
void tb_heartbeat_feed_init(struct tb_heartbeat_feed *feed,
                            const struct tb_heartbeat_feed_options *options);
/* Handles one batch, or none. Waits at most wait_ms for records; returns for how many
 * milliseconds to pause. */
int64_t tb_heartbeat_feed_step(struct tb_heartbeat_feed *feed, int64_t wait_ms);

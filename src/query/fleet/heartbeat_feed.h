/* Heartbeat feed: reads heartbeats from the topic node-status and saves them.
 *
 * When a heartbeat arrived the log's timestamp says. If the topic keeps the sender's time instead,
 * which is by the very clock that is to be judged, the central's clock says it, but only of
 * heartbeats that came while the central was waiting for them: those of a backlog it reads long
 * after they arrived (nodes.h says what is made of them). It was waiting if it had read the
 * partition up to its end, and has polled without a failure or a pause since.
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

/* A central that has not polled for so long, beyond what a poll waits, was not watching: it was
 * stopped, or its machine slept. */
#define TB_HEARTBEAT_FEED_GAP_MS 5000
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
    bool at_end[TB_LOG_PARTITIONS_MAX];          /* read up to the end, and watched since */
    uint64_t assignments[TB_LOG_PARTITIONS_MAX]; /* the one of at_end */
    int64_t polled_at_ms;                        /* when the last poll ended; our wall clock */
    bool paused, failing;
    int64_t retry_at_ms;    /* monotonic */
    uint64_t invalid_count; /* records that are no heartbeats */
};
void tb_heartbeat_feed_init(struct tb_heartbeat_feed *feed,
                            const struct tb_heartbeat_feed_options *options);
/* Handles one batch, or none. Waits at most wait_ms for records; returns for how many
 * milliseconds to pause. */
int64_t tb_heartbeat_feed_step(struct tb_heartbeat_feed *feed, int64_t wait_ms);

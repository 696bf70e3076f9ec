#include "query/fleet/heartbeat_feed.h"

#define RETRY_BASE_MS 100
#define RETRY_CAP_MS 5000
/* Limits of a heartbeat, which is a flat object. */
#define DEPTH_MAX 8
#define VALUE_MAX 4096

void tb_heartbeat_feed_init(struct tb_heartbeat_feed *feed,
                            const struct tb_heartbeat_feed_options *options)
{
    memset(feed, 0, sizeof *feed);
    feed->options = *options;
    feed->backoff = (struct tb_backoff){.base_ms = RETRY_BASE_MS, .cap_ms = RETRY_CAP_MS};
}

static void forget_ends(struct tb_heartbeat_feed *feed)
{
    memset(feed->at_end, 0, sizeof feed->at_end);
}

/* Has the batch come while we were waiting for it? Notes whether we will be for the next one. */
static bool watch(struct tb_heartbeat_feed *feed, const struct tb_log_batch *batch)
{
    struct tb_log_reader *reader = feed->options.reader;
    int64_t next = batch->records[batch->count - 1].offset + 1;
    bool *at_end = &feed->at_end[batch->partition];
    bool watched = *at_end && feed->assignments[batch->partition] == batch->assignment;
    struct tb_log_range range;
    struct tb_error err = {0};

    if (reader->ops->position)
        next = reader->ops->position(reader, batch->partition);
    *at_end = next >= 0 && reader->ops->range(reader, batch->partition, &range, &err) == TB_OK &&
              next >= range.end;
    feed->assignments[batch->partition] = batch->assignment;
    return watched;
}

static bool read_heartbeat(const struct tb_record *record, struct tb_heartbeat *ret_heartbeat)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *root = NULL;
    struct tb_error err = {0};

    if (!record->value.ptr || record->value.len > VALUE_MAX ||
        tb_json_parse(record->value, DEPTH_MAX, &root, &err) != TB_OK ||
        tb_heartbeat_decode(root, ret_heartbeat, &err) != TB_OK)
        return false;
    ret_heartbeat->arrived_at_ms = record->timestamp_ms;
    ret_heartbeat->arrival_seen = true;
    return true;
}

/* Ends of partitions are asked for only where they matter. */
static bool has_sender_time(const struct tb_log_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->records[i].sender_time)
            return true;
    }
    return false;
}

static void add_batch(struct tb_heartbeat_feed *feed, const struct tb_log_batch *batch)
{
    bool watched = has_sender_time(batch) && watch(feed, batch);

    for (size_t i = 0; i < batch->count; i++) {
        struct tb_heartbeat_record *next = &feed->unsaved[feed->unsaved_count];

        if (!read_heartbeat(&batch->records[i], &next->heartbeat)) {
            feed->invalid_count++;
            continue;
        }
        if (batch->records[i].sender_time) {
            next->heartbeat.arrived_at_ms = feed->polled_at_ms;
            next->heartbeat.arrival_seen = watched;
        }
        next->offset = batch->records[i].offset;
        feed->unsaved_count++;
    }
    feed->commit_due = true;
    feed->commit_partition = batch->partition;
    tb_log_place_set(&feed->commit_place, &batch->records[batch->count - 1]);
}

/* Saves the heartbeats that are not saved yet, and commits their offset. */
static enum tb_code save(struct tb_heartbeat_feed *feed, struct tb_error *err)
{
    struct tb_log_reader *reader = feed->options.reader;

    if (feed->unsaved_count > 0)
        TB_TRY(feed->options.save(feed->options.ctx, feed->unsaved, feed->unsaved_count, err));
    feed->unsaved_count = 0;
    if (feed->commit_due && feed->options.passed)
        TB_TRY(feed->options.passed(feed->options.ctx, feed->commit_partition, &feed->commit_place,
                                    err));
    if (feed->commit_due)
        TB_TRY(reader->ops->commit(reader, feed->commit_partition, feed->commit_place.next, err));
    feed->commit_due = false;
    return TB_OK;
}

static enum tb_code set_paused(struct tb_heartbeat_feed *feed, bool paused, struct tb_error *err)
{
    struct tb_log_reader *reader = feed->options.reader;

    if (feed->paused == paused || !reader->ops->pause)
        return TB_OK;
    TB_TRY(reader->ops->pause(reader, paused, err));
    feed->paused = paused;
    return TB_OK;
}

static enum tb_code poll(struct tb_heartbeat_feed *feed, int64_t wait_ms,
                         struct tb_log_batch *ret_batch, struct tb_error *err)
{
    struct tb_log_reader *reader = feed->options.reader;
    int64_t before_ms = feed->polled_at_ms;

    TB_TRY(reader->ops->poll(reader, TB_HEARTBEAT_FEED_MAX, wait_ms, ret_batch, err));
    feed->polled_at_ms = tb_clock_wall_ms(feed->options.clock);
    if (feed->polled_at_ms - before_ms > wait_ms + TB_HEARTBEAT_FEED_GAP_MS)
        forget_ends(feed);
    return TB_OK;
}

static enum tb_code work(struct tb_heartbeat_feed *feed, int64_t wait_ms, struct tb_error *err)
{
    struct tb_log_batch batch = {0};

    TB_TRY(save(feed, err));
    TB_TRY(set_paused(feed, false, err));
    /* While failing, an answer without records shows that the log works again. */
    TB_TRY(poll(feed, feed->failing ? 0 : wait_ms, &batch, err));
    if (batch.count > 0)
        add_batch(feed, &batch);
    return save(feed, err);
}

static void set_failing(struct tb_heartbeat_feed *feed, bool failing, const struct tb_error *err)
{
    if (feed->failing == failing)
        return;
    feed->failing = failing;
    feed->options.on_outage(feed->options.ctx, err);
}

/* The partition went to another reader, which saves and commits its records. */
static void drop_lost(struct tb_heartbeat_feed *feed)
{
    struct tb_log_reader *reader = feed->options.reader;

    if (!feed->commit_due || !reader->ops->is_assigned ||
        reader->ops->is_assigned(reader, feed->commit_partition))
        return;
    feed->unsaved_count = 0;
    feed->commit_due = false;
}

/* Waits for the next try. The group would expel a reader that is not polled. */
static int64_t poll_paused(struct tb_heartbeat_feed *feed, int64_t left_ms)
{
    struct tb_log_reader *reader = feed->options.reader;
    struct tb_log_batch none = {0};
    struct tb_error err = {0};
    enum tb_code code;

    if (!feed->paused)
        return left_ms;
    code = reader->ops->poll(reader, /* max= */ 0, left_ms, &none, &err);
    drop_lost(feed);
    return code == TB_OK ? 0 : left_ms; /* a poll that fails does not wait */
}

int64_t tb_heartbeat_feed_step(struct tb_heartbeat_feed *feed, int64_t wait_ms)
{
    static const struct tb_error none = {.code = TB_OK};
    int64_t now_ms = tb_clock_mono_ms(feed->options.clock);
    struct tb_error err = {0}, ignored = {0};

    if (feed->failing && now_ms < feed->retry_at_ms) {
        int64_t left_ms = feed->retry_at_ms - now_ms;
        return poll_paused(feed, left_ms < wait_ms ? left_ms : wait_ms);
    }
    if (work(feed, wait_ms, &err) == TB_OK) {
        set_failing(feed, false, &none);
        tb_backoff_reset(&feed->backoff);
        return 0;
    }
    set_failing(feed, true, &err);
    forget_ends(feed);
    feed->retry_at_ms = now_ms + tb_backoff_next_ms(&feed->backoff, feed->options.random);
    (void)!set_paused(feed, true, &ignored);
    return 0;
}

/* Consumer: reads the log in batches and makes a plan of each; sends the plan's dead letters,
 * commits the plan to the view, and then the offset to the log.
 *
 * It starts at the offset that the view has, or at the beginning of the log; if the view stores no
 * offsets, it starts where the log positions the reader. An error of log or view is retried
 * without end with back-off and never counts against an event. Meanwhile a reader that belongs to
 * a group is paused and still polled, so that it keeps its partitions; if another reader gets the
 * partition of a batch, the batch is abandoned, because that reader reads it again.
 * An order that the view refuses is tried again; then its last record becomes a dead letter, and
 * the batch is planned again without it.
 * With a dead-letter topic, a node with too many dead letters in a minute is parked for a minute:
 * its records become dead letters without being judged. Too many dead letters of several nodes for
 * the same reason mean that this program is at fault: the consumer stops, keeps its partitions,
 * and reports it until it is started anew.
 * A dead letter with reason gap is redriven within 30 s after the order has reached the version
 * before it, in version order; one with reason parked, when its node is not parked any more; both
 * TB_REDRIVES_MAX times in a row at most.
 *
 * Thread:  step and run from the owner; stop, drop_dead_letter, call and stats from any thread.
 * Memory:  what its options point to belongs to the caller.
 * Errors:  of log and view go to the callbacks and the statistics, never to the caller. */
#pragma once
#include "base/diag/metrics.h"
#include "base/time/uptime.h"
#include "query/projection/view.h"

/* More of one node within a minute park the node; more of several nodes stop the consumer: a
 * release that cannot read its events must not move the whole topic into the dead letters. Of
 * records without a node no more are kept. */
#define TB_DEAD_LETTERS_PER_MINUTE 100

/* A difference of wall clocks that is below 0 or above this says that a clock was set, or that an
 * outage was so long that an average with it would say nothing. */
#define TB_END_TO_END_MAX_MS INT64_C(86400000)

struct tb_consumer_stats {
    struct tb_counter events[TB_EVENT_RESULT_COUNT];
    struct tb_histogram end_to_end_us;    /* commit at the till to visible, by the wall clocks */
    struct tb_counter end_to_end_unknown; /* events left out of it: see TB_END_TO_END_MAX_MS */
    _Atomic int64_t applied_at_ms;        /* wall time of the last commit of a plan; 0: none */
    _Atomic bool failing;
    _Atomic bool stopped; /* too many dead letters; failing too */
};
struct tb_consumer_options {
    struct tb_log_reader *reader; /* NULL: open makes it */
    struct tb_view *view;
    const struct tb_clock *clock;
    const struct tb_random *random;
    struct tb_plan_rules rules;
    int64_t dead_letter_keep_ms; /* below 0: for ever */
    /* Of the node: the time by which dead letters expire. NULL: the wall clock, as long as it is
     * not later than the newest record says. */
    const struct tb_uptime *uptime;
    /* The dead-letter topic; NULL: the view stores dead letters. */
    struct tb_log_writer *dead_letters;
    /* With dead_letters: the topic that is read, and the consumer group. redrive: the topic. */
    const char *topic, *group;
    int32_t partitions; /* of the topic; 0: one */
    /* With reader NULL: called until it is TB_OK, before anything is read. A reader that joins a
     * group takes partitions from others, so everything that it needs must be there first. */
    enum tb_code (*open)(void *ctx, struct tb_log_reader **ret_reader, struct tb_error *err);
    /* Called on the consumer's thread after a plan's changed orders have become visible, perhaps
     * at a later version already. Texts of the orders that point into records are invalid. */
    void (*on_applied)(void *ctx, const struct tb_plan *plan);
    /* Once per outage: the error that began it, and TB_OK when it is over. */
    void (*on_outage)(void *ctx, const struct tb_error *err);
    /* Every failed step, also one that is no outage: the view may refuse a single order. NULL: not
     * reported. */
    void (*on_failure)(void *ctx, const struct tb_error *err);
    /* Queues a dead letter's record for the log without waiting; false: not now. The record comes
     * back through the reader. NULL: dead letters are replayed by people only. */
    bool (*redrive)(void *ctx, const struct tb_dead_letter *letter,
                    const struct tb_record *record);
    /* count: events of this unknown type ("": of all further types) since its last report. Each
     * type is reported once a minute at most. NULL: not reported. */
    void (*on_unknown_type)(void *ctx, const char *type, uint64_t count);
    /* The node of this dead letter is parked now; without a node: such records are left out. NULL:
     * not reported. */
    void (*on_parked)(void *ctx, const struct tb_plan_dead_letter *surplus);
    /* Every hour, with a view that stores offsets: everything before next is on the view's disk,
     * and the consumer will not read it again. NULL: not reported. */
    void (*on_durable)(void *ctx, int32_t partition, int64_t next);
    /* tb_consumer_run: called after every step, which then waits a second at most. NULL: none. */
    void (*on_step)(void *ctx);
    void *ctx;
};
struct tb_consumer;
TB_CHECKED enum tb_code tb_consumer_new(const struct tb_consumer_options *options,
                                        struct tb_consumer **ret_consumer, struct tb_error *err);
void tb_consumer_free(struct tb_consumer *consumer);
/* Applies a batch. Waits at most wait_ms for records. Returns for how many milliseconds to pause
 * before the next step: 0 unless something failed or batches were deferred. */
int64_t tb_consumer_step(struct tb_consumer *consumer, int64_t wait_ms);
void tb_consumer_run(struct tb_consumer *consumer); /* until tb_consumer_stop */
void tb_consumer_stop(struct tb_consumer *consumer);
/* As tb_view_ops.drop_dead_letter, between two batches on the consumer's thread. TB_BUSY,
 * TB_UNAVAILABLE: not done; TB_UNKNOWN: perhaps done, and safe to repeat. */
TB_CHECKED enum tb_code tb_consumer_drop_dead_letter(struct tb_consumer *consumer,
                                                     struct tb_dead_letter_position position,
                                                     int64_t wait_ms, struct tb_error *err);
/* Runs call on the consumer's thread between two batches, when no plan is open in the view, and
 * returns its result. TB_BUSY, TB_UNAVAILABLE: it was not called. TB_UNKNOWN: it has begun but not
 * ended within wait_ms (below 0: no limit), and goes on to use ctx. */
TB_CHECKED enum tb_code tb_consumer_call(struct tb_consumer *consumer,
                                         enum tb_code (*call)(void *ctx, struct tb_error *err),
                                         void *ctx, int64_t wait_ms, struct tb_error *err);
/* Fills another view from here on, from the offsets that this view has. Only in such a call, or
 * between two steps. */
void tb_consumer_switch_view(struct tb_consumer *consumer, struct tb_view *view);
const struct tb_consumer_stats *tb_consumer_stats(const struct tb_consumer *consumer);

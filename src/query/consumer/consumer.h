/* The consumer: reads the log in batches, plans them, sends their dead letters, commits the plan
 * to the view, then the offset to the log.
 *
 * Where it starts: at the view's own offset, else at the beginning; if the view keeps no offsets,
 * where the reader stands. Trouble with log or view is retried for ever with back-off; it never
 * counts against an event. While it lasts a reader that must be served is paused and polled, and a
 * batch whose partition goes to another reader is abandoned: all it leaves undone is the other's.
 * An order that the view refuses is tried again; then its last record becomes a dead letter, and
 * the batch is planned again without it. Too many dead letters in a minute are a fault of ours:
 * it stops, keeps its partitions, and says so until it is started anew.
 * Letters that died of a gap follow by themselves, in version order, within 30 s of what they
 * waited for: each look is bounded, and so is how often a letter that goes on dying is sent.
 *
 * Thread:  step and run from the owner; stop, drop, ask and stats from any thread.
 * Memory:  borrows what its options point to.
 * Errors:  none leaves it: trouble is a state, a count and a diagnostic by the callback.
 * Units:   milliseconds. */
#pragma once
#include "base/diag/metrics.h"
#include "query/projection/view.h"

/* More within a minute stop the consumer that sends them to a topic: a release that cannot read
 * its events must not empty the topic into the dead letters. */
#define TB_DEAD_LETTERS_PER_MINUTE 100

struct tb_consumer_stats {
    struct tb_counter events[TB_EVENT_RESULT_COUNT];
    struct tb_histogram end_to_end_us; /* commit at the till to visible; wall clock, not below 0 */
    _Atomic int64_t applied_at_ms;     /* wall time of the last commit of a plan; 0: none */
    _Atomic bool failing;
    _Atomic bool stopped; /* too many dead letters; failing too */
};
struct tb_consumer_options {
    struct tb_log_reader *reader; /* NULL: open hands it out */
    struct tb_view *view;
    const struct tb_clock *clock;
    const struct tb_random *random;
    struct tb_plan_rules rules;
    int64_t dead_letter_keep_ms; /* below 0: for ever */
    /* The topic of dead letters; NULL: the view keeps them. */
    struct tb_log_writer *dead_letters;
    /* With dead_letters: where they come from, who sends them. With resend: the topic. */
    const char *topic, *group;
    int32_t partitions; /* of the topic; 0: as many as the log on a node has */
    /* With reader NULL: asked until it is TB_OK, before anything is read. Who joins a group takes
     * partitions from others, so first there is to be everything that they need. */
    enum tb_code (*open)(void *ctx, struct tb_log_reader **ret_reader, struct tb_error *err);
    /* After a plan is committed: its changed orders are visible, maybe at a later version. On the
     * consumer's thread. Texts that the plan's orders borrow from records may be gone. */
    void (*applied)(void *ctx, const struct tb_plan *plan);
    /* Once per change of state: what failed, or a code of TB_OK when it works again. */
    void (*trouble)(void *ctx, const struct tb_error *err);
    /* Every failure while it lasts. NULL: none wants to know. */
    void (*failed)(void *ctx, const struct tb_error *err);
    /* Hands a letter's record on its way into the log, and does not wait for it; false: not now.
     * It comes back through the reader. NULL: letters wait for a person. */
    bool (*resend)(void *ctx, const struct tb_dead_letter *letter, const struct tb_record *record);
    /* So many events came of a type that this build does not know ("": of other such types), since
     * it was told last; each type once a minute at most. NULL: none wants to know. */
    void (*unknown)(void *ctx, const char *type, uint64_t count);
    /* Every hour: the view has everything before next, and keeps it when the power goes: nobody
     * will ask the log for it again. With a view that keeps offsets. NULL: none wants to know. */
    void (*durable)(void *ctx, int32_t partition, int64_t next);
    /* tb_consumer_run: after every step, which then waits a second at most. NULL: none. */
    void (*stepped)(void *ctx);
    void *ctx;
};
struct tb_consumer;
TB_CHECKED enum tb_code tb_consumer_new(const struct tb_consumer_options *options,
                                        struct tb_consumer **ret_consumer, struct tb_error *err);
void tb_consumer_free(struct tb_consumer *consumer);
/* What is there of each partition, at most a few batches, or nothing. Waits at most wait_ms.
 * Returns how long to pause before the next in milliseconds: 0 unless failing. */
int64_t tb_consumer_step(struct tb_consumer *consumer, int64_t wait_ms);
void tb_consumer_run(struct tb_consumer *consumer); /* until tb_consumer_stop */
void tb_consumer_stop(struct tb_consumer *consumer);
/* As tb_view_ops.drop_dead_letter, carried out by run or step between two batches. TB_BUSY,
 * TB_UNAVAILABLE: not done; TB_UNKNOWN: perhaps, and harmless to repeat. */
TB_CHECKED enum tb_code tb_consumer_drop_dead_letter(struct tb_consumer *consumer,
                                                     struct tb_dead_letter_position place,
                                                     int64_t wait_ms, struct tb_error *err);
/* Has call run between two batches, when the view has nothing open, on the consumer's thread; its
 * outcome is the result. TB_BUSY, TB_UNAVAILABLE: it was not called. TB_UNKNOWN: it has begun, was
 * not waited for longer, and goes on to use ctx. */
TB_CHECKED enum tb_code tb_consumer_call(struct tb_consumer *consumer,
                                         enum tb_code (*call)(void *ctx, struct tb_error *err),
                                         void *ctx, int64_t wait_ms, struct tb_error *err);
/* From here on it fills another view, from the offsets that this one has. From such a call, or
 * between two steps. */
void tb_consumer_switch_view(struct tb_consumer *consumer, struct tb_view *view);
const struct tb_consumer_stats *tb_consumer_stats(const struct tb_consumer *consumer);

/* Parts of the consumer: applying the batch (apply.c), what follows a plan's commit (applied.c),
 * redriving dead letters (redrive.c), making the view durable (checkpoint.c), calls from other
 * threads (thread_calls.c), the reaction to a failure (failure.c), and the steps around them
 * (consumer.c).
 *
 * Thread:  the consumer's owner.
 * Memory:  a batch is the reader's until its next poll, or a copy in an arena.
 * Errors:  as view.h and log.h. TB_INVALID: the view refuses an order; it is tried again. */
#pragma once
#include "base/thread/thread_call.h"
#include "base/time/backoff.h"
#include "query/consumer/consumer.h"
#include "query/consumer/sender_limits.h"
#include "query/dead_letters/dlt_writer.h"
#include "query/projection/unknown_types.h"

/* The states of the consumer:
 *
 *   OPENING --reader open--> POSITIONING --all partitions sought--> READING
 *                                 ^                                 |  ^  ^
 *                                 | view switched           records |  |  |
 *                                 +---------------------------------+  |  |
 *                                 |                                 v  |  |
 *                                 +----------------------------- APPLYING |
 *                                                                |     |  |
 *            too many dead letters                               |     v  | sought back
 *   STOPPED <--------- APPLYING, RETRYING                 failed | DEFERRED
 *                                                                v     |
 *                                                             PAUSED <-+
 *                                                             |    ^
 *                                                     due now v    | failed again
 *                                                            RETRYING --all applied--> READING
 *
 * DEFERRED: the view takes none of the batch's records for now. The reader goes back to them, or
 * if it cannot, it is paused (PAUSED), or if it cannot be paused, the batch is tried again
 * (APPLYING). A copy that is being retried may be deferred too (RETRYING to DEFERRED). A reader
 * that can be paused never feeds a view that is switched, so PAUSED and RETRYING do not lead to
 * POSITIONING. */
enum tb_consumer_state {
    TB_CONSUMER_OPENING,     /* there is no reader yet */
    TB_CONSUMER_POSITIONING, /* partitions are to be sought to the offsets that the view has */
    TB_CONSUMER_READING,     /* every record that was read is given to the view */
    TB_CONSUMER_APPLYING,    /* records of the batch are to be given to the view */
    TB_CONSUMER_DEFERRED,
    TB_CONSUMER_PAUSED, /* the reader is paused; the batch is a copy that waits for retry_at_ms */
    TB_CONSUMER_RETRYING, /* the reader is paused; the copy is being applied */
    TB_CONSUMER_STOPPED,  /* for good; the reader is paused */
    TB_CONSUMER_STATE_COUNT
};

/* From one checkpoint to the next, and from the start to the first: a node that is switched off
 * each evening has some too. */
#define TB_CONSUMER_CHECKPOINT_MS (60 * 60 * 1000)
#define TB_CONSUMER_FIRST_CHECKPOINT_MS (60 * 1000)

#define TB_CONSUMER_KEEP_UP_MS 1000 /* between two calls of the view's keep_up */

/* How many dead letters one scan sends. */
#define TB_REDRIVE_MAX 64
struct tb_redrive {
    int64_t due_ms; /* of the next scan; monotonic */
    struct tb_redrive_scan scan;
    struct tb_dead_letter_position sent[TB_REDRIVE_MAX]; /* not seen coming back yet */
    size_t sent_count;
};

struct tb_consumer {
    struct tb_consumer_options options;
    struct tb_consumer_stats stats;
    enum tb_consumer_state state;
    struct tb_backoff backoff;
    struct tb_mailbox pause; /* never has mail; waking it ends a pause */
    _Atomic bool stopping;
    struct tb_log_reader *_Atomic wakes; /* options.reader, for tb_consumer_wake; NULL: not open */
    unsigned steps_well;                 /* steps since the last failure */
    int64_t retry_at_ms;                 /* of PAUSED; monotonic */
    int32_t deferrals;    /* in a row: partitions of which nothing could be applied */
    int64_t expire_at_ms; /* monotonic */
    /* The highest timestamp of a record, advanced by the monotonic clock since; 0: none read. */
    int64_t record_time_ms, record_seen_ms;
    int64_t checkpoint_at_ms; /* monotonic */
    bool synced;              /* the view is on the disk as it is */
    int64_t keep_up_at_ms;    /* monotonic */
    bool keeps_up;            /* the view's keep_up may have something to do */

    struct tb_log_batch batch;
    struct tb_arena copy_arena; /* of the batch, if it is a copy */
    bool is_copy;
    size_t done;         /* records of the batch that the view was given */
    struct tb_plan plan; /* of the next records */
    size_t part;         /* how many records the plan covers; 0: there is no plan */
    /* Of the last plan that the view has: the offset, if the log does not have it yet. */
    bool has_offset;
    struct tb_dead_letter_position offset;
    /* The assignment of each partition for which the view has acquired its fence. */
    uint64_t fenced_assignment[TB_LOG_PARTITIONS_MAX];

    /* The order that the view refuses, by its last record, and how often it did. */
    unsigned tries;
    int64_t tried_offset;
    struct tb_plan_refusal refusals[TB_LOG_BATCH_MAX]; /* of the batch: refused for good */
    size_t refusal_count;
    struct tb_arena refusal_texts;

    struct tb_thread_calls calls;
    struct tb_redrive redrive;
    struct tb_unknown_types unknown;
    struct tb_dlt_writer *dlt_writer; /* NULL: the view stores dead letters */
    struct tb_sender_limits senders;  /* used with dlt_writer */
};

/* consumer.c */
/* Asserts that the drawing has this move. A state may also stay as it is. */
void tb_consumer_enter(struct tb_consumer *consumer, enum tb_consumer_state state);
/* Ends a pause or a wait for records. Any thread. */
void tb_consumer_wake(struct tb_consumer *consumer);
static inline bool tb_consumer_has_records_left(const struct tb_consumer *consumer)
{
    return consumer->done < consumer->batch.count;
}

/* failure.c */
/* A reader that can be paused belongs to a group, and must be polled all the time. */
static inline bool tb_consumer_can_pause(const struct tb_consumer *consumer)
{
    const struct tb_log_reader *reader = consumer->options.reader;

    return reader && reader->ops->pause;
}
static inline bool tb_consumer_is_failing(const struct tb_consumer *consumer)
{
    return atomic_load_explicit(&consumer->stats.failing, memory_order_relaxed);
}
/* The step has failed, or the batch is deferred. Returns for how many milliseconds to pause. */
int64_t tb_consumer_fail(struct tb_consumer *consumer, const struct tb_error *err);
void tb_consumer_note_success(struct tb_consumer *consumer);
/* Polls the paused reader for at most wait_ms, and enters RETRYING when it is time. Returns
 * for how many milliseconds to pause. */
int64_t tb_consumer_step_paused(struct tb_consumer *consumer, int64_t wait_ms);
int64_t tb_consumer_step_stopped(struct tb_consumer *consumer, int64_t wait_ms);

/* apply.c */
void tb_consumer_drop_plan(struct tb_consumer *consumer);
/* Plans the next records of the batch and gives the plan to the view. */
TB_CHECKED enum tb_code tb_consumer_apply(struct tb_consumer *consumer, struct tb_error *err);
/* The batch is applied or abandoned. */
void tb_consumer_release_batch(struct tb_consumer *consumer);

/* applied.c */
/* The view has the current plan: reports and counts it. */
void tb_consumer_note_applied(struct tb_consumer *consumer);
/* Commits the last plan's offset to the log, if it does not have it yet. */
TB_CHECKED enum tb_code tb_consumer_commit_offset(struct tb_consumer *consumer,
                                                  struct tb_error *err);

/* checkpoint.c: makes the view durable when that is due, and reports its offsets. */
TB_CHECKED enum tb_code tb_consumer_checkpoint(struct tb_consumer *consumer, struct tb_error *err);

/* Calls the view's keep_up when that is due. */
void tb_consumer_keep_up(struct tb_consumer *consumer);

/* redrive.c */
/* Redrives dead letters whose missing version has come, when that is due. */
TB_CHECKED enum tb_code tb_consumer_redrive(struct tb_consumer *consumer, struct tb_error *err);
int64_t tb_consumer_redrive_due_ms(const struct tb_consumer *consumer); /* monotonic */
/* Takes note of the dead letters and the unknown types of a committed plan. */
void tb_consumer_note_dead_letters(struct tb_consumer *consumer, const struct tb_plan *plan);

/* thread_calls.c */
void tb_consumer_init_calls(struct tb_consumer *consumer);
void tb_consumer_close_calls(struct tb_consumer *consumer); /* waiting callers get an error */
void tb_consumer_run_calls(struct tb_consumer *consumer);

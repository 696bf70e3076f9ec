/* The consumer's parts: its batch on the way into the view (consumer_batch.c, consumer_group.c), a
 * batch of its own (consumer_keep.c), what is done about dead letters (consumer_letters.c), what
 * others ask for (consumer_errands.c), and the steps around them (consumer.c).
 *
 * Thread:  the consumer's owner.
 * Memory:  a batch is the reader's until its next poll, or kept: a copy in an arena.
 * Errors:  as view.h and log.h; of an order that the view refuses TB_INVALID, to be tried again.
 * Units:   milliseconds. */
#pragma once
#include "base/thread/thread_call.h"
#include "base/time/backoff.h"
#include "base/time/retention_clock.h"
#include "query/consumer/consumer.h"
#include "query/dead_letters/dlt_writer.h"
#include "query/projection/unknown_types.h"

/* Plans between two flushes of the view: one for each partition of the log on a node. Their
 * records are few, or the first plan is flushed by itself. */
#define TB_CONSUMER_GROUP_MAX TB_LOG_PARTITIONS
#define TB_CONSUMER_GROUP_RECORDS TB_LOG_BATCH_MAX

/* Not at the start: what may be removed then is judged by a clock that may be wrong until it was
 * set. */
#define TB_CONSUMER_CHECKPOINT_MS (60 * 60 * 1000)

/* Letters sent again at once; what waits for the log's writer is bounded as well. */
#define TB_REDRIVE_MAX 64
struct tb_redrive {
    int64_t due_ms; /* of the next look; monotonic */
    struct tb_redrive_scan scan;
    struct tb_dead_letter_position sent[TB_REDRIVE_MAX]; /* and not seen to come back */
    size_t sent_count;
};

struct tb_consumer {
    struct tb_consumer_options options;
    struct tb_consumer_stats stats;
    struct tb_backoff backoff;
    struct tb_mailbox pause; /* no mail: what a pause is cut short by */
    _Atomic bool stopping;
    struct tb_log_reader *_Atomic wakes; /* options.reader, for stop; NULL: not open yet */
    bool positioned;                     /* every partition stands where the view wants it */
    unsigned steps_well;                 /* since the last failure */
    int64_t expire_at_ms;                /* monotonic */
    struct tb_retention_clock calendar;  /* of what expires */
    int64_t secure_at_ms;                /* monotonic */
    bool secured;                        /* nothing was given to the view since */

    struct tb_log_batch batch; /* the reader's, until its next poll, unless kept */
    struct tb_arena kept;      /* the batch's copy, if it is */
    bool is_kept;
    size_t done;         /* records of the batch that the view has */
    struct tb_plan plan; /* of the part behind them */
    size_t part;         /* records in the plan; 0: not planned yet */
    /* Plans that the view was given and the log has not been told of. Texts that their orders
     * borrow from records are gone. */
    struct tb_plan given[TB_CONSUMER_GROUP_MAX];
    size_t given_count, given_records;
    bool flushed;      /* the view has them for good */
    size_t told_count; /* of these the log was told */

    uint64_t owned[TB_LOG_PARTITIONS_MAX]; /* tenures in which partitions are the view's own */

    bool paused;         /* the reader hands out nothing */
    bool held;           /* the view is not to be written further now */
    int32_t turned_back; /* partitions in a row that were held up so */
    int64_t retry_at_ms; /* while paused: when to try again; monotonic */

    /* An order that the view refuses: how often, and what became of it. */
    unsigned tries;
    int64_t tried_offset;
    struct tb_plan_refusal refusals[TB_LOG_BATCH_MAX]; /* of the batch */
    size_t refusal_count;
    struct tb_arena refusal_texts;

    struct tb_thread_calls errands; /* what others ask of this thread */
    struct tb_redrive follow;
    struct tb_unknown_types unknown;
    struct tb_dlt_writer *letters; /* NULL: the view keeps them */
    /* When the last ones were committed, a ring; monotonic. */
    int64_t letter_at_ms[TB_DEAD_LETTERS_PER_MINUTE];
    size_t letter_count; /* ever */
};

/* consumer_batch.c: plans what of the batch is not done and gives it to the view. */
TB_CHECKED enum tb_code tb_consumer_apply(struct tb_consumer *consumer, struct tb_error *err);
/* May more plans join the ones that the view was given before it is flushed? */
bool tb_consumer_can_join_group(const struct tb_consumer *consumer);
/* What the view was given is its own now: told to readers and counted, then to the log. */
TB_CHECKED enum tb_code tb_consumer_flush(struct tb_consumer *consumer, struct tb_error *err);
/* After a failure: what the view was given and was not flushed is read again. */
void tb_consumer_undo(struct tb_consumer *consumer);
/* The plans that the view was given are flushed, or undone. */
void tb_consumer_clear_group(struct tb_consumer *consumer);
/* Nothing more of the batch is done here. */
void tb_consumer_release_batch(struct tb_consumer *consumer);

/* consumer.c: a pause or a wait for records ends. Any thread. */
void tb_consumer_wake(struct tb_consumer *consumer);

/* consumer_errands.c */
void tb_consumer_init_calls(struct tb_consumer *consumer);
void tb_consumer_close_calls(struct tb_consumer *consumer); /* whoever waits is told so */
void tb_consumer_run_calls(struct tb_consumer *consumer);

/* consumer_letters.c */
/* Sends letters again that may follow, if it is time to look for them. */
TB_CHECKED enum tb_code tb_consumer_redrive(struct tb_consumer *consumer, struct tb_error *err);
int64_t tb_consumer_redrive_due_ms(const struct tb_consumer *consumer); /* monotonic */
/* What a plan that the view has tells of letters and of unknown types. */
void tb_consumer_note_dead_letters(struct tb_consumer *consumer, const struct tb_plan *plan);

/* consumer_keep.c: what is not done of the batch outlives the reader's next poll. False when out
 * of memory. */
TB_CHECKED bool tb_consumer_copy_batch(struct tb_consumer *consumer);

/* consumer_secure.c: when it is due, makes durable what the view has, and tells so. Nothing is
 * given to the view that is not flushed. */
TB_CHECKED enum tb_code tb_consumer_checkpoint(struct tb_consumer *consumer, struct tb_error *err);

/* The writer: takes all waiting jobs, runs them in one transaction, commits once, then answers.
 *
 * Every job ends with exactly one call of its done function. A command is answered after COMMIT,
 * or when it is certain that nothing was stored. If the disk failed during COMMIT, it may be
 * stored or not: the code is TB_UNKNOWN, and the client repeats the command with the same key.
 *
 * Thread:  tb_writer_post* from any thread; step, run and free from the owner. done is called
 *          on the owner's thread, outside any transaction.
 * Memory:  a job, and everything that it points to, must live until done is called; then it
 *          belongs to the poster again.
 * Errors:  tb_writer_post returns TB_BUSY if the queue is full or the writer is stopping. */
#pragma once
#include "base/diag/metrics.h"
#include "base/thread/mailbox.h"
#include "order/answer.h"
#include "store/store.h"

/* Most jobs that wait; further ones are refused with TB_BUSY (503). */
#define TB_WRITER_QUEUE_MAX 1024
/* Most jobs in one transaction. */
#define TB_WRITER_BATCH_MAX 256

enum tb_job_type {
    TB_JOB_COMMAND,
    TB_JOB_LINK, /* force offline, or auto */
    /* Removes the cursor of a log and its parked orders: nothing waits for that log any more. If
     * it is configured again, it begins with the oldest row that is left. */
    TB_JOB_FORGET,
    /* Asks the relay of a log for the orders that it has parked, or one of them. */
    TB_JOB_UNPARK,
    /* Asks the relay of a log to send events again that the log had. */
    TB_JOB_RESEND,
};
struct tb_job {
    struct tb_mail mail; /* first: the writer finds the job by it */
    enum tb_job_type type;
    void (*done)(struct tb_job *job);
    /* COMMAND, in */
    struct tb_command command;
    struct tb_arena *arena;        /* borrowed: scratch of the command */
    struct tb_str idempotency_key; /* absent: none */
    uint8_t fingerprint[32];       /* SHA-256 of route and body, with a key only */
    struct tb_str traceparent;     /* absent: none */
    /* LINK, in */
    bool forced_offline;
    /* FORGET, UNPARK, RESEND, in */
    char log[TB_CURSOR_NAME_SIZE];
    char order_id[TB_UUID_SIZE]; /* UNPARK; "": all */
    int64_t since_ms;            /* RESEND: events from then on; 0: all */
    /* out */
    /* TB_OK: the command was executed or refused; the others: it is stored. TB_CONFLICT: the log
     * to forget is configured; the log of parked orders is not. */
    enum tb_code code;
    struct tb_answer answer; /* COMMAND: always filled; the poster releases it */
    /* FORGET: whether the log was remembered, and what waited for it */
    bool was_remembered;
    struct tb_outbox_cursor forgotten;
    int64_t order_count; /* UNPARK: so many will be sent again */
};

enum tb_job_result { TB_RESULT_DONE, TB_RESULT_REFUSED, TB_RESULT_FAILED, TB_RESULT_COUNT };
struct tb_writer_stats {
    struct tb_counter commands[TB_CMD_COUNT][TB_RESULT_COUNT];
    struct tb_histogram commit_us;  /* tillbox_commit_seconds */
    struct tb_histogram batch_size; /* tillbox_commit_batch_size */
};

struct tb_writer_options {
    struct tb_store *store; /* owned from here on */
    const struct tb_clock *clock;
    int64_t disk_reserve_bytes;      /* with less free, commands are refused with TB_FULL */
    int64_t (*disk_free)(void *ctx); /* bytes free where the store is; below 0: not known */
    void *disk_ctx;
    int64_t outbox_keep_ms; /* below 0: for ever */
    int64_t idempotency_keep_ms;
    /* The cursors of the logs that are configured. They are remembered with the first commit. */
    const char *const *cursor_names;
    size_t cursor_count;
    /* The store's file or its WAL is lost: what was acknowledged until now. On the owner's thread,
     * once for each loss; NULL: nobody wants to know. */
    void (*lost)(void *ctx, const char *epoch, int64_t sequence, int64_t number);
    void *lost_ctx;
    void (*committed)(void *ctx); /* after a commit that added outbox rows: wake the relays */
    void *committed_ctx;
};

struct tb_writer;
TB_CHECKED enum tb_code tb_writer_new(const struct tb_writer_options *options,
                                      struct tb_writer **ret_writer, struct tb_error *err);
void tb_writer_free(struct tb_writer *writer); /* jobs still queued are answered TB_UNAVAILABLE */

TB_CHECKED enum tb_code tb_writer_post(struct tb_writer *writer, struct tb_job *job);
/* Stores that the log has acknowledged all rows up to `row`, at at_ms. Returns at once; the writer
 * stores the newest position with one of its next commits. */
void tb_writer_post_cursor(struct tb_writer *writer, const char *cursor_name, int64_t row,
                           int64_t at_ms);
/* Stores that a relay has sent the snapshots of all orders with numbers below `next`. */
void tb_writer_post_snapshots(struct tb_writer *writer, const char *cursor_name, int64_t next);
/* Stores that a relay skips this order from order->row on, before or together with any cursor that
 * is posted later. order->unpark requests are answered by that. False: too many wait to be stored.
 * Texts are copied, the reason cut to fit. */
TB_CHECKED bool tb_writer_post_parked(struct tb_writer *writer, const char *cursor_name,
                                      const struct tb_parked_order *order, const char *reason,
                                      int64_t at_ms);
/* Stores that a relay skips the order no more: its log has all that was kept back of it. */
TB_CHECKED bool tb_writer_post_unparked(struct tb_writer *writer, const char *cursor_name,
                                        const char *order_id);

/* Stores where the log of the cursor has acknowledged a record. False: too many wait. */
TB_CHECKED bool tb_writer_post_delivered(struct tb_writer *writer, const char *cursor_name,
                                         const struct tb_delivered *delivered);
/* False: what was posted of delivered records and resends is not stored yet. */
bool tb_writer_has_stored_delivered(struct tb_writer *writer);
/* Removes the delivered records that are `checked`: an older row was delivered behind one. */
void tb_writer_post_unchecked(struct tb_writer *writer, const char *cursor_name);
/* Stores how far a resend is. BEGUN removes all delivered records: the log is another one now.
 * snapshots: all orders are to be sent as snapshots, too. */
void tb_writer_post_resend(struct tb_writer *writer, const char *cursor_name,
                           const struct tb_resend *state, enum tb_resend_event event,
                           bool snapshots);

/* Runs a batch of jobs; if none wait, one chunk of retention if that is due. Returns for how many
 * milliseconds the owner may wait before the next call (0: none; below 0: until woken). */
int64_t tb_writer_step(struct tb_writer *writer);
/* The thread's loop: steps and waits until tb_writer_stop, then finishes all accepted jobs. */
void tb_writer_run(struct tb_writer *writer);
void tb_writer_stop(struct tb_writer *writer); /* from any thread */
void tb_writer_wake(struct tb_writer *writer); /* from any thread: it steps now */

const struct tb_writer_stats *tb_writer_stats(const struct tb_writer *writer); /* any thread */
/* False from an I/O error until the store could be reopened. Any thread. */
bool tb_writer_healthy(const struct tb_writer *writer);
/* Why it is not healthy, with the file that fails; any thread. */
#define TB_WRITER_PROBLEM_SIZE 240
void tb_writer_problem(struct tb_writer *writer, char ret_text[TB_WRITER_PROBLEM_SIZE]);
/* The last command that changes something had no room on the disk. */
bool tb_writer_found_full(const struct tb_writer *writer);
/* The last command that changes something has found the file damaged or replaced. */
bool tb_writer_found_damage(const struct tb_writer *writer);
/* For how long another program's write lock has kept the writer out: it answers every command with
 * 503, and goes on trying. Below 0: none does. Any thread. */
int64_t tb_writer_locked_ms(const struct tb_writer *writer);
/* What the store has after the last commit that has succeeded. Any thread. */
struct tb_writer_position {
    char epoch[TB_EPOCH_SIZE];
    int64_t sequence, number, row; /* the last ones; 0: none */
};
void tb_writer_position(const struct tb_writer *writer, struct tb_writer_position *ret_position);
/* The store may not be what the writer has left there: it looks, before it writes anything. Any
 * thread. */
void tb_writer_suspect(struct tb_writer *writer);
/* Borrowed: use it only while tb_writer_run does not run. */
struct tb_store *tb_writer_store(struct tb_writer *writer);

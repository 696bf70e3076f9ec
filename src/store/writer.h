/* The writer: takes what is waiting, runs it in one transaction, commits once, then answers.
 *
 * Every job ends with exactly one call of its done function. A command's answer is given only
 * after COMMIT (or a definite refusal); TB_UNKNOWN when COMMIT itself failed: repeat it with the
 * same key.
 *
 * Thread:  tb_writer_post_* from any thread; step, run and free from the owner. done is called
 *          on the owner's thread, outside any transaction.
 * Memory:  a job is the poster's again when done is called; everything it points to must live
 *          until then.
 * Errors:  posting gives TB_BUSY when the queue is full or the writer is stopping.
 * Units:   milliseconds. */
#pragma once
#include "base/diag/metrics.h"
#include "base/thread/mailbox.h"
#include "order/answer.h"
#include "store/store.h"

/* Commands waiting; more are refused with TB_BUSY (503). */
#define TB_WRITER_QUEUE_MAX 1024
/* Commands in one transaction. */
#define TB_WRITER_BATCH_MAX 256

enum tb_job_type {
    TB_JOB_COMMAND,
    TB_JOB_LINK, /* force offline, or auto */
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
    /* out */
    enum tb_code code;       /* TB_OK: the command was executed or refused; LINK: it is stored */
    struct tb_answer answer; /* COMMAND: always filled; the poster releases it */
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
    const char *const *cursor_names; /* every cursor that retention waits for */
    size_t cursor_count;
    void (*committed)(void *ctx); /* after a commit that added outbox rows: wake the relays */
    void *committed_ctx;
};

struct tb_writer;
TB_CHECKED enum tb_code tb_writer_new(const struct tb_writer_options *options,
                                      struct tb_writer **ret_writer, struct tb_error *err);
void tb_writer_free(struct tb_writer *writer); /* jobs still queued are answered TB_UNAVAILABLE */

TB_CHECKED enum tb_code tb_writer_post(struct tb_writer *writer, struct tb_job *job);
/* A relay's cursor stands at row, acknowledged at at_ms. Later positions replace earlier ones.
 * Never blocks. */
void tb_writer_post_cursor(struct tb_writer *writer, const char *cursor_name, int64_t row,
                           int64_t at_ms);
/* A relay passes this order by from row on. Stored before, or together with, a cursor that is
 * posted later. False: too many wait to be stored. Texts are copied, the reason cut to fit. */
TB_CHECKED bool tb_writer_post_parked(struct tb_writer *writer, const char *cursor_name,
                                      const char *order_id, int64_t row, const char *reason,
                                      int64_t at_ms);
size_t tb_writer_queue_length(struct tb_writer *writer);

/* One round: retention when it is due, a batch of jobs, or nothing. Returns how long to wait for
 * the next in milliseconds (0: more is waiting; below 0: until woken). */
int64_t tb_writer_step(struct tb_writer *writer);
/* The thread's loop: step and wait, until tb_writer_stop; finishes what was posted before. */
void tb_writer_run(struct tb_writer *writer);
void tb_writer_stop(struct tb_writer *writer); /* from any thread */

const struct tb_writer_stats *tb_writer_stats(const struct tb_writer *writer); /* any thread */
/* False while the store cannot be written (after an I/O error, until reopened). Any thread. */
bool tb_writer_healthy(const struct tb_writer *writer);

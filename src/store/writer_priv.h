/* Shared by the files of the writer.
 *
 *   healthy --(COMMIT or I/O failed)--> broken --(reopened, WAL rewritten)--> healthy
 *
 * A broken writer answers every command with 503, and tries to reopen the store with back-off.
 *
 * Thread:  the writer's; fields that relay_lock guards: any.
 * Units:   monotonic milliseconds, if nothing else is said. */
#pragma once
#include "base/time/backoff.h"
#include "store/store_priv.h"
#include "store/writer.h"

/* A cursor that has moved waits this long for a commit of orders, to be stored with it. After a
 * crash the relay sends all rows after the stored cursor again, so a cursor that is stored late
 * causes duplicates, but no event is lost. */
#define TB_WRITER_CURSOR_MS 50
/* One outbox may have at most this many relays. Today it has two (TB_CURSOR_INPROC,
 * TB_CURSOR_KAFKA). */
#define TB_WRITER_CURSORS_MAX 4
/* After a batch of one job the writer spins for this long before it sleeps: a client that sends
 * one order after the other has sent the next by then, and waking a thread takes longer. With one
 * connection the node reaches 0.50 of the orders per second of raw SQLite without spinning, and
 * 0.68 if the writer and the api thread spin. */
#define TB_WRITER_SPIN_US 250
/* After a failure cursors wait longer, so that a full disk is not tried twenty times a second. */
#define TB_WRITER_CURSOR_RETRY_MS 1000
#define TB_WRITER_REOPEN_BASE_MS 100
#define TB_WRITER_REOPEN_CAP_MS 10000
/* Rows that one transaction of retention deletes; it delays commands by a few milliseconds. */
#define TB_RETENTION_CHUNK 1000
#define TB_RETENTION_ROUND_MS INT64_C(3600000) /* from the end of one round to the next */
/* From the start to the first round: a node that is switched off each evening has rounds too. */
#define TB_RETENTION_FIRST_MS INT64_C(60000)
/* A writer that ends stores the uptime unless a round has stored it this shortly before. */
#define TB_RETENTION_SAVE_MS INT64_C(60000)

/* While another program holds the write lock, the writer tries to get it this often; each try
 * waits 250 ms. A checkpoint that could not do all is tried again as often as TB_WRITER_UPKEEP_MS.
 */
#define TB_WRITER_PROBE_MS 250
#define TB_WRITER_UPKEEP_MS 1000

struct tb_cursor_write {
    char name[TB_CURSOR_NAME_SIZE];
    int64_t row, at_ms; /* newest posted; at_ms: wall clock */
    /* The table has this row or a later one, as far as this process knows; -1: it may have no
     * such cursor. */
    int64_t written;
    int64_t snapshots, snapshots_written; /* the same of tb_writer_post_snapshots */
};

/* Parked orders that are not stored yet. (The log has refused a parked order, and the relay skips
 * it.) The log needs a round trip to refuse an order, and a commit stores that a few milliseconds
 * later, so few wait at a time. */
#define TB_WRITER_PARKED_MAX 16
#define TB_WRITER_REASON_SIZE 240
struct tb_parked_write {
    char cursor_name[TB_CURSOR_NAME_SIZE];
    char order_id[TB_UUID_SIZE];
    char reason[TB_WRITER_REASON_SIZE];
    int64_t row, at_ms; /* at_ms: wall clock */
    bool snapshot;      /* as in struct tb_parked_order */
    int64_t answered;   /* so many requests to unpark it */
    bool unparked;      /* it is parked no more */
};
/* Records of so many partitions wait to be stored; the others are posted again. */
#define TB_WRITER_DELIVERED_MAX 32
struct tb_resend_write {
    char cursor_name[TB_CURSOR_NAME_SIZE]; /* of delivered, too; "": nothing was posted ever */
    struct tb_resend state;
    bool has_state, begin, end; /* what to do with it */
    bool snapshots, unchecked;
    uint64_t posts; /* so often something was posted */
};
/* What the relays have posted and the tables do not have yet. */
struct tb_relay_writes {
    struct tb_cursor_write cursors[TB_WRITER_CURSORS_MAX]; /* never removed: indexes stay valid */
    size_t cursor_count;
    struct tb_parked_write parked[TB_WRITER_PARKED_MAX];
    size_t parked_count;
    struct tb_delivered delivered[TB_WRITER_DELIVERED_MAX]; /* each partition at most twice */
    size_t delivered_count;
    struct tb_resend_write resend;
};

struct tb_writer {
    struct tb_writer_options options;
    struct tb_store *store; /* owned */
    struct tb_mailbox mailbox;
    struct tb_writer_stats stats;
    _Atomic bool healthy, stopping;
    char epoch[TB_EPOCH_SIZE]; /* of the store; it stays as long as the writer */
    /* After the last commit that has succeeded. */
    _Atomic int64_t acked_sequence, acked_number, acked_row;
    _Atomic bool suspects;        /* tb_writer_suspect was called */
    bool told_loss;               /* the store is lost, and the options' callback was called */
    _Atomic bool full;            /* a commit had no room, and none has succeeded since */
    _Atomic bool damaged;         /* a commit has found damage, and none has succeeded since */
    pthread_mutex_t problem_lock; /* guards the next, which only the writer changes */
    char problem[TB_WRITER_PROBLEM_SIZE]; /* of the present outage, the last; "": none */

    pthread_mutex_t relay_lock; /* guards the next three */
    struct tb_relay_writes relay_writes;
    int64_t relay_due_ms; /* below 0: everything is written */
    bool timer_armed;     /* the writer wakes by itself for relay_writes: no post need wake it */

    struct tb_job *jobs[TB_WRITER_BATCH_MAX]; /* the present batch */
    size_t job_count;
    _Atomic int64_t locked_at_ms; /* below 0: no other program holds the write lock */
    int64_t probe_at_ms, upkeep_at_ms;
    int64_t reopen_at_ms;
    struct tb_backoff reopen_backoff;
    bool single_job;                  /* the last batch had exactly one job */
    int64_t cursor_expected_until_ms; /* the last commit's cursors are probably posted by then */
    int64_t retention_at_ms;          /* next round; below 0: nothing is left to delete */
};

/* writer_batch.c: runs the batch and the relays' writes in one transaction, then answers. */
void tb_writer_run_batch(struct tb_writer *writer);
/* Answers every job of the batch with a failure. */
void tb_writer_fail_batch(struct tb_writer *writer, const struct tb_error *why);
/* From now on nothing is written until the store was reopened. Call it after any failure but a
 * full disk or a lock. Reports the first one of an outage, which the next commit ends. */
void tb_writer_mark_broken(struct tb_writer *writer, const struct tb_error *why);
void tb_writer_set_problem(struct tb_writer *writer,
                           const char *text); /* "": the outage is over */

/* writer.c: notes whether a transaction, or its first statement, was kept out by a lock. */
void tb_writer_note_lock(struct tb_writer *writer, enum tb_code code);
/* cursors.c */
/* Finds the last row that the logs of all remembered cursors have acknowledged; 0: none. */
TB_CHECKED enum tb_code tb_cursors_lowest(struct tb_writer *writer, int64_t *ret_row,
                                          struct tb_error *err);
/* Runs a FORGET job in the writer's transaction. */
TB_CHECKED enum tb_code tb_cursors_forget(struct tb_writer *writer, struct tb_job *job,
                                          struct tb_error *err);
/* The same of an UNPARK job. */
TB_CHECKED enum tb_code tb_cursors_unpark(struct tb_writer *writer, struct tb_job *job,
                                          struct tb_error *err);

bool tb_cursors_is_configured(const struct tb_writer *writer, const char *name);

/* resend_writes.c */
TB_CHECKED enum tb_code tb_resend_writes_store(struct tb_store *store,
                                               const struct tb_relay_writes *writes,
                                               struct tb_error *err);
/* With the lock held. */
void tb_resend_writes_committed(struct tb_relay_writes *writes,
                                const struct tb_relay_writes *committed);
bool tb_resend_writes_pending(const struct tb_relay_writes *writes);
/* Runs a RESEND job in the writer's transaction. */
TB_CHECKED enum tb_code tb_resend_ask(struct tb_writer *writer, struct tb_job *job,
                                      struct tb_error *err);

/* relay_writes.c */
/* With the lock held: makes a write due. True: wake the writer. */
bool tb_relay_writes_make_due(struct tb_writer *writer);
/* With the lock held: snapshots begin again with the first order. */
void tb_relay_writes_restart_snapshots(struct tb_writer *writer, const char *cursor_name);
/* Makes a write due that adds the cursors of the configured logs, at row 0, unless the table has
 * them. */
void tb_relay_writes_remember(struct tb_writer *writer);
/* True: the table has the cursors of all configured logs. */
bool tb_relay_writes_remembered(struct tb_writer *writer);
void tb_relay_writes_copy(struct tb_writer *writer, struct tb_relay_writes *ret_writes);
/* Writes what a copy has into the tables, in the writer's transaction. */
TB_CHECKED enum tb_code tb_relay_writes_store(struct tb_store *store,
                                              const struct tb_relay_writes *writes,
                                              struct tb_error *err);
/* Removes what a copy had: the tables have it now. */
void tb_relay_writes_committed(struct tb_writer *writer, const struct tb_relay_writes *committed);
/* Call it when they could not be written: they are due again at at_ms. */
void tb_relay_writes_delay(struct tb_writer *writer, int64_t at_ms);
bool tb_relay_writes_are_due(struct tb_writer *writer, int64_t now_ms);
/* Returns how long the writer may sleep before relay writes are due or expected (below 0: until
 * woken), and sets timer_armed. */
int64_t tb_relay_writes_wait_ms(struct tb_writer *writer, int64_t now_ms);

/* retention.c */
/* Deletes one chunk if a round is due. */
void tb_retention_run(struct tb_writer *writer, int64_t now_ms);
/* Call it after writing rows that can expire: plans a round if none is planned. */
void tb_retention_schedule(struct tb_writer *writer, int64_t now_ms);
/* Call it before the writer is freed: stores the uptime. */
void tb_retention_stop(struct tb_writer *writer);

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
#include "base/time/retention_clock.h"
#include "store/store_priv.h"
#include "store/writer.h"

/* A cursor that has moved waits this long for a commit of orders, to be stored with it. After a
 * crash the relay sends all rows after the stored cursor again, so a cursor that is stored late
 * causes duplicates, but no event is lost. */
#define TB_WRITER_CURSOR_MS 50
/* One outbox may have at most this many relays. Today it has two (TB_CURSOR_INPROC,
 * TB_CURSOR_KAFKA). */
#define TB_WRITER_CURSORS_MAX 4
#define TB_WRITER_CURSOR_NAME_MAX 32
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

struct tb_cursor_write {
    char name[TB_WRITER_CURSOR_NAME_MAX];
    int64_t row, at_ms; /* newest posted; at_ms: wall clock */
    int64_t written;    /* the row in the table, as far as this process knows */
};

/* Parked orders that are not stored yet. (The log has refused a parked order, and the relay skips
 * it.) The log needs a round trip to refuse an order, and a commit stores that a few milliseconds
 * later, so few wait at a time. */
#define TB_WRITER_PARKED_MAX 16
#define TB_WRITER_REASON_SIZE 240
struct tb_parked_write {
    char cursor_name[TB_WRITER_CURSOR_NAME_MAX];
    char order_id[TB_UUID_SIZE];
    char reason[TB_WRITER_REASON_SIZE];
    int64_t row, at_ms; /* at_ms: wall clock */
};
/* What the relays have posted and the tables do not have yet. */
struct tb_relay_writes {
    struct tb_cursor_write cursors[TB_WRITER_CURSORS_MAX]; /* never removed: indexes stay valid */
    size_t cursor_count;
    struct tb_parked_write parked[TB_WRITER_PARKED_MAX];
    size_t parked_count;
};

struct tb_writer {
    struct tb_writer_options options;
    struct tb_store *store; /* owned */
    struct tb_mailbox mailbox;
    struct tb_writer_stats stats;
    _Atomic bool healthy, stopping;

    pthread_mutex_t relay_lock; /* guards the next three */
    struct tb_relay_writes relay_writes;
    int64_t relay_due_ms; /* below 0: everything is written */
    bool timer_armed;     /* the writer wakes by itself for relay_writes: no post need wake it */

    struct tb_job *jobs[TB_WRITER_BATCH_MAX]; /* the present batch */
    size_t job_count;
    int64_t reopen_at_ms;
    struct tb_backoff reopen_backoff;
    bool single_job;                  /* the last batch had exactly one job */
    int64_t cursor_expected_until_ms; /* the last commit's cursors are probably posted by then */
    int64_t retention_at_ms;          /* next round; below 0: nothing is left to delete */
    struct tb_retention_clock retention_clock;
};

/* writer_batch.c: runs the batch and the relays' writes in one transaction, then answers. */
void tb_writer_run_batch(struct tb_writer *writer);
/* Answers every job of the batch with a failure. */
void tb_writer_fail_batch(struct tb_writer *writer, const struct tb_error *why);
/* From now on nothing is written until the store was reopened. Call it after any failure but a
 * full disk or a lock. */
void tb_writer_mark_broken(struct tb_writer *writer);

/* relay_writes.c */
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

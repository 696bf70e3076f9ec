/* What the files of the writer share.
 *
 *   healthy --(COMMIT or I/O failed)--> broken --(reopened, WAL anew)--> healthy
 *
 * While broken every command is answered 503; reopening is tried with back-off.
 *
 * Thread:  the writer's, but for the cursor slots, which have a lock.
 * Memory:  the writer owns its store; jobs are their posters'.
 * Errors:  none leaves the writer but in answers and in health.
 * Units:   monotonic milliseconds unless said. */
#pragma once
#include "base/time/backoff.h"
#include "base/time/retention_clock.h"
#include "store/store_priv.h"
#include "store/writer.h"

/* A cursor that moved waits this long for a commit to ride on: the relay sends what is not
 * acknowledged again after a crash, so that a late cursor costs duplicates, never events. */
#define TB_WRITER_CURSOR_MS 50
/* Relays that one outbox can have: the in-process one, Kafka's, and room for as many again. */
#define TB_WRITER_CURSORS_MAX 4
#define TB_WRITER_CURSOR_NAME_MAX 32
/* Who sends one order after the other has the next one here within this time, and a thread that
 * sleeps is not woken for nothing: with one connection 0.50 of raw SQLite without, 0.68 with it
 * and the api thread's own. With more clients at once there is no hurry. */
#define TB_WRITER_SPIN_US 250
#define TB_WRITER_RETENTION_MS INT64_C(3600000)
/* After a failure cursors wait longer, so that a full disk is not asked twenty times a second. */
#define TB_WRITER_CURSOR_RETRY_MS 1000
#define TB_WRITER_REOPEN_BASE_MS 100
#define TB_WRITER_REOPEN_CAP_MS 10000

struct tb_cursor_write {
    char name[TB_WRITER_CURSOR_NAME_MAX];
    int64_t row, at_ms; /* newest posted */
    int64_t written;    /* what the table has, as far as this process knows */
};

/* Orders waiting to be stored as parked; a refused one takes a round trip to the log, a commit a
 * few milliseconds. */
#define TB_WRITER_PARKED_MAX 16
#define TB_WRITER_REASON_SIZE 240
struct tb_parked_write {
    char cursor_name[TB_WRITER_CURSOR_NAME_MAX];
    char order_id[TB_UUID_SIZE];
    char reason[TB_WRITER_REASON_SIZE];
    int64_t row, at_ms;
};
/* What the relays want to have stored, at one moment. */
struct tb_relay_writes {
    struct tb_cursor_write cursors[TB_WRITER_CURSORS_MAX];
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

    pthread_mutex_t cursor_lock; /* guards the next six */
    struct tb_cursor_write cursors[TB_WRITER_CURSORS_MAX];
    size_t cursor_count;
    struct tb_parked_write parked[TB_WRITER_PARKED_MAX]; /* not stored yet */
    size_t parked_count;
    int64_t cursors_due_ms; /* below 0: all are written */
    bool timer_armed;       /* the writer wakes by itself within TB_WRITER_CURSOR_MS */

    struct tb_job *jobs[TB_WRITER_BATCH_MAX]; /* the batch in hand */
    size_t job_count;
    int64_t reopen_at_ms;
    struct tb_backoff reopen_backoff;
    bool alone;                       /* the last round carried out a single job */
    int64_t cursor_expected_until_ms; /* after a commit: a cursor will soon follow */
    int64_t retention_at_ms;          /* below 0: nothing could be removed */
    struct tb_retention_clock retention_clock;
};

/* writer_batch.c: runs the jobs in hand and the cursors in one transaction, and answers. */
void tb_writer_run_batch(struct tb_writer *writer);
/* Answers the jobs in hand with a failure. */
void tb_writer_fail_batch(struct tb_writer *writer, const struct tb_error *why);
/* After a failure that is not the disk being full: writes nothing more before a reopen. */
void tb_writer_mark_broken(struct tb_writer *writer);

/* writer_cursor.c */
void tb_writer_cursors_init(struct tb_writer *writer);
void tb_writer_cursors_release(struct tb_writer *writer);
/* A copy of what is not written yet. */
void tb_relay_writes_copy(struct tb_writer *writer, struct tb_relay_writes *ret_marks);
/* This is in the tables now. */
void tb_relay_writes_committed(struct tb_writer *writer, const struct tb_relay_writes *marks);
/* They could not be written: not before at_ms again. */
void tb_writer_cursors_delay(struct tb_writer *writer, int64_t at_ms);
bool tb_writer_cursors_due(struct tb_writer *writer, int64_t now_ms);
/* How long the writer may wait for the sake of cursors; below 0: until woken. */
int64_t tb_writer_cursors_wait(struct tb_writer *writer, int64_t now_ms);

/* writer_retention.c */
/* One chunk when it is due; says whether it did something. */
bool tb_writer_run_retention(struct tb_writer *writer, int64_t now_ms);
/* Something was written that will grow old. */
void tb_writer_schedule_retention(struct tb_writer *writer, int64_t now_ms);

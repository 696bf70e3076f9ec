#include "base/sqlite/file_loss.h"
#include "store/writer_priv.h"
#include <stdio.h>
#include <stdlib.h>

enum tb_code tb_writer_new(const struct tb_writer_options *options, struct tb_writer **ret_writer,
                           struct tb_error *err)
{
    struct tb_writer *writer = calloc(1, sizeof *writer);

    if (!writer)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    writer->options = *options;
    writer->store = options->store;
    memcpy(writer->epoch, options->store->epoch, sizeof writer->epoch);
    writer->acked_sequence = tb_store_last_sequence(options->store);
    writer->acked_number = options->store->last_number;
    writer->acked_row = options->store->last_row;
    writer->stats.commit_us.spec = &tb_histogram_time;
    writer->stats.batch_size.spec = &tb_histogram_size;
    writer->reopen_backoff = (struct tb_backoff){.base_ms = TB_WRITER_REOPEN_BASE_MS,
                                                 .cap_ms = TB_WRITER_REOPEN_CAP_MS};
    atomic_init(&writer->healthy, true);
    atomic_init(&writer->locked_at_ms, -1);
    atomic_init(&writer->stopping, false);
    tb_mailbox_init(&writer->mailbox, TB_WRITER_QUEUE_MAX);
    TB_ASSERT(pthread_mutex_init(&writer->relay_lock, NULL) == 0);
    TB_ASSERT(pthread_mutex_init(&writer->problem_lock, NULL) == 0);
    writer->relay_due_ms = -1;
    tb_relay_writes_remember(writer);
    writer->retention_at_ms = tb_clock_mono_ms(options->clock) + TB_RETENTION_FIRST_MS;
    *ret_writer = writer;
    return TB_OK;
}

static void take_batch(struct tb_writer *writer)
{
    struct tb_mail *mail = tb_mailbox_take(&writer->mailbox, TB_WRITER_BATCH_MAX);

    writer->job_count = 0;
    while (mail) {
        writer->jobs[writer->job_count++] = (struct tb_job *)mail;
        mail = mail->next;
    }
}

static void refuse_unavailable(struct tb_writer *writer, const char *text)
{
    struct tb_error why = {0};

    tb_error_set(&why, TB_UNAVAILABLE, "%s", text);
    tb_writer_fail_batch(writer, &why);
}

void tb_writer_free(struct tb_writer *writer)
{
    if (!writer)
        return;
    tb_mailbox_close(&writer->mailbox);
    for (take_batch(writer); writer->job_count > 0; take_batch(writer))
        refuse_unavailable(writer, "This node is shutting down; nothing was stored.");
    tb_retention_stop(writer);
    tb_mailbox_release(&writer->mailbox);
    pthread_mutex_destroy(&writer->relay_lock);
    pthread_mutex_destroy(&writer->problem_lock);
    tb_store_free(writer->store);
    free(writer);
}

enum tb_code tb_writer_post(struct tb_writer *writer, struct tb_job *job)
{
    return tb_mailbox_post(&writer->mailbox, &job->mail) ? TB_OK : TB_BUSY;
}

/* Reopening rewrites the WAL before anything else is written. A failed sync is never just
 * repeated: the kernel may have dropped the pages that it was for, and would report success. */
static void try_reopen(struct tb_writer *writer, int64_t now_ms)
{
    struct tb_error err = {0};

    if (writer->reopen_at_ms > now_ms)
        return;
    if (tb_store_reopen(writer->store, &err) == TB_OK) {
        tb_backoff_reset(&writer->reopen_backoff);
        atomic_store(&writer->healthy, true);
        return;
    }
    tb_writer_set_problem(writer, err.text);
    writer->reopen_at_ms =
        now_ms + 1 + tb_backoff_next_ms(&writer->reopen_backoff, writer->store->options.random);
}

void tb_writer_note_lock(struct tb_writer *writer, enum tb_code code)
{
    int64_t now_ms = tb_clock_mono_ms(writer->options.clock);

    if (code == TB_OK)
        atomic_store(&writer->locked_at_ms, -1);
    if (code != TB_BUSY)
        return;
    if (atomic_load(&writer->locked_at_ms) < 0)
        atomic_store(&writer->locked_at_ms, now_ms);
    writer->probe_at_ms = now_ms + TB_WRITER_PROBE_MS;
}

static bool is_locked(const struct tb_writer *writer)
{
    return atomic_load(&writer->locked_at_ms) >= 0;
}

/* Without it, a node whose lock was seen by a command would seem locked until the next command. */
static void probe_lock(struct tb_writer *writer)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_error err = {0};
    enum tb_code code = tb_txn_begin(&txn, writer->store->db, &err);

    tb_writer_note_lock(writer, code);
    if (code != TB_OK && code != TB_BUSY && code != TB_FULL)
        tb_writer_mark_broken(writer, &err);
}

/* A reader's snapshot or a full disk may have stopped a checkpoint. */
static void keep_up(struct tb_writer *writer, int64_t now_ms)
{
    if (!tb_writer_healthy(writer) || now_ms < writer->upkeep_at_ms ||
        !tb_db_wants_checkpoint(writer->store->db))
        return;
    tb_db_retry_checkpoint(writer->store->db);
    writer->upkeep_at_ms = now_ms + TB_WRITER_UPKEEP_MS;
}

static int64_t ms_until(int64_t at_ms, int64_t now_ms)
{
    return at_ms > now_ms ? at_ms - now_ms : 0;
}

static int64_t next_wait_ms(struct tb_writer *writer)
{
    int64_t now_ms = tb_clock_mono_ms(writer->options.clock), wait_ms;

    if (!tb_writer_healthy(writer))
        return ms_until(writer->reopen_at_ms, now_ms);
    wait_ms = tb_relay_writes_wait_ms(writer, now_ms);
    if (writer->retention_at_ms >= 0)
        wait_ms = tb_sooner_ms(wait_ms, ms_until(writer->retention_at_ms, now_ms));
    if (is_locked(writer))
        wait_ms = tb_sooner_ms(wait_ms, ms_until(writer->probe_at_ms, now_ms));
    if (tb_db_wants_checkpoint(writer->store->db))
        wait_ms = tb_sooner_ms(wait_ms, ms_until(writer->upkeep_at_ms, now_ms));
    return tb_mailbox_count(&writer->mailbox) > 0 ? 0 : wait_ms;
}

static void tell_loss(struct tb_writer *writer)
{
    const struct tb_writer_options *options = &writer->options;

    if (options->lost && !writer->told_loss)
        options->lost(options->lost_ctx, writer->epoch, atomic_load(&writer->acked_sequence),
                      atomic_load(&writer->acked_number));
    writer->told_loss = true;
}

/* What is stored in a file that is lost is gone with this process: nothing is acknowledged. */
static bool refuses_lost(struct tb_writer *writer)
{
    struct tb_error why = {0};
    char text[sizeof why.text];

    if (tb_file_loss_check(writer->store->path, &why) == TB_OK) {
        writer->told_loss = false;
        return false;
    }
    tell_loss(writer);
    snprintf(text, sizeof text, "Nothing was stored: %.*s", (int)sizeof text - 22, why.text);
    refuse_unavailable(writer, text);
    return true;
}

/* To begin a transaction is to look. What it finds, refuses_lost tells. */
static void look_at_store(struct tb_writer *writer)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_error ignored = {0};

    if (writer->store->db && tb_writer_healthy(writer))
        (void)!tb_txn_begin(&txn, writer->store->db, &ignored);
}

int64_t tb_writer_step(struct tb_writer *writer)
{
    int64_t now_ms = tb_clock_mono_ms(writer->options.clock);

    writer->single_job = false;
    if (!tb_writer_healthy(writer))
        try_reopen(writer, now_ms);
    take_batch(writer);
    if (atomic_exchange(&writer->suspects, false))
        look_at_store(writer);
    if (refuses_lost(writer)) {
        keep_up(writer, now_ms);
        return tb_mailbox_count(&writer->mailbox) > 0 ? 0 : TB_WRITER_UPKEEP_MS;
    }
    if (!tb_writer_healthy(writer))
        refuse_unavailable(writer, "The store cannot be written at present; nothing was stored.");
    else if (writer->job_count > 0 || tb_relay_writes_are_due(writer, now_ms))
        tb_writer_run_batch(writer);
    else if (is_locked(writer) && now_ms >= writer->probe_at_ms)
        probe_lock(writer);
    else
        tb_retention_run(writer, now_ms);
    keep_up(writer, now_ms);
    return next_wait_ms(writer);
}

void tb_writer_run(struct tb_writer *writer)
{
    while (!atomic_load(&writer->stopping)) {
        int64_t wait_ms = tb_writer_step(writer);

        if (wait_ms != 0 && writer->single_job)
            tb_mailbox_spin_wait(&writer->mailbox, TB_WRITER_SPIN_US);
        if (wait_ms != 0)
            tb_mailbox_wait(&writer->mailbox, wait_ms);
    }
    /* Finish what was posted before the stop; the last step writes what the relays have posted. */
    while (tb_mailbox_count(&writer->mailbox) > 0)
        tb_writer_step(writer);
    tb_writer_step(writer);
}

void tb_writer_stop(struct tb_writer *writer)
{
    /* Close first: tb_writer_run finishes every job that was accepted. */
    tb_mailbox_close(&writer->mailbox);
    atomic_store(&writer->stopping, true);
    tb_mailbox_wake(&writer->mailbox);
}

void tb_writer_wake(struct tb_writer *writer)
{
    tb_mailbox_wake(&writer->mailbox);
}

const struct tb_writer_stats *tb_writer_stats(const struct tb_writer *writer)
{
    return &writer->stats;
}

bool tb_writer_healthy(const struct tb_writer *writer)
{
    return atomic_load(&writer->healthy);
}

void tb_writer_set_problem(struct tb_writer *writer, const char *text)
{
    pthread_mutex_lock(&writer->problem_lock);
    snprintf(writer->problem, sizeof writer->problem, "%s", text);
    pthread_mutex_unlock(&writer->problem_lock);
}

void tb_writer_problem(struct tb_writer *writer, char ret_text[TB_WRITER_PROBLEM_SIZE])
{
    pthread_mutex_lock(&writer->problem_lock);
    memcpy(ret_text, writer->problem, TB_WRITER_PROBLEM_SIZE);
    pthread_mutex_unlock(&writer->problem_lock);
}

bool tb_writer_found_full(const struct tb_writer *writer)
{
    return atomic_load(&writer->full);
}

bool tb_writer_found_damage(const struct tb_writer *writer)
{
    return atomic_load(&writer->damaged);
}

void tb_writer_position(const struct tb_writer *writer, struct tb_writer_position *ret_position)
{
    memcpy(ret_position->epoch, writer->epoch, sizeof ret_position->epoch);
    ret_position->sequence = atomic_load(&writer->acked_sequence);
    ret_position->number = atomic_load(&writer->acked_number);
    ret_position->row = atomic_load(&writer->acked_row);
}

void tb_writer_suspect(struct tb_writer *writer)
{
    atomic_store(&writer->suspects, true);
    tb_mailbox_wake(&writer->mailbox);
}

struct tb_store *tb_writer_store(struct tb_writer *writer)
{
    return writer->store;
}

int64_t tb_writer_locked_ms(const struct tb_writer *writer)
{
    int64_t at_ms = atomic_load(&writer->locked_at_ms);

    return at_ms < 0 ? -1 : tb_clock_mono_ms(writer->options.clock) - at_ms;
}

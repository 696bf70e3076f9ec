#include "base/diag/diag.h"
#include "store/writer_priv.h"

/* Fills the answer of a job that failed. (A refused command has its answer from tb_store_execute.)
 */
static void fail_job(struct tb_job *job, const struct tb_error *why)
{
    job->code = why->code;
    if (job->type != TB_JOB_COMMAND)
        return;
    tb_answer_release(&job->answer);
    job->answer = (struct tb_answer){0};
    tb_answer_from_error(&job->answer, why, NULL);
}

static void count_result(struct tb_writer *writer, const struct tb_job *job)
{
    int result = TB_RESULT_DONE;

    if (job->type != TB_JOB_COMMAND)
        return;
    if (job->answer.status >= 400)
        result = job->answer.status >= 500 ? TB_RESULT_FAILED : TB_RESULT_REFUSED;
    tb_counter_add(&writer->stats.commands[job->command.type][result], 1);
}

/* The job belongs to its poster again: do not use it afterwards. */
static void reply(struct tb_writer *writer, struct tb_job *job)
{
    count_result(writer, job);
    job->done(job);
}

static void reply_to_batch(struct tb_writer *writer)
{
    for (size_t i = 0; i < writer->job_count; i++)
        reply(writer, writer->jobs[i]);
    writer->job_count = 0;
}

void tb_writer_fail_batch(struct tb_writer *writer, const struct tb_error *why)
{
    for (size_t i = 0; i < writer->job_count; i++)
        fail_job(writer->jobs[i], why);
    reply_to_batch(writer);
}

/* Damage is reported as such. */
void tb_writer_mark_broken(struct tb_writer *writer, const struct tb_error *why)
{
    if (!writer->problem[0] && why->code != TB_CORRUPT)
        tb_diag(TB_DIAG_ERROR, "store.failing", "%s cannot be written: %s", writer->store->path,
                why->text);
    tb_writer_set_problem(writer, why->text);
    atomic_store(&writer->healthy, false);
    writer->reopen_at_ms = tb_clock_mono_ms(writer->options.clock);
}

static bool below_reserve(const struct tb_writer *writer)
{
    const struct tb_writer_options *options = &writer->options;
    int64_t bytes = options->disk_free ? options->disk_free(options->disk_ctx) : -1;

    return bytes >= 0 && bytes < options->disk_reserve_bytes;
}

static enum tb_code write_command(struct tb_writer *writer, struct tb_job *job,
                                  struct tb_error *err)
{
    TB_TRY(tb_store_execute(writer->store, &job->command, job->traceparent, job->arena,
                            &job->answer, err));
    if (job->answer.status >= 500) /* no memory for the answer: undo the command */
        return tb_error_set(err, TB_UNAVAILABLE, "out of memory");
    if (!job->idempotency_key.ptr)
        return TB_OK;
    return tb_store_save_answer(writer->store, job->idempotency_key, job->fingerprint,
                                &job->answer, err);
}

/* Does the error concern one command alone? It does if what the command writes breaks a
 * constraint, or if its order's document cannot be decoded. SQLite's own errors (native) concern
 * all. */
static bool concerns_one_command(const struct tb_error *err)
{
    return err->code == TB_CONFLICT || (err->code == TB_CORRUPT && err->native == 0);
}

/* full: nothing new may be stored; a repeated command still gets its first answer. */
static enum tb_code run_command(struct tb_writer *writer, struct tb_job *job, bool full,
                                struct tb_error *err)
{
    bool known = false;

    tb_answer_release(&job->answer);
    job->answer = (struct tb_answer){0};
    job->code = TB_OK;
    if (job->idempotency_key.ptr)
        TB_TRY(tb_store_find_answer(writer->store, job->idempotency_key, job->fingerprint,
                                    &job->answer, &known, err));
    if (known)
        return TB_OK;
    if (full) {
        struct tb_error why = {0};
        tb_error_set(&why, TB_FULL,
                     "The disk of this node is nearly full; the order was not stored.");
        fail_job(job, &why);
        return TB_OK;
    }
    return write_command(writer, job, err);
}

static enum tb_code run_job(struct tb_writer *writer, struct tb_job *job, bool full,
                            struct tb_error *err)
{
    if (job->type == TB_JOB_COMMAND)
        return run_command(writer, job, full, err);
    if (job->type == TB_JOB_FORGET)
        return tb_cursors_forget(writer, job, err);
    if (job->type == TB_JOB_UNPARK)
        return tb_cursors_unpark(writer, job, err);
    if (job->type == TB_JOB_RESEND)
        return tb_resend_ask(writer, job, err);
    struct tb_stmt *stmt = &writer->store->stmts[TB_STMT_SET_FORCED_OFFLINE];
    job->code = TB_OK;
    tb_stmt_bind_int64(stmt, ":forced", job->forced_offline);
    return tb_stmt_run(stmt, err);
}

/* Runs the whole batch in one transaction, with one COMMIT. writes: NULL for none. *ret_failed is
 * the job that failed; job_count: none, but something else. */
static enum tb_code run_transaction(struct tb_writer *writer, bool full,
                                    const struct tb_relay_writes *writes, size_t *ret_failed,
                                    struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};

    *ret_failed = writer->job_count;
    TB_TRY(tb_txn_begin(&txn, writer->store->db, err));
    for (size_t i = 0; i < writer->job_count; i++) {
        *ret_failed = i;
        TB_TRY(run_job(writer, writer->jobs[i], full, err));
    }
    *ret_failed = writer->job_count;
    if (writes)
        TB_TRY(tb_relay_writes_store(writer->store, writes, err));
    return tb_txn_commit(&txn, err);
}

/* Answers the job that failed, and takes it out of the batch; the others are then run again. (With
 * a savepoint for each command they would not have to be, but that costs every batch a fifth of
 * the writer's time.) */
static void drop_failed(struct tb_writer *writer, size_t failed, const struct tb_error *err)
{
    struct tb_job *job = writer->jobs[failed];
    struct tb_error why = *err;

    why.code = TB_INTERNAL;
    fail_job(job, &why);
    writer->job_count--;
    memmove(&writer->jobs[failed], &writer->jobs[failed + 1],
            (writer->job_count - failed) * sizeof writer->jobs[0]);
    reply(writer, job);
}

/* A LINK job changes what the process sees only after its commit. */
static void publish_forced_offline(struct tb_writer *writer)
{
    for (size_t i = 0; i < writer->job_count; i++)
        if (writer->jobs[i]->type == TB_JOB_LINK)
            writer->store->forced_offline = writer->jobs[i]->forced_offline;
}

static void end_outage(struct tb_writer *writer)
{
    if (!writer->problem[0])
        return;
    tb_diag(TB_DIAG_INFO, "store.working", "%s is written again", writer->store->path);
    tb_writer_set_problem(writer, "");
}

static void complete_transaction(struct tb_writer *writer, int64_t rows_before, int64_t started_us)
{
    int64_t now_us = tb_clock_mono_us(writer->options.clock);
    bool grew = writer->store->last_row > rows_before;

    publish_forced_offline(writer);
    atomic_store(&writer->acked_sequence, tb_store_last_sequence(writer->store));
    atomic_store(&writer->acked_number, writer->store->last_number);
    atomic_store(&writer->acked_row, writer->store->last_row);
    end_outage(writer);
    if (grew) {
        atomic_store(&writer->damaged, false);
        atomic_store(&writer->full, false);
    }
    writer->single_job = writer->job_count == 1;
    if (grew) {
        tb_histogram_observe(&writer->stats.commit_us, now_us - started_us);
        tb_histogram_observe(&writer->stats.batch_size, writer->store->last_row - rows_before);
        writer->cursor_expected_until_ms = now_us / 1000 + TB_WRITER_CURSOR_MS;
    }
    if (writer->job_count > 0)
        tb_retention_schedule(writer, now_us / 1000);
    reply_to_batch(writer);
    if (grew && writer->options.committed)
        writer->options.committed(writer->options.committed_ctx);
    tb_db_maybe_checkpoint(writer->store->db, writer->single_job ? 0 : TB_STORE_WAL_PAGES_BUSY);
}

/* Answers the batch. Nothing of it was stored; with TB_UNKNOWN, it may be stored. */
static void fail_transaction(struct tb_writer *writer, const struct tb_error *err)
{
    struct tb_error why = {0}, counters = {0};

    if (err->code == TB_UNKNOWN)
        tb_error_set(&why, TB_UNKNOWN,
                     "The disk failed while the command was being stored; whether it was is "
                     "unknown. Repeat it with the same idempotency key.");
    else if (err->code == TB_FULL)
        tb_error_set(&why, TB_FULL, "The disk of this node is full; nothing was stored.");
    else
        tb_error_set(&why, TB_UNAVAILABLE, "The store cannot be written; nothing was stored. (%s)",
                     err->text);
    why.native = err->native;
    if (err->code == TB_CORRUPT && !atomic_exchange(&writer->damaged, true))
        tb_diag(TB_DIAG_ERROR, "store.damaged", "%s: %s", writer->store->path, err->text);
    /* After a full disk or a lock the connection can be used again once the counters are read. */
    if (err->code != TB_FULL && err->code != TB_BUSY)
        tb_writer_mark_broken(writer, err);
    else if (tb_store_load_counters(writer->store, &counters) != TB_OK)
        tb_writer_mark_broken(writer, &counters);
    tb_relay_writes_delay(writer,
                          tb_clock_mono_ms(writer->options.clock) + TB_WRITER_CURSOR_RETRY_MS);
    tb_writer_fail_batch(writer, &why);
}

void tb_writer_run_batch(struct tb_writer *writer)
{
    struct tb_relay_writes writes;
    struct tb_error err = {0};
    int64_t started_us = tb_clock_mono_us(writer->options.clock);
    int64_t rows_before = writer->store->last_row;
    bool full = writer->job_count > 0 && below_reserve(writer);
    size_t failed;

    /* What is committed to a file that was removed is lost as soon as this process ends. */
    if (writer->job_count > 0 && tb_store_check_place(writer->store, &err) != TB_OK) {
        fail_transaction(writer, &err);
        return;
    }
    tb_relay_writes_copy(writer, &writes);
    enum tb_code code = run_transaction(writer, full, &writes, &failed, &err);

    while (code != TB_OK && failed < writer->job_count && concerns_one_command(&err)) {
        drop_failed(writer, failed, &err);
        code = tb_store_load_counters(writer->store, &err);
        if (code == TB_OK)
            code = run_transaction(writer, full, &writes, &failed, &err);
    }
    if (code == TB_FULL)
        atomic_store(&writer->full, true);
    if (code == TB_FULL && writer->job_count > 0 &&
        tb_store_load_counters(writer->store, &err) == TB_OK) {
        writes = (struct tb_relay_writes){0};
        tb_relay_writes_delay(writer, started_us / 1000 + TB_WRITER_CURSOR_RETRY_MS);
        code = run_transaction(writer, true, NULL, &failed, &err);
    }
    tb_writer_note_lock(writer, code);
    if (code != TB_OK) {
        fail_transaction(writer, &err);
        return;
    }
    tb_relay_writes_committed(writer, &writes);
    complete_transaction(writer, rows_before, started_us);
}

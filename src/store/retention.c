#include "base/sqlite/file_loss.h"
#include "store/writer_priv.h"

/* The uptime at which rows were written that have now been kept for keep_ms. */
static int64_t expired_ms(const struct tb_writer *writer, int64_t keep_ms)
{
    return tb_uptime_ms(&writer->store->uptime, writer->options.clock) - keep_ms;
}

static enum tb_code delete_outbox(struct tb_writer *writer, struct tb_error *err)
{
    struct tb_stmt *stmt = &writer->store->stmts[TB_STMT_DELETE_OUTBOX];
    int64_t acked = 0;
    /* The newest row always stays: readers learn from it where the outbox ends. */
    int64_t last = writer->store->last_row - 1;

    TB_TRY(tb_cursors_lowest(writer, &acked, err));
    if (last < acked)
        acked = last;
    tb_stmt_bind_int64(stmt, ":acked", acked);
    tb_stmt_bind_int64(stmt, ":chunk", TB_RETENTION_CHUNK);
    tb_stmt_bind_int64(stmt, ":expired", expired_ms(writer, writer->options.outbox_keep_ms));
    return tb_stmt_run(stmt, err);
}

static enum tb_code delete_answers(struct tb_writer *writer, struct tb_error *err)
{
    struct tb_stmt *stmt = &writer->store->stmts[TB_STMT_DELETE_ANSWERS];

    tb_stmt_bind_int64(stmt, ":expired", expired_ms(writer, writer->options.idempotency_keep_ms));
    tb_stmt_bind_int64(stmt, ":chunk", TB_RETENTION_CHUNK);
    return tb_stmt_run(stmt, err);
}

/* Deletes one chunk in a transaction of its own. *ret_more: call it again. */
static enum tb_code delete_chunk(struct tb_writer *writer, bool *ret_more, struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_db *db = writer->store->db;
    bool more = false;

    TB_TRY(tb_txn_begin(&txn, db, err));
    if (writer->options.outbox_keep_ms >= 0) {
        TB_TRY(delete_outbox(writer, err));
        more = tb_db_changes(db) >= TB_RETENTION_CHUNK;
    }
    if (!more) { /* else the outbox rows have used up the chunk */
        TB_TRY(delete_answers(writer, err));
        more = tb_db_changes(db) >= TB_RETENTION_CHUNK;
    }
    TB_TRY(tb_store_save_uptime(writer->store, err));
    TB_TRY(tb_txn_commit(&txn, err));
    *ret_more = more;
    return TB_OK;
}

/* Is there anything that a later round may delete? */
static enum tb_code may_expire(struct tb_store *store, bool *ret_may, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = &store->stmts[TB_STMT_MAY_EXPIRE];
    bool row = false;

    TB_TRY(tb_stmt_step(stmt, &row, err));
    TB_ASSERT(row);
    *ret_may = tb_stmt_int64(stmt, 0) != 0;
    return TB_OK;
}

void tb_retention_schedule(struct tb_writer *writer, int64_t now_ms)
{
    if (writer->retention_at_ms < 0)
        writer->retention_at_ms = now_ms + TB_RETENTION_ROUND_MS;
}

void tb_retention_run(struct tb_writer *writer, int64_t now_ms)
{
    struct tb_error err = {0};
    bool more = false, left = false;

    if (writer->retention_at_ms < 0 || writer->retention_at_ms > now_ms)
        return;
    enum tb_code code = delete_chunk(writer, &more, &err);
    if (code == TB_OK && more)
        return;
    if (code == TB_OK)
        code = may_expire(writer->store, &left, &err);
    tb_writer_note_lock(writer, code);
    if (code != TB_OK && code != TB_FULL && code != TB_BUSY)
        tb_writer_mark_broken(writer, &err);
    /* After a failure wait for the next round: data that is kept for too long does no harm. */
    writer->retention_at_ms = code != TB_OK || left ? now_ms + TB_RETENTION_ROUND_MS : -1;
}

void tb_retention_stop(struct tb_writer *writer)
{
    struct tb_store *store = writer->store;
    struct tb_error err = {0};

    /* If it fails, rows expire up to an hour of uptime later: see load_uptime. */
    if (tb_writer_healthy(writer) && tb_file_loss_check(store->path, &err) == TB_OK &&
        tb_uptime_ms(&store->uptime, writer->options.clock) >=
            store->saved_uptime_ms + TB_RETENTION_SAVE_MS)
        (void)!tb_store_save_uptime(store, &err);
}

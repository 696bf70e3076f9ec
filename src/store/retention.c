#include "store/writer_priv.h"

/* Finds the last row that every relay has passed; 0 if there are no relays, because then no row
 * was acknowledged. */
static enum tb_code acknowledged_row(struct tb_writer *writer, int64_t *ret_row,
                                     struct tb_error *err)
{
    const struct tb_writer_options *options = &writer->options;
    struct tb_stmt *stmt = &writer->store->stmts[TB_STMT_CURSOR];
    /* The newest row always stays: readers learn from it where the outbox ends. */
    int64_t lowest = options->cursor_count > 0 ? writer->store->last_row - 1 : 0;

    for (size_t i = 0; i < options->cursor_count; i++) {
        bool found = false;
        int64_t row = 0;

        tb_stmt_bind_text(stmt, ":name", tb_str_of(options->cursor_names[i]));
        TB_TRY(tb_stmt_step(stmt, &found, err));
        if (found)
            row = tb_stmt_int64(stmt, 0);
        tb_stmt_reset(stmt);
        if (row < lowest)
            lowest = row;
    }
    *ret_row = lowest;
    return TB_OK;
}

static enum tb_code delete_outbox(struct tb_writer *writer, int64_t now_ms, struct tb_error *err)
{
    struct tb_stmt *stmt = &writer->store->stmts[TB_STMT_DELETE_OUTBOX];
    int64_t acked = 0, keep_ms = writer->options.outbox_keep_ms;

    TB_TRY(acknowledged_row(writer, &acked, err));
    tb_stmt_bind_int64(stmt, ":acked", acked);
    tb_stmt_bind_int64(stmt, ":chunk", TB_RETENTION_CHUNK);
    tb_stmt_bind_int64(stmt, ":from", now_ms - keep_ms);
    tb_stmt_bind_int64(stmt, ":to", now_ms + keep_ms);
    return tb_stmt_run(stmt, err);
}

static enum tb_code delete_answers(struct tb_writer *writer, int64_t now_ms, struct tb_error *err)
{
    struct tb_stmt *stmt = &writer->store->stmts[TB_STMT_DELETE_ANSWERS];

    tb_stmt_bind_int64(stmt, ":before", now_ms - writer->options.idempotency_keep_ms);
    tb_stmt_bind_int64(stmt, ":chunk", TB_RETENTION_CHUNK);
    return tb_stmt_run(stmt, err);
}

/* Deletes one chunk in a transaction of its own. *ret_more: call it again. */
static enum tb_code delete_chunk(struct tb_writer *writer, int64_t now_ms, bool *ret_more,
                                 struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_db *db = writer->store->db;
    bool more = false;

    TB_TRY(tb_txn_begin(&txn, db, err));
    if (writer->options.outbox_keep_ms >= 0) {
        TB_TRY(delete_outbox(writer, now_ms, err));
        more = tb_db_changes(db) >= TB_RETENTION_CHUNK;
    }
    if (!more) { /* else the outbox rows have used up the chunk */
        TB_TRY(delete_answers(writer, now_ms, err));
        more = tb_db_changes(db) >= TB_RETENTION_CHUNK;
    }
    TB_TRY(tb_txn_commit(&txn, err));
    *ret_more = more;
    return TB_OK;
}

/* Is there anything that a later round may delete? */
static enum tb_code may_expire(struct tb_store *store, bool *ret_may, struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_MAY_EXPIRE];
    bool row = false;

    TB_TRY(tb_stmt_step(stmt, &row, err));
    TB_ASSERT(row);
    *ret_may = tb_stmt_int64(stmt, 0) != 0;
    tb_stmt_reset(stmt);
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
    int64_t wall_ms = tb_retention_clock_now_ms(&writer->retention_clock, writer->options.clock,
                                                writer->options.idempotency_keep_ms);
    enum tb_code code = delete_chunk(writer, wall_ms, &more, &err);
    if (code == TB_OK && more)
        return;
    if (code == TB_OK)
        code = may_expire(writer->store, &left, &err);
    if (code != TB_OK && code != TB_FULL && code != TB_BUSY)
        tb_writer_mark_broken(writer);
    /* After a failure wait for the next round: data that is kept for too long does no harm. */
    writer->retention_at_ms = code != TB_OK || left ? now_ms + TB_RETENTION_ROUND_MS : -1;
}

#include "store/store_priv.h"

/* The row that every relay has passed; 0 without relays: then nothing was acknowledged. */
static enum tb_code acknowledged_row(struct tb_store *store, const struct tb_retention *what,
                                     int64_t *ret_row, struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_CURSOR];
    /* Never the newest row: a reader sees from it where the outbox stands. */
    int64_t lowest = what->cursor_count > 0 ? store->last_row - 1 : 0;

    for (size_t i = 0; i < what->cursor_count; i++) {
        bool found = false;
        int64_t row = 0;

        tb_stmt_bind_text(stmt, ":name", tb_str_of(what->cursor_names[i]));
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

static enum tb_code clean_outbox(struct tb_store *store, const struct tb_retention *what,
                                 bool *ret_more, struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_DELETE_OUTBOX];
    int64_t acked = 0;

    if (what->outbox_keep_ms < 0)
        return TB_OK;
    TB_TRY(acknowledged_row(store, what, &acked, err));
    tb_stmt_bind_int64(stmt, ":acked", acked);
    tb_stmt_bind_int64(stmt, ":chunk", TB_RETENTION_CHUNK);
    tb_stmt_bind_int64(stmt, ":from", what->now_ms - what->outbox_keep_ms);
    tb_stmt_bind_int64(stmt, ":to", what->now_ms + what->outbox_keep_ms);
    TB_TRY(tb_stmt_run(stmt, err));
    *ret_more = tb_db_changes(store->db) >= TB_RETENTION_CHUNK;
    return TB_OK;
}

static enum tb_code clean_keys(struct tb_store *store, const struct tb_retention *what,
                               bool *ret_more, struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_DELETE_ANSWERS];

    tb_stmt_bind_int64(stmt, ":before", what->now_ms - what->idempotency_keep_ms);
    tb_stmt_bind_int64(stmt, ":chunk", TB_RETENTION_CHUNK);
    TB_TRY(tb_stmt_run(stmt, err));
    *ret_more = tb_db_changes(store->db) >= TB_RETENTION_CHUNK;
    return TB_OK;
}

enum tb_code tb_store_delete_expired(struct tb_store *store, const struct tb_retention *what,
                                     bool *ret_more, struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    bool more = false;

    TB_TRY(tb_txn_begin(&txn, store->db, err));
    TB_TRY(clean_outbox(store, what, &more, err));
    if (!more) /* else the chunk is used up */
        TB_TRY(clean_keys(store, what, &more, err));
    TB_TRY(tb_txn_commit(&txn, err));
    *ret_more = more;
    return TB_OK;
}

enum tb_code tb_store_may_expire(struct tb_store *store, bool *ret_cleanable, struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_MAY_EXPIRE];
    bool row = false;

    TB_TRY(tb_stmt_step(stmt, &row, err));
    TB_ASSERT(row);
    *ret_cleanable = tb_stmt_int64(stmt, 0) != 0;
    tb_stmt_reset(stmt);
    return TB_OK;
}

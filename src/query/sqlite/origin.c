#include "query/sqlite/view_sqlite_priv.h"

static struct tb_db *db_of(struct tb_view *view)
{
    return ((struct tb_view_sqlite *)view)->db;
}

enum tb_code tb_view_sqlite_read_origin(struct tb_view *view, struct tb_view_origin *ret_origin,
                                        struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    bool row = false;

    *ret_origin = (struct tb_view_origin){0};
    TB_TRY(tb_stmt_prepare(&stmt, db_of(view), "SELECT log_id, store_id FROM origin", err));
    TB_TRY(tb_stmt_step(&stmt, &row, err));
    if (!row)
        return TB_OK;
    tb_stmt_copy_text(&stmt, 0, ret_origin->log_id, sizeof ret_origin->log_id);
    tb_stmt_copy_text(&stmt, 1, ret_origin->store_id, sizeof ret_origin->store_id);
    return TB_OK;
}

static enum tb_code put_offset(struct tb_db *db, int64_t next, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};

    TB_TRY(tb_db_exec(db, "DELETE FROM offsets", err));
    if (next < 0)
        return TB_OK;
    TB_TRY(
        tb_stmt_prepare(&stmt, db, "INSERT INTO offsets(partition, next) VALUES(0, :next)", err));
    tb_stmt_bind_int64(&stmt, ":next", next);
    return tb_stmt_run(&stmt, err);
}

enum tb_code tb_view_sqlite_set_origin(struct tb_view *view, const struct tb_view_origin *origin,
                                       int64_t next, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_db *db = db_of(view);

    TB_TRY(tb_stmt_prepare(&stmt, db,
                           "INSERT INTO origin(one, log_id, store_id)"
                           " VALUES(1, :log_id, :store_id) ON CONFLICT DO UPDATE"
                           " SET log_id = excluded.log_id, store_id = excluded.store_id",
                           err));
    tb_stmt_bind_text(&stmt, ":log_id", tb_str_of(origin->log_id));
    tb_stmt_bind_text(&stmt, ":store_id", tb_str_of(origin->store_id));
    TB_TRY(tb_txn_begin(&txn, db, err));
    TB_TRY(tb_stmt_run(&stmt, err));
    TB_TRY(put_offset(db, next, err));
    ((struct tb_view_sqlite *)view)->next_offset = -1;
    TB_TRY(tb_txn_commit(&txn, err));
    /* After a power cut a view that is of another log than the one beside it was put back. */
    return tb_db_sync(db, err);
}

enum tb_code tb_view_sqlite_claim(struct tb_view *view, const struct tb_view_origin *origin,
                                  struct tb_error *err)
{
    struct tb_view_origin found = {0};

    TB_TRY(tb_view_sqlite_read_origin(view, &found, err));
    return strcmp(found.log_id, origin->log_id) == 0
               ? TB_OK
               : tb_view_sqlite_set_origin(view, origin, -1, err);
}

enum tb_code tb_view_sqlite_check(struct tb_view *view, struct tb_error *err)
{
    return tb_db_check(db_of(view), err);
}

enum tb_code tb_view_sqlite_each_epoch(struct tb_view *view, tb_view_epoch_fn *each, void *ctx,
                                       struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    char epoch[TB_EPOCH_SIZE];
    bool row = false;

    TB_TRY(tb_stmt_prepare(&stmt, db_of(view),
                           "SELECT epoch, max(sequence), max(store_sequence) FROM"
                           " (SELECT epoch, sequence, 0 AS store_sequence FROM orders"
                           "   WHERE epoch <> ''"
                           "  UNION ALL SELECT epoch, 0, sequence FROM store_sequences)"
                           " GROUP BY epoch",
                           err));
    for (;;) {
        TB_TRY(tb_stmt_step(&stmt, &row, err));
        if (!row)
            return TB_OK;
        TB_TRY(each(ctx, tb_stmt_copy_text(&stmt, 0, epoch, sizeof epoch), tb_stmt_int64(&stmt, 1),
                    tb_stmt_int64(&stmt, 2), err));
    }
}

static enum tb_code query(struct tb_view *view, const char *sql, const char *node,
                          int64_t *ret_value, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    bool row = false;

    TB_TRY(tb_stmt_prepare(&stmt, db_of(view), sql, err));
    if (node)
        tb_stmt_bind_text(&stmt, ":node", tb_str_of(node));
    TB_TRY(tb_stmt_step(&stmt, &row, err));
    TB_ASSERT(row);
    *ret_value = tb_stmt_int64(&stmt, 0);
    return TB_OK;
}

enum tb_code tb_view_sqlite_last_number(struct tb_view *view, const char *node,
                                        int64_t *ret_number, struct tb_error *err)
{
    return query(view,
                 "SELECT coalesce(max(CAST(substr(json_extract(doc, '$.orderNumber'),"
                 " length(:node) + 2) AS INTEGER)), 0) FROM orders"
                 " WHERE node = :node AND doc IS NOT NULL",
                 node, ret_number, err);
}

enum tb_code tb_view_sqlite_offsets_end(struct tb_view *view, int64_t *ret_end,
                                        struct tb_error *err)
{
    return query(view,
                 "SELECT max(coalesce((SELECT max(next) FROM offsets), 0),"
                 " coalesce((SELECT max(last_offset) + 1 FROM dead_letters), 0))",
                 NULL, ret_end, err);
}

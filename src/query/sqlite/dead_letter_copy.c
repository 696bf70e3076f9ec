#include "query/sqlite/view_sqlite_priv.h"

/* Applying the log has given both views the same dead letters, as far as the log has them. Of a
 * dead letter that both views have, only the columns that do not come from the log are copied. */
enum { PARTITION, OFFSET, STATUS, DEAD_AT, CHANGED_AT, KEPT_FROM };
static const char read_sql[] =
    "SELECT partition, \"offset\", status, dead_at, changed_at, kept_from, last_offset, version,"
    " attempts, follows, timestamp, order_id, type, reason, message, key, headers, value FROM "
    "dead_letters"
    " ORDER BY partition, \"offset\"";
static const char update_sql[] =
    "UPDATE dead_letters SET dead_at = :dead_at, changed_at = :changed_at,"
    " kept_from = :kept_from,"
    " status = CASE WHEN :status = 'dropped' AND status = 'open' THEN 'dropped' ELSE status END"
    " WHERE partition = :partition AND \"offset\" = :offset";
static const char insert_sql[] =
    "INSERT INTO dead_letters(partition, \"offset\", status, dead_at, changed_at, kept_from,"
    " last_offset, version, attempts, follows, timestamp, order_id, type, reason, message, key, "
    "headers, value)"
    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

struct copier {
    struct tb_stmt read, update, insert;
};

static enum tb_code update_row(struct copier *copier, struct tb_error *err)
{
    struct tb_stmt *row = &copier->read, *update = &copier->update;

    tb_stmt_bind_int64(update, ":partition", tb_stmt_int64(row, PARTITION));
    tb_stmt_bind_int64(update, ":offset", tb_stmt_int64(row, OFFSET));
    tb_stmt_bind_text(update, ":status", tb_stmt_text(row, STATUS));
    tb_stmt_bind_int64(update, ":dead_at", tb_stmt_int64(row, DEAD_AT));
    tb_stmt_bind_int64(update, ":changed_at", tb_stmt_int64(row, CHANGED_AT));
    tb_stmt_bind_int64(update, ":kept_from", tb_stmt_int64(row, KEPT_FROM));
    return tb_stmt_run(update, err);
}

static enum tb_code copy_all(struct copier *copier, struct tb_view_sqlite *to, int64_t begin,
                             struct tb_error *err)
{
    for (bool row = true;;) {
        TB_TRY(tb_stmt_step(&copier->read, &row, err));
        if (!row)
            return TB_OK;
        TB_TRY(update_row(copier, err));
        if (tb_db_changes(to->db) == 0 && tb_stmt_int64(&copier->read, OFFSET) < begin) {
            tb_stmt_bind_row(&copier->insert, &copier->read);
            TB_TRY(tb_stmt_run(&copier->insert, err));
        }
    }
}

static enum tb_code prepare(struct copier *copier, struct tb_view_sqlite *from,
                            struct tb_view_sqlite *to, struct tb_error *err)
{
    TB_TRY(tb_stmt_prepare(&copier->read, from->db, read_sql, err));
    TB_TRY(tb_stmt_prepare(&copier->update, to->db, update_sql, err));
    return tb_stmt_prepare(&copier->insert, to->db, insert_sql, err);
}

enum tb_code tb_view_sqlite_copy_dead_letters(struct tb_view *from_base, struct tb_view *to_base,
                                              int64_t begin, struct tb_error *err)
{
    struct tb_view_sqlite *from = (struct tb_view_sqlite *)from_base;
    struct tb_view_sqlite *to = (struct tb_view_sqlite *)to_base;
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct copier copier = {0};
    enum tb_code code;

    code = prepare(&copier, from, to, err);
    if (code == TB_OK)
        code = tb_txn_begin(&txn, to->db, err);
    if (code == TB_OK)
        code = copy_all(&copier, to, begin, err);
    tb_stmt_reset(&copier.read);
    if (code == TB_OK)
        code = tb_txn_commit(&txn, err);
    tb_view_sqlite_finalize((struct tb_stmt *)&copier, (struct tb_stmt *)(&copier + 1));
    return code == TB_OK ? TB_OK : tb_error_wrap(err, "dead letters to the other view");
}

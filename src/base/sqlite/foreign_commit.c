#include "base/sqlite/db_priv.h"
#include "base/sqlite/file_loss.h"

void tb_db_watch_content(struct tb_db *db, tb_db_content_fn *is_ours, void *ctx)
{
    db->is_ours = is_ours;
    db->is_ours_ctx = ctx;
}

/* Changes with the commits of other connections only. */
static enum tb_code read_version(struct tb_db *db, int64_t *ret_version, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = &db->data_version;
    bool row = false;

    if (!stmt->raw)
        TB_TRY(tb_stmt_prepare(stmt, db, "PRAGMA data_version", err));
    TB_TRY(tb_stmt_step(stmt, &row, err));
    *ret_version = row ? tb_stmt_int64(stmt, 0) : 0;
    return TB_OK;
}

enum tb_code tb_db_check_content(struct tb_db *db, struct tb_error *err)
{
    int64_t version = 0;
    bool ours = true;

    if (!db->is_ours)
        return TB_OK;
    TB_TRY(read_version(db, &version, err));
    if (version == db->seen_version)
        return TB_OK;
    TB_TRY(db->is_ours(db->is_ours_ctx, &ours, err));
    if (ours) {
        db->seen_version = version;
        return TB_OK;
    }
    tb_db_lose(db, TB_LOSS_CHANGED);
    return tb_file_loss_check(db->path, err);
}

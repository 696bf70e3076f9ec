#include "store/writer_priv.h"

void tb_cursor_status_read(struct tb_stmt *stmt, struct tb_outbox_cursor *ret_cursor)
{
    tb_stmt_copy_text(stmt, 0, ret_cursor->name, sizeof ret_cursor->name);
    ret_cursor->pending = tb_stmt_int64(stmt, 1);
    ret_cursor->oldest_pending_at_ms = tb_stmt_int64(stmt, 2);
    ret_cursor->parked = tb_stmt_int64(stmt, 3);
    ret_cursor->oldest_pending_uptime_ms = tb_stmt_int64(stmt, 4);
}

enum tb_code tb_cursors_lowest(struct tb_writer *writer, int64_t *ret_row, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &writer->store->stmts[TB_STMT_LOWEST_CURSOR];
    bool found = false;

    if (!tb_relay_writes_remembered(writer)) {
        *ret_row = 0;
        return TB_OK;
    }
    TB_TRY(tb_stmt_step(stmt, &found, err));
    TB_ASSERT(found);
    *ret_row = tb_stmt_int64(stmt, 0);
    return TB_OK;
}

bool tb_cursors_is_configured(const struct tb_writer *writer, const char *name)
{
    for (size_t i = 0; i < writer->options.cursor_count; i++)
        if (strcmp(writer->options.cursor_names[i], name) == 0)
            return true;
    return false;
}

static enum tb_code find(struct tb_store *store, struct tb_str name, bool *ret_found,
                         struct tb_outbox_cursor *ret_cursor, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = &store->stmts[TB_STMT_FIND_CURSOR];

    tb_stmt_bind_text(stmt, ":name", name);
    TB_TRY(tb_stmt_step(stmt, ret_found, err));
    if (*ret_found)
        tb_cursor_status_read(stmt, ret_cursor);
    return TB_OK;
}

enum tb_code tb_cursors_forget(struct tb_writer *writer, struct tb_job *job, struct tb_error *err)
{
    struct tb_stmt *stmts = writer->store->stmts;
    struct tb_str name = tb_str_of(job->log);

    job->forgotten = (struct tb_outbox_cursor){0};
    job->code = tb_cursors_is_configured(writer, job->log) ? TB_CONFLICT : TB_OK;
    if (job->code != TB_OK)
        return TB_OK;
    TB_TRY(find(writer->store, name, &job->was_remembered, &job->forgotten, err));
    tb_stmt_bind_text(&stmts[TB_STMT_DELETE_CURSOR], ":name", name);
    TB_TRY(tb_stmt_run(&stmts[TB_STMT_DELETE_CURSOR], err));
    tb_stmt_bind_text(&stmts[TB_STMT_DELETE_PARKED], ":name", name);
    return tb_stmt_run(&stmts[TB_STMT_DELETE_PARKED], err);
}

enum tb_code tb_cursors_unpark(struct tb_writer *writer, struct tb_job *job, struct tb_error *err)
{
    struct tb_stmt *stmt = &writer->store->stmts[TB_STMT_REQUEST_UNPARK];

    job->order_count = 0;
    job->code = tb_cursors_is_configured(writer, job->log) ? TB_OK : TB_CONFLICT;
    if (job->code != TB_OK)
        return TB_OK;
    tb_stmt_bind_text(stmt, ":cursor", tb_str_of(job->log));
    tb_stmt_bind_text(stmt, ":order_id", tb_str_of(job->order_id));
    TB_TRY(tb_stmt_run(stmt, err));
    job->order_count = tb_db_changes(writer->store->db);
    return TB_OK;
}

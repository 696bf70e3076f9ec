#include "base/sqlite/db_priv.h"
#include <sqlite3.h>

void tb_stmt_declare(struct tb_stmt *stmt, struct tb_db *db, const char *sql)
{
    *stmt = (struct tb_stmt){.db = db->raw, .sql = sql};
}

/* Records the first failure since the last reset; the next step reports it. */
static void record(struct tb_stmt *stmt, int rc)
{
    if (stmt->bind_rc == SQLITE_OK)
        stmt->bind_rc = rc;
}

/* False: the statement cannot be compiled. */
static bool is_compiled(struct tb_stmt *stmt)
{
    if (!stmt->raw)
        record(stmt, sqlite3_prepare_v3(stmt->db, stmt->sql, -1, SQLITE_PREPARE_PERSISTENT,
                                        &stmt->raw, NULL));
    return stmt->raw;
}

enum tb_code tb_stmt_prepare(struct tb_stmt *stmt, struct tb_db *db, const char *sql,
                             struct tb_error *err)
{
    tb_stmt_declare(stmt, db, sql);
    if (!is_compiled(stmt))
        return tb_error_sqlite(err, db->raw, stmt->bind_rc);
    stmt->sql = NULL; /* may be the caller's buffer */
    return TB_OK;
}

void tb_stmt_finalize(struct tb_stmt *stmt)
{
    sqlite3_finalize(stmt->raw);
    *stmt = (struct tb_stmt){0};
}

/* Callers mostly bind in the order of the parameters, so the next parameter is tried before all
 * are searched. A name that the statement does not have is a bug. */
static int index_of(struct tb_stmt *stmt, const char *name)
{
    const char *next = sqlite3_bind_parameter_name(stmt->raw, stmt->bound + 1);
    int index = next && strcmp(next, name) == 0 ? stmt->bound + 1
                                                : sqlite3_bind_parameter_index(stmt->raw, name);

    TB_ASSERT(index > 0);
    stmt->bound = index;
    return index;
}

void tb_stmt_bind_int64(struct tb_stmt *stmt, const char *name, int64_t value)
{
    if (is_compiled(stmt))
        record(stmt, sqlite3_bind_int64(stmt->raw, index_of(stmt, name), value));
}

/* SQLite binds NULL for a NULL pointer. */
void tb_stmt_bind_text(struct tb_stmt *stmt, const char *name, struct tb_str text)
{
    if (is_compiled(stmt))
        record(stmt, sqlite3_bind_text64(stmt->raw, index_of(stmt, name), text.ptr, text.len,
                                         SQLITE_STATIC, SQLITE_UTF8));
}

void tb_stmt_bind_blob(struct tb_stmt *stmt, const char *name, struct tb_str bytes)
{
    if (is_compiled(stmt))
        record(stmt, sqlite3_bind_blob64(stmt->raw, index_of(stmt, name), bytes.ptr, bytes.len,
                                         SQLITE_STATIC));
}

void tb_stmt_bind_row(struct tb_stmt *stmt, struct tb_stmt *row)
{
    for (int i = 0; is_compiled(stmt) && i < sqlite3_column_count(row->raw); i++)
        record(stmt, sqlite3_bind_value(stmt->raw, i + 1, sqlite3_column_value(row->raw, i)));
}

enum tb_code tb_stmt_step(struct tb_stmt *stmt, bool *ret_row, struct tb_error *err)
{
    int rc;

    if (is_compiled(stmt) && stmt->bind_rc == SQLITE_OK)
        rc = sqlite3_step(stmt->raw);
    else
        rc = stmt->bind_rc;
    if (rc == SQLITE_ROW) {
        *ret_row = true;
        return TB_OK;
    }
    if (rc == SQLITE_DONE) {
        tb_stmt_reset(stmt);
        *ret_row = false;
        return TB_OK;
    }
    tb_error_sqlite(err, stmt->db, rc);
    tb_stmt_reset(stmt);
    return err->code;
}

enum tb_code tb_stmt_run(struct tb_stmt *stmt, struct tb_error *err)
{
    bool row = false;
    enum tb_code code = tb_stmt_step(stmt, &row, err);

    TB_ASSERT(code != TB_OK || !row);
    return code;
}

void tb_stmt_reset(struct tb_stmt *stmt)
{
    stmt->bind_rc = SQLITE_OK;
    stmt->bound = 0;
    if (!stmt->raw)
        return;
    /* sqlite3_reset returns the error of the last step again; it has been reported. */
    sqlite3_reset(stmt->raw);
    /* Bound texts are borrowed: drop the pointers before the caller frees them. */
    sqlite3_clear_bindings(stmt->raw);
}

int64_t tb_stmt_int64(struct tb_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->raw, column);
}

struct tb_str tb_stmt_text(struct tb_stmt *stmt, int column)
{
    struct tb_str text = {0};

    if (sqlite3_column_type(stmt->raw, column) == SQLITE_NULL)
        return text;
    text.ptr = sqlite3_column_blob(stmt->raw, column);
    text.len = (size_t)sqlite3_column_bytes(stmt->raw, column);
    if (!text.ptr && text.len == 0)
        text.ptr = ""; /* present and empty */
    return text;
}

const char *tb_stmt_copy_text(struct tb_stmt *stmt, int column, char *to, size_t size)
{
    struct tb_str text = tb_stmt_text(stmt, column);
    size_t len = text.len < size ? text.len : size - 1;

    if (len > 0)
        memcpy(to, text.ptr, len);
    to[len] = '\0';
    return to;
}

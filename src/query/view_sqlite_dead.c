#include "query/view_sqlite_priv.h"

/* A row holds at most 8 MiB (base/db.c). A record that fills that by itself is kept without its
 * value: its place in the log tells where the value is. */
#define DEAD_BYTES_MAX (7u << 20)

#define HEADER_ABSENT UINT32_MAX

static const char insert_dead_sql[] =
    "INSERT INTO dead_letters(partition, \"offset\", order_id, type, reason, message, key, value,"
    " headers, timestamp, dead_at) VALUES(:partition, :offset, :order_id, :type, :reason,"
    " :message, :key, :value, :headers, :timestamp, :dead_at)"
    " ON CONFLICT(partition, \"offset\") DO NOTHING";
static const char any_dead_sql[] = "SELECT 1 FROM dead_letters WHERE dead_at < :before LIMIT 1";
static const char expire_dead_sql[] =
    "DELETE FROM dead_letters WHERE id IN"
    " (SELECT id FROM dead_letters WHERE dead_at < :before ORDER BY dead_at LIMIT :limit)";

static void add_length(struct tb_buf *out, size_t length)
{
    unsigned char bytes[4] = {(unsigned char)(length >> 24), (unsigned char)(length >> 16),
                              (unsigned char)(length >> 8), (unsigned char)length};

    tb_buf_add(out, bytes, sizeof bytes);
}

/* For each header: the length of its name, the name, the length of its value (HEADER_ABSENT:
 * none), the value; lengths are 4 bytes, big-endian. */
static void pack_headers(struct tb_buf *out, const struct tb_record *record)
{
    for (size_t i = 0; i < record->header_count; i++) {
        const struct tb_header *header = &record->headers[i];

        add_length(out, header->name.len);
        tb_buf_add_str(out, header->name);
        add_length(out, header->value.ptr ? header->value.len : HEADER_ABSENT);
        if (header->value.ptr)
            tb_buf_add_str(out, header->value);
    }
}

enum tb_code tb_view_sqlite_write_dead(struct tb_view_sqlite *view, const struct tb_plan *plan,
                                       const struct tb_dead_letter *letter, struct tb_error *err)
{
    const struct tb_record *record = letter->record;
    struct tb_stmt *stmt = &view->insert_dead;
    struct tb_str headers;

    tb_buf_clear(&view->scratch);
    pack_headers(&view->scratch, record);
    if (!tb_buf_ok(&view->scratch))
        return tb_error_set(err, TB_INTERNAL, "out of memory writing a dead letter");
    headers = view->scratch.len ? tb_buf_str(&view->scratch) : TB_STR("");

    tb_stmt_bind_int64(stmt, ":partition", plan->partition);
    tb_stmt_bind_int64(stmt, ":offset", record->offset);
    if (letter->order_id[0] != '\0')
        tb_stmt_bind_text(stmt, ":order_id", tb_str_of(letter->order_id));
    tb_stmt_bind_text(stmt, ":type", letter->type);
    tb_stmt_bind_text(stmt, ":reason", tb_str_of(letter->reason));
    tb_stmt_bind_text(stmt, ":message", letter->message);
    tb_stmt_bind_blob(stmt, ":key", record->key);
    if (record->key.len + record->value.len + headers.len <= DEAD_BYTES_MAX)
        tb_stmt_bind_blob(stmt, ":value", record->value);
    tb_stmt_bind_blob(stmt, ":headers", headers);
    tb_stmt_bind_int64(stmt, ":timestamp", record->timestamp_ms);
    tb_stmt_bind_int64(stmt, ":dead_at", plan->planned_at_ms);
    return tb_stmt_run(stmt, err);
}

enum tb_code tb_view_sqlite_expire_dead(struct tb_view *base, int64_t before_ms, int64_t limit,
                                        int64_t *ret_removed, struct tb_error *err)
{
    struct tb_view_sqlite *view = (struct tb_view_sqlite *)base;
    bool any = false;

    /* Asked first, so that an idle view is not written to. */
    tb_stmt_bind_int64(&view->any_dead, ":before", before_ms);
    TB_TRY(tb_stmt_step(&view->any_dead, &any, err));
    tb_stmt_reset(&view->any_dead);
    if (!any) {
        *ret_removed = 0;
        return TB_OK;
    }
    tb_stmt_bind_int64(&view->expire_dead, ":before", before_ms);
    tb_stmt_bind_int64(&view->expire_dead, ":limit", limit);
    TB_TRY(tb_stmt_run(&view->expire_dead, err));
    *ret_removed = tb_db_changes(view->db);
    return TB_OK;
}

enum tb_code tb_view_sqlite_prepare_dead(struct tb_view_sqlite *view, struct tb_error *err)
{
    TB_TRY(tb_stmt_prepare(&view->insert_dead, view->db, insert_dead_sql, err));
    TB_TRY(tb_stmt_prepare(&view->any_dead, view->db, any_dead_sql, err));
    return tb_stmt_prepare(&view->expire_dead, view->db, expire_dead_sql, err);
}

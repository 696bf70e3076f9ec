#include "query/sqlite/view_sqlite_priv.h"

/* A row holds at most 8 MiB (base/sqlite/db.c). A record that nearly fills that is kept without
 * its value; its position in the log shows where the value is. */
#define DEAD_BYTES_MAX (7u << 20)

/* A dead letter that is there already stays as it is when its record comes again. A replayed
 * record that died again changes it once: last_offset says which one was the last. */
static const char insert_dead_sql[] =
    "INSERT INTO dead_letters(partition, \"offset\", last_offset, order_id, version, type, reason,"
    " message, status, attempts, follows, dead_at, changed_at, timestamp, key, headers, value)"
    " VALUES(:partition, :letter, :offset, :order_id, :version, :type, :reason, :message, 'open',"
    " 1, :followed, :dead_at, :dead_at, :timestamp, :key, :headers, :value)"
    " ON CONFLICT(partition, \"offset\") DO UPDATE SET last_offset = excluded.last_offset,"
    " order_id = coalesce(excluded.order_id, order_id), version = excluded.version,"
    " type = excluded.type, reason = excluded.reason, message = excluded.message,"
    " status = 'open', attempts = attempts + 1,"
    " follows = CASE excluded.follows WHEN 0 THEN 0 ELSE follows + 1 END,"
    " changed_at = excluded.changed_at, timestamp = excluded.timestamp, key = excluded.key,"
    " headers = excluded.headers, value = excluded.value"
    " WHERE excluded.last_offset > last_offset";
static const char mend_dead_sql[] =
    "UPDATE dead_letters SET status = 'replayed', last_offset = :offset, changed_at = :at"
    " WHERE partition = :partition AND \"offset\" = :letter AND last_offset < :offset";
static const char drop_dead_sql[] =
    "UPDATE dead_letters SET status = 'dropped', changed_at = :at"
    " WHERE partition = :partition AND \"offset\" = :letter AND status = 'open'";
static const char dead_status_sql[] =
    "SELECT status FROM dead_letters WHERE partition = :partition AND \"offset\" = :letter";
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

/* For each header: the length of its name, the name, the length of its value
 * (TB_PACKED_HEADER_ABSENT: none), the value; lengths are 4 bytes, big-endian. */
static void pack_headers(struct tb_buf *out, const struct tb_record *record)
{
    for (size_t i = 0; i < record->header_count; i++) {
        const struct tb_header *header = &record->headers[i];

        add_length(out, header->name.len);
        tb_buf_add_str(out, header->name);
        add_length(out, header->value.ptr ? header->value.len : TB_PACKED_HEADER_ABSENT);
        if (header->value.ptr)
            tb_buf_add_str(out, header->value);
    }
}

static enum tb_code insert_dead(struct tb_view_sqlite *view, const struct tb_plan *plan,
                                const struct tb_plan_dead_letter *letter, struct tb_error *err)
{
    const struct tb_record *record = letter->record;
    struct tb_stmt *stmt = &view->stmts.insert_dead;
    struct tb_str headers;

    tb_buf_clear(&view->scratch);
    pack_headers(&view->scratch, record);
    if (!tb_buf_ok(&view->scratch))
        return tb_error_set(err, TB_INTERNAL, "out of memory writing a dead letter");
    headers = view->scratch.len ? tb_buf_str(&view->scratch) : TB_STR("");

    tb_stmt_bind_int64(stmt, ":partition", plan->partition);
    tb_stmt_bind_int64(stmt, ":letter", letter->first_offset);
    tb_stmt_bind_int64(stmt, ":offset", record->offset);
    tb_stmt_bind_int64(stmt, ":version", letter->version);
    tb_stmt_bind_int64(stmt, ":followed", letter->redriven);
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

static enum tb_code mend_dead(struct tb_view_sqlite *view, const struct tb_plan *plan,
                              const struct tb_plan_replayed *mended, struct tb_error *err)
{
    struct tb_stmt *stmt = &view->stmts.mend_dead;

    tb_stmt_bind_int64(stmt, ":partition", plan->partition);
    tb_stmt_bind_int64(stmt, ":letter", mended->first_offset);
    tb_stmt_bind_int64(stmt, ":offset", mended->offset);
    tb_stmt_bind_int64(stmt, ":at", plan->planned_at_ms);
    return tb_stmt_run(stmt, err);
}

enum tb_code tb_view_sqlite_write_dead_letters(struct tb_view_sqlite *view,
                                               const struct tb_plan *plan, struct tb_error *err)
{
    struct tb_plan_outcome next = {0};

    while (tb_plan_next_outcome(plan, &next)) {
        if (next.dead_letter)
            TB_TRY(insert_dead(view, plan, next.dead_letter, err));
        else
            TB_TRY(mend_dead(view, plan, next.replayed, err));
    }
    return TB_OK;
}

static enum tb_code read_status(struct tb_view_sqlite *view, struct tb_dead_letter_position place,
                                enum tb_dead_letter_status *ret_status, struct tb_error *err)
{
    struct tb_stmt *stmt = &view->stmts.dead_status;
    bool row = false, known;

    tb_stmt_bind_int64(stmt, ":partition", place.partition);
    tb_stmt_bind_int64(stmt, ":letter", place.offset);
    TB_TRY(tb_stmt_step(stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_NOT_FOUND, "the view has no such dead letter");
    known = tb_dead_letter_status_parse(tb_stmt_text(stmt, 0), ret_status);
    tb_stmt_reset(stmt);
    TB_ASSERT(known); /* the schema allows no other */
    return TB_OK;
}

enum tb_code tb_view_sqlite_drop_dead_letter(struct tb_view *base,
                                             struct tb_dead_letter_position place, int64_t at_ms,
                                             struct tb_error *err)
{
    struct tb_view_sqlite *view = (struct tb_view_sqlite *)base;
    enum tb_dead_letter_status status;

    TB_TRY(read_status(view, place, &status, err));
    if (status == TB_DEAD_LETTER_REPLAYED)
        return tb_error_set(err, TB_CONFLICT,
                            "the dead letter was replayed: it is needed no more");
    if (status == TB_DEAD_LETTER_DROPPED)
        return TB_OK;
    tb_stmt_bind_int64(&view->stmts.drop_dead, ":partition", place.partition);
    tb_stmt_bind_int64(&view->stmts.drop_dead, ":letter", place.offset);
    tb_stmt_bind_int64(&view->stmts.drop_dead, ":at", at_ms);
    return tb_stmt_run(&view->stmts.drop_dead, err);
}

enum tb_code tb_view_sqlite_expire_dead_letters(struct tb_view *base, int64_t before_ms,
                                                int64_t limit, int64_t *ret_removed,
                                                struct tb_error *err)
{
    struct tb_view_sqlite *view = (struct tb_view_sqlite *)base;
    bool any = false;

    /* Looks before it deletes, so that an idle view is not written to. */
    tb_stmt_bind_int64(&view->stmts.any_dead, ":before", before_ms);
    TB_TRY(tb_stmt_step(&view->stmts.any_dead, &any, err));
    tb_stmt_reset(&view->stmts.any_dead);
    if (!any) {
        *ret_removed = 0;
        return TB_OK;
    }
    tb_stmt_bind_int64(&view->stmts.expire_dead, ":before", before_ms);
    tb_stmt_bind_int64(&view->stmts.expire_dead, ":limit", limit);
    TB_TRY(tb_stmt_run(&view->stmts.expire_dead, err));
    *ret_removed = tb_db_changes(view->db);
    return TB_OK;
}

enum tb_code tb_view_sqlite_prepare_dead_letters(struct tb_view_sqlite *view, struct tb_error *err)
{
    const struct tb_view_statement all[] = {
        {&view->stmts.insert_dead, insert_dead_sql},
        {&view->stmts.mend_dead, mend_dead_sql},
        {&view->stmts.drop_dead, drop_dead_sql},
        {&view->stmts.dead_status, dead_status_sql},
        {&view->stmts.any_dead, any_dead_sql},
        {&view->stmts.expire_dead, expire_dead_sql},
        {&view->stmts.redrivable, tb_view_sqlite_redrivable_sql},
        {&view->stmts.dead_letter, tb_view_sqlite_dead_letter_sql},
    };

    return tb_view_sqlite_prepare(view->db, all, sizeof all / sizeof *all, err);
}

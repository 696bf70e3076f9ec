#include "query/sqlite/view_sqlite_priv.h"

/* A row holds at most 8 MiB (base/sqlite/db.c). A record that nearly fills that is stored without
 * its value, which a person can still read from the log at the record's position. */
#define DEAD_BYTES_MAX (7u << 20)

/* A record whose dead letter is stored already (the plan is committed again) changes nothing. A
 * replayed record that became a dead letter again changes the row once: last_offset is the offset
 * of the record that changed it last. */
static const char insert_dead_letter_sql[] =
    "INSERT INTO dead_letters(partition, \"offset\", last_offset, order_id, version, type, reason,"
    " message, status, attempts, follows, dead_at, changed_at, timestamp, key, headers, value,"
    " kept_from)"
    " VALUES(:partition, :first_offset, :offset, :order_id, :version, :type, :reason, :message,"
    " 'open', 1, :redriven, :dead_at, :dead_at, :timestamp, :key, :headers, :value, :kept_from)"
    " ON CONFLICT(partition, \"offset\") DO UPDATE SET last_offset = excluded.last_offset,"
    " order_id = coalesce(excluded.order_id, order_id), version = excluded.version,"
    " type = excluded.type, reason = excluded.reason, message = excluded.message,"
    " status = 'open', attempts = attempts + 1,"
    " follows = CASE excluded.follows WHEN 0 THEN 0 ELSE follows + 1 END,"
    " changed_at = excluded.changed_at, timestamp = excluded.timestamp, key = excluded.key,"
    " headers = excluded.headers, value = excluded.value"
    " WHERE excluded.last_offset > last_offset";
static const char set_replayed_sql[] =
    "UPDATE dead_letters SET status = 'replayed', last_offset = :offset, changed_at = :at"
    " WHERE partition = :partition AND \"offset\" = :first_offset AND last_offset < :offset";
static const char overtake_sql[] =
    "UPDATE dead_letters SET status = 'replayed', last_offset = :offset, changed_at = :at"
    " WHERE order_id = :order_id AND partition = :partition AND status = 'open'"
    " AND version BETWEEN 1 AND :version AND reason <> '" TB_REASON_CONFLICT
    "' AND last_offset < :offset";
static const char drop_sql[] =
    "UPDATE dead_letters SET status = 'dropped', changed_at = :at"
    " WHERE partition = :partition AND \"offset\" = :first_offset AND status = 'open'";
static const char dead_letter_status_sql[] =
    "SELECT status FROM dead_letters WHERE partition = :partition AND \"offset\" = :first_offset";
static const char expire_sql[] =
    "DELETE FROM dead_letters WHERE id IN"
    " (SELECT id FROM dead_letters WHERE kept_from < :before ORDER BY kept_from LIMIT :limit)";

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

static enum tb_code insert_dead_letter(struct tb_view_sqlite *view, const struct tb_plan *plan,
                                       const struct tb_plan_dead_letter *letter,
                                       struct tb_error *err)
{
    const struct tb_record *record = letter->record;
    struct tb_stmt *stmt = &view->stmts.insert_dead_letter;
    struct tb_str headers;

    tb_buf_clear(&view->scratch);
    pack_headers(&view->scratch, record);
    if (!tb_buf_ok(&view->scratch))
        return tb_error_set(err, TB_INTERNAL, "out of memory writing a dead letter");
    headers = view->scratch.len ? tb_buf_str(&view->scratch) : TB_STR("");

    tb_stmt_bind_int64(stmt, ":partition", plan->partition);
    tb_stmt_bind_int64(stmt, ":first_offset", letter->first_offset);
    tb_stmt_bind_int64(stmt, ":offset", record->offset);
    tb_stmt_bind_int64(stmt, ":version", letter->version);
    tb_stmt_bind_int64(stmt, ":redriven", letter->redriven);
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
    tb_stmt_bind_int64(stmt, ":kept_from", plan->kept_from_ms);
    return tb_stmt_run(stmt, err);
}

static enum tb_code set_replayed(struct tb_view_sqlite *view, const struct tb_plan *plan,
                                 const struct tb_plan_outcome *outcome, struct tb_error *err)
{
    struct tb_stmt *stmt = &view->stmts.set_replayed;

    tb_stmt_bind_int64(stmt, ":partition", plan->partition);
    tb_stmt_bind_int64(stmt, ":first_offset", outcome->first_offset);
    tb_stmt_bind_int64(stmt, ":offset", outcome->offset);
    tb_stmt_bind_int64(stmt, ":at", plan->planned_at_ms);
    return tb_stmt_run(stmt, err);
}

static enum tb_code overtake(struct tb_view_sqlite *view, const struct tb_plan *plan,
                             const struct tb_plan_snapshot *snapshot, struct tb_error *err)
{
    struct tb_stmt *stmt = &view->stmts.overtake;

    tb_stmt_bind_text(stmt, ":order_id", tb_str_of(snapshot->order_id));
    tb_stmt_bind_int64(stmt, ":partition", plan->partition);
    tb_stmt_bind_int64(stmt, ":version", snapshot->version);
    tb_stmt_bind_int64(stmt, ":offset", snapshot->offset);
    tb_stmt_bind_int64(stmt, ":at", plan->planned_at_ms);
    return tb_stmt_run(stmt, err);
}

enum tb_code tb_view_sqlite_write_dead_letters(struct tb_view_sqlite *view,
                                               const struct tb_plan *plan, struct tb_error *err)
{
    for (size_t i = 0; i < plan->outcome_count; i++) {
        const struct tb_plan_outcome *outcome = &plan->outcomes[i];

        if (outcome->dead_letter)
            TB_TRY(insert_dead_letter(view, plan, outcome->dead_letter, err));
        else
            TB_TRY(set_replayed(view, plan, outcome, err));
    }
    for (size_t i = 0; i < plan->snapshot_count; i++)
        TB_TRY(overtake(view, plan, &plan->snapshots[i], err));
    return TB_OK;
}

static enum tb_code read_status(struct tb_view_sqlite *view,
                                struct tb_dead_letter_position position,
                                enum tb_dead_letter_status *ret_status, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = &view->stmts.dead_letter_status;
    bool row = false, known;

    tb_stmt_bind_int64(stmt, ":partition", position.partition);
    tb_stmt_bind_int64(stmt, ":first_offset", position.offset);
    TB_TRY(tb_stmt_step(stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_NOT_FOUND, "the view has no such dead letter");
    known = tb_dead_letter_status_parse(tb_stmt_text(stmt, 0), ret_status);
    TB_ASSERT(known); /* the schema allows no other */
    return TB_OK;
}

enum tb_code tb_view_sqlite_drop_dead_letter(struct tb_view *base,
                                             struct tb_dead_letter_position position,
                                             int64_t at_ms, struct tb_error *err)
{
    struct tb_view_sqlite *view = (struct tb_view_sqlite *)base;
    enum tb_dead_letter_status status;

    TB_TRY(read_status(view, position, &status, err));
    if (status == TB_DEAD_LETTER_REPLAYED)
        return tb_error_set(err, TB_CONFLICT,
                            "the dead letter was replayed: it is needed no more");
    if (status == TB_DEAD_LETTER_DROPPED)
        return TB_OK;
    tb_stmt_bind_int64(&view->stmts.drop, ":partition", position.partition);
    tb_stmt_bind_int64(&view->stmts.drop, ":first_offset", position.offset);
    tb_stmt_bind_int64(&view->stmts.drop, ":at", at_ms);
    return tb_stmt_run(&view->stmts.drop, err);
}

enum tb_code tb_view_sqlite_expire_dead_letters(struct tb_view *base, int64_t before_ms,
                                                int64_t limit, int64_t *ret_removed,
                                                struct tb_error *err)
{
    struct tb_view_sqlite *view = (struct tb_view_sqlite *)base;

    /* If no row is deleted, SQLite writes nothing, so an idle view's file is not touched. */
    tb_stmt_bind_int64(&view->stmts.expire, ":before", before_ms);
    tb_stmt_bind_int64(&view->stmts.expire, ":limit", limit);
    TB_TRY(tb_stmt_run(&view->stmts.expire, err));
    *ret_removed = tb_db_changes(view->db);
    return TB_OK;
}

void tb_view_sqlite_declare_dead_letters(struct tb_view_sqlite *view)
{
    const struct tb_view_statement all[] = {
        {&view->stmts.insert_dead_letter, insert_dead_letter_sql},
        {&view->stmts.set_replayed, set_replayed_sql},
        {&view->stmts.overtake, overtake_sql},
        {&view->stmts.drop, drop_sql},
        {&view->stmts.dead_letter_status, dead_letter_status_sql},
        {&view->stmts.expire, expire_sql},
        {&view->stmts.redrivable, tb_view_sqlite_redrivable_sql},
        {&view->stmts.dead_letter, tb_view_sqlite_dead_letter_sql},
    };

    tb_view_sqlite_declare(view->db, all, sizeof all / sizeof *all);
}

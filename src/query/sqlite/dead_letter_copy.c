#include "query/sqlite/view_sqlite_priv.h"

/* What the log tells is the same in both: of a letter that both have only the rest is taken. */
static const char each_sql[] =
    "SELECT partition, \"offset\", status = 'dropped', dead_at, changed_at FROM dead_letters"
    " ORDER BY partition, \"offset\"";
static const char take_sql[] =
    "UPDATE dead_letters SET dead_at = :dead_at, changed_at = :changed_at,"
    " status = CASE WHEN :dropped AND status = 'open' THEN 'dropped' ELSE status END"
    " WHERE partition = :partition AND \"offset\" = :offset";
#define COLUMNS                                                                                   \
    "partition, \"offset\", last_offset, order_id, version, type, reason, message, status,"       \
    " attempts, follows, dead_at, changed_at, timestamp, key, headers, value"
static const char whole_sql[] = "SELECT " COLUMNS " FROM dead_letters"
                                " WHERE partition = :partition AND \"offset\" = :offset";
static const char copy_sql[] = "INSERT INTO dead_letters(" COLUMNS ") VALUES(:0, :1, :2, :3, :4,"
                               " :5, :6, :7, :8, :9, :10, :11, :12, :13, :14, :15, :16)";

struct carry {
    struct tb_stmt each, take, whole, copy;
};

static enum tb_code copy_row(struct carry *carry, struct tb_error *err)
{
    static const struct {
        const char *name;
        enum { INT, TEXT, BLOB } type;
    } columns[] = {
        {":0", INT},  {":1", INT},  {":2", INT},   {":3", TEXT},  {":4", INT},   {":5", TEXT},
        {":6", TEXT}, {":7", TEXT}, {":8", TEXT},  {":9", INT},   {":10", INT},  {":11", INT},
        {":12", INT}, {":13", INT}, {":14", BLOB}, {":15", BLOB}, {":16", BLOB},
    };

    for (int i = 0; i < (int)(sizeof columns / sizeof *columns); i++) {
        const char *name = columns[i].name;

        if (columns[i].type == INT)
            tb_stmt_bind_int64(&carry->copy, name, tb_stmt_int64(&carry->whole, i));
        else if (columns[i].type == TEXT)
            tb_stmt_bind_text(&carry->copy, name, tb_stmt_text(&carry->whole, i));
        else
            tb_stmt_bind_blob(&carry->copy, name, tb_stmt_text(&carry->whole, i));
    }
    return tb_stmt_run(&carry->copy, err);
}

static enum tb_code copy_letter(struct carry *carry, struct tb_dead_letter_position place,
                                struct tb_error *err)
{
    enum tb_code code;
    bool row = false;

    tb_stmt_bind_int64(&carry->whole, ":partition", place.partition);
    tb_stmt_bind_int64(&carry->whole, ":offset", place.offset);
    code = tb_stmt_step(&carry->whole, &row, err);
    TB_ASSERT(code != TB_OK || row);
    if (code == TB_OK)
        code = copy_row(carry, err);
    tb_stmt_reset(&carry->whole);
    return code;
}

static enum tb_code carry_all(struct carry *carry, struct tb_view_sqlite *to, const int64_t *begin,
                              struct tb_error *err)
{
    for (bool row = true;;) {
        struct tb_dead_letter_position place;

        TB_TRY(tb_stmt_step(&carry->each, &row, err));
        if (!row)
            return TB_OK;
        place = (struct tb_dead_letter_position){(int32_t)tb_stmt_int64(&carry->each, 0),
                                                 tb_stmt_int64(&carry->each, 1)};
        tb_stmt_bind_int64(&carry->take, ":partition", place.partition);
        tb_stmt_bind_int64(&carry->take, ":offset", place.offset);
        tb_stmt_bind_int64(&carry->take, ":dropped", tb_stmt_int64(&carry->each, 2));
        tb_stmt_bind_int64(&carry->take, ":dead_at", tb_stmt_int64(&carry->each, 3));
        tb_stmt_bind_int64(&carry->take, ":changed_at", tb_stmt_int64(&carry->each, 4));
        TB_TRY(tb_stmt_run(&carry->take, err));
        if (tb_db_changes(to->db) == 0 && place.offset < begin[place.partition])
            TB_TRY(copy_letter(carry, place, err));
    }
}

static enum tb_code prepare(struct carry *carry, struct tb_view_sqlite *from,
                            struct tb_view_sqlite *to, struct tb_error *err)
{
    TB_TRY(tb_stmt_prepare(&carry->each, from->db, each_sql, err));
    TB_TRY(tb_stmt_prepare(&carry->whole, from->db, whole_sql, err));
    TB_TRY(tb_stmt_prepare(&carry->take, to->db, take_sql, err));
    return tb_stmt_prepare(&carry->copy, to->db, copy_sql, err);
}

enum tb_code tb_view_sqlite_copy_dead_letters(struct tb_view *from_base, struct tb_view *to_base,
                                              const int64_t *begin, struct tb_error *err)
{
    struct tb_view_sqlite *from = (struct tb_view_sqlite *)from_base;
    struct tb_view_sqlite *to = (struct tb_view_sqlite *)to_base;
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct carry carry = {0};
    enum tb_code code;

    TB_ASSERT(!from->txn.db && !to->txn.db);
    code = prepare(&carry, from, to, err);
    if (code == TB_OK)
        code = tb_txn_begin(&txn, to->db, err);
    if (code == TB_OK)
        code = carry_all(&carry, to, begin, err);
    tb_stmt_reset(&carry.each);
    if (code == TB_OK)
        code = tb_txn_commit(&txn, err);
    tb_stmt_finalize(&carry.each);
    tb_stmt_finalize(&carry.whole);
    tb_stmt_finalize(&carry.take);
    tb_stmt_finalize(&carry.copy);
    return code == TB_OK ? TB_OK : tb_error_wrap(err, "dead letters to the other view");
}

enum tb_code tb_view_sqlite_begin_snapshot(struct tb_view_reader *base, int32_t partitions,
                                           int64_t *ret_next, struct tb_error *err)
{
    struct tb_db *db = ((struct tb_view_sqlite_reader *)base)->db;
    enum tb_code code = tb_db_exec(db, "BEGIN", err);

    for (int32_t p = 0; p < partitions && code == TB_OK; p++)
        code = base->ops->offset(base, p, &ret_next[p], err);
    if (code != TB_OK)
        tb_view_sqlite_end_snapshot(base);
    return code;
}

/* Nothing was written: whether it is ended by one or the other is the same. */
void tb_view_sqlite_end_snapshot(struct tb_view_reader *base)
{
    struct tb_txn txn = {.db = ((struct tb_view_sqlite_reader *)base)->db};

    tb_txn_rollback(&txn);
}

#include "query/sqlite/view_sqlite_priv.h"

/* Both views made the same of what the log has. Of a dead letter that both have, only the columns
 * that the log does not determine are copied. */
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

struct copier {
    struct tb_stmt each, take, whole, copy;
};

static enum tb_code copy_row(struct copier *copier, struct tb_error *err)
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
            tb_stmt_bind_int64(&copier->copy, name, tb_stmt_int64(&copier->whole, i));
        else if (columns[i].type == TEXT)
            tb_stmt_bind_text(&copier->copy, name, tb_stmt_text(&copier->whole, i));
        else
            tb_stmt_bind_blob(&copier->copy, name, tb_stmt_text(&copier->whole, i));
    }
    return tb_stmt_run(&copier->copy, err);
}

static enum tb_code copy_letter(struct copier *copier, struct tb_dead_letter_position place,
                                struct tb_error *err)
{
    enum tb_code code;
    bool row = false;

    tb_stmt_bind_int64(&copier->whole, ":partition", place.partition);
    tb_stmt_bind_int64(&copier->whole, ":offset", place.offset);
    code = tb_stmt_step(&copier->whole, &row, err);
    TB_ASSERT(code != TB_OK || row);
    if (code == TB_OK)
        code = copy_row(copier, err);
    tb_stmt_reset(&copier->whole);
    return code;
}

static enum tb_code copy_all(struct copier *copier, struct tb_view_sqlite *to,
                             const int64_t *begin, struct tb_error *err)
{
    for (bool row = true;;) {
        struct tb_dead_letter_position place;

        TB_TRY(tb_stmt_step(&copier->each, &row, err));
        if (!row)
            return TB_OK;
        place = (struct tb_dead_letter_position){(int32_t)tb_stmt_int64(&copier->each, 0),
                                                 tb_stmt_int64(&copier->each, 1)};
        tb_stmt_bind_int64(&copier->take, ":partition", place.partition);
        tb_stmt_bind_int64(&copier->take, ":offset", place.offset);
        tb_stmt_bind_int64(&copier->take, ":dropped", tb_stmt_int64(&copier->each, 2));
        tb_stmt_bind_int64(&copier->take, ":dead_at", tb_stmt_int64(&copier->each, 3));
        tb_stmt_bind_int64(&copier->take, ":changed_at", tb_stmt_int64(&copier->each, 4));
        TB_TRY(tb_stmt_run(&copier->take, err));
        if (tb_db_changes(to->db) == 0 && place.offset < begin[place.partition])
            TB_TRY(copy_letter(copier, place, err));
    }
}

static enum tb_code prepare(struct copier *copier, struct tb_view_sqlite *from,
                            struct tb_view_sqlite *to, struct tb_error *err)
{
    TB_TRY(tb_stmt_prepare(&copier->each, from->db, each_sql, err));
    TB_TRY(tb_stmt_prepare(&copier->whole, from->db, whole_sql, err));
    TB_TRY(tb_stmt_prepare(&copier->take, to->db, take_sql, err));
    return tb_stmt_prepare(&copier->copy, to->db, copy_sql, err);
}

enum tb_code tb_view_sqlite_copy_dead_letters(struct tb_view *from_base, struct tb_view *to_base,
                                              const int64_t *begin, struct tb_error *err)
{
    struct tb_view_sqlite *from = (struct tb_view_sqlite *)from_base;
    struct tb_view_sqlite *to = (struct tb_view_sqlite *)to_base;
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct copier copier = {0};
    enum tb_code code;

    TB_ASSERT(!from->txn.db && !to->txn.db);
    code = prepare(&copier, from, to, err);
    if (code == TB_OK)
        code = tb_txn_begin(&txn, to->db, err);
    if (code == TB_OK)
        code = copy_all(&copier, to, begin, err);
    tb_stmt_reset(&copier.each);
    if (code == TB_OK)
        code = tb_txn_commit(&txn, err);
    tb_stmt_finalize(&copier.each);
    tb_stmt_finalize(&copier.whole);
    tb_stmt_finalize(&copier.take);
    tb_stmt_finalize(&copier.copy);
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

/* Nothing was written, so a rollback ends the snapshot as well as a commit. */
void tb_view_sqlite_end_snapshot(struct tb_view_reader *base)
{
    struct tb_txn txn = {.db = ((struct tb_view_sqlite_reader *)base)->db};

    tb_txn_rollback(&txn);
}

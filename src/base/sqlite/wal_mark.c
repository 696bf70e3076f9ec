#include "base/sqlite/db_priv.h"
#include <sqlite3.h>
#include <stdio.h>

/* A WAL does not say which database file it is of. Put a copy over the file while its WAL stays,
 * and SQLite reads a mixture of both, with or without an error.
 *
 * So the file has a row of random numbers. `round` changes with the first transaction after a
 * checkpoint has copied everything, when the WAL starts over. `mark` changes then, too, and before
 * each checkpoint; so a file whose `mark` is `before`, the one at the end of the round before, has
 * all of that round. A WAL is of the file if the file by itself
 *
 *   - is of the WAL's round: the WAL has every page that was changed since the round began; or
 *   - has the mark `before` of the WAL.
 *
 * Whatever has no such row, or cannot be read, proves nothing: SQLite tells what it finds. `again`
 * is the same as `mark`: if they differ, a power cut has torn the page while it was being copied
 * into the file, and the WAL will mend it. */
#define NUMBER_SIZE 8
#define SCHEMA                                                                                    \
    "CREATE TABLE wal_mark("                                                                      \
    " one INTEGER PRIMARY KEY CHECK(one = 1), round BLOB NOT NULL,"                               \
    " mark BLOB NOT NULL, before BLOB NOT NULL, again BLOB NOT NULL) STRICT"
#define BEGIN_ROUND                                                                               \
    "INSERT INTO wal_mark VALUES(1, :new, :new, :new, :new) ON CONFLICT DO UPDATE"                \
    " SET round = :new, mark = :new, before = mark, again = :new"
#define CHANGE_MARK "UPDATE wal_mark SET mark = :new, again = :new"
#define READ "SELECT round, mark, before, again FROM wal_mark"

struct wal_mark {
    uint8_t round[NUMBER_SIZE], mark[NUMBER_SIZE], before[NUMBER_SIZE], again[NUMBER_SIZE];
};

static enum tb_code run(struct tb_stmt *stmt, struct tb_error *err)
{
    char number[NUMBER_SIZE];

    sqlite3_randomness(sizeof number, number);
    tb_stmt_bind_blob(stmt, ":new", (struct tb_str){number, sizeof number});
    return tb_stmt_run(stmt, err);
}

static enum tb_code prepare(struct tb_db *db, struct tb_error *err)
{
    TB_TRY(tb_stmt_prepare(&db->begin_round, db, BEGIN_ROUND, err));
    return tb_stmt_prepare(&db->change_mark, db, CHANGE_MARK, err);
}

/* The checkpoint brings the row into the file, which until then proves nothing. */
static enum tb_code create(struct tb_db *db, struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};

    TB_TRY(tb_txn_begin(&txn, db, err));
    TB_TRY(tb_db_exec(db, SCHEMA, err));
    TB_TRY(prepare(db, err));
    TB_TRY(run(&db->begin_round, err));
    TB_TRY(tb_txn_commit(&txn, err));
    (void)tb_db_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE);
    return TB_OK;
}

enum tb_code tb_db_mark_wal(struct tb_db *db, struct tb_error *err)
{
    int64_t count = 0;

    TB_TRY(tb_db_query_int64(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'wal_mark'",
                             &count, err));
    return count > 0 ? prepare(db, err) : create(db, err);
}

enum tb_code tb_wal_begin_round(struct tb_db *db, struct tb_error *err)
{
    return db->begin_round.raw && db->wal.all_copied ? run(&db->begin_round, err) : TB_OK;
}

/* If that sync fails, a later commit must not rely on this one: tb_txn_begin writes the WAL again.
 */
void tb_wal_end_round(struct tb_db *db)
{
    struct tb_error ignored = {0};

    if (!db->change_mark.raw || db->wal.all_copied || db->wal.mark_is_new)
        return;
    sqlite3_busy_timeout(db->raw, 0);
    db->changes_mark = db->mark_is_unsynced = true;
    db->wal.mark_is_new = run(&db->change_mark, &ignored) == TB_OK;
    db->changes_mark = false;
    sqlite3_busy_timeout(db->raw, db->busy_timeout_ms);
}

static bool copy_blob(sqlite3_stmt *stmt, int column, uint8_t ret_number[NUMBER_SIZE])
{
    const void *blob = sqlite3_column_blob(stmt, column);

    if (!blob || sqlite3_column_bytes(stmt, column) != NUMBER_SIZE)
        return false;
    memcpy(ret_number, blob, NUMBER_SIZE);
    return true;
}

/* Returns SQLITE_ROW, or why there is no row that proves anything. */
static int read_mark(sqlite3 *raw, struct wal_mark *ret_mark)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(raw, READ, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW &&
        !(copy_blob(stmt, 0, ret_mark->round) && copy_blob(stmt, 1, ret_mark->mark) &&
          copy_blob(stmt, 2, ret_mark->before) && copy_blob(stmt, 3, ret_mark->again) &&
          memcmp(ret_mark->mark, ret_mark->again, NUMBER_SIZE) == 0))
        rc = SQLITE_CORRUPT;
    sqlite3_finalize(stmt);
    return rc;
}

/* A reader closes without a checkpoint: the WAL stays as it is. */
static int read_mark_of(const char *uri, struct wal_mark *ret_mark)
{
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    sqlite3 *raw = NULL;
    int rc = sqlite3_open_v2(uri, &raw, flags, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(raw, 1);
        sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        rc = read_mark(raw, ret_mark);
    }
    sqlite3_close(raw);
    return rc;
}

/* immutable: SQLite reads the file without its WAL. */
static bool make_uri(const char *path, bool alone, struct tb_buf *out)
{
    tb_buf_adds(out, "file:");
    for (const char *c = path; *c; c++) {
        if (strchr("?#%", *c))
            tb_buf_addf(out, "%%%02X", (unsigned)*c);
        else
            tb_buf_addc(out, *c);
    }
    tb_buf_adds(out, alone ? "?immutable=1" : "");
    tb_buf_addc(out, '\0');
    return tb_buf_ok(out);
}

enum tb_code tb_wal_check_mark(struct tb_db *db, struct tb_error *err)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf alone = {0}, whole = {0};
    const char *path = sqlite3_db_filename(db->raw, "main");
    struct wal_mark of_file, of_wal;
    int rc;

    if (!make_uri(path, true, &alone) || !make_uri(path, false, &whole))
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    rc = read_mark_of(alone.data, &of_file);
    if (rc == SQLITE_ROW)
        rc = read_mark_of(whole.data, &of_wal);
    if (rc == SQLITE_IOERR_READ)
        return tb_error_sqlite(err, NULL, rc);
    if (rc != SQLITE_ROW || memcmp(of_file.round, of_wal.round, NUMBER_SIZE) == 0 ||
        memcmp(of_file.mark, of_wal.before, NUMBER_SIZE) == 0)
        return TB_OK;
    tb_error_set(err, TB_CORRUPT, "its -wal is of another copy of it");
    err->native = TB_DB_FOREIGN_WAL;
    return err->code;
}

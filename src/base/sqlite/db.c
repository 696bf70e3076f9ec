#include "base/sqlite/db_priv.h"
#include "base/sqlite/file_loss.h"
#include "base/sqlite/lock_holders.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

/* Our connections hold a lock for milliseconds; a longer wait is a bug, or another program. */
#define BUSY_TIMEOUT_MS 3000
#define WAL_PAGES 1000 /* SQLite's own default */
/* Longest text or blob: an order of 1,000 lines with texts of full length has less than 1 MiB, and
 * a record of the log has headers, too. */
#define VALUE_MAX (8 * 1024 * 1024)

static void configure_library(void)
{
    /* SQLite's memory statistics cost a global lock for each allocation, and nobody reads them. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    tb_shm_fill_holes();
    /* If it fails, opening a writer does: there is no such VFS. */
    tb_vfs_register();
}

/* Says of which file the error is, as far as it matters where to look. */
static void add_file(struct tb_error *err, sqlite3 *db)
{
    static const int of_index[] = {SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE,
                                   SQLITE_IOERR_SHMLOCK, SQLITE_IOERR_SHMMAP};
    const char *path = sqlite3_db_filename(db, "main"), *suffix = "", *failed = NULL;
    bool failed_io = (err->native & 0xff) == SQLITE_IOERR;
    size_t len = strlen(err->text);

    if (!path || (err->code != TB_CORRUPT && !failed_io))
        return;
    for (size_t i = 0; i < sizeof of_index / sizeof *of_index; i++)
        if (err->native == of_index[i])
            suffix = "-shm";
    if (failed_io && !suffix[0])
        failed = tb_vfs_failed_file(db);
    snprintf(err->text + len, sizeof err->text - len, " in %s%s%s", failed ? failed : path, suffix,
             suffix[0] ? ", for which the disk may have no room" : "");
}

enum tb_code tb_error_sqlite(struct tb_error *err, sqlite3 *db, int rc)
{
    static const enum tb_code codes[256] = {
        [SQLITE_FULL] = TB_FULL,
        [SQLITE_BUSY] = TB_BUSY,
        [SQLITE_LOCKED] = TB_BUSY,
        [SQLITE_CONSTRAINT] = TB_CONFLICT,
        [SQLITE_CORRUPT] = TB_CORRUPT,
        [SQLITE_NOTADB] = TB_CORRUPT,
        [SQLITE_IOERR] = TB_UNAVAILABLE,
        [SQLITE_CANTOPEN] = TB_UNAVAILABLE,
        [SQLITE_READONLY] = TB_UNAVAILABLE,
        [SQLITE_NOMEM] = TB_UNAVAILABLE,
        [SQLITE_PROTOCOL] = TB_UNAVAILABLE,
        [SQLITE_PERM] = TB_UNAVAILABLE,
        [SQLITE_AUTH] = TB_UNAVAILABLE,
    };
    int primary = rc & 0xff, extended = db ? sqlite3_extended_errcode(db) : rc;
    enum tb_code code = codes[primary] ? codes[primary] : TB_INTERNAL;
    bool is_last = db && (extended & 0xff) == primary; /* the connection's message is of it */

    if (!is_last)
        extended = rc;
    tb_error_set(err, code, "SQLite: %s (%d)", is_last ? sqlite3_errmsg(db) : sqlite3_errstr(rc),
                 extended);
    err->native = extended;
    if (db)
        add_file(err, db);
    return err->code;
}

bool tb_error_is_of_reading(const struct tb_error *err)
{
    static const int reads[] = {SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_FSTAT};
    int primary = err->native & 0xff;
    bool found =
        primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY || primary == SQLITE_PERM;

    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++)
        found |= err->native == reads[i];
    return err->code == TB_UNAVAILABLE && found;
}

bool tb_error_is_of_schema(const struct tb_error *err)
{
    return err->code == TB_INTERNAL && err->native == SQLITE_ERROR;
}

static void harden(sqlite3 *raw)
{
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_limit(raw, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    sqlite3_limit(raw, SQLITE_LIMIT_ATTACHED, 0);
}

static enum tb_code check_wal(struct tb_db *db, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    bool row = false, wal;

    TB_TRY(tb_stmt_prepare(&stmt, db, "PRAGMA journal_mode=WAL", err));
    TB_TRY(tb_stmt_step(&stmt, &row, err));
    wal = row && tb_str_eq(tb_stmt_text(&stmt, 0), TB_STR("wal"));
    /* The row comes first; SQLite changes a new file to WAL only as the statement ends. */
    while (row)
        TB_TRY(tb_stmt_step(&stmt, &row, err));
    if (!wal)
        return tb_error_set(err, TB_INVALID,
                            "this file system cannot hold a write-ahead log; use a local one");
    return TB_OK;
}

static enum tb_code setup(struct tb_db *db, int wal_pages, struct tb_error *err)
{
    int rc;

    TB_TRY(tb_db_exec(db,
                      "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;"
                      "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=ON",
                      err));
    if (db->mode == TB_DB_READER) {
        sqlite3_wal_autocheckpoint(db->raw, 0);
        return tb_db_exec(db, "PRAGMA query_only=ON", err);
    }
    TB_TRY(check_wal(db, err));
    TB_TRY(tb_db_exec(
        db, db->mode == TB_DB_DURABLE ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
        err));
    /* A checkpoint truncates a WAL that has grown beyond 16 MiB. */
    TB_TRY(tb_db_exec(db, "PRAGMA journal_size_limit=16777216", err)); /* TB_WAL_KEPT_BYTES */
    /* SQLite opens the WAL and its index at the first read, a new file's too. */
    TB_TRY(tb_db_exec(db, "PRAGMA schema_version", err));
    TB_TRY(tb_wal_open(db, err));
    tb_db_set_checkpoint_pages(db, wal_pages > 0 ? wal_pages : WAL_PAGES);
    /* A reader, or another process, may have kept the index of the WAL, so that SQLite does not
     * recover it. While another program holds the lock, the first transaction does it. */
    rc = tb_db_forget_backfill(db);
    return rc == SQLITE_OK || rc == SQLITE_BUSY ? TB_OK : tb_error_sqlite(err, NULL, rc);
}

void tb_db_add_holder(struct tb_error *err, const char *path)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf locks = {0};
    struct tb_lock_holder holder;

    if (tb_lock_holders_read(&locks) &&
        tb_lock_holders_find_writer(tb_buf_str(&locks), path, &holder))
        tb_error_wrap(err, "%s (pid %ld) has it locked", holder.name, (long)holder.pid);
}

static enum tb_code prepare_wal(struct tb_db *db, struct tb_error *err)
{
    int rc = tb_db_remove_foreign_journal(db);

    if (rc != SQLITE_OK)
        return tb_error_sqlite(err, db->raw, rc);
    TB_TRY(tb_db_sync(db, err));
    return db->wal.was_empty ? TB_OK : tb_wal_check_mark(db, err);
}

static enum tb_code open_file(struct tb_db *db, const char *path, int wal_pages,
                              struct tb_error *err)
{
    bool reads = db->mode == TB_DB_READER;
    int flags = reads ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    int rc;

    if (!reads)
        TB_TRY(tb_db_make_private(path, err));
    rc = sqlite3_open_v2(path, &db->raw, flags | SQLITE_OPEN_NOMUTEX, reads ? NULL : TB_VFS_NAME);
    if (rc != SQLITE_OK)
        return tb_error_sqlite(err, db->raw, rc);
    if (!reads) {
        tb_vfs_attach(db);
        TB_TRY(prepare_wal(db, err));
    }
    harden(db->raw);
    tb_db_set_busy_timeout(db, BUSY_TIMEOUT_MS);
    return setup(db, wal_pages, err);
}

enum tb_code tb_db_open(const char *path, enum tb_db_mode mode, int wal_pages,
                        struct tb_db **ret_db, struct tb_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    enum tb_code code;
    struct tb_db *db;

    pthread_once(&once, configure_library);
    if (mode != TB_DB_READER) {
        TB_TRY(tb_file_loss_check(path, err));
        TB_TRY(tb_db_check_place(path, err)); /* its text has the path */
    }
    db = calloc(1, sizeof *db);
    if (!db || !(db->path = strdup(path))) {
        free(db);
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    }
    db->mode = mode;
    code = open_file(db, path, wal_pages, err);
    if (code != TB_OK) {
        if (code == TB_BUSY)
            tb_db_add_holder(err, path);
        tb_error_wrap(err, "cannot open %s", path);
        tb_db_close(db);
        return code;
    }
    *ret_db = db;
    return TB_OK;
}

/* SQLite's last connection checkpoints, and removes the WAL by its path: neither may be done to a
 * file that is lost. */
static void prepare_close(struct tb_db *db)
{
    if (!db->wal.path || tb_db_look(db, /* all= */ true) == TB_LOSS_NONE) {
        tb_wal_end_round(db);
        return;
    }
    tb_db_rescue(db);
    sqlite3_db_config(db->raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

void tb_db_close(struct tb_db *db)
{
    if (!db)
        return;
    if (db->raw)
        prepare_close(db);
    tb_stmt_finalize(&db->begin);
    tb_stmt_finalize(&db->commit);
    tb_stmt_finalize(&db->data_version);
    tb_stmt_finalize(&db->begin_round);
    tb_stmt_finalize(&db->change_mark);
    tb_wal_close(db);
    /* SQLite checkpoints when the last connection closes, which must not believe what our
     * checkpoint would not. */
    if (db->raw && (!db->wal_trusted || !db->backfill_trusted))
        sqlite3_db_config(db->raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    TB_ASSERT(sqlite3_close(db->raw) == SQLITE_OK);
    free(db->path);
    free(db);
}

void tb_db_set_busy_timeout(struct tb_db *db, int wait_ms)
{
    db->busy_timeout_ms = wait_ms;
    sqlite3_busy_timeout(db->raw, wait_ms);
}

void tb_db_yield_on_reads(struct tb_db *db)
{
    db->yields_on_reads = true;
}

enum tb_code tb_db_exec(struct tb_db *db, const char *sql, struct tb_error *err)
{
    int rc = sqlite3_exec(db->raw, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? TB_OK : tb_error_sqlite(err, db->raw, rc);
}

enum tb_code tb_db_query_int64(struct tb_db *db, const char *sql, int64_t *ret_value,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    bool row = false;

    TB_TRY(tb_stmt_prepare(&stmt, db, sql, err));
    TB_TRY(tb_stmt_step(&stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_NOT_FOUND, "no row for: %s", sql);
    *ret_value = tb_stmt_int64(&stmt, 0);
    return TB_OK;
}

enum tb_code tb_db_check(struct tb_db *db, struct tb_error *err)
{
    static const struct tb_str heading = TB_STR("*** in database main ***\n");
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    struct tb_str found;
    bool row = false;

    TB_TRY(tb_stmt_prepare(&stmt, db, "PRAGMA quick_check(1)", err));
    TB_TRY(tb_stmt_step(&stmt, &row, err));
    found = row ? tb_stmt_text(&stmt, 0) : (struct tb_str){0};
    if (tb_str_eq(found, TB_STR("ok")))
        return TB_OK;
    if (found.len > heading.len && memcmp(found.ptr, heading.ptr, heading.len) == 0)
        found = (struct tb_str){found.ptr + heading.len, found.len - heading.len};
    return tb_error_set(err, TB_CORRUPT, "%.*s", (int)found.len, found.ptr ? found.ptr : "");
}

int64_t tb_db_changes(struct tb_db *db)
{
    return sqlite3_changes64(db->raw);
}

int64_t tb_db_last_insert_rowid(struct tb_db *db)
{
    return sqlite3_last_insert_rowid(db->raw);
}

/* A commit may start the WAL over if the index says that the file has all of it. */
static enum tb_code distrust_backfill(struct tb_db *db, struct tb_error *err)
{
    int rc = tb_db_forget_backfill(db);

    for (int waited_ms = 0; rc == SQLITE_BUSY && waited_ms < db->busy_timeout_ms; waited_ms++) {
        sqlite3_sleep(1);
        rc = tb_db_forget_backfill(db);
    }
    return rc == SQLITE_OK ? TB_OK : tb_error_sqlite(err, NULL, rc);
}

enum tb_code tb_txn_begin(struct tb_txn *txn, struct tb_db *db, struct tb_error *err)
{
    enum tb_code code;

    TB_TRY(tb_file_loss_check(db->path, err));
    tb_db_maybe_checkpoint(db, 0);
    if (db->mark_is_unsynced && !db->wal_trusted)
        TB_TRY(tb_db_sync(db, err));
    if (!db->backfill_trusted)
        TB_TRY(distrust_backfill(db, err));
    if (!db->begin.raw)
        TB_TRY(tb_stmt_prepare(&db->begin, db, "BEGIN IMMEDIATE", err));
    if (!db->commit.raw)
        TB_TRY(tb_stmt_prepare(&db->commit, db, "COMMIT", err));
    TB_TRY(tb_stmt_run(&db->begin, err));
    txn->db = db;
    code = tb_db_check_content(db, err);
    if (code == TB_OK)
        code = tb_wal_begin_round(db, err);
    if (code != TB_OK)
        tb_txn_rollback(txn);
    return code;
}

enum tb_code tb_txn_commit(struct tb_txn *txn, struct tb_error *err)
{
    struct tb_db *db = txn->db;
    enum tb_code code = tb_stmt_run(&db->commit, err);

    if (code == TB_OK) {
        txn->db = NULL;
        return TB_OK;
    }
    tb_txn_rollback(txn);
    /* A full disk or a lock is reported before the commit frame is written, so nothing is done. */
    if (code != TB_BUSY && code != TB_FULL)
        err->code = TB_UNKNOWN;
    return err->code;
}

void tb_txn_rollback(struct tb_txn *txn)
{
    if (!txn->db)
        return;
    /* SQLite may have rolled back by itself already. */
    if (!sqlite3_get_autocommit(txn->db->raw))
        sqlite3_exec(txn->db->raw, "ROLLBACK", NULL, NULL, NULL);
    txn->db = NULL;
}

static int remove_file(sqlite3_vfs *vfs, const char *path, const char *suffix)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf name = {0};
    int rc;

    tb_buf_adds(&name, path);
    tb_buf_adds(&name, suffix);
    if (!tb_buf_ok(&name))
        return SQLITE_NOMEM;
    rc = vfs->xDelete(vfs, name.data, /* syncDir= */ 1);
    return rc == SQLITE_IOERR_DELETE_NOENT ? SQLITE_OK : rc;
}

/* Deletes the database before its WAL: an orphaned WAL is ignored, but a database without its WAL
 * opens with commits missing. */
enum tb_code tb_db_remove(const char *path, struct tb_error *err)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        int rc = remove_file(vfs, path, suffixes[i]);

        if (rc != SQLITE_OK) {
            tb_error_sqlite(err, NULL, rc);
            return tb_error_wrap(err, "remove %s%s", path, suffixes[i]);
        }
    }
    return TB_OK;
}

static enum tb_code run_steps(struct tb_db *db, int32_t application_id, const char *const *steps,
                              int version, int step_count, struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    char pragma[96];

    TB_TRY(tb_txn_begin(&txn, db, err));
    for (int next = version; next < step_count; next++) {
        if (tb_db_exec(db, steps[next], err) != TB_OK)
            return tb_error_wrap(err, "migrating to schema %d", next + 1);
    }
    snprintf(pragma, sizeof pragma, "PRAGMA user_version=%d; PRAGMA application_id=%d", step_count,
             (int)application_id);
    TB_TRY(tb_db_exec(db, pragma, err));
    return tb_txn_commit(&txn, err);
}

static enum tb_code not_ours(struct tb_error *err)
{
    tb_error_set(err, TB_CONFLICT, "the file belongs to another program");
    err->native = TB_DB_NOT_OURS;
    return err->code;
}

enum tb_code tb_db_migrate(struct tb_db *db, int32_t application_id, const char *const *steps,
                           int step_count, struct tb_error *err)
{
    int64_t version = 0, owner = 0;

    TB_TRY(tb_db_query_int64(db, "PRAGMA user_version", &version, err));
    TB_TRY(tb_db_query_int64(db, "PRAGMA application_id", &owner, err));
    if (owner != application_id && (owner != 0 || version != 0))
        return not_ours(err);
    if (version > step_count)
        return tb_error_set(err, TB_CONFLICT,
                            "the file has schema %d, this build knows up to %d: "
                            "run the newer build it was written by",
                            (int)version, step_count);
    return version == step_count
               ? TB_OK
               : run_steps(db, application_id, steps, (int)version, step_count, err);
}

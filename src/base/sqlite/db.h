/* SQLite, the way every file of ours is opened and every statement is run.
 *
 * Structural rule (why: DESIGN, "One connection per database file writes"): a file has one
 * writing connection, the only one that checkpoints; all others are TB_DB_READER.
 * WAL always; each connection is hardened (defensive, no trusted schema, no double-quoted
 * strings, no extensions).
 *
 * Thread:  a connection and its statements belong to one thread at a time (no mutex inside).
 * Memory:  bound text and blobs are borrowed until the statement is reset;
 *          column results are borrowed until the next step or reset.
 * Errors:  TB_FULL for a full disk, TB_BUSY for a lock, TB_CORRUPT, TB_CONFLICT for a
 *          constraint, TB_UNAVAILABLE for I/O; err->native is the extended SQLite code.
 * Units:   as the columns. */
#pragma once
#include "base/mem/buf.h"

struct sqlite3;
struct sqlite3_stmt;
struct tb_db;

enum tb_db_mode {
    TB_DB_DURABLE, /* the writer; a commit survives power loss (synchronous=FULL) */
    TB_DB_DERIVED, /* the writer; power loss may take back the last commits, never corrupt
                      (synchronous=NORMAL): for what is rebuilt from a durable file */
    TB_DB_READER,  /* read-only; never checkpoints; the file must exist */
};

/* A writer's file is opened as after any failure of the disk: TB_OK means that everything it
 * shows survives power loss, whatever syncs failed before. In another process that died, too.
 * wal_pages: checkpoint once the WAL has this many pages (writers only; 0: SQLite's 1000). */
TB_CHECKED enum tb_code tb_db_open(const char *path, enum tb_db_mode mode, int wal_pages,
                                   struct tb_db **ret_db, struct tb_error *err);
/* Removes a database file with its WAL, durably; none there is fine. Nobody has it open for
 * writing. */
TB_CHECKED enum tb_code tb_db_remove(const char *path, struct tb_error *err);
/* NULL is fine; all statements must be finalized. The last writer to leave moves the WAL into the
 * file, unless the disk has failed: then the next start does. */
void tb_db_close(struct tb_db *db);
struct sqlite3 *tb_db_raw(struct tb_db *db);
/* Constant SQL only: schema and pragmas. */
TB_CHECKED enum tb_code tb_db_exec(struct tb_db *db, const char *sql, struct tb_error *err);
/* The first column of the first row of a constant query; TB_NOT_FOUND without a row. */
TB_CHECKED enum tb_code tb_db_query_int64(struct tb_db *db, const char *sql, int64_t *ret_value,
                                          struct tb_error *err);
/* From now on whoever waits for the processor goes first (tb_yield_cpu) before each page
 * that is read, which a checkpoint does with all of them: for a file that no order waits for. */
void tb_db_yield_on_reads(struct tb_db *db);
/* The checkpoint, if the last commit has left wal_pages in the WAL (0: as it was opened): for who
 * has told those who wait for the commit, or wants it earlier. Otherwise a transaction begins with
 * it. Not inside one; while another file of the process has its checkpoint it does nothing. One
 * that fails is tried again after the next commit. */
void tb_db_maybe_checkpoint(struct tb_db *db, int wal_pages);
/* Moves the WAL into the database file and truncates it; TB_BUSY if a reader holds it. */
TB_CHECKED enum tb_code tb_db_checkpoint(struct tb_db *db, struct tb_error *err);
/* What was committed survives power loss from here on, in a derived file, too. Waits for no
 * reader; not inside a transaction that writes. */
TB_CHECKED enum tb_code tb_db_sync(struct tb_db *db, struct tb_error *err);
/* True while a transaction is open: SQLite may have rolled it back by itself. */
bool tb_db_in_transaction(struct tb_db *db);
int64_t tb_db_changes(struct tb_db *db); /* rows of the last statement */
int64_t tb_db_last_insert_rowid(struct tb_db *db);

/* Schema versions are PRAGMA user_version; step i brings version i to i + 1, each in its own
 * transaction. A file with a higher version, or another application's, is TB_CONFLICT and
 * stays as it was. */
TB_CHECKED enum tb_code tb_db_migrate(struct tb_db *db, int32_t application_id,
                                      const char *const *steps, int step_count,
                                      struct tb_error *err);

/* BEGIN IMMEDIATE. A transaction that was not committed is rolled back by its cleanup. */
struct tb_txn {
    struct tb_db *db; /* NULL once committed or rolled back */
};
TB_CHECKED enum tb_code tb_txn_begin(struct tb_txn *txn, struct tb_db *db, struct tb_error *err);
/* A failure other than TB_BUSY and TB_FULL is TB_UNKNOWN: some of it may be on the disk. */
TB_CHECKED enum tb_code tb_txn_commit(struct tb_txn *txn, struct tb_error *err);
void tb_txn_rollback(struct tb_txn *txn);

struct tb_stmt {
    struct sqlite3_stmt *raw; /* owned */
    int bind_rc;              /* first failed bind since the last reset */
    int bound;                /* index of the parameter that was bound last */
};

TB_CHECKED enum tb_code tb_stmt_prepare(struct tb_stmt *stmt, struct tb_db *db, const char *sql,
                                        struct tb_error *err);
void tb_stmt_finalize(struct tb_stmt *stmt); /* zeroed is fine */
void tb_stmt_bind_int64(struct tb_stmt *stmt, const char *name, int64_t value);
void tb_stmt_bind_text(struct tb_stmt *stmt, const char *name,
                       struct tb_str text); /* absent: NULL */
void tb_stmt_bind_blob(struct tb_stmt *stmt, const char *name, struct tb_str bytes);
/* Runs a statement that returns no rows, and resets it. */
TB_CHECKED enum tb_code tb_stmt_run(struct tb_stmt *stmt, struct tb_error *err);
/* One row further; *ret_row false at the end. On failure and at the end it is reset. */
TB_CHECKED enum tb_code tb_stmt_step(struct tb_stmt *stmt, bool *ret_row, struct tb_error *err);
void tb_stmt_reset(struct tb_stmt *stmt); /* always after step: an open read pins the WAL */
int64_t tb_stmt_int64(struct tb_stmt *stmt, int column);
struct tb_str tb_stmt_text(struct tb_stmt *stmt, int column); /* also for blobs */
bool tb_stmt_is_null(struct tb_stmt *stmt, int column);

/* Fills *err from SQLite's result code and the connection's message; returns err->code. */
enum tb_code tb_error_sqlite(struct tb_error *err, struct sqlite3 *db, int rc);

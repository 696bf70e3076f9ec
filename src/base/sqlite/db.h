/* SQLite: every database file is opened and every statement is run by these functions.
 *
 * A file has exactly one writing connection, which alone checkpoints; all others are TB_DB_READER.
 * So no writer waits for the lock of another. All files use a WAL. Each connection is
 * hardened: defensive, no trusted schema, no double-quoted strings, no extensions.
 *
 * Thread:  one thread at a time uses a connection and its statements (SQLite's mutex is off).
 * Memory:  bound texts and blobs are borrowed until the statement is reset; column results are
 *          borrowed until the next step or reset.
 * Errors:  TB_FULL for a full disk, TB_BUSY for a lock, TB_CORRUPT, TB_CONFLICT for a constraint,
 *          TB_UNAVAILABLE for I/O; err->native is SQLite's extended code. */
#pragma once
#include "base/mem/buf.h"

struct sqlite3;
struct sqlite3_stmt;
struct tb_checkpoints;
struct tb_db;

enum tb_db_mode {
    TB_DB_DURABLE, /* the writer; a commit survives power loss (synchronous=FULL) */
    TB_DB_DERIVED, /* the writer; power loss may undo the last commits, but never corrupts the file
                      (synchronous=NORMAL): for data that can be rebuilt from a durable file */
    TB_DB_READER,  /* read-only; never checkpoints; the file must exist */
};

/* Opening a writer makes all earlier commits survive power loss, even if syncs have failed before,
 * in this process or an earlier one: opening writes the WAL again and syncs it, and believes
 * nothing of what was copied from it into the file.
 * A new file may be read by its owner only. TB_UNAVAILABLE if something else stands in the place
 * of one of its files, such as a folder or a link to nothing: the text names it. wal_pages:
 * checkpoint when the WAL has this many pages (writers only; 0: SQLite's 1000). */
TB_CHECKED enum tb_code tb_db_open(const char *path, enum tb_db_mode mode, int wal_pages,
                                   struct tb_db **ret_db, struct tb_error *err);
/* err->native of TB_CORRUPT: the file was put back from a copy, or moved, beside a WAL that is of
 * another copy of it. Nothing was applied or deleted. Told only of files with a mark. */
#define TB_DB_FOREIGN_WAL (11 | 200 << 8) /* none of SQLite's codes for damage */
/* The same, if SQLite finds no damage, but what this program wrote cannot be decoded: a document
 * of the view, a record of the log. */
#define TB_DB_BAD_DOCUMENT (11 | 201 << 8)
#define TB_DB_BAD_RECORD (11 | 202 << 8)
/* True: the file could not be opened or read, which says nothing of what is in it. */
bool tb_error_is_of_reading(const struct tb_error *err);
/* Call it before this process opens the file: it would drop the process's locks on it. TB_CORRUPT:
 * the WAL was cut, and the file has pages of what is missing. */
TB_CHECKED enum tb_code tb_db_check_cut(const char *path, struct tb_error *err);
/* Puts in front of a TB_BUSY which program has the file locked, if that can be known. Call it
 * before closing the file: our own locks tell its device. */
void tb_db_add_holder(struct tb_error *err, const char *path);
/* True: the file lacks a table or a column, although its schema's version says that it has it. */
bool tb_error_is_of_schema(const struct tb_error *err);
/* From now on the file of this writer has a mark. Call it after migrating. */
TB_CHECKED enum tb_code tb_db_mark_wal(struct tb_db *db, struct tb_error *err);
/* Deletes a database file and its WAL, durably; a file that does not exist is fine. It must not be
 * open for writing. */
TB_CHECKED enum tb_code tb_db_remove(const char *path, struct tb_error *err);
/* All statements must be finalized; NULL is fine. The last connection of a file moves the WAL into
 * it, unless a failed sync or checkpoint forbids that: then a later connection does. */
void tb_db_close(struct tb_db *db);
/* Runs constant SQL: schema and pragmas. */
TB_CHECKED enum tb_code tb_db_exec(struct tb_db *db, const char *sql, struct tb_error *err);
/* Reads the first column of the first row of a constant query; TB_NOT_FOUND: there is no row. */
TB_CHECKED enum tb_code tb_db_query_int64(struct tb_db *db, const char *sql, int64_t *ret_value,
                                          struct tb_error *err);
/* Reads the whole file. TB_CORRUPT: SQLite finds a damage; the text names the first one. */
TB_CHECKED enum tb_code tb_db_check(struct tb_db *db, struct tb_error *err);
/* From now on every read of a page calls tb_give_way first, in checkpoints too. Call it for the
 * writer of a file if no order waits for the commits of that file. */
void tb_db_yield_on_reads(struct tb_db *db);
/* Checkpoints if the WAL had at least wal_pages pages after the last commit (0: the number given
 * at opening). Call it after replying, so that no client waits for it; if nobody does, the next
 * tb_txn_begin does. Never inside a transaction. It does nothing while another file of the process
 * is being checkpointed. After a failure it is tried again after the next commit, or, if somebody
 * watches, after a wait. */
void tb_db_maybe_checkpoint(struct tb_db *db, int wal_pages);
/* From now on `checkpoints` says how they go, and how long to wait after a failure. */
void tb_db_watch_checkpoints(struct tb_db *db, struct tb_checkpoints *checkpoints);
/* True: the last checkpoint has left something to do. It has failed, a reader or a lock has
 * stopped it, or a WAL that was copied still takes space. Then call tb_db_retry_checkpoint about
 * once a second, while nothing is committed too. */
bool tb_db_wants_checkpoint(const struct tb_db *db);
void tb_db_retry_checkpoint(struct tb_db *db);
/* Asked in tb_txn_begin whenever another connection has committed: whether the file still has what
 * this writer has left there. If not, another program has put a copy into it (`.restore` of the
 * sqlite3 shell does); the file is lost then (file_loss.h), and so is the transaction. */
typedef enum tb_code tb_db_content_fn(void *ctx, bool *ret_ours, struct tb_error *err);
void tb_db_watch_content(struct tb_db *db, tb_db_content_fn *is_ours, void *ctx);
/* How long statements wait for the lock of another program; at first 3 s. */
void tb_db_set_busy_timeout(struct tb_db *db, int wait_ms);
/* Afterwards all commits survive power loss, in a TB_DB_DERIVED file too. Does not wait for
 * readers. Never inside a transaction that writes. */
TB_CHECKED enum tb_code tb_db_sync(struct tb_db *db, struct tb_error *err);
int64_t tb_db_changes(struct tb_db *db); /* rows that the last statement changed */
int64_t tb_db_last_insert_rowid(struct tb_db *db);

/* Brings the schema to version step_count (PRAGMA user_version), in one transaction. Step i
 * changes version i to i + 1. TB_CONFLICT: the file has a higher version or belongs to another
 * application; it is not changed. err->native is TB_DB_NOT_OURS in the second case. */
#define TB_DB_NOT_OURS (26 | 200 << 8) /* none of SQLite's codes for a file of another format */
TB_CHECKED enum tb_code tb_db_migrate(struct tb_db *db, int32_t application_id,
                                      const char *const *steps, int step_count,
                                      struct tb_error *err);

/* A transaction (BEGIN IMMEDIATE). With TB_CLEANUP(tb_txn_rollback) it is undone unless it was
 * committed. */
struct tb_txn {
    struct tb_db *db; /* NULL once committed or rolled back */
};
TB_CHECKED enum tb_code tb_txn_begin(struct tb_txn *txn, struct tb_db *db, struct tb_error *err);
/* Any failure but TB_BUSY and TB_FULL becomes TB_UNKNOWN: parts may be on the disk. */
TB_CHECKED enum tb_code tb_txn_commit(struct tb_txn *txn, struct tb_error *err);
void tb_txn_rollback(struct tb_txn *txn);

struct tb_stmt {
    struct sqlite3_stmt *raw; /* owned; NULL: not compiled yet */
    struct sqlite3 *db;
    const char *sql; /* of a declared statement */
    int bind_rc;     /* the first failure to compile or bind since the last reset */
    int bound;       /* index of the parameter bound last */
};

/* The first use compiles the statement, so that a connection costs what it uses; the first step
 * returns the error of a statement that cannot be compiled. sql is borrowed as long as the
 * statement lives. */
void tb_stmt_declare(struct tb_stmt *stmt, struct tb_db *db, const char *sql);
TB_CHECKED enum tb_code tb_stmt_prepare(struct tb_stmt *stmt, struct tb_db *db, const char *sql,
                                        struct tb_error *err);
void tb_stmt_finalize(struct tb_stmt *stmt); /* zeroed is fine */
void tb_stmt_bind_int64(struct tb_stmt *stmt, const char *name, int64_t value);
void tb_stmt_bind_text(struct tb_stmt *stmt, const char *name,
                       struct tb_str text); /* absent: binds NULL */
void tb_stmt_bind_blob(struct tb_stmt *stmt, const char *name, struct tb_str bytes);
/* Binds the columns of another statement's row, with their types, to the first parameters. */
void tb_stmt_bind_row(struct tb_stmt *stmt, struct tb_stmt *row);
/* Runs a statement that returns no rows, and resets it. */
TB_CHECKED enum tb_code tb_stmt_run(struct tb_stmt *stmt, struct tb_error *err);
/* Steps to the next row; *ret_row is false at the end. Resets the statement at the end and on
 * failure. */
TB_CHECKED enum tb_code tb_stmt_step(struct tb_stmt *stmt, bool *ret_row, struct tb_error *err);
/* Call it when you stop reading after a row: until then no checkpoint can empty the WAL. */
void tb_stmt_reset(struct tb_stmt *stmt);
/* For TB_CLEANUP: resets the statement at the end of the block. */
static inline void tb_stmt_resetp(struct tb_stmt *const *stmt)
{
    tb_stmt_reset(*stmt);
}
int64_t tb_stmt_int64(struct tb_stmt *stmt, int column);
/* Also for blobs. If the column is NULL, the result is absent. */
struct tb_str tb_stmt_text(struct tb_stmt *stmt, int column);
/* Copies a text with a NUL behind it, cut to size, and returns the copy. */
const char *tb_stmt_copy_text(struct tb_stmt *stmt, int column, char *to, size_t size);

/* Sets *err from SQLite's result code and the connection's message; returns err->code. The text of
 * TB_CORRUPT has the path of the file. */
enum tb_code tb_error_sqlite(struct tb_error *err, struct sqlite3 *db, int rc);

/* Shared by the files of base/sqlite.
 *
 *   db.c               opening, transactions, migrations
 *   stmt.c             statements
 *   wal_sync.c         checkpoints; writes the WAL again when a failed sync may have left parts of
 *                      it only in memory
 *   write_coalescer.c  joins adjacent writes, so that a commit or a checkpoint takes fewer calls
 *
 * An int result is SQLite's result code. */
#pragma once
#include "base/sqlite/db.h"

struct tb_db {
    struct sqlite3 *raw; /* owned */
    /* True: tb_db_rewrite_wal has succeeded, and no checkpoint has failed since, except because of
     * a lock. Always false for a reader. */
    bool wal_trusted;
    struct tb_stmt begin, commit; /* of a writer; prepared by its first transaction */
    int wal_pages;                /* checkpoint when the WAL has this many pages */
    int wal_now; /* all pages in the WAL after the last commit; 0 once a checkpoint was tried */
    bool yields_on_reads;
    /* Of the database file; freed when SQLite closes it. NULL: a reader, or not fully open. */
    struct tb_write_coalescer *file_coalescer;
};

/* Writes the WAL's bytes again in the same place and syncs them, because after a failed sync a
 * second sync alone writes nothing. At opening, call it before the first statement: SQLite then
 * recovers only what is on the disk. */
int tb_db_rewrite_wal(struct tb_db *db);
/* Replaces SQLite's automatic checkpoint by ours. If the WAL is not trusted, our checkpoint first
 * writes it again. Our checkpoint runs within COMMIT only if the WAL has grown to four times
 * wal_pages. */
void tb_db_set_checkpoint_pages(struct tb_db *db, int wal_pages);
/* From now on writes to the file and to its WAL are coalesced. until_sync: all writes of a commit
 * are held back until its sync; false: each frame is written once it is complete. Call it once,
 * after the connection has switched to WAL. */
TB_CHECKED enum tb_code tb_db_coalesce_writes(struct tb_db *db, bool until_sync,
                                              struct tb_error *err);
/* Between begin and end, page writes of a checkpoint may be held back and joined. end returns
 * SQLite's code for writing the last of them. */
void tb_write_coalescer_begin_checkpoint(struct tb_write_coalescer *coalescer);
int tb_write_coalescer_end_checkpoint(struct tb_write_coalescer *coalescer);

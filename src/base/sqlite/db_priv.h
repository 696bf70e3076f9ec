/* What the files of base/sqlite share.
 *
 *   db.c               opening, transactions, migrations
 *   stmt.c             statements
 *   wal_sync.c         rewrites a WAL that the disk may not have; checkpoints
 *   write_coalescer.c  a commit in one write, a checkpoint in few
 *
 * Contract as db.h; an int result is SQLite's result code. */
#pragma once
#include "base/sqlite/db.h"

struct tb_db {
    struct sqlite3 *raw; /* owned */
    bool wal_trusted; /* the disk has what syncs of the WAL were for; always false for a reader */
    struct tb_stmt begin, commit; /* of a writer; prepared by its first transaction */
    int wal_pages;                /* checkpoint when the WAL has this many pages */
    int wal_now; /* pages that the last commit has left in the WAL; 0 after a checkpoint */
    bool yields_on_reads;
    struct tb_write_coalescer
        *checkpoints; /* owned by SQLite's file; NULL: of a reader, or not open yet */
};

/* Rewrites the WAL in place and syncs it, so that it can be trusted. Call it before a connection's
 * first statement: SQLite's recovery then reads what the disk really has. */
int tb_db_rewrite_wal(struct tb_db *db);
/* Replaces SQLite's automatic checkpoint by ours: it rewrites a WAL that is not trusted, and does
 * not run within COMMIT. */
void tb_db_set_checkpoint_pages(struct tb_db *db, int wal_pages);
/* From now on writes to the file and to its WAL are coalesced. until_sync: hold back all writes of
 * a commit until its sync (synchronous=FULL). Call it once, after the connection has switched to
 * WAL. */
TB_CHECKED enum tb_code tb_db_coalesce_writes(struct tb_db *db, bool until_sync,
                                              struct tb_error *err);
/* Call these around a checkpoint. The end returns whether all its pages could be written. */
void tb_write_coalescer_begin_checkpoint(struct tb_write_coalescer *checkpoints);
int tb_write_coalescer_end_checkpoint(struct tb_write_coalescer *checkpoints);

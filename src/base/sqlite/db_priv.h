/* What the files of the SQLite wrapper share; nobody else includes it, but for their tests.
 *
 *   db.c         opening, transactions, migrations
 *   db_gather.c  a commit in one write, a checkpoint in few
 *   db_stmt.c    statements
 *   db_wal.c     the write-ahead log: written anew where it cannot be trusted, and checkpoints
 *
 * Thread:  as db.h.
 * Memory:  as db.h.
 * Errors:  SQLite's result codes, or as db.h.
 * Units:   pages of the WAL. */
#pragma once
#include "base/sqlite/db.h"

struct tb_db {
    struct sqlite3 *raw; /* owned */
    bool wal_trusted; /* the disk has all of the WAL that its syncs were for; never of a reader */
    struct tb_stmt begin, commit; /* of a writer, prepared at its first transaction */
    int wal_pages; /* a commit that leaves so many in the WAL is followed by a checkpoint */
    int wal_now;   /* so many has the last one left, if no checkpoint has followed */
    bool yields_on_reads;
    struct tb_write_coalescer
        *checkpoints; /* owned by SQLite's file; NULL: a reader's, or not yet open */
};

/* Writes the WAL anew, in place, and syncs it: from then on it is trusted. Called before a
 * connection's first statement, so that SQLite's own recovery judges what the disk has. */
int tb_db_rewrite_wal(struct tb_db *db);
/* SQLite's automatic checkpoint, but for a WAL that is not trusted, and not within the commit. */
void tb_db_set_checkpoint_pages(struct tb_db *db, int wal_pages);
/* From now on what is written is gathered; until_sync: a commit until the sync that it asks for
 * (synchronous=FULL). Called once, when the connection is to have its WAL. */
TB_CHECKED enum tb_code tb_db_coalesce_writes(struct tb_db *db, bool until_sync,
                                              struct tb_error *err);
/* Around a checkpoint; the end says whether all of its pages could be written. */
void tb_write_coalescer_begin_checkpoint(struct tb_write_coalescer *checkpoints);
int tb_write_coalescer_end_checkpoint(struct tb_write_coalescer *checkpoints);

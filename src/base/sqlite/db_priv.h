/* Shared by the files of base/sqlite.
 *
 *   db.c               opening, transactions, migrations
 *   stmt.c             statements
 *   vfs.c              the VFS of writers: an ordinary shim over SQLite's own
 *   write_coalescer.c  joins adjacent writes, so that a commit or a checkpoint takes fewer calls
 *   checkpoint.c       when checkpoints run, and when a failed one is tried again
 *   file_loss.c        tells files that were moved, removed or cut while they were open
 *   foreign_commit.c   tells a file into which another program has committed a copy
 *   journal.c          removes a rollback journal that is not of the file beside it
 *   place.c            looks for odd files in a database's place, and makes new ones private
 *   shm_room.c         takes the space of the WAL's index before SQLite writes to it
 *   wal_backlog.c      counts what checkpoints have yet to copy
 *   wal_cut.c          tells a WAL that was cut below what was copied from it
 *   wal_mark.c         tells a WAL that is of another copy of the file
 *   wal_sync.c         makes SQLite write again what a failed sync may have left only in memory
 *
 * An int result is SQLite's result code. */
#pragma once
#include "base/sqlite/checkpoints.h"
#include "base/sqlite/db.h"
#include <stdatomic.h>
#include <sys/types.h>

/* A writer's WAL may keep this much space when all of it was copied. */
#define TB_WAL_KEPT_BYTES (INT64_C(16) << 20)

/* file_loss.c: what is wrong with a file that is open. */
enum tb_loss_kind {
    TB_LOSS_NONE,
    TB_LOSS_FILE_GONE, /* another file, or none, is at its path; the WAL is whole */
    TB_LOSS_WAL_GONE,  /* the same of the WAL, of which SQLite still has all */
    TB_LOSS_FILE_CUT,
    TB_LOSS_WAL_CUT, /* or overwritten */
    TB_LOSS_CHANGED, /* another program has committed a copy into it; the WAL is whole */
};
/* Which files were opened. */
struct tb_place {
    dev_t device;
    ino_t inode, wal_inode;
};

/* The WAL of a connection that writes. */
struct tb_wal {
    struct tb_db *next; /* in the list of wal_backlog.c, whose lock guards it */
    const char *path;   /* of the database file; SQLite's */
    const char *wal_path;
    struct tb_place place;
    const uint32_t volatile *index; /* of the WAL; NULL: the file system does not have the files */
    _Atomic int64_t file_size;      /* the database file is not shorter, unless pages were freed */
    int64_t checked_frames;         /* of the WAL with these salts: SQLite can read them back */
    uint8_t checked_salts[8];
    bool rescued; /* the file has all of a WAL that is lost */
    int64_t page_size;
    int frames, copied;     /* in the WAL after the last commit; of these, in the file */
    int64_t earlier_frames; /* of the rounds before the WAL started over */
    _Atomic int64_t written_frames, copied_frames; /* with those of earlier rounds */
    _Atomic int64_t backlog_bytes;
    bool was_empty;       /* when tb_db_rewrite_wal wrote it again */
    bool all_copied;      /* nothing was committed since the file got everything */
    bool mark_is_new;     /* nothing was committed since the mark was changed (wal_mark.c) */
    bool unfinished;      /* the last checkpoint has left frames */
    _Atomic bool stopped; /* the last checkpoint has left frames that a reader or a lock needs */
};

struct tb_db {
    struct sqlite3 *raw; /* owned */
    char *path;          /* owned; as it was opened */
    enum tb_db_mode mode;
    struct tb_wal wal; /* of a writer */
    int busy_timeout_ms;
    /* True: tb_db_rewrite_wal has succeeded, and no sync of the WAL has failed since. Always false
     * for a reader, like the next. */
    bool wal_trusted;
    /* True: tb_db_forget_backfill has succeeded, and no checkpoint has failed since. */
    bool backfill_trusted;
    /* True: a write changes no byte beside its own, so writes may be held back (vfs.c). */
    bool holds_writes;
    int checkpoint_rc;            /* of writing the last pages of the present checkpoint */
    struct tb_stmt begin, commit; /* of a writer; prepared by its first transaction */
    struct tb_stmt data_version;
    int64_t seen_version;      /* the last one at which is_ours has said yes; 0: never asked */
    tb_db_content_fn *is_ours; /* NULL: nobody watches */
    void *is_ours_ctx;
    struct tb_stmt begin_round, change_mark; /* wal_mark.c; not prepared: the file has no mark */
    bool changes_mark;                       /* now */
    bool mark_is_unsynced; /* the WAL has a commit that changed the mark, and no sync since */
    int wal_pages;         /* checkpoint when the WAL has this many pages */
    int wal_now; /* all pages in the WAL after the last commit; 0 once a checkpoint was tried */
    bool yields_on_reads;
    struct tb_checkpoints *checkpoints; /* borrowed; NULL: nobody wants to know how they go */
};

/* vfs.c: the name for sqlite3_open_v2, once tb_vfs_register has succeeded. */
#define TB_VFS_NAME "tillbox"
int tb_vfs_register(void);
/* Call it before the connection's first statement: until then everything passes through. */
void tb_vfs_attach(struct tb_db *db);
/* Of the database file and its WAL, the one of which a call failed last. NULL: none, or the
 * connection has another VFS. */
const char *tb_vfs_failed_file(struct sqlite3 *raw);

/* write_coalescer.c: buffers the writes into one file. */
struct tb_write_coalescer;
struct sqlite3_file;
/* NULL: out of memory. file: borrowed. Freed by free, which drops what is held back. */
struct tb_write_coalescer *tb_write_coalescer_new(struct sqlite3_file *file);
int tb_write_coalescer_write(struct tb_write_coalescer *coalescer, const void *bytes, int len,
                             int64_t offset);
/* Writes what is held back. If that fails, it is dropped. */
int tb_write_coalescer_flush(struct tb_write_coalescer *coalescer);

/* shm_room.c: call it once, before the first connection. */
void tb_shm_fill_holes(void);

/* place.c */
/* TB_UNAVAILABLE, as if SQLite could not open it: the text names the file, and what to do. */
TB_CHECKED enum tb_code tb_db_check_place(const char *path, struct tb_error *err);
/* Makes an empty file that only its owner may read, unless there is one. */
TB_CHECKED enum tb_code tb_db_make_private(const char *path, struct tb_error *err);

/* foreign_commit.c: call it inside each transaction before anything else. */
TB_CHECKED enum tb_code tb_db_check_content(struct tb_db *db, struct tb_error *err);

/* journal.c */
/* At opening, call it before the first statement. */
int tb_db_remove_foreign_journal(struct tb_db *db);

/* wal_sync.c */
/* Writes the WAL's bytes again in the same place and syncs them, because after a failed sync a
 * second sync alone writes nothing. At opening, call it before the first statement: SQLite then
 * recovers only what is on the disk. */
int tb_db_rewrite_wal(struct tb_db *db);
/* The next checkpoint copies every page of the WAL again. SQLITE_BUSY: another connection writes
 * or checkpoints; never call it inside a transaction. */
int tb_db_forget_backfill(struct tb_db *db);

/* wal_mark.c */
/* Call it at opening, before the first statement, if there is a WAL. TB_CORRUPT with native
 * TB_DB_FOREIGN_WAL: the WAL is not of this file. */
TB_CHECKED enum tb_code tb_wal_check_mark(struct tb_db *db, struct tb_error *err);
/* Call it in each transaction before anything else. */
TB_CHECKED enum tb_code tb_wal_begin_round(struct tb_db *db, struct tb_error *err);
/* Call it before each checkpoint, outside of transactions. A failure is ignored: then a copy of
 * this round may be taken for the file of the next one. */
void tb_wal_end_round(struct tb_db *db);

/* file_loss.c */
/* At opening, when SQLite has opened the WAL. */
void tb_db_note_place(struct tb_db *db);
/* After each checkpoint: the database file may have grown. */
void tb_db_note_file_size(struct tb_db *db);
/* Looks now, on the owner's thread. all: at every frame that a checkpoint would copy. */
enum tb_loss_kind tb_db_look(struct tb_db *db, bool all);
/* The owner has found it itself. */
void tb_db_lose(struct tb_db *db, enum tb_loss_kind kind);
/* As of the last look, whoever looked. */
enum tb_loss_kind tb_db_loss(const struct tb_db *db);

/* wal_backlog.c: from open to close the connection's WAL counts. */
TB_CHECKED enum tb_code tb_wal_open(struct tb_db *db, struct tb_error *err);
void tb_wal_close(struct tb_db *db);
/* Calls back for each of these connections, which cannot be closed meanwhile. */
void tb_wal_each(void (*each)(struct tb_db *db));
void tb_wal_committed(struct tb_db *db, int frames);
/* rc, frames, copied: the results of sqlite3_wal_checkpoint_v2. */
void tb_wal_checkpointed(struct tb_db *db, int rc, int frames, int copied);
/* True: when all of it was copied, the file is to be emptied. */
bool tb_wal_wants_emptying(const struct tb_db *db);

/* checkpoint.c */
/* After any failure but a lock nothing of the database file is believed. mode:
 * SQLITE_CHECKPOINT_... SQLITE_IOERR, and nothing is done: the file or its WAL was cut. */
int tb_db_checkpoint(struct tb_db *db, int mode);
/* Brings what only the WAL has into the file, if the WAL is lost and whole. */
void tb_db_rescue(struct tb_db *db);
/* Replaces SQLite's automatic checkpoint by ours, which runs within COMMIT only if the WAL has
 * grown to four times wal_pages. */
void tb_db_set_checkpoint_pages(struct tb_db *db, int wal_pages);

/* What the files of the in-process log share. Only they include it.
 *
 *   inproc.c     open, free, range
 *   file.c       the writing connection: schema, committed offsets
 *   writer.c     the writer
 *   reader.c     readers
 *   retention.c  removal of old records
 *
 * Thread:  fields marked "lock" are shared: hold log->lock, and never during I/O. Fields marked
 *          "writer" belong to the writer's thread, like the writing connection.
 * Memory:  groups live until the log is freed. */
#pragma once
#include "base/sqlite/db.h"
#include "base/time/uptime.h"
#include "bridge/log/inproc/inproc.h"
#include <pthread.h>
#include <stdatomic.h>

/* An open transaction takes no more records from this size on, and a batch ends before it, unless
 * its first record alone is larger. So memory does not grow with the size of the orders. */
#define TB_INPROC_BATCH_BYTES (2 * 1024 * 1024)
/* Our epochs are 16 hex digits. Records with a longer one are stored, but high_sequence ignores
 * them. */
#define TB_INPROC_EPOCH_MAX 64

/* Offsets of -1: the group has committed nothing. */
struct inproc_group {
    struct inproc_group *next; /* never changes once it is in the list */
    bool reading;              /* lock: a reader is open */
    int64_t committed;         /* lock: by the reader */
    int64_t writing;           /* writer: in the open transaction */
    int64_t stored;            /* writer: in the file */
    char name[];
};
/* The highest sequences of one epoch, and whether the file has them. */
struct inproc_sequence {
    char epoch[TB_INPROC_EPOCH_MAX];
    size_t epoch_len;
    int64_t high, store_high; /* ce_sequence, ce_storesequence */
    bool unstored;
};

struct inproc_writer;
struct tb_log_inproc {
    const struct tb_clock *clock;

    /* All of these are the writer's. */
    struct tb_db *db;     /* NULL after a failed commit, until the file is opened again */
    int64_t upkeep_at_ms; /* a checkpoint that could not do all is tried again then; monotonic */
    struct tb_checkpoints *checkpoints; /* borrowed; NULL: nobody watches them */
    struct tb_stmt insert, put_offset, put_sequence;
    struct tb_txn txn;
    int64_t next;                 /* the offset of the next append */
    struct tb_log_origin origin;  /* texts "": the file does not say it */
    bool partitioned;             /* see tb_log_inproc_is_partitioned */
    struct inproc_writer *writer; /* NULL: none open */
    int64_t retention_ms;         /* below 0: keep all records */
    struct tb_uptime uptime;
    int64_t marked_at_ms; /* uptime of the last marks; below 0: none by this process */

    /* A list that only grows, at the front. Adding needs the lock, walking does not. */
    struct inproc_group *_Atomic groups;
    _Atomic bool removable; /* there may be records to remove */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* records were added, or a reader is to be woken */
    /* All of these need the lock. */
    int64_t begin, end;     /* what readers may see */
    int64_t released;       /* records before it may be removed */
    int standalone_readers; /* open */
    bool dirty;             /* a committed offset differs from the stored one */
    int64_t dirty_since_us;
    char path[];
};

/* Opens or reopens the writing connection and loads begin and end. */
TB_CHECKED enum tb_code tb_inproc_connect(struct tb_log_inproc *log, struct tb_error *err);
void tb_inproc_disconnect(struct tb_log_inproc *log);
/* BEGIN. Reconnects first if necessary. */
TB_CHECKED enum tb_code tb_inproc_begin(struct tb_log_inproc *log, struct tb_error *err);
/* COMMIT, together with changed offsets. On failure it rolls back as tb_inproc_rollback does. */
TB_CHECKED enum tb_code tb_inproc_commit(struct tb_log_inproc *log, struct tb_error *err);
/* Rolls back after `why`. Disconnects too, unless `why` proves that the file did not change. */
void tb_inproc_rollback(struct tb_log_inproc *log, enum tb_code why);
/* Commits changed offsets in a transaction of their own, if they changed before before_us. */
enum tb_code tb_inproc_flush_offsets(struct tb_log_inproc *log, int64_t before_us,
                                     struct tb_error *err);

/* Lock held. Finds the group, or adds it. NULL: out of memory. */
struct inproc_group *tb_inproc_group(struct tb_log_inproc *log, struct tb_str name);
/* TB_INVALID: there is no such partition. */
TB_CHECKED enum tb_code tb_inproc_check_partition(int32_t partition, struct tb_error *err);

/* Marks where the log ends now, unless that was done shortly before. TB_BUSY: a transaction is
 * open. */
TB_CHECKED enum tb_code tb_inproc_mark_end(struct tb_log_inproc *log, struct tb_error *err);
/* Removes up to limit records that a mark of this uptime or a lower one has. TB_BUSY: a
 * transaction is open. */
TB_CHECKED enum tb_code tb_inproc_remove_expired(struct tb_log_inproc *log, int64_t expired_ms,
                                                 int64_t limit, int64_t *ret_removed,
                                                 struct tb_error *err);
/* Removes some expired records, if records were released since the last time none was left. */
TB_CHECKED enum tb_code tb_inproc_serve_retention(struct tb_log_inproc *log, struct tb_error *err);

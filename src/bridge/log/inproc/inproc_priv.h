/* What the files of the in-process log share; nobody else includes it.
 *
 *   log_inproc.c         open and free, figures
 *   log_inproc_file.c    the writing connection: schema, topics, committed offsets
 *   log_inproc_write.c   the writer
 *   log_inproc_read.c    readers
 *   log_inproc_expire.c  retention
 *
 * Thread:  what is marked lock is shared and touched only with log->lock held, never across I/O;
 *          what is marked writer's belongs, like the writing connection, to the writer's owner.
 * Memory:  topics and groups are never removed before the log is freed, so pointers stay good.
 * Errors:  as db.h.
 * Units:   as log.h; monotonic microseconds (_us). */
#pragma once
#include "base/sqlite/db.h"
#include "base/time/retention_clock.h"
#include "bridge/log/inproc/inproc.h"
#include <pthread.h>

/* An open transaction and a batch read hold at most this much beside one record, so that memory
 * does not follow the size of the orders. */
#define TB_INPROC_BATCH_BYTES (2 * 1024 * 1024)
/* Epochs are 16 hex digits; a longer one is not ours and is not tracked. */
#define TB_INPROC_EPOCH_MAX 64

struct inproc_partition {
    int64_t next;           /* writer's: the offset of its next append */
    struct tb_stmt insert;  /* writer's: prepared at the first append */
    int64_t begin, end;     /* lock: what readers may see */
    int64_t released;       /* lock: what is before it may be removed */
    int64_t marked_end;     /* writer's: end at the last mark */
    int64_t expired_before; /* writer's: what is before it is older than retention_ms */
};
struct inproc_topic {
    struct inproc_topic *link; /* fixed once it is in the list */
    char *name;
    int64_t id; /* writer's; 0: not in the file yet */
    struct inproc_partition parts[TB_LOG_PARTITIONS];
};
/* Offsets are -1 where a group has none. */
struct inproc_offset {
    int64_t committed; /* lock: by the reader */
    int64_t writing;   /* writer's: in the open transaction */
    int64_t stored;    /* writer's: in the file */
};
struct inproc_group {
    struct inproc_group *link; /* fixed once it is in the list */
    char *name;
    struct inproc_topic *topic;
    bool reading; /* lock: a reader is open */
    struct inproc_offset offsets[TB_LOG_PARTITIONS];
};
/* The highest sequence of one epoch. */
struct inproc_sequence {
    char epoch[TB_INPROC_EPOCH_MAX];
    size_t epoch_len;
    int64_t high, stored;
};

struct inproc_writer;
struct tb_log_inproc {
    char *path;
    const struct tb_clock *clock;

    struct tb_db *db; /* NULL after a failed commit, until the file is opened again */
    struct tb_stmt put_offset, put_sequence;
    struct tb_txn txn;
    struct inproc_writer *writer;       /* NULL: none open */
    int64_t retention_ms;               /* below 0: for ever */
    struct tb_retention_clock calendar; /* writer's */
    bool ends_marked;                   /* writer's: where every partition ends was noted */
    int64_t marked_at_ms;               /* writer's: when; monotonic */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* records were added, or a reader is to be woken */
    struct inproc_topic *topics;
    struct inproc_group *groups;
    int standalone_readers; /* readers of no group that are open */
    bool dirty;             /* a committed offset differs from the stored one */
    int64_t dirty_since_us; /* since when */
    bool removable;         /* there may be something to remove */
};

/* Opens or reopens the writing connection and reads where every partition stands. */
TB_CHECKED enum tb_code tb_inproc_connect(struct tb_log_inproc *log, struct tb_error *err);
void tb_inproc_disconnect(struct tb_log_inproc *log);
/* BEGIN, on a connection that is opened again first if it was given up. */
TB_CHECKED enum tb_code tb_inproc_begin(struct tb_log_inproc *log, struct tb_error *err);
/* COMMIT together with the offsets that wait. On failure everything is rolled back, and the
 * connection is given up unless it is certain that nothing was done. */
TB_CHECKED enum tb_code tb_inproc_commit(struct tb_log_inproc *log, struct tb_error *err);
/* Rolls back after a failed statement; gives the connection up as commit does. */
void tb_inproc_rollback(struct tb_log_inproc *log, enum tb_code why);
/* Commits waiting offsets by themselves if they wait since before_us or longer. */
enum tb_code tb_inproc_flush_offsets(struct tb_log_inproc *log, int64_t before_us,
                                     struct tb_error *err);

/* With the lock held; made when new. NULL: out of memory. */
struct inproc_topic *tb_inproc_topic(struct tb_log_inproc *log, struct tb_str name);
struct inproc_group *tb_inproc_group(struct tb_log_inproc *log, struct inproc_topic *topic,
                                     struct tb_str name);
/* Makes the topic's tables if the file lacks them. */
TB_CHECKED enum tb_code tb_inproc_create_topic(struct tb_log_inproc *log,
                                               struct inproc_topic *topic, struct tb_error *err);

/* log_inproc_expire.c */
/* Removes up to limit records older than before_ms. TB_BUSY while appends wait for poll. */
TB_CHECKED enum tb_code tb_inproc_remove_expired(struct tb_log_inproc *log, int64_t before_ms,
                                                 int64_t limit, int64_t *ret_removed,
                                                 struct tb_error *err);
/* Some of what keep says, if anything was released since nothing was left to remove. */
TB_CHECKED enum tb_code tb_inproc_serve_retention(struct tb_log_inproc *log, struct tb_error *err);

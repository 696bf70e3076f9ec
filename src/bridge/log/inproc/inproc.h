/* The in-process log: one SQLite file with synchronous=FULL. It has one topic of one partition, so
 * its order is that of the appends.
 *
 * An acknowledged record survives power loss. There is one writer, and one reader at a time for
 * each group. The writer's connection also stores the groups' committed offsets: with its next
 * append, in a poll when nothing was appended for a second, or when the log is freed. After a
 * failed commit the writer reopens the file by itself.
 *
 * Thread:  open and free from one thread while no writer or reader exists; range and
 *          allow_removal from any thread.
 * Memory:  writers and readers borrow the log; free them first.
 * Errors:  as base/sqlite/db.h. TB_BUSY: the group has a reader already, or the log a writer. */
#pragma once
#include "base/time/uptime.h"
#include "bridge/log/log.h"

struct tb_checkpoints;
struct tb_log_inproc;
TB_CHECKED enum tb_code tb_log_inproc_open(const char *path, const struct tb_clock *clock,
                                           struct tb_log_inproc **ret_log, struct tb_error *err);
void tb_log_inproc_free(struct tb_log_inproc *log); /* NULL is fine */
/* As tb_db_check. Call it before the writer is used. */
TB_CHECKED enum tb_code tb_log_inproc_check(struct tb_log_inproc *log, struct tb_error *err);
/* As tb_db_watch_checkpoints. Call it before the writer is used. */
void tb_log_inproc_watch_checkpoints(struct tb_log_inproc *log,
                                     struct tb_checkpoints *checkpoints);
TB_CHECKED enum tb_code tb_log_inproc_writer(struct tb_log_inproc *log,
                                             struct tb_log_writer **ret_writer,
                                             struct tb_error *err);
/* group NULL: a standalone reader. It begins at the log's begin, its commits are ignored, and
 * while it is open nothing is removed from the log. Any thread may open any number of them. */
TB_CHECKED enum tb_code tb_log_inproc_reader(struct tb_log_inproc *log, const char *group,
                                             struct tb_log_reader **ret_reader,
                                             struct tb_error *err);
/* Begin and end of the log and the group's committed offset, now. group NULL: committed is -1. */
struct tb_log_range tb_log_inproc_range(struct tb_log_inproc *log, const char *group);
/* True: an earlier build made the file, with six partitions. It can be judged, and read for what
 * its last records say, but not be written, and its offsets are not those that its readers had. */
bool tb_log_inproc_is_partitioned(const struct tb_log_inproc *log);
/* What a log says of itself. It belongs to the file: a copy of the file has it too. */
#define TB_LOG_ID_SIZE 40
struct tb_log_origin {
    char log_id[TB_LOG_ID_SIZE]; /* random; a reader that keeps offsets keeps it beside them */
    char store_id[64];           /* of the store that the records come from */
    int64_t base;                /* the offset of the first record */
};
/* Texts "": it was never set. */
const struct tb_log_origin *tb_log_inproc_origin(const struct tb_log_inproc *log);
/* Once, while no writer or reader is open. The base must be 0 if the log ever had a writer. */
TB_CHECKED enum tb_code tb_log_inproc_set_origin(struct tb_log_inproc *log,
                                                 const struct tb_log_origin *origin,
                                                 struct tb_error *err);
/* Calls each with every ce_epoch that was ever appended, and its highest ce_sequence and
 * ce_storesequence (0: none), until each returns an error. Call it before the writer is used. */
typedef enum tb_code tb_log_epoch_fn(void *ctx, const char *epoch, int64_t sequence,
                                     int64_t store_sequence, struct tb_error *err);
TB_CHECKED enum tb_code tb_log_inproc_each_epoch(struct tb_log_inproc *log, tb_log_epoch_fn *each,
                                                 void *ctx, struct tb_error *err);
/* The highest ce_sequence that was ever appended with this ce_epoch; 0: none. Call it before the
 * writer is used. */
TB_CHECKED enum tb_code tb_log_inproc_high_sequence(struct tb_log_inproc *log, const char *epoch,
                                                    int64_t *ret_sequence, struct tb_error *err);
/* Records that the node has kept for retention_ms of its uptime, or up to a sixteenth more, are
 * removed from now on, some in each poll of a writer that has nothing to commit. Always kept: the
 * newest record, records that a group has not committed, and records from the
 * offset of tb_log_inproc_allow_removal on. Below 0, and without this call, all records are kept.
 * Call it before the writer is used. */
void tb_log_inproc_set_retention(struct tb_log_inproc *log, int64_t retention_ms,
                                 struct tb_uptime uptime);
/* Records before `next` may be removed once they are old enough. A caller that keeps a position of
 * its own (a view does) must have it on disk first: it will never be able to read them again. */
void tb_log_inproc_allow_removal(struct tb_log_inproc *log, int64_t next);

/* The in-process log: one SQLite file, synchronous=FULL, one table a partition.
 *
 * An acknowledgement means the record survives power loss. One writer and, per group, one
 * reader at a time; group offsets are carried by the writer's connection: with its next append,
 * by its poll when nothing was appended for a second, or when the log is freed. After a failed
 * commit the writer opens the file again by itself.
 *
 * Thread:  open and free from one thread while no writer or reader is in use; figures from any.
 * Memory:  writers and readers borrow the log and are freed before it.
 * Errors:  as db.h; opening a group that is being read is TB_BUSY.
 * Units:   as log.h. */
#pragma once
#include "bridge/log.h"

struct tb_log_inproc;
TB_CHECKED enum tb_code tb_log_inproc_open(const char *path, const struct tb_clock *clock,
                                           struct tb_log_inproc **ret_log, struct tb_error *err);
void tb_log_inproc_free(struct tb_log_inproc *log);
TB_CHECKED enum tb_code tb_log_inproc_writer(struct tb_log_inproc *log, const char *topic,
                                             struct tb_log_writer **ret_writer,
                                             struct tb_error *err);
TB_CHECKED enum tb_code tb_log_inproc_reader(struct tb_log_inproc *log, const char *topic,
                                             const char *group, struct tb_log_reader **ret_reader,
                                             struct tb_error *err);
/* Where a partition ends and what the group has committed, at this moment; any thread. */
TB_CHECKED enum tb_code tb_log_inproc_range(struct tb_log_inproc *log, const char *topic,
                                            const char *group, int32_t partition,
                                            struct tb_log_range *ret_range, struct tb_error *err);
/* The highest ce_sequence appended for an epoch by earlier runs or this one; 0: none. Before the
 * writer is in use. */
TB_CHECKED enum tb_code tb_log_inproc_high_sequence(struct tb_log_inproc *log, const char *epoch,
                                                    int64_t *ret_sequence, struct tb_error *err);
/* Removes up to limit records older than before_ms that every group has passed; the newest
 * record of a partition stays. The writer's owner calls it; TB_BUSY while appends wait for poll.
 */
TB_CHECKED enum tb_code tb_log_inproc_expire(struct tb_log_inproc *log, int64_t before_ms,
                                             int64_t limit, int64_t *ret_removed,
                                             struct tb_error *err);

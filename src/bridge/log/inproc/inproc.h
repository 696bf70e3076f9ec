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
#include "bridge/log/log.h"

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
/* A reader of no group, which stands at the beginning; its commits are not kept. While it is open
 * nothing is removed from the log. Any thread; as many as are wanted. */
TB_CHECKED enum tb_code tb_log_inproc_standalone_reader(struct tb_log_inproc *log,
                                                        const char *topic,
                                                        struct tb_log_reader **ret_reader,
                                                        struct tb_error *err);
/* Where a partition ends and what the group (NULL: none) has committed, at this moment; any
 * thread. */
TB_CHECKED enum tb_code tb_log_inproc_range(struct tb_log_inproc *log, const char *topic,
                                            const char *group, int32_t partition,
                                            struct tb_log_range *ret_range, struct tb_error *err);
/* The highest ce_sequence appended for an epoch by earlier runs or this one; 0: none. Before the
 * writer is in use. */
TB_CHECKED enum tb_code tb_log_inproc_high_sequence(struct tb_log_inproc *log, const char *epoch,
                                                    int64_t *ret_sequence, struct tb_error *err);
/* From now on what is older than retention_ms is removed, some at each poll of the writer that has
 * nothing else to do; never the newest record of a partition, never what a group has not passed,
 * and nothing that release has not named. Below 0, and without it: all is kept for ever. Before
 * the writer is in use. */
void tb_log_inproc_set_retention(struct tb_log_inproc *log, int64_t retention_ms);
/* Nobody will ask for what is before `next` again, not even after a power loss: whoever keeps a
 * position outside of the log (a view does) has that on the disk. Any thread. */
void tb_log_inproc_allow_removal(struct tb_log_inproc *log, const char *topic, int32_t partition,
                                 int64_t next);

/* The in-process log: one SQLite file with synchronous=FULL and one table for each partition.
 *
 * An acknowledged record survives power loss. There is one writer, and one reader at a time for
 * each group. The writer's connection also stores the groups' committed offsets: with its next
 * append, in a poll when nothing was appended for a second, or when the log is freed. After a
 * failed commit the writer reopens the file by itself.
 *
 * Thread:  open and free from one thread while no writer or reader exists; range and
 *          allow_removal from any thread.
 * Memory:  writers and readers borrow the log; free them first.
 * Errors:  as base/sqlite/db.h. TB_BUSY: the group has a reader already, or the log a writer.
 * Units:   as log.h. */
#pragma once
#include "bridge/log/log.h"

struct tb_log_inproc;
TB_CHECKED enum tb_code tb_log_inproc_open(const char *path, const struct tb_clock *clock,
                                           struct tb_log_inproc **ret_log, struct tb_error *err);
void tb_log_inproc_free(struct tb_log_inproc *log); /* NULL is fine */
TB_CHECKED enum tb_code tb_log_inproc_writer(struct tb_log_inproc *log, const char *topic,
                                             struct tb_log_writer **ret_writer,
                                             struct tb_error *err);
/* group NULL: a standalone reader. It begins at the partitions' begin, its commits are ignored,
 * and while it is open nothing is removed from the log. Any thread may open any number of them. */
TB_CHECKED enum tb_code tb_log_inproc_reader(struct tb_log_inproc *log, const char *topic,
                                             const char *group, struct tb_log_reader **ret_reader,
                                             struct tb_error *err);
/* Begin and end of a partition and the group's committed offset, now. group NULL: committed is -1.
 */
TB_CHECKED enum tb_code tb_log_inproc_range(struct tb_log_inproc *log, const char *topic,
                                            const char *group, int32_t partition,
                                            struct tb_log_range *ret_range, struct tb_error *err);
/* The highest ce_sequence that was ever appended with this ce_epoch; 0: none. Call it before the
 * writer is used. */
TB_CHECKED enum tb_code tb_log_inproc_high_sequence(struct tb_log_inproc *log, const char *epoch,
                                                    int64_t *ret_sequence, struct tb_error *err);
/* Records older than retention_ms are removed from now on, some in each poll of a writer that has
 * nothing to commit. Always kept: the newest record of a partition, records that a group has not
 * committed, and records from the offset of tb_log_inproc_allow_removal on. Below 0, and without
 * this call, all records are kept. Call it before the writer is used. */
void tb_log_inproc_set_retention(struct tb_log_inproc *log, int64_t retention_ms);
/* Records before `next` may be removed once they are old enough. A caller that keeps a position of
 * its own (a view does) must have it on disk first: it will never be able to read them again. */
void tb_log_inproc_allow_removal(struct tb_log_inproc *log, const char *topic, int32_t partition,
                                 int64_t next);

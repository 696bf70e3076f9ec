/* The SQLite view: orders, dead letters and offsets are written in one transaction.
 *
 * A power loss may undo the last commits. The file then has the lower offsets, too, so the
 * consumer reads the lost part again.
 *
 * Thread:  as view.h.
 * Memory:  freed by the ops' free.
 * Errors:  as view.h and db.h.
 * Units:   as view.h. */
#pragma once
#include "query/projection/view.h"

TB_CHECKED enum tb_code tb_view_sqlite_open(const char *path, struct tb_view **ret_view,
                                            struct tb_error *err);
/* The file must exist: open the view first. */
TB_CHECKED enum tb_code tb_view_sqlite_reader(const char *path, struct tb_view_reader **ret_reader,
                                              struct tb_error *err);
/* From its next query on, `reader` reads the file of `next`, so no query fails on the way. Both
 * are made by tb_view_sqlite_reader; `next` belongs to `reader` from now on. Call it from one
 * thread at a time, while nobody writes either view and both have the same events: then no query
 * sees an older state. */
void tb_view_sqlite_switch_reader(struct tb_view_reader *reader, struct tb_view_reader *next);

/* Until the snapshot ends, the reader shows the view as it is now. ret_next: the next offset of
 * each partition (-1: none). The WAL of the view grows meanwhile, and the reader must not be
 * switched. */
TB_CHECKED enum tb_code tb_view_sqlite_begin_snapshot(struct tb_view_reader *reader,
                                                      int32_t partitions, int64_t *ret_next,
                                                      struct tb_error *err);
void tb_view_sqlite_end_snapshot(struct tb_view_reader *reader);
/* Copies what a rebuild cannot get from the log: the times of dead letters, which ones were
 * dropped, and all whose records the log has removed. begin: for each partition, the first offset
 * that the log still has. The caller owns both views, and no plan is open in them. */
TB_CHECKED enum tb_code tb_view_sqlite_copy_dead_letters(struct tb_view *from, struct tb_view *to,
                                                         const int64_t *begin,
                                                         struct tb_error *err);

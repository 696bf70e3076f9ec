/* The SQLite view: rows, dead letters and offsets in one transaction.
 *
 * The file is derived: after a power loss it may stand a little further back, and the consumer
 * reads on from the offset it holds.
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

/* For what moves from one view to another, see rebuild_sqlite.h. */

/* From here on the reader shows the view as it is now, and next what it has of each partition (-1:
 * nothing); until it is let go the view's WAL grows. */
TB_CHECKED enum tb_code tb_view_sqlite_begin_snapshot(struct tb_view_reader *reader,
                                                      int32_t partitions, int64_t *ret_next,
                                                      struct tb_error *err);
void tb_view_sqlite_end_snapshot(struct tb_view_reader *reader);
/* What the log does not tell of dead letters: when they died, which were dropped, and those whose
 * records the log has no more, which are the ones before begin (of each partition). Both views
 * belong to the caller, with nothing open. */
TB_CHECKED enum tb_code tb_view_sqlite_copy_dead_letters(struct tb_view *from, struct tb_view *to,
                                                         const int64_t *begin,
                                                         struct tb_error *err);

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

struct tb_checkpoints;
TB_CHECKED enum tb_code tb_view_sqlite_open(const char *path, struct tb_view **ret_view,
                                            struct tb_error *err);
/* What a view is made from: offsets are of this log, orders of this store. */
struct tb_view_origin {
    char log_id[40], store_id[64];
};
/* Texts "": it was never set. */
TB_CHECKED enum tb_code tb_view_sqlite_read_origin(struct tb_view *view,
                                                   struct tb_view_origin *ret_origin,
                                                   struct tb_error *err);
/* next: the next offset to read in that log, below 0: from its beginning. */
TB_CHECKED enum tb_code tb_view_sqlite_set_origin(struct tb_view *view,
                                                  const struct tb_view_origin *origin,
                                                  int64_t next, struct tb_error *err);
/* The view is to be filled from this log. If its offset is of another one, it reads the log from
 * its beginning; what it has already are duplicates. */
TB_CHECKED enum tb_code tb_view_sqlite_claim(struct tb_view *view,
                                             const struct tb_view_origin *origin,
                                             struct tb_error *err);
/* As tb_db_check. */
TB_CHECKED enum tb_code tb_view_sqlite_check(struct tb_view *view, struct tb_error *err);
/* The rest is slow: it reads the whole view. Calls each with every epoch that an order of the view
 * was changed in last, or a snapshot is of, the highest sequence of these changes, and the highest
 * ce_storesequence of these snapshots (0: none), until each returns an error. */
typedef enum tb_code tb_view_epoch_fn(void *ctx, const char *epoch, int64_t sequence,
                                      int64_t store_sequence, struct tb_error *err);
TB_CHECKED enum tb_code tb_view_sqlite_each_epoch(struct tb_view *view, tb_view_epoch_fn *each,
                                                  void *ctx, struct tb_error *err);
/* The highest order number that the node has given, as far as the view knows; 0: none. */
TB_CHECKED enum tb_code tb_view_sqlite_last_number(struct tb_view *view, const char *node,
                                                   int64_t *ret_number, struct tb_error *err);
/* An offset behind every one that the view has in its offsets or its dead letters. */
TB_CHECKED enum tb_code tb_view_sqlite_offsets_end(struct tb_view *view, int64_t *ret_end,
                                                   struct tb_error *err);
/* As tb_db_watch_checkpoints. */
void tb_view_sqlite_watch_checkpoints(struct tb_view *view, struct tb_checkpoints *checkpoints);
/* The file must exist: open the view first. */
TB_CHECKED enum tb_code tb_view_sqlite_reader(const char *path, struct tb_view_reader **ret_reader,
                                              struct tb_error *err);
/* From its next query on, `reader` reads the file of `next`, so no query fails on the way. Both
 * are made by tb_view_sqlite_reader; `next` belongs to `reader` from now on. Call it from one
 * thread at a time, while nobody writes either view and both have the same events: then no query
 * sees an older state. */
void tb_view_sqlite_switch_reader(struct tb_view_reader *reader, struct tb_view_reader *next);

/* Until the snapshot ends, the reader shows the view as it is now. ret_next: its next
 * offset (-1: none). The WAL of the view grows meanwhile, and the reader must not be switched. */
TB_CHECKED enum tb_code tb_view_sqlite_begin_snapshot(struct tb_view_reader *reader,
                                                      int64_t *ret_next, struct tb_error *err);
void tb_view_sqlite_end_snapshot(struct tb_view_reader *reader);
/* Copies what a rebuild cannot get from the log: the times of dead letters, which ones were
 * dropped, and all whose records the log has removed. begin: the first offset that the log
 * still has. The caller owns both views, and no plan is open in them. */
TB_CHECKED enum tb_code tb_view_sqlite_copy_dead_letters(struct tb_view *from, struct tb_view *to,
                                                         int64_t begin, struct tb_error *err);

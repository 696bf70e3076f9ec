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
#include "query/view.h"

TB_CHECKED enum tb_code tb_view_sqlite_open(const char *path, struct tb_view **ret_view,
                                            struct tb_error *err);
/* The file must exist: open the view first. */
TB_CHECKED enum tb_code tb_view_sqlite_reader(const char *path, struct tb_view_reader **ret_reader,
                                              struct tb_error *err);

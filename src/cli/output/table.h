/* Tables: aligned columns with a header on a terminal, tab-separated lines without one in a pipe.
 *
 * Texts come from strangers: control characters in them never reach the terminal.
 *
 * Thread:  one.
 * Memory:  cells are copied; tb_table_flush lets go of them, tb_table_release of the rest.
 * Errors:  out of memory prints what is there and says so.
 * Units:   columns of a terminal. */
#pragma once
#include "base/mem/buf.h"
#include <stdio.h>

#define TB_COLUMNS_MAX 16 /* the widest of our tables has 11 */

struct tb_column {
    const char *title;
    bool right; /* numbers */
};
struct tb_table {
    const struct tb_column *columns;
    size_t column_count;
    bool terminal, color;
    bool header_done;
    size_t width[TB_COLUMNS_MAX]; /* never shrinks, so that pages line up */
    struct tb_buf cells;          /* NUL-terminated texts, row by row */
    size_t cell_count;
};

void tb_table_init(struct tb_table *table, const struct tb_column *columns, size_t column_count,
                   bool terminal, bool color);
void tb_table_cell(struct tb_table *table, struct tb_str text); /* absent: empty */
void tb_table_flush(struct tb_table *table, FILE *out);         /* whole rows only */
void tb_table_release(struct tb_table *table);

/* The text with every control character as a blank. */
void tb_text_sanitize(struct tb_buf *out, struct tb_str text);

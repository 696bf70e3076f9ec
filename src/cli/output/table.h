/* Tables: aligned columns with a header on a terminal, tab-separated lines without a header in a
 * pipe. The texts in cells come from other machines, so control characters are replaced.
 *
 * Memory:  cells are copied; tb_table_flush empties the table, tb_table_release frees it.
 * Errors:  out of memory ends the program. */
#pragma once
#include "cli/cli.h"

#define TB_COLUMNS_MAX 16 /* our widest table has 11 */

struct tb_column {
    const char *title;
    bool right;         /* aligned right: numbers */
    const char *member; /* of the JSON object that a row shows; NULL: the caller adds the cell */
};
struct tb_table {
    const struct tb_column *columns;
    size_t column_count;
    bool terminal, color;
    bool header_done;
    size_t width[TB_COLUMNS_MAX]; /* never shrinks, so that all pages have the same columns */
    struct tb_buf cells;          /* NUL-terminated texts, row by row */
    size_t cell_count;
};

void tb_table_init(struct tb_table *table, const struct tb_cli *cli,
                   const struct tb_column *columns, size_t column_count);
void tb_table_cell(struct tb_table *table, struct tb_str text); /* absent: an empty cell */
void tb_table_cell_int(struct tb_table *table, int64_t value);
void tb_table_flush(struct tb_table *table, FILE *out); /* prints the rows; the last one is full */
void tb_table_release(struct tb_table *table);

/* Appends the text with a blank for every control character. */
void tb_text_sanitize(struct tb_buf *out, struct tb_str text);
/* Returns how many bytes of the text fit into this many columns. */
size_t tb_text_fit(const char *text, size_t columns);

/* The scan of a JSON text: checks all of the grammar and of our limits, and builds the tree.
 *
 * Thread:  pure.
 * Memory:  numbers borrow from the text; the rest is the tree's.
 * Errors:  TB_INVALID with what is wrong and at which byte; TB_INTERNAL when out of memory.
 * Units:   bytes, counted from 0. */
#pragma once
#include "base/json/tree.h"

/* Where a scan stands. */
struct tb_json_input {
    const char *text;
    size_t len, at;
    struct tb_error *err;
};
/* The byte at the cursor, or -1 at the end. */
static inline int tb_json_peek(const struct tb_json_input *in)
{
    return in->at < in->len ? (unsigned char)in->text[in->at] : -1;
}
enum tb_code tb_json_reject_at(struct tb_json_input *in, size_t at, const char *what);
/* At the cursor; if that is the end, then that is what is wrong. */
enum tb_code tb_json_reject(struct tb_json_input *in, const char *what);
/* From the opening quote to behind the closing one. */
TB_CHECKED enum tb_code tb_json_scan_string(struct tb_json_input *in, bool *ret_escapes);
/* Appends the string body [start, end), which has been scanned, with its escapes decoded. */
void tb_json_unescape(const struct tb_json_input *in, size_t start, size_t end,
                      struct tb_buf *out);

/* The values go into the tree, the first into its root; both NULL: the text is only checked. */
TB_CHECKED enum tb_code tb_json_scan(struct tb_str text, int depth_max, struct tb_json_tree *tree,
                                     struct tb_json *root, struct tb_error *err);

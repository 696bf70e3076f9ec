/* A document's values, as the scan leaves them: nodes and texts one behind the other in a few
 * pieces of memory, since a hundred small allocations take longer than reading does.
 *
 * Thread:  one owner.
 * Memory:  tb_json_tree_free frees all of it, by its root.
 * Errors:  NULL: out of memory.
 * Units:   bytes. */
#pragma once
#include "base/json/json.h"

struct tb_json {
    struct tb_json *next, *child; /* child: the first of a container */
    struct tb_str key;            /* of a member */
    struct tb_str text;           /* of a string; of a number as it stands in the document */
    int64_t value;                /* of an integer; 1 of true */
    uint32_t count;               /* of a container */
    uint8_t type;                 /* enum tb_json_type */
    bool integer;                 /* no fraction, no exponent, within +-TB_JSON_INT_MAX */
};

struct tb_json_piece;
struct tb_json_tree {
    struct tb_json_piece *last;
};
/* The root of a text of so many bytes: the first node that there is. */
struct tb_json *tb_json_tree_begin(struct tb_json_tree *tree, size_t text_len);
struct tb_json *tb_json_tree_node(struct tb_json_tree *tree);
/* A NUL-terminated copy; ptr NULL when out of memory. */
struct tb_str tb_json_tree_copy(struct tb_json_tree *tree, const char *text, size_t len);
void tb_json_tree_free(struct tb_json *root); /* NULL is fine */

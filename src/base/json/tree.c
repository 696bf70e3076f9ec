#include "base/json/tree.h"
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

struct tb_json_piece {
    struct tb_json_piece *next;
    size_t used, size;
    max_align_t bytes[];
};
/* A node and a text for every value; an order's values are about twelve bytes long each. */
#define PIECE_PER_BYTE 8
#define PIECE_MIN ((size_t)512)
#define PIECE_MAX ((size_t)256 << 10)

static struct tb_json_piece *new_piece(size_t size)
{
    struct tb_json_piece *piece = malloc(sizeof *piece + size);

    if (!piece)
        return NULL;
    piece->next = NULL;
    piece->used = 0;
    piece->size = size;
    return piece;
}

static void *grow(struct tb_json_tree *tree, size_t size)
{
    struct tb_json_piece *piece = tree->last;

    if (piece->size - piece->used < size) {
        size_t next_size = piece->size < PIECE_MAX ? 2 * piece->size : PIECE_MAX;

        piece = new_piece(size > next_size ? size : next_size);
        if (!piece)
            return NULL;
        tree->last->next = piece;
        tree->last = piece;
    }
    void *memory = (char *)piece->bytes + piece->used;
    piece->used += size;
    return memory;
}

struct tb_json *tb_json_tree_node(struct tb_json_tree *tree)
{
    struct tb_json *node = grow(tree, sizeof *node);

    if (node)
        *node = (struct tb_json){0};
    return node;
}

/* The root lies at the beginning of the first piece, by which all are found again. */
struct tb_json *tb_json_tree_begin(struct tb_json_tree *tree, size_t text_len)
{
    size_t size = text_len < PIECE_MAX / PIECE_PER_BYTE ? text_len * PIECE_PER_BYTE : PIECE_MAX;

    tree->last = new_piece(size < PIECE_MIN ? PIECE_MIN : size);
    return tree->last ? tb_json_tree_node(tree) : NULL;
}

struct tb_str tb_json_tree_copy(struct tb_json_tree *tree, const char *text, size_t len)
{
    /* Nodes behind it stay where a node may lie. */
    size_t size = (len + alignof(struct tb_json)) & ~(alignof(struct tb_json) - 1);
    char *copy = grow(tree, size);

    if (!copy)
        return (struct tb_str){NULL, 0};
    if (len > 0)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return (struct tb_str){copy, len};
}

void tb_json_tree_free(struct tb_json *root)
{
    struct tb_json_piece *piece = NULL;

    if (root)
        piece =
            (struct tb_json_piece *)(void *)((char *)root - offsetof(struct tb_json_piece, bytes));
    while (piece) {
        struct tb_json_piece *next = piece->next;

        free(piece);
        piece = next;
    }
}

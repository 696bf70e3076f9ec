/* Intrusive doubly linked list: elements embed a node, so adding and removing never allocate.
 *
 * A zeroed list is empty, and a zeroed node is in no list.
 *
 * Thread:  not synchronised; the caller holds the lock of whatever owns the list.
 * Memory:  the list owns nothing; an element is removed before it is freed. */
#pragma once
#include "base/error.h"

struct tb_list;
struct tb_list_node {
    struct tb_list_node *prev, *next;
    const struct tb_list *list; /* the list that has the node; NULL: none */
};
struct tb_list {
    struct tb_list_node *first, *last;
};

/* The struct that embeds *ptr as `member`. */
#define TB_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* The element that embeds the node as `member`; NULL for NULL. */
#define TB_LIST_ELEMENT(node, type, member)                                                       \
    ((type *)tb_list_element((node), offsetof(type, member)))
static inline void *tb_list_element(struct tb_list_node *node, size_t offset)
{
    return node ? (char *)node - offset : NULL;
}

/* Appends a node that is in no list. */
static inline void tb_list_append(struct tb_list *list, struct tb_list_node *node)
{
    TB_ASSERT(!node->list);
    node->list = list;
    node->prev = list->last;
    if (list->last)
        list->last->next = node;
    else
        list->first = node;
    list->last = node;
}

/* Puts a node that is in no list before all others. */
static inline void tb_list_prepend(struct tb_list *list, struct tb_list_node *node)
{
    TB_ASSERT(!node->list);
    node->list = list;
    node->next = list->first;
    if (list->first)
        list->first->prev = node;
    else
        list->last = node;
    list->first = node;
}

static inline bool tb_list_is_linked(const struct tb_list_node *node)
{
    return node->list;
}

/* Removes a node that is in this list. */
static inline void tb_list_remove(struct tb_list *list, struct tb_list_node *node)
{
    TB_ASSERT(node->list == list);
    if (node->prev)
        node->prev->next = node->next;
    else
        list->first = node->next;
    if (node->next)
        node->next->prev = node->prev;
    else
        list->last = node->prev;
    *node = (struct tb_list_node){0};
}

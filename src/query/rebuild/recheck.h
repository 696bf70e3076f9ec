/* Ids of orders that must be compared again: they differed while both views were being written,
 * or were written after they were compared. Every other order was the same in both views.
 *
 * Memory:  a zeroed set is ready to use; release frees it.
 * Errors:  if an id cannot be added, too_many is set: then all orders must be compared again. */
#pragma once
#include "base/values/uuid.h"
#include <stdbool.h>

/* With more ids, comparing all orders page by page is as fast. */
#define TB_RECHECK_SET_MAX 20000

struct tb_recheck_set {
    char (*ids)[TB_UUID_SIZE]; /* owned; room for TB_RECHECK_SET_MAX, from the first add on */
    size_t count;
    bool too_many;
};
void tb_recheck_set_add(struct tb_recheck_set *set, const char *order_id);
void tb_recheck_set_sort(struct tb_recheck_set *set); /* also drops double ids */
void tb_recheck_set_clear(struct tb_recheck_set *set);
void tb_recheck_set_release(struct tb_recheck_set *set);

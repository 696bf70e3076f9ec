/* Ids of orders that are to be compared again: they differed between two views that were being
 * written, or were written since. Every other order was found the same.
 *
 * Thread:  one owner.
 * Memory:  release frees; zeroed is ready to use.
 * Errors:  an id that finds no room sets too_many: then every order is to be compared again. */
#pragma once
#include "base/values/uuid.h"
#include <stdbool.h>

/* With more, comparing all orders costs no more. */
#define TB_RECHECK_SET_MAX 20000

struct tb_recheck_set {
    char (*ids)[TB_UUID_SIZE]; /* owned */
    size_t count, room;
    bool too_many;
};
void tb_recheck_set_add(struct tb_recheck_set *set, const char *order_id);
void tb_recheck_set_sort(struct tb_recheck_set *set); /* by id, each once */
void tb_recheck_set_clear(struct tb_recheck_set *set);
void tb_recheck_set_release(struct tb_recheck_set *set);

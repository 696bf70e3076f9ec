/* Suspects: orders of which two views that move may differ, by their ids. What is not among them
 * was found the same, and was not written since.
 *
 * Thread:  one owner.
 * Memory:  release frees; zeroed is ready to use.
 * Errors:  none: whatever finds no room makes it too_many, and then anybody may be one.
 * Units:   none. */
#pragma once
#include "base/values/uuid.h"
#include <stdbool.h>

/* More are as well found by looking through all orders. */
#define TB_RECHECK_SET_MAX 20000

struct tb_recheck_set {
    char (*ids)[TB_UUID_SIZE]; /* owned */
    size_t count, room;
    bool too_many;
};
void tb_recheck_set_add(struct tb_recheck_set *suspects, const char *order_id);
void tb_recheck_set_sort(struct tb_recheck_set *suspects); /* by their ids, each once */
void tb_recheck_set_clear(struct tb_recheck_set *suspects);
void tb_recheck_set_release(struct tb_recheck_set *suspects);

#include "query/rebuild/compare.h"
#include <stdlib.h>
#include <string.h>

void tb_recheck_set_add(struct tb_recheck_set *set, const char *order_id)
{
    if (!set->ids)
        set->ids = malloc(TB_RECHECK_SET_MAX * sizeof *set->ids);
    if (!set->ids || set->count == TB_RECHECK_SET_MAX)
        set->too_many = true;
    else
        memcpy(set->ids[set->count++], order_id, TB_UUID_SIZE);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(a, b);
}

void tb_recheck_set_sort(struct tb_recheck_set *set)
{
    size_t kept = 0;

    if (set->count == 0)
        return;
    qsort(set->ids, set->count, sizeof *set->ids, by_id);
    for (size_t i = 1; i < set->count; i++) {
        if (strcmp(set->ids[i], set->ids[kept]) != 0)
            memmove(set->ids[++kept], set->ids[i], TB_UUID_SIZE);
    }
    set->count = kept + 1;
}

void tb_recheck_set_clear(struct tb_recheck_set *set)
{
    set->count = 0;
    set->too_many = false;
}

void tb_recheck_set_release(struct tb_recheck_set *set)
{
    free(set->ids);
    *set = (struct tb_recheck_set){0};
}

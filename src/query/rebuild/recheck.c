#include "query/rebuild/recheck.h"
#include <stdlib.h>
#include <string.h>

static bool make_room(struct tb_recheck_set *suspects)
{
    size_t room = suspects->room ? suspects->room * 2 : 64;
    char(*more)[TB_UUID_SIZE];

    if (suspects->count < suspects->room)
        return true;
    if (suspects->count >= TB_RECHECK_SET_MAX)
        return false;
    more = realloc(suspects->ids, room * sizeof *more);
    if (!more)
        return false;
    suspects->ids = more;
    suspects->room = room;
    return true;
}

void tb_recheck_set_add(struct tb_recheck_set *suspects, const char *order_id)
{
    if (!make_room(suspects))
        suspects->too_many = true;
    else
        memcpy(suspects->ids[suspects->count++], order_id, TB_UUID_SIZE);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(a, b);
}

void tb_recheck_set_sort(struct tb_recheck_set *suspects)
{
    size_t kept = 0;

    if (suspects->count == 0)
        return;
    qsort(suspects->ids, suspects->count, sizeof *suspects->ids, by_id);
    for (size_t i = 1; i < suspects->count; i++) {
        if (strcmp(suspects->ids[i], suspects->ids[kept]) != 0)
            memmove(suspects->ids[++kept], suspects->ids[i], TB_UUID_SIZE);
    }
    suspects->count = kept + 1;
}

void tb_recheck_set_clear(struct tb_recheck_set *suspects)
{
    suspects->count = 0;
    suspects->too_many = false;
}

void tb_recheck_set_release(struct tb_recheck_set *suspects)
{
    free(suspects->ids);
    *suspects = (struct tb_recheck_set){0};
}

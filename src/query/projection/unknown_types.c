#include "query/projection/unknown_types.h"

static bool is_due(const struct tb_unknown_type *type, int64_t now_ms)
{
    return type->reported_ms == 0 || now_ms - type->reported_ms >= TB_UNKNOWN_TYPES_REPORT_MS;
}

/* A free slot, or the one reported longest ago if it may be reported again anyway: so reusing it
 * causes no second report within the interval. */
static struct tb_unknown_type *spare(struct tb_unknown_types *types, int64_t now_ms)
{
    struct tb_unknown_type *oldest = &types->list[0];

    if (types->count < TB_UNKNOWN_TYPES_MAX)
        return &types->list[types->count++];
    for (size_t i = 1; i < TB_UNKNOWN_TYPES_MAX; i++) {
        if (types->list[i].reported_ms < oldest->reported_ms)
            oldest = &types->list[i];
    }
    return is_due(oldest, now_ms) ? oldest : &types->others;
}

static struct tb_unknown_type *find(struct tb_unknown_types *types, struct tb_str type,
                                    int64_t now_ms)
{
    struct tb_unknown_type *found;

    if (!type.ptr || type.len == 0 || type.len > TB_TEXT_MAX)
        return &types->others;
    for (size_t i = 0; i < types->count; i++) {
        if (tb_str_eq(tb_str_of(types->list[i].type), type))
            return &types->list[i];
    }
    found = spare(types, now_ms);
    if (found != &types->others) {
        *found = (struct tb_unknown_type){0};
        memcpy(found->type, type.ptr, type.len);
    }
    return found;
}

bool tb_unknown_types_count(struct tb_unknown_types *types, struct tb_str type, uint64_t count,
                            int64_t now_ms, struct tb_unknown_type *ret_due)
{
    struct tb_unknown_type *noted = find(types, type, now_ms);

    noted->count += count;
    if (!is_due(noted, now_ms))
        return false;
    *ret_due = *noted;
    noted->count = 0;
    noted->reported_ms = now_ms > 0 ? now_ms : 1;
    return true;
}

#include "query/projection/plan_priv.h"

/* A replay names an earlier record of its partition; any other header value is ignored. */
int64_t tb_plan_first_offset(const struct tb_record *record, const struct tb_plan_headers *headers)
{
    struct tb_dead_letter_position position;
    struct tb_str topic;

    if (!headers->replay_of.ptr ||
        !tb_dead_letter_id_parse(headers->replay_of, &topic, &position) ||
        position.partition != record->partition || position.offset >= record->offset)
        return record->offset;
    return position.offset;
}

struct tb_str tb_plan_printable_type(struct tb_str type)
{
    for (size_t i = 0; i < type.len; i++) {
        if (type.ptr[i] <= ' ' || type.ptr[i] > '~')
            return (struct tb_str){0};
    }
    return type.len <= TB_TEXT_MAX ? type : (struct tb_str){0};
}

bool tb_plan_count_unknown_type(struct tb_plan *plan, struct tb_str type)
{
    struct tb_str shown = tb_plan_printable_type(type);
    size_t i = 0;

    plan->results[TB_UNKNOWN_TYPE]++;
    while (i < plan->unknown_type_count && i < TB_PLAN_UNKNOWN_TYPES_MAX &&
           !tb_str_eq(plan->unknown_types[i].type, shown))
        i++;
    plan->unknown_types[i].count++;
    if (i < plan->unknown_type_count)
        return true;
    plan->unknown_type_count = i + 1;
    if (i == TB_PLAN_UNKNOWN_TYPES_MAX || !shown.ptr)
        return true;
    /* Copied, because it is reported after the batch's records are gone. */
    plan->unknown_types[i].type = tb_arena_copy(&plan->arena, shown);
    return plan->unknown_types[i].type.ptr != NULL;
}

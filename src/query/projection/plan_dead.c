#include "query/projection/plan_priv.h"

/* Only a record in front of this one can have died before; anything else was not written by us. */
int64_t tb_plan_first_offset(const struct tb_record *record, const struct tb_plan_headers *headers)
{
    struct tb_dead_letter_position place;
    struct tb_str topic;

    if (!headers->replay_of.ptr || !tb_dead_letter_id_parse(headers->replay_of, &topic, &place) ||
        place.partition != record->partition || place.offset >= record->offset)
        return record->offset;
    return place.offset;
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
    /* It is told after the batch is gone. */
    plan->unknown_types[i].type = tb_arena_copy(&plan->arena, shown);
    return plan->unknown_types[i].type.ptr != NULL;
}

bool tb_plan_next_outcome(const struct tb_plan *plan, struct tb_plan_outcome *fate)
{
    fate->dead_letter = fate->dead_letters_seen < plan->dead_letter_count
                            ? &plan->dead_letters[fate->dead_letters_seen]
                            : NULL;
    fate->replayed =
        fate->replayed_seen < plan->replayed_count ? &plan->replayed[fate->replayed_seen] : NULL;
    if (fate->dead_letter && fate->replayed) {
        if (fate->dead_letter->record->offset < fate->replayed->offset)
            fate->replayed = NULL;
        else
            fate->dead_letter = NULL;
    }
    fate->dead_letters_seen += fate->dead_letter != NULL;
    fate->replayed_seen += fate->replayed != NULL;
    return fate->dead_letter || fate->replayed;
}

#include "query/projection/dead_letter.h"
#include "base/values/quantity.h"
#include <stdio.h>

static const char *const status_names[] = {
    [TB_DEAD_LETTER_OPEN] = "open",
    [TB_DEAD_LETTER_REPLAYED] = "replayed",
    [TB_DEAD_LETTER_DROPPED] = "dropped",
};

const char *tb_dead_letter_status_name(enum tb_dead_letter_status status)
{
    return status_names[status];
}

bool tb_dead_letter_status_parse(struct tb_str text, enum tb_dead_letter_status *ret_status)
{
    return tb_name_find(text, tb_dead_letter_status_name, TB_DEAD_LETTER_DROPPED + 1, ret_status);
}

bool tb_dead_letter_redrives_exhausted(const struct tb_dead_letter *letter)
{
    return letter->redrives >= TB_REDRIVES_MAX &&
           (tb_str_eq(letter->reason, TB_STR(TB_REASON_GAP)) ||
            tb_str_eq(letter->reason, TB_STR(TB_REASON_PARKED)));
}

void tb_dead_letter_id_format(const char *topic, struct tb_dead_letter_position position,
                              char ret_id[TB_DEAD_LETTER_ID_SIZE])
{
    int len = snprintf(ret_id, TB_DEAD_LETTER_ID_SIZE, "%s-%d-%lld", topic,
                       (int)position.partition, (long long)position.offset);

    TB_ASSERT(len > 0 && len < TB_DEAD_LETTER_ID_SIZE);
}

/* Cuts "-<number>" off the end; the number as it would be written, at most max. */
static bool cut_number(struct tb_str *text, int64_t max, int64_t *ret_number)
{
    size_t at = text->len;

    while (at > 0 && text->ptr[at - 1] != '-')
        at--;
    struct tb_str digits = {text->ptr + at, text->len - at};
    if (at == 0 || (digits.len > 1 && digits.ptr[0] == '0') ||
        !tb_quantity_parse(digits, tb_unit_none, ret_number))
        return false;
    text->len = at - 1;
    return *ret_number <= max;
}

bool tb_dead_letter_id_parse(struct tb_str id, struct tb_str *ret_topic,
                             struct tb_dead_letter_position *ret_position)
{
    int64_t offset, partition;

    if (id.len >= TB_DEAD_LETTER_ID_SIZE || !cut_number(&id, INT64_MAX, &offset) ||
        !cut_number(&id, INT32_MAX, &partition) || id.len == 0)
        return false;
    *ret_topic = id;
    *ret_position = (struct tb_dead_letter_position){(int32_t)partition, offset};
    return true;
}

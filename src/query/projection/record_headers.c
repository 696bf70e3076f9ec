#include "base/values/node_status.h"
#include "base/values/quantity.h"
#include "query/projection/plan_priv.h"
#include <string.h>

/* One pass over the headers, which is cheaper than a search for each name. Of two headers with the
 * same name the first one counts. */
void tb_plan_read_headers(const struct tb_record *record, struct tb_plan_headers *ret_headers)
{
    static const struct {
        struct tb_str name;
        size_t field;
    } known[] = {
        {{"ce_id", 5}, offsetof(struct tb_plan_headers, id)},
        {{"ce_type", 7}, offsetof(struct tb_plan_headers, type)},
        {{"ce_source", 9}, offsetof(struct tb_plan_headers, source)},
        {{"ce_subject", 10}, offsetof(struct tb_plan_headers, subject)},
        {{"ce_sequence", 11}, offsetof(struct tb_plan_headers, sequence)},
        {{"ce_storesequence", 16}, offsetof(struct tb_plan_headers, store_sequence)},
        {{"ce_epoch", 8}, offsetof(struct tb_plan_headers, epoch)},
        {{"ce_orderversion", 15}, offsetof(struct tb_plan_headers, version)},
        {{"eventType", 9}, offsetof(struct tb_plan_headers, legacy_type)},
        {{TB_HEADER_REPLAY_OF, sizeof TB_HEADER_REPLAY_OF - 1},
         offsetof(struct tb_plan_headers, replay_of)},
        {{TB_HEADER_REDRIVEN, sizeof TB_HEADER_REDRIVEN - 1},
         offsetof(struct tb_plan_headers, redriven)},
    };

    *ret_headers = (struct tb_plan_headers){0};
    for (size_t i = 0; i < record->header_count; i++) {
        const struct tb_header *header = &record->headers[i];

        for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
            struct tb_str *field = (struct tb_str *)((char *)ret_headers + known[k].field);

            if (tb_str_eq(header->name, known[k].name) && !field->ptr)
                *field = header->value;
        }
    }
    if (!ret_headers->type.ptr)
        ret_headers->type = ret_headers->legacy_type;
}

bool tb_plan_parse_number(struct tb_str text, int64_t *ret_value)
{
    return tb_quantity_parse(text, tb_unit_none, ret_value) && *ret_value <= TB_JSON_INT_MAX;
}

struct tb_str tb_plan_source_node(struct tb_str source)
{
    static const struct tb_str prefix = {"/nodes/", 7};

    if (source.len <= prefix.len || memcmp(source.ptr, prefix.ptr, prefix.len) != 0)
        return (struct tb_str){0};
    return (struct tb_str){source.ptr + prefix.len, source.len - prefix.len};
}

struct tb_str tb_dead_letter_node(const struct tb_dead_letter *letter)
{
    struct tb_str source = {0}, node;

    for (size_t i = 0; i < letter->header_count && !source.ptr; i++) {
        if (tb_str_eq(letter->headers[i].name, TB_STR("ce_source")))
            source = letter->headers[i].value;
    }
    node = tb_plan_source_node(source);
    return tb_node_name_valid(node) ? node : (struct tb_str){0};
}

void tb_plan_add_origin(struct tb_plan *plan, const struct tb_record *record,
                        const struct tb_plan_headers *headers)
{
    struct tb_plan_origin origin = {.node = tb_plan_source_node(headers->source),
                                    .event_id = headers->id,
                                    .timestamp_ms = record->timestamp_ms,
                                    .sender_time = record->sender_time};

    if (!tb_node_name_valid(origin.node) || !tb_epoch_valid(headers->epoch) ||
        !tb_plan_parse_number(headers->sequence, &origin.sequence) || origin.sequence == 0)
        return;
    memcpy(origin.epoch, headers->epoch.ptr, headers->epoch.len);
    plan->origins[plan->origin_count++] = origin;
}

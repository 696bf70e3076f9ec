#include "bridge/relay/record.h"

static void add(struct tb_relay_record *built, struct tb_str name, struct tb_str value)
{
    TB_ASSERT(built->record.header_count < TB_RELAY_HEADERS);
    built->headers[built->record.header_count++] = (struct tb_header){name, value};
}

void tb_relay_record_build(struct tb_relay_record *built, struct tb_str source,
                           const struct tb_outbox_row *row)
{
    TB_ASSERT(row->sequence >= 0 && row->version >= 0);
    built->record = (struct tb_record){
        .key = row->customer_id.len > 0 ? row->customer_id : row->order_id,
        .value = row->payload,
        .headers = built->headers,
    };
    tb_time_format(row->occurred_at_ms, built->time);
    /* The zeroes in front make the text sort like the number, as CloudEvents demands. */
    tb_put_digits(built->sequence, row->sequence > 0 ? row->sequence : row->store_sequence,
                  TB_SEQUENCE_DIGITS);
    tb_put_digits(built->version, row->version, TB_SEQUENCE_DIGITS);
    size_t zeroes = strspn(built->version, "0");
    if (zeroes == TB_SEQUENCE_DIGITS)
        zeroes--;
    add(built, TB_STR("ce_specversion"), TB_STR("1.0"));
    add(built, TB_STR("ce_id"), row->event_id);
    add(built, TB_STR("ce_source"), source);
    add(built, TB_STR("ce_type"), row->type);
    add(built, TB_STR("ce_time"), tb_str_of(built->time));
    add(built, TB_STR("ce_subject"), row->order_id);
    /* A snapshot has no place in the outbox, but tells how far its store was. */
    if (row->sequence > 0 || row->store_sequence > 0)
        add(built, row->sequence > 0 ? TB_STR("ce_sequence") : TB_STR("ce_storesequence"),
            (struct tb_str){built->sequence, TB_SEQUENCE_DIGITS});
    add(built, TB_STR("ce_epoch"), tb_str_of(row->epoch));
    add(built, TB_STR("ce_orderversion"),
        (struct tb_str){built->version + zeroes, TB_SEQUENCE_DIGITS - zeroes});
    add(built, TB_STR("content-type"), TB_STR("application/json"));
    if (row->traceparent.ptr)
        add(built, TB_STR("traceparent"), row->traceparent);
}

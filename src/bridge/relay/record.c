#include "bridge/relay/record.h"

/* Writes the last `digits` decimal digits of value, with leading zeroes. */
static void put_digits(char *out, size_t digits, int64_t value)
{
    while (digits > 0) {
        out[--digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

static struct tb_str decimal(char room[TB_SEQUENCE_DIGITS], int64_t value)
{
    size_t zeroes = 0;

    put_digits(room, TB_SEQUENCE_DIGITS, value);
    while (zeroes < TB_SEQUENCE_DIGITS - 1 && room[zeroes] == '0')
        zeroes++;
    return (struct tb_str){room + zeroes, TB_SEQUENCE_DIGITS - zeroes};
}

static void add(struct tb_relay_record *room, struct tb_str name, struct tb_str value)
{
    TB_ASSERT(room->record.header_count < TB_RELAY_HEADERS);
    room->headers[room->record.header_count++] = (struct tb_header){name, value};
}

void tb_relay_record_build(struct tb_relay_record *room, struct tb_str source,
                           const struct tb_outbox_row *row)
{
    TB_ASSERT(row->sequence >= 0 && row->version >= 0);
    room->record = (struct tb_record){
        .key = row->customer_id.len > 0 ? row->customer_id : row->order_id,
        .value = row->payload,
        .headers = room->headers,
    };
    tb_time_format(row->occurred_at_ms, room->time);
    put_digits(room->sequence, TB_SEQUENCE_DIGITS, row->sequence);
    add(room, TB_STR("ce_specversion"), TB_STR("1.0"));
    add(room, TB_STR("ce_id"), row->event_id);
    add(room, TB_STR("ce_source"), source);
    add(room, TB_STR("ce_type"), row->type);
    add(room, TB_STR("ce_time"), (struct tb_str){room->time, TB_TIME_SIZE - 1});
    add(room, TB_STR("ce_subject"), row->order_id);
    add(room, TB_STR("ce_sequence"), (struct tb_str){room->sequence, TB_SEQUENCE_DIGITS});
    add(room, TB_STR("ce_epoch"), tb_str_of(row->epoch));
    add(room, TB_STR("ce_orderversion"), decimal(room->version, row->version));
    add(room, TB_STR("content-type"), TB_STR("application/json"));
    if (row->traceparent.ptr)
        add(room, TB_STR("traceparent"), row->traceparent);
}

#include "order/order_fields.h"

enum {
    ORDER_ID,
    ORDER_NUMBER,
    VERSION,
    STATUS,
    KIND,
    TOTAL,
    CURRENCY,
    PLACED_AT,
    BUSINESS_DATE,
    NODE,
    SOURCE,
    CUSTOMER,
    LINES,
    ADDRESS,
    UPDATED_AT,
    LAST_EVENT_ID,
    FIELD_COUNT
};
/* In the order in which tb_order_encode writes them: then tb_field_read_members is fastest. */
static const struct tb_field fields[FIELD_COUNT] = {
    [ORDER_ID] = TB_FIELD("orderId", TB_REQUIRED),
    [ORDER_NUMBER] = TB_FIELD("orderNumber", TB_TEXT(1, TB_ORDER_NUMBER_SIZE - 1, TB_CHARS_PRINT)),
    [VERSION] = TB_FIELD("version", TB_REQUIRED, TB_RANGE(1, TB_JSON_INT_MAX)),
    [STATUS] = TB_FIELD("status", TB_REQUIRED, TB_TEXT(1, TB_TEXT_MAX, TB_CHARS_ANY)),
    [KIND] = TB_FIELD("kind", TB_REQUIRED),
    [TOTAL] = TB_FIELD("totalMinor", TB_REQUIRED, TB_RANGE(-TB_TOTAL_MAX, TB_TOTAL_MAX)),
    [CURRENCY] = TB_FIELD("currency", TB_REQUIRED),
    [PLACED_AT] = TB_FIELD("placedAt", TB_REQUIRED),
    [BUSINESS_DATE] = TB_FIELD("businessDate", TB_REQUIRED, TB_TEXT(1, TB_TEXT_MAX, TB_CHARS_ANY)),
    [NODE] = TB_FIELD("node", TB_TEXT(1, TB_NODE_MAX, TB_CHARS_PRINT)),
    [SOURCE] = TB_FIELD_SOURCE(TB_REQUIRED),
    [CUSTOMER] = TB_FIELD_CUSTOMER,
    [LINES] = TB_FIELD("lines", TB_REQUIRED),
    [ADDRESS] = TB_FIELD("shippingAddress"),
    [UPDATED_AT] = TB_FIELD("updatedAt"),
    [LAST_EVENT_ID] = TB_FIELD("lastEventId"),
};

static void copy_text(char *out, struct tb_str text)
{
    if (text.len > 0)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

static void read_head(struct tb_field_reader *reader, const struct tb_members *m,
                      struct tb_order *order)
{
    struct tb_str text;

    tb_field_read_uuid(reader, m, ORDER_ID, order->order_id);
    if (tb_field_read_text(reader, m, ORDER_NUMBER, &text))
        copy_text(order->order_number, text);
    tb_field_read_int(reader, m, VERSION, &order->version);
    if (tb_field_read_text(reader, m, STATUS, &text) &&
        !tb_order_status_parse(text, &order->status))
        tb_field_reader_fail(reader, "status", "must be \"PLACED\", \"SHIPPED\" or \"CANCELLED\"");
    tb_order_read_kind(reader, m, KIND, &order->kind);
    tb_field_read_int(reader, m, TOTAL, &order->total_minor);
    tb_order_read_currency(reader, m, CURRENCY, order->currency);
    tb_order_read_placed_at(reader, m, PLACED_AT, &order->placed_at_ms);
    if (!tb_field_read_text(reader, m, BUSINESS_DATE, &text))
        return;
    if (tb_date_valid(text))
        copy_text(order->business_date, text);
    else
        tb_field_reader_fail(reader, "businessDate", "must be a date such as 2026-11-23");
}

void tb_order_read(struct tb_field_reader *reader, const struct tb_json *json,
                   struct tb_order *ret_order)
{
    struct tb_order *order = ret_order;
    struct tb_members m;

    if (!tb_field_read_members(reader, json, fields, FIELD_COUNT, &m))
        return;
    read_head(reader, &m, order);
    tb_field_read_text(reader, &m, NODE, &order->node);
    tb_field_read_text(reader, &m, SOURCE, &order->source);
    tb_field_read_text(reader, &m, CUSTOMER, &order->customer_id);
    tb_order_read_lines(reader, &m, LINES, TB_LINES_MAX, &order->lines, &order->line_count);
    tb_order_check_signs(reader, "/lines", order->lines, order->line_count, order->kind);
    if (m.values[ADDRESS]) {
        tb_order_read_address(reader, "/shippingAddress", m.values[ADDRESS], &order->address);
        order->has_address = true;
    }
    /* Other programs may leave out updatedAt. Then the order has never changed. */
    order->updated_at_ms = order->placed_at_ms;
    tb_field_read_time(reader, &m, UPDATED_AT, &order->updated_at_ms);
    tb_field_read_uuid(reader, &m, LAST_EVENT_ID, order->last_event_id);
    tb_order_check_stated_total(reader, order->lines, order->line_count, order->total_minor);
}

enum tb_code tb_order_decode(const struct tb_json *json, struct tb_arena *arena,
                             struct tb_order *ret_order, struct tb_error *err)
{
    struct tb_field_reader reader = {.arena = arena, .err = err};
    struct tb_order order = {0};

    tb_order_read(&reader, json, &order);
    TB_TRY(tb_field_reader_end(&reader, "the order"));
    *ret_order = order;
    return TB_OK;
}

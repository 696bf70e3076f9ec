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
/* In the order in which the document is written, which tb_field_read_members prefers. */
static const struct tb_field_name fields[FIELD_COUNT] = {
    [ORDER_ID] = TB_FIELD_NAME("orderId"),
    [ORDER_NUMBER] = TB_FIELD_NAME("orderNumber"),
    [VERSION] = TB_FIELD_NAME("version"),
    [STATUS] = TB_FIELD_NAME("status"),
    [KIND] = TB_FIELD_NAME("kind"),
    [TOTAL] = TB_FIELD_NAME("totalMinor"),
    [CURRENCY] = TB_FIELD_NAME("currency"),
    [PLACED_AT] = TB_FIELD_NAME("placedAt"),
    [BUSINESS_DATE] = TB_FIELD_NAME("businessDate"),
    [NODE] = TB_FIELD_NAME("node"),
    [SOURCE] = TB_FIELD_NAME("source"),
    [CUSTOMER] = TB_FIELD_NAME("customerId"),
    [LINES] = TB_FIELD_NAME("lines"),
    [ADDRESS] = TB_FIELD_NAME("shippingAddress"),
    [UPDATED_AT] = TB_FIELD_NAME("updatedAt"),
    [LAST_EVENT_ID] = TB_FIELD_NAME("lastEventId"),
};
static const struct tb_text_field field_number = {"orderNumber", 1, TB_ORDER_NUMBER_SIZE - 1,
                                                  TB_CHARS_PRINT, false};
static const struct tb_text_field field_status = {"status", 1, TB_TEXT_MAX, TB_CHARS_ANY, true};
static const struct tb_text_field field_date = {"businessDate", 1, TB_TEXT_MAX, TB_CHARS_ANY,
                                                true};
static const struct tb_text_field field_node = {"node", 1, TB_NODE_MAX, TB_CHARS_PRINT, false};

static void copy_text(char *out, struct tb_str text)
{
    if (text.len > 0)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

static void read_head(struct tb_field_reader *reader, const struct tb_json **m,
                      struct tb_order *order)
{
    struct tb_str text;

    tb_field_read_uuid(reader, "orderId", m[ORDER_ID], true, order->order_id);
    if (tb_field_read_text(reader, m[ORDER_NUMBER], &field_number, &text))
        copy_text(order->order_number, text);
    tb_field_read_int(reader, "version", m[VERSION], 1, TB_JSON_INT_MAX, &order->version);
    if (tb_field_read_text(reader, m[STATUS], &field_status, &text) &&
        !tb_order_status_parse(text, &order->status))
        tb_field_reader_fail(reader, "status", "must be \"PLACED\", \"SHIPPED\" or \"CANCELLED\"");
    tb_order_read_kind(reader, m[KIND], true, &order->kind);
    tb_field_read_int(reader, "totalMinor", m[TOTAL], -TB_TOTAL_MAX, TB_TOTAL_MAX,
                      &order->total_minor);
    tb_order_read_currency(reader, m[CURRENCY], true, order->currency);
    tb_order_read_placed_at(reader, "placedAt", m[PLACED_AT], true, &order->placed_at_ms);
    if (!tb_field_read_text(reader, m[BUSINESS_DATE], &field_date, &text))
        return;
    if (tb_date_valid(text))
        copy_text(order->business_date, text);
    else
        tb_field_reader_fail(reader, "businessDate", "must be a date such as 2026-11-23");
}

void tb_order_read(struct tb_field_reader *reader, const struct tb_json *json,
                   struct tb_order *ret_order)
{
    const struct tb_json *m[FIELD_COUNT];
    struct tb_order *order = ret_order;

    if (!tb_field_read_members(reader, json, fields, FIELD_COUNT, m))
        return;
    read_head(reader, m, order);
    tb_field_read_text(reader, m[NODE], &field_node, &order->node);
    tb_order_read_source(reader, m[SOURCE], true, &order->source);
    tb_order_read_customer(reader, m[CUSTOMER], &order->customer_id);
    tb_order_read_lines(reader, m[LINES], TB_LINES_MAX, &order->lines, &order->line_count);
    tb_order_check_signs(reader, "/lines", order->lines, order->line_count, order->kind);
    if (m[ADDRESS]) {
        tb_order_read_address(reader, "/shippingAddress", m[ADDRESS], &order->address);
        order->has_address = true;
    }
    /* Other programs may leave updatedAt out: the order has never changed then. */
    order->updated_at_ms = order->placed_at_ms;
    tb_field_read_time(reader, "updatedAt", m[UPDATED_AT], false, &order->updated_at_ms);
    tb_field_read_uuid(reader, "lastEventId", m[LAST_EVENT_ID], false, order->last_event_id);
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

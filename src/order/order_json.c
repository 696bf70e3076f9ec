#include "order/order_fields.h"

/* Typical bytes of an order without its lines, and of one line. Reserving them at once avoids
 * growing the buffer. */
#define DOCUMENT_GUESS 640
#define LINE_GUESS 112

/* Every order is encoded several times. So this code uses no format strings, and no strlen for
 * literals. */
#define ADD(out, literal) tb_buf_add((out), (literal), sizeof(literal) - 1)

/* Appends a text that needs no escapes (an id, a date, a code) and the closing quote. The caller
 * has written the opening quote. */
static void add_plain(struct tb_buf *out, const char *text, size_t len)
{
    tb_buf_add(out, text, len);
    tb_buf_addc(out, '"');
}

static void add_time(struct tb_buf *out, int64_t time_ms)
{
    char text[TB_TIME_SIZE];

    tb_time_format(time_ms, text);
    add_plain(out, text, TB_TIME_SIZE - 1);
}

static void add_line(struct tb_buf *out, const struct tb_line *line)
{
    ADD(out, "{\"sku\":");
    tb_json_add_string(out, line->sku);
    if (line->name.ptr) {
        ADD(out, ",\"name\":");
        tb_json_add_string(out, line->name);
    }
    ADD(out, ",\"quantity\":");
    tb_buf_add_int(out, line->quantity);
    ADD(out, ",\"unitPriceMinor\":");
    tb_buf_add_int(out, line->unit_price_minor);
    tb_buf_addc(out, '}');
}

void tb_lines_encode(struct tb_buf *out, const struct tb_line *lines, size_t count)
{
    tb_buf_addc(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            tb_buf_addc(out, ',');
        add_line(out, &lines[i]);
    }
    tb_buf_addc(out, ']');
}

void tb_address_encode(struct tb_buf *out, const struct tb_address *address)
{
    ADD(out, "{\"line1\":");
    tb_json_add_string(out, address->line1);
    if (address->line2.ptr) {
        ADD(out, ",\"line2\":");
        tb_json_add_string(out, address->line2);
    }
    ADD(out, ",\"city\":");
    tb_json_add_string(out, address->city);
    if (address->postal_code.ptr) {
        ADD(out, ",\"postalCode\":");
        tb_json_add_string(out, address->postal_code);
    }
    ADD(out, ",\"country\":");
    tb_json_add_string(out, address->country);
    tb_buf_addc(out, '}');
}

static void add_head(struct tb_buf *out, const struct tb_order *order)
{
    ADD(out, "{\"orderId\":\"");
    add_plain(out, order->order_id, TB_UUID_LEN);
    if (order->order_number[0]) {
        ADD(out, ",\"orderNumber\":");
        tb_json_add_string(out, tb_str_of(order->order_number));
    }
    ADD(out, ",\"version\":");
    tb_buf_add_int(out, order->version);
    ADD(out, ",\"status\":\"");
    tb_buf_adds(out, tb_order_status_name(order->status));
    ADD(out, "\",\"kind\":\"");
    tb_buf_adds(out, tb_order_kind_name(order->kind));
    ADD(out, "\",\"totalMinor\":");
    tb_buf_add_int(out, order->total_minor);
    ADD(out, ",\"currency\":\"");
    add_plain(out, order->currency, sizeof order->currency - 1);
    ADD(out, ",\"placedAt\":\"");
    add_time(out, order->placed_at_ms);
    ADD(out, ",\"businessDate\":\"");
    add_plain(out, order->business_date, TB_DATE_SIZE - 1);
}

void tb_order_encode_content(struct tb_buf *out, const struct tb_order *order)
{
    tb_buf_reserve(out, DOCUMENT_GUESS + order->line_count * LINE_GUESS);
    add_head(out, order);
    if (order->node.ptr) {
        ADD(out, ",\"node\":");
        tb_json_add_string(out, order->node);
    }
    ADD(out, ",\"source\":");
    tb_json_add_string(out, order->source);
    if (order->customer_id.ptr) {
        ADD(out, ",\"customerId\":");
        tb_json_add_string(out, order->customer_id);
    }
    ADD(out, ",\"lines\":");
    tb_lines_encode(out, order->lines, order->line_count);
    if (order->has_address) {
        ADD(out, ",\"shippingAddress\":");
        tb_address_encode(out, &order->address);
    }
    tb_buf_addc(out, '}');
}

void tb_order_encode(struct tb_buf *out, const struct tb_order *order)
{
    tb_order_encode_content(out, order);
    if (!tb_buf_ok(out))
        return;
    out->len--; /* remove the closing brace */
    ADD(out, ",\"updatedAt\":\"");
    add_time(out, order->updated_at_ms);
    if (order->last_event_id[0]) {
        ADD(out, ",\"lastEventId\":\"");
        add_plain(out, order->last_event_id, TB_UUID_LEN);
    }
    tb_buf_addc(out, '}');
}

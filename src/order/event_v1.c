#include "base/values/node_status.h"
#include "order/event.h"
#include "order/order_fields.h"

/* With a larger exponent every number is zero or out of range. */
#define EXPONENT_MAX 100000

struct decimal {
    bool negative;
    bool too_long;    /* digits other than 0 were cut off, so `digits` is not exact */
    int64_t digits;   /* without trailing zeros */
    int64_t exponent; /* value = digits * 10^exponent */
};

static int64_t read_exponent(struct tb_str text)
{
    bool negative = text.ptr[0] == '-';
    int64_t exponent = 0;

    for (size_t i = negative || text.ptr[0] == '+'; i < text.len && exponent < EXPONENT_MAX; i++)
        exponent = exponent * 10 + (text.ptr[i] - '0');
    return negative ? -exponent : exponent;
}

/* text is a JSON number; the JSON reader has checked its grammar. */
static struct decimal decimal_read(struct tb_str text)
{
    struct decimal d = {0};
    bool fraction = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == 'e' || c == 'E') {
            d.exponent += read_exponent((struct tb_str){text.ptr + i + 1, text.len - i - 1});
            break;
        }
        if (c == '-') {
            d.negative = true;
        } else if (c == '.') {
            fraction = true;
        } else if (d.digits > INT64_MAX / 10 - 1) {
            d.too_long |= c != '0';
            d.exponent += !fraction;
        } else {
            d.digits = d.digits * 10 + (c - '0');
            d.exponent -= fraction;
        }
    }
    for (; d.digits != 0 && d.digits % 10 == 0; d.exponent++)
        d.digits /= 10;
    return d;
}

bool tb_decimal_scale(struct tb_str text, int digits, bool cut, int64_t *ret_value)
{
    struct decimal d = decimal_read(text);
    int64_t value = d.digits;
    int64_t shift = d.exponent + digits;

    if ((d.too_long || shift < 0) && !cut && value != 0)
        return false;
    for (; shift < 0 && value != 0; shift++)
        value /= 10;
    for (; shift > 0 && value != 0; shift--) {
        if (value > TB_JSON_INT_MAX / 10)
            return false;
        value *= 10;
    }
    if (value > TB_JSON_INT_MAX)
        return false;
    *ret_value = d.negative ? -value : value;
    return true;
}

/* Reads an amount such as 12.50, in units of the currency, as minor units: 1250. */
static bool read_amount(struct tb_field_reader *reader, const struct tb_members *m, int i,
                        int digits, int64_t *ret_minor)
{
    const char *name = m->fields[i].name.ptr;

    if (!tb_field_is_present(reader, m, i))
        return false;
    if (tb_json_type(m->values[i]) != TB_JSON_NUMBER) {
        tb_field_reader_fail(reader, name, "must be a number, not %s",
                             tb_json_type_name(tb_json_type(m->values[i])));
        return false;
    }
    if (tb_decimal_scale(tb_json_number_text(m->values[i]), digits, false, ret_minor))
        return true;
    tb_field_reader_fail(reader, name,
                         "must be an amount that is exact in the currency's %d decimal places",
                         digits);
    return false;
}

static void read_product(struct tb_field_reader *reader, const struct tb_members *m, int i,
                         struct tb_str *ret_sku)
{
    int64_t number;

    if (!m->values[i] || !tb_json_int(m->values[i], &number)) {
        tb_field_read_text(reader, m, i, ret_sku);
        return;
    }
    /* Copied: the text of a number is borrowed from the record, which the order may outlive. */
    *ret_sku = tb_arena_copy(reader->arena, tb_json_number_text(m->values[i]));
    reader->out_of_memory |= !ret_sku->ptr;
}

static void read_item(struct tb_field_reader *reader, const struct tb_json *value, int digits,
                      struct tb_line *ret_line)
{
    enum { PRODUCT, QUANTITY, PRICE, COUNT };
    static const struct tb_field fields[COUNT] = {
        [PRODUCT] = TB_FIELD("productId", TB_REQUIRED, TB_TEXT(1, TB_SKU_MAX, TB_CHARS_PRINT)),
        [QUANTITY] =
            TB_FIELD("quantity", TB_REQUIRED, TB_RANGE(-TB_QUANTITY_MAX, TB_QUANTITY_MAX)),
        [PRICE] = TB_FIELD("price", TB_REQUIRED),
    };
    struct tb_members m;
    int64_t price_minor = 0;

    if (!tb_field_read_members(reader, value, fields, COUNT, &m))
        return;
    read_product(reader, &m, PRODUCT, &ret_line->sku);
    if (tb_field_read_int(reader, &m, QUANTITY, &ret_line->quantity) && ret_line->quantity == 0)
        tb_field_reader_fail(reader, "quantity", "must not be 0");
    if (read_amount(reader, &m, PRICE, digits, &price_minor) &&
        (price_minor < 0 || price_minor > TB_PRICE_MAX))
        tb_field_reader_fail(reader, "price", "must be from 0 to %lld minor units",
                             (long long)TB_PRICE_MAX);
    ret_line->unit_price_minor = price_minor;
}

static void read_items(struct tb_field_reader *reader, const struct tb_members *m, int i,
                       int digits, struct tb_order *order)
{
    struct tb_line *lines;
    int64_t n = 0;

    if (!m->values[i] || tb_json_type(m->values[i]) != TB_JSON_ARRAY) {
        tb_field_reader_fail(reader, "items", "must be an array");
        return;
    }
    lines = tb_field_read_array(reader, m, i, TB_LINES_MAX, sizeof *lines, &order->line_count);
    if (!lines)
        return;
    for (const struct tb_json *item = tb_json_first(m->values[i]); item;
         item = tb_json_next(item), n++) {
        tb_field_reader_enter(reader, "/items", n);
        read_item(reader, item, digits, &lines[n]);
    }
    order->lines = lines;
    order->kind = lines[0].quantity < 0 ? TB_RETURN : TB_SALE;
    tb_order_check_signs(reader, "/items", lines, order->line_count, order->kind);
}

/* Reads a time in RFC 3339, or seconds since 1970 with a fraction, as JSON libraries of Java write
 * it. */
static void read_timestamp(struct tb_field_reader *reader, const struct tb_members *m, int i,
                           int day_start_minutes, struct tb_order *order)
{
    const struct tb_json *value = m->values[i];
    int64_t placed_ms;

    if (!value || tb_json_type(value) != TB_JSON_NUMBER) {
        if (!tb_order_read_placed_at(reader, m, i, &placed_ms))
            return;
    } else if (!tb_decimal_scale(tb_json_number_text(value), 3, true, &placed_ms) ||
               placed_ms < 0 || placed_ms > TB_TIME_MAX_MS) {
        tb_field_reader_fail(reader, "timestamp", "must be seconds from 1970 to 9999");
        return;
    }
    order->placed_at_ms = order->updated_at_ms = placed_ms;
    tb_business_date(placed_ms, day_start_minutes, order->business_date);
}

void tb_order_read_v1(struct tb_field_reader *reader, const struct tb_json *json,
                      const struct tb_event_context *context, struct tb_order *ret_order)
{
    enum { EVENT_ID, ORDER_ID, CUSTOMER, ITEMS, TOTAL, TIMESTAMP, COUNT };
    static const struct tb_field fields[COUNT] = {
        [EVENT_ID] = TB_FIELD("eventId"),
        [ORDER_ID] = TB_FIELD("orderId", TB_REQUIRED),
        [CUSTOMER] = TB_FIELD_CUSTOMER,
        [ITEMS] = TB_FIELD("items", TB_REQUIRED),
        [TOTAL] = TB_FIELD("totalAmount", TB_REQUIRED),
        [TIMESTAMP] = TB_FIELD("timestamp", TB_REQUIRED),
    };
    struct tb_members m;
    struct tb_order *order = ret_order;
    int64_t stated_minor = 0;
    int digits = 0;

    if (!tb_field_read_members(reader, json, fields, COUNT, &m))
        return;
    if (!tb_currency_known(tb_str_of(context->currency), &digits)) {
        tb_field_reader_fail(reader, NULL, "has no currency and none is configured");
        return;
    }
    memcpy(order->currency, context->currency, sizeof order->currency);
    order->version = 1;
    order->source = TB_STR("UNKNOWN");
    if (context->node.ptr && !tb_node_name_valid(context->node))
        tb_field_reader_fail(reader, NULL,
                             "comes from a node whose name is not 1 to %d letters, digits and -",
                             TB_NODE_MAX);
    /* The name is borrowed from a header of the record, and the order may outlive the record. */
    order->node = tb_arena_copy(reader->arena, context->node);
    reader->out_of_memory |= context->node.ptr && !order->node.ptr;
    tb_field_read_uuid(reader, &m, ORDER_ID, order->order_id);
    if (m.values[CUSTOMER] && tb_json_type(m.values[CUSTOMER]) != TB_JSON_NULL)
        tb_field_read_text(reader, &m, CUSTOMER, &order->customer_id);
    if (!m.values[EVENT_ID] ||
        !tb_uuid_parse(tb_json_string(m.values[EVENT_ID]), order->last_event_id))
        order->last_event_id[0] = '\0';
    read_items(reader, &m, ITEMS, digits, order);
    read_timestamp(reader, &m, TIMESTAMP, context->day_start_minutes, order);
    read_amount(reader, &m, TOTAL, digits, &stated_minor);
    tb_order_check_total(reader, "/items", order->lines, order->line_count, &order->total_minor);
    if (reader->error_count == 0 && order->total_minor != stated_minor)
        tb_field_reader_fail(reader, "totalAmount",
                             "is not the sum of the items, %lld minor units",
                             (long long)order->total_minor);
}

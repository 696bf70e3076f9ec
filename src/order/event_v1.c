/* OrderPlaced.v1, as other programs wrote it before: brought up to what v2 says. */
#include "order/event.h"
#include "order/json_fields.h"

/* Digits of 2^53 - 1; a decimal with more significant ones cannot be exact in range. */
#define DIGITS_MAX 16
/* An exponent beyond this is zero or out of range, whatever the digits. */
#define EXPONENT_MAX 100000

struct decimal {
    bool negative;
    bool too_long;    /* more than DIGITS_MAX significant digits: the further ones are dropped */
    int64_t digits;   /* without trailing zeros */
    int64_t exponent; /* value = digits * 10^exponent */
};

/* text is a JSON number: the grammar has been checked. */
static struct decimal decimal_read(struct tb_str text)
{
    struct decimal d = {0};
    int64_t zeros = 0, exponent = 0;
    int count = 0;
    bool fraction = false;
    size_t i = 0;

    for (; i < text.len && text.ptr[i] != 'e' && text.ptr[i] != 'E'; i++) {
        char c = text.ptr[i];

        if (c == '-') {
            d.negative = true;
        } else if (c == '.') {
            fraction = true;
        } else {
            d.exponent -= fraction;
            zeros++; /* this digit's place, filled below unless it is a zero */
            if (c == '0')
                continue;
            for (; zeros > 0; zeros--) {
                /* Leading zeros are no digits. */
                if (d.digits == 0 && zeros > 1)
                    continue;
                if (count == DIGITS_MAX) {
                    d.too_long = true;
                    d.exponent++;
                    continue;
                }
                d.digits = d.digits * 10 + (zeros == 1 ? c - '0' : 0);
                count++;
            }
        }
    }
    d.exponent += zeros;
    if (i < text.len) {
        bool negative = text.ptr[++i] == '-';

        if (text.ptr[i] == '-' || text.ptr[i] == '+')
            i++;
        for (; i < text.len && exponent < EXPONENT_MAX; i++)
            exponent = exponent * 10 + (text.ptr[i] - '0');
        d.exponent += negative ? -exponent : exponent;
    }
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

/* An amount in the currency's units as minor units. */
static bool read_amount(struct tb_field_reader *reader, struct tb_field_path at, const char *key,
                        const struct tb_json *value, int digits, int64_t *ret_minor)
{
    if (!value)
        tb_field_reader_fail(reader, at, key, "is missing");
    else if (tb_json_type(value) != TB_JSON_NUMBER)
        tb_field_reader_fail(reader, at, key, "must be a number, not %s",
                             tb_json_type_name(tb_json_type(value)));
    else if (tb_decimal_scale(tb_json_number_text(value), digits, false, ret_minor))
        return true;
    else
        tb_field_reader_fail(reader, at, key,
                             "must be an amount that is exact in the currency's %d decimal places",
                             digits);
    return false;
}

static void read_product(struct tb_field_reader *reader, struct tb_field_path at,
                         const struct tb_json *value, struct tb_str *ret_sku)
{
    static const struct tb_text_field rule = {"productId", 1, TB_SKU_MAX, TB_CHARS_PRINT, true};
    int64_t number;

    if (!value || !tb_json_int(value, &number)) {
        (void)tb_field_read_text(reader, at, value, &rule, ret_sku);
        return;
    }
    /* A number's text belongs to the record; the order may live longer than that. */
    *ret_sku = tb_arena_copy(reader->arena, tb_json_number_text(value));
    reader->out_of_memory |= !ret_sku->ptr;
}

static void read_item(struct tb_field_reader *reader, struct tb_field_path at,
                      const struct tb_json *value, int digits, struct tb_line *ret_line)
{
    enum { PRODUCT, QUANTITY, PRICE, COUNT };
    static const struct tb_field_name fields[COUNT] = {
        [PRODUCT] = TB_FIELD_NAME("productId"),
        [QUANTITY] = TB_FIELD_NAME("quantity"),
        [PRICE] = TB_FIELD_NAME("price"),
    };
    const struct tb_json *m[COUNT];
    int64_t price_minor = 0;

    if (!tb_field_read_members(reader, at, value, fields, COUNT, m))
        return;
    read_product(reader, at, m[PRODUCT], &ret_line->sku);
    if (tb_field_read_int(reader, at, "quantity", m[QUANTITY], -TB_QUANTITY_MAX, TB_QUANTITY_MAX,
                          &ret_line->quantity) &&
        ret_line->quantity == 0)
        tb_field_reader_fail(reader, at, "quantity", "must not be 0");
    if (read_amount(reader, at, "price", m[PRICE], digits, &price_minor) &&
        (price_minor < 0 || price_minor > TB_PRICE_MAX))
        tb_field_reader_fail(reader, at, "price", "must be from 0 to %lld minor units",
                             (long long)TB_PRICE_MAX);
    ret_line->unit_price_minor = price_minor;
}

static void read_items(struct tb_field_reader *reader, const struct tb_json *value, int digits,
                       struct tb_order *order)
{
    size_t count = 0;
    int64_t i = 0;

    if (!value || tb_json_type(value) != TB_JSON_ARRAY) {
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, "items", "must be an array");
        return;
    }
    count = tb_json_count(value);
    if (count == 0 || count > TB_LINES_MAX) {
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, "items",
                             "must have 1 to %d items, not %zu", TB_LINES_MAX, count);
        return;
    }
    order->lines = tb_arena_array(reader->arena, count, sizeof(*order->lines));
    if (!order->lines) {
        reader->out_of_memory = true;
        return;
    }
    order->line_count = count;
    for (const struct tb_json *item = tb_json_first(value); item; item = tb_json_next(item), i++)
        read_item(reader, (struct tb_field_path){"/items", i}, item, digits, &order->lines[i]);
    order->kind = order->lines[0].quantity < 0 ? TB_RETURN : TB_SALE;
    tb_order_check_signs(reader, "/items", order->lines, count, order->kind);
}

/* RFC 3339, or seconds since 1970 with a fraction, as Java's mappers write an instant. */
static void read_timestamp(struct tb_field_reader *reader, const struct tb_json *value,
                           int day_start_minutes, struct tb_order *order)
{
    int64_t placed_ms;

    if (!value || tb_json_type(value) != TB_JSON_NUMBER) {
        if (!tb_order_read_placed_at(reader, "timestamp", value, true, &placed_ms))
            return;
    } else if (!tb_decimal_scale(tb_json_number_text(value), 3, true, &placed_ms) ||
               placed_ms < 0 || placed_ms > TB_TIME_MAX_MS) {
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, "timestamp",
                             "must be seconds from 1970 to 9999");
        return;
    }
    order->placed_at_ms = order->updated_at_ms = placed_ms;
    tb_business_date(placed_ms, day_start_minutes, order->business_date);
}

static void read_v1_ids(struct tb_field_reader *reader, const struct tb_json *order_id,
                        const struct tb_json *customer, const struct tb_json *event_id,
                        struct tb_order *order)
{
    (void)tb_field_read_uuid(reader, TB_FIELD_PATH_ROOT, "orderId", order_id, true,
                             order->order_id);
    if (customer && tb_json_type(customer) != TB_JSON_NULL)
        (void)tb_order_read_customer(reader, customer, &order->customer_id);
    if (!event_id || !tb_uuid_parse(tb_json_string(event_id), order->last_event_id))
        order->last_event_id[0] = '\0';
}

void tb_order_read_v1(struct tb_field_reader *reader, const struct tb_json *json,
                      const struct tb_event_context *context, struct tb_order *ret_order)
{
    enum { EVENT_ID, ORDER_ID, CUSTOMER, ITEMS, TOTAL, TIMESTAMP, COUNT };
    static const struct tb_field_name fields[COUNT] = {
        [EVENT_ID] = TB_FIELD_NAME("eventId"),    [ORDER_ID] = TB_FIELD_NAME("orderId"),
        [CUSTOMER] = TB_FIELD_NAME("customerId"), [ITEMS] = TB_FIELD_NAME("items"),
        [TOTAL] = TB_FIELD_NAME("totalAmount"),   [TIMESTAMP] = TB_FIELD_NAME("timestamp"),
    };
    const struct tb_json *m[COUNT];
    struct tb_order *order = ret_order;
    int64_t told_minor = 0;
    int digits = 0;

    if (!tb_field_read_members(reader, TB_FIELD_PATH_ROOT, json, fields, COUNT, m))
        return;
    if (!tb_currency_known(tb_str_of(context->currency), &digits)) {
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, NULL,
                             "has no currency and none is configured");
        return;
    }
    memcpy(order->currency, context->currency, sizeof(order->currency));
    order->version = 1;
    order->source = TB_STR("UNKNOWN");
    if (context->node.len > TB_NODE_MAX)
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, NULL,
                             "comes from a node with a name above %d bytes", TB_NODE_MAX);
    /* The node's name stands in a header, which may go before the order does. */
    order->node = tb_arena_copy(reader->arena, context->node);
    reader->out_of_memory |= context->node.ptr && !order->node.ptr;
    read_v1_ids(reader, m[ORDER_ID], m[CUSTOMER], m[EVENT_ID], order);
    read_items(reader, m[ITEMS], digits, order);
    read_timestamp(reader, m[TIMESTAMP], context->day_start_minutes, order);
    (void)read_amount(reader, TB_FIELD_PATH_ROOT, "totalAmount", m[TOTAL], digits, &told_minor);
    tb_order_check_total(reader, "/items", order->lines, order->line_count, &order->total_minor);
    if (reader->error_count == 0 && order->total_minor != told_minor)
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, "totalAmount",
                             "is not the sum of the items, %lld minor units",
                             (long long)order->total_minor);
}

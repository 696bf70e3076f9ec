#include "order/order_fields.h"

/* Orders from other programs may be old, but a time before 1970 comes from a clock that was never
 * set. */
#define PLACED_AT_MIN_MS 0

static const struct tb_text_field field_source = {"source", 1, TB_SOURCE_MAX, TB_CHARS_SOURCE,
                                                  false};
static const struct tb_text_field field_customer = {"customerId", 1, TB_TEXT_MAX, TB_CHARS_PRINT,
                                                    false};
static const struct tb_text_field field_sku = {"sku", 1, TB_SKU_MAX, TB_CHARS_PRINT, true};
static const struct tb_text_field field_name = {"name", 0, TB_NAME_MAX, TB_CHARS_ANY, false};
static const struct tb_text_field field_line1 = {"line1", 1, TB_TEXT_MAX, TB_CHARS_ANY, true};
static const struct tb_text_field field_line2 = {"line2", 0, TB_TEXT_MAX, TB_CHARS_ANY, false};
static const struct tb_text_field field_city = {"city", 1, TB_TEXT_MAX, TB_CHARS_ANY, true};
static const struct tb_text_field field_postal = {"postalCode", 0, TB_TEXT_MAX, TB_CHARS_ANY,
                                                  false};
static const struct tb_text_field field_country = {"country", 2, 2, TB_CHARS_CAPITALS, true};

bool tb_order_read_kind(struct tb_field_reader *reader, const struct tb_json *value, bool required,
                        enum tb_order_kind *ret_kind)
{
    if (!tb_field_is_present(reader, "kind", value, required))
        return false;
    if (tb_order_kind_parse(tb_json_string(value), ret_kind))
        return true;
    tb_field_reader_fail(reader, "kind", "must be \"SALE\" or \"RETURN\"");
    return false;
}

bool tb_order_read_currency(struct tb_field_reader *reader, const struct tb_json *value,
                            bool required, char ret_code[4])
{
    if (!tb_field_is_present(reader, "currency", value, required))
        return false;
    struct tb_str code = tb_json_string(value);
    if (!tb_currency_known(code, NULL)) {
        tb_field_reader_fail(reader, "currency",
                             "must be an ISO 4217 code of a currency in use, such as \"EUR\"");
        return false;
    }
    memcpy(ret_code, code.ptr, 3);
    ret_code[3] = '\0';
    return true;
}

bool tb_order_read_source(struct tb_field_reader *reader, const struct tb_json *value,
                          bool required, struct tb_str *ret_source)
{
    struct tb_text_field field = field_source;

    field.required = required;
    return tb_field_read_text(reader, value, &field, ret_source);
}

bool tb_order_read_customer(struct tb_field_reader *reader, const struct tb_json *value,
                            struct tb_str *ret_customer)
{
    return tb_field_read_text(reader, value, &field_customer, ret_customer);
}

bool tb_order_read_placed_at(struct tb_field_reader *reader, const char *key,
                             const struct tb_json *value, bool required, int64_t *ret_ms)
{
    int64_t placed_ms;

    if (!tb_field_read_time(reader, key, value, required, &placed_ms))
        return false;
    if (placed_ms < PLACED_AT_MIN_MS) {
        tb_field_reader_fail(reader, key, "must not be before 1970");
        return false;
    }
    *ret_ms = placed_ms;
    return true;
}

static void read_line(struct tb_field_reader *reader, const struct tb_json *value,
                      struct tb_line *ret_line)
{
    enum { SKU, NAME, QUANTITY, UNIT_PRICE, COUNT };
    static const struct tb_field_name fields[COUNT] = {
        [SKU] = TB_FIELD_NAME("sku"),
        [NAME] = TB_FIELD_NAME("name"),
        [QUANTITY] = TB_FIELD_NAME("quantity"),
        [UNIT_PRICE] = TB_FIELD_NAME("unitPriceMinor"),
    };
    const struct tb_json *m[COUNT];
    int64_t quantity = 0;

    if (!tb_field_read_members(reader, value, fields, COUNT, m))
        return;
    tb_field_read_text(reader, m[SKU], &field_sku, &ret_line->sku);
    tb_field_read_text(reader, m[NAME], &field_name, &ret_line->name);
    if (tb_field_read_int(reader, "quantity", m[QUANTITY], -TB_QUANTITY_MAX, TB_QUANTITY_MAX,
                          &quantity)) {
        if (quantity == 0)
            tb_field_reader_fail(reader, "quantity", "must not be 0");
        ret_line->quantity = quantity;
    }
    tb_field_read_int(reader, "unitPriceMinor", m[UNIT_PRICE], 0, TB_PRICE_MAX,
                      &ret_line->unit_price_minor);
}

void tb_order_read_lines(struct tb_field_reader *reader, const struct tb_json *value,
                         size_t lines_max, struct tb_line **ret_lines, size_t *ret_count)
{
    struct tb_line *lines =
        tb_field_read_array(reader, "lines", value, "lines", lines_max, sizeof *lines, ret_count);
    int64_t i = 0;

    if (!lines)
        return;
    for (const struct tb_json *line = tb_json_first(value); line; line = tb_json_next(line), i++) {
        tb_field_reader_enter(reader, "/lines", i);
        read_line(reader, line, &lines[i]);
    }
    tb_field_reader_enter(reader, NULL, 0);
    *ret_lines = lines;
}

void tb_order_check_signs(struct tb_field_reader *reader, const char *base,
                          const struct tb_line *lines, size_t count, enum tb_order_kind kind)
{
    for (size_t i = 0; i < count; i++) {
        tb_field_reader_enter(reader, base, (int64_t)i);
        /* A quantity of 0 has been recorded as an error already. */
        if (kind == TB_SALE && lines[i].quantity < 0)
            tb_field_reader_fail(reader, "quantity", "must be above 0 in a SALE");
        if (kind == TB_RETURN && lines[i].quantity > 0)
            tb_field_reader_fail(reader, "quantity", "must be below 0 in a RETURN");
    }
    tb_field_reader_enter(reader, NULL, 0);
}

void tb_order_check_total(struct tb_field_reader *reader, const char *base,
                          const struct tb_line *lines, size_t count, int64_t *ret_total_minor)
{
    if (reader->error_count > 0 || tb_lines_total(lines, count, ret_total_minor))
        return;
    tb_field_reader_enter(reader, base, -1);
    tb_field_reader_fail(reader, NULL, "must add up to a total within +-%lld",
                         (long long)TB_TOTAL_MAX);
    tb_field_reader_enter(reader, NULL, 0);
}

void tb_order_check_stated_total(struct tb_field_reader *reader, const struct tb_line *lines,
                                 size_t count, int64_t stated_minor)
{
    int64_t total_minor = 0;

    tb_order_check_total(reader, "/lines", lines, count, &total_minor);
    if (reader->error_count == 0 && total_minor != stated_minor)
        tb_field_reader_fail(reader, "totalMinor", "is not the sum of the lines, %lld",
                             (long long)total_minor);
}

void tb_order_read_address(struct tb_field_reader *reader, const char *base,
                           const struct tb_json *value, struct tb_address *ret_address)
{
    enum { LINE1, LINE2, CITY, POSTAL_CODE, COUNTRY, COUNT };
    static const struct tb_field_name fields[COUNT] = {
        [LINE1] = TB_FIELD_NAME("line1"),     [LINE2] = TB_FIELD_NAME("line2"),
        [CITY] = TB_FIELD_NAME("city"),       [POSTAL_CODE] = TB_FIELD_NAME("postalCode"),
        [COUNTRY] = TB_FIELD_NAME("country"),
    };
    const struct tb_json *m[COUNT];

    tb_field_reader_enter(reader, base, -1);
    if (tb_field_read_members(reader, value, fields, COUNT, m)) {
        tb_field_read_text(reader, m[LINE1], &field_line1, &ret_address->line1);
        tb_field_read_text(reader, m[LINE2], &field_line2, &ret_address->line2);
        tb_field_read_text(reader, m[CITY], &field_city, &ret_address->city);
        tb_field_read_text(reader, m[POSTAL_CODE], &field_postal, &ret_address->postal_code);
        tb_field_read_text(reader, m[COUNTRY], &field_country, &ret_address->country);
    }
    tb_field_reader_enter(reader, NULL, 0);
}

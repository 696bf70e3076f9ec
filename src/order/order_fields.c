/* The fields that orders have, whoever sends them. */
#include "order/json_fields.h"

/* Orders taken elsewhere before may be old, but a time before 1970 is a clock that never ran. */
#define PLACED_AT_MIN_MS 0

static const struct tb_text_field rule_source = {"source", 1, TB_SOURCE_MAX, TB_CHARS_SOURCE,
                                                 false};
static const struct tb_text_field rule_customer = {"customerId", 1, TB_TEXT_MAX, TB_CHARS_PRINT,
                                                   false};
static const struct tb_text_field rule_sku = {"sku", 1, TB_SKU_MAX, TB_CHARS_PRINT, true};
static const struct tb_text_field rule_name = {"name", 0, TB_NAME_MAX, TB_CHARS_ANY, false};
static const struct tb_text_field rule_line1 = {"line1", 1, TB_TEXT_MAX, TB_CHARS_ANY, true};
static const struct tb_text_field rule_line2 = {"line2", 0, TB_TEXT_MAX, TB_CHARS_ANY, false};
static const struct tb_text_field rule_city = {"city", 1, TB_TEXT_MAX, TB_CHARS_ANY, true};
static const struct tb_text_field rule_postal = {"postalCode", 0, TB_TEXT_MAX, TB_CHARS_ANY,
                                                 false};
static const struct tb_text_field rule_country = {"country", 2, 2, TB_CHARS_CAPITALS, true};

bool tb_order_read_kind(struct tb_field_reader *reader, const struct tb_json *value, bool required,
                        enum tb_order_kind *ret_kind)
{
    if (!value && !required)
        return false;
    if (!value)
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, "kind", "is missing");
    else if (tb_order_kind_parse(tb_json_string(value), ret_kind))
        return true;
    else
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, "kind", "must be \"SALE\" or \"RETURN\"");
    return false;
}

bool tb_order_read_currency(struct tb_field_reader *reader, const struct tb_json *value,
                            bool required, char ret_code[4])
{
    if (!value && !required)
        return false;
    if (!value) {
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, "currency", "is missing");
        return false;
    }
    struct tb_str code = tb_json_string(value);
    if (!tb_currency_known(code, NULL)) {
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, "currency",
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
    struct tb_text_field rule = rule_source;

    rule.required = required;
    return tb_field_read_text(reader, TB_FIELD_PATH_ROOT, value, &rule, ret_source);
}

bool tb_order_read_customer(struct tb_field_reader *reader, const struct tb_json *value,
                            struct tb_str *ret_customer)
{
    return tb_field_read_text(reader, TB_FIELD_PATH_ROOT, value, &rule_customer, ret_customer);
}

bool tb_order_read_placed_at(struct tb_field_reader *reader, const char *key,
                             const struct tb_json *value, bool required, int64_t *ret_ms)
{
    int64_t placed_ms;

    if (!tb_field_read_time(reader, TB_FIELD_PATH_ROOT, key, value, required, &placed_ms))
        return false;
    if (placed_ms < PLACED_AT_MIN_MS) {
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, key, "must not be before 1970");
        return false;
    }
    *ret_ms = placed_ms;
    return true;
}

static void read_line(struct tb_field_reader *reader, struct tb_field_path at,
                      const struct tb_json *value, struct tb_line *ret_line)
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

    if (!tb_field_read_members(reader, at, value, fields, COUNT, m))
        return;
    (void)tb_field_read_text(reader, at, m[SKU], &rule_sku, &ret_line->sku);
    (void)tb_field_read_text(reader, at, m[NAME], &rule_name, &ret_line->name);
    if (tb_field_read_int(reader, at, "quantity", m[QUANTITY], -TB_QUANTITY_MAX, TB_QUANTITY_MAX,
                          &quantity)) {
        if (quantity == 0)
            tb_field_reader_fail(reader, at, "quantity", "must not be 0");
        ret_line->quantity = quantity;
    }
    (void)tb_field_read_int(reader, at, "unitPriceMinor", m[UNIT_PRICE], 0, TB_PRICE_MAX,
                            &ret_line->unit_price_minor);
}

void tb_order_read_lines(struct tb_field_reader *reader, const struct tb_json *value,
                         size_t lines_max, struct tb_line **ret_lines, size_t *ret_count)
{
    size_t count = 0;

    if (!value) {
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, "lines", "is missing");
        return;
    }
    if (tb_json_type(value) != TB_JSON_ARRAY) {
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, "lines", "must be an array, not %s",
                             tb_json_type_name(tb_json_type(value)));
        return;
    }
    count = tb_json_count(value);
    if (count == 0 || count > lines_max) {
        tb_field_reader_fail(reader, TB_FIELD_PATH_ROOT, "lines",
                             "must have 1 to %zu lines, not %zu", lines_max, count);
        return;
    }
    struct tb_line *lines = tb_arena_array(reader->arena, count, sizeof(*lines));
    if (!lines) {
        reader->out_of_memory = true;
        return;
    }
    int64_t i = 0;
    for (const struct tb_json *line = tb_json_first(value); line; line = tb_json_next(line), i++)
        read_line(reader, (struct tb_field_path){"/lines", i}, line, &lines[i]);
    *ret_lines = lines;
    *ret_count = count;
}

void tb_order_check_signs(struct tb_field_reader *reader, const char *base,
                          const struct tb_line *lines, size_t count, enum tb_order_kind kind)
{
    for (size_t i = 0; i < count; i++) {
        struct tb_field_path at = {base, (int64_t)i};

        /* 0 is a quantity that has its fault already. */
        if (kind == TB_SALE && lines[i].quantity < 0)
            tb_field_reader_fail(reader, at, "quantity", "must be above 0 in a SALE");
        if (kind == TB_RETURN && lines[i].quantity > 0)
            tb_field_reader_fail(reader, at, "quantity", "must be below 0 in a RETURN");
    }
}

void tb_order_check_total(struct tb_field_reader *reader, const char *base,
                          const struct tb_line *lines, size_t count, int64_t *ret_total_minor)
{
    if (reader->error_count > 0)
        return;
    if (!tb_lines_total(lines, count, ret_total_minor))
        tb_field_reader_fail(reader, (struct tb_field_path){base, -1}, NULL,
                             "must add up to a total within +-%lld", (long long)TB_TOTAL_MAX);
}

void tb_order_read_address(struct tb_field_reader *reader, struct tb_field_path at,
                           const struct tb_json *value, struct tb_address *ret_address)
{
    enum { LINE1, LINE2, CITY, POSTAL_CODE, COUNTRY, COUNT };
    static const struct tb_field_name fields[COUNT] = {
        [LINE1] = TB_FIELD_NAME("line1"),     [LINE2] = TB_FIELD_NAME("line2"),
        [CITY] = TB_FIELD_NAME("city"),       [POSTAL_CODE] = TB_FIELD_NAME("postalCode"),
        [COUNTRY] = TB_FIELD_NAME("country"),
    };
    const struct tb_json *m[COUNT];

    if (!tb_field_read_members(reader, at, value, fields, COUNT, m))
        return;
    (void)tb_field_read_text(reader, at, m[LINE1], &rule_line1, &ret_address->line1);
    (void)tb_field_read_text(reader, at, m[LINE2], &rule_line2, &ret_address->line2);
    (void)tb_field_read_text(reader, at, m[CITY], &rule_city, &ret_address->city);
    (void)tb_field_read_text(reader, at, m[POSTAL_CODE], &rule_postal, &ret_address->postal_code);
    (void)tb_field_read_text(reader, at, m[COUNTRY], &rule_country, &ret_address->country);
}

#include "order/order_fields.h"

/* Orders from other programs may be old. But a time before 1970 comes from a clock that was never
 * set. */
#define PLACED_AT_MIN_MS 0

bool tb_order_read_kind(struct tb_field_reader *reader, const struct tb_members *members, int i,
                        enum tb_order_kind *ret_kind)
{
    if (!tb_field_is_present(reader, members, i))
        return false;
    if (tb_order_kind_parse(tb_json_string(members->values[i]), ret_kind))
        return true;
    tb_field_reader_fail(reader, "kind", "must be \"SALE\" or \"RETURN\"");
    return false;
}

bool tb_order_read_currency(struct tb_field_reader *reader, const struct tb_members *members,
                            int i, char ret_code[4])
{
    if (!tb_field_is_present(reader, members, i))
        return false;
    struct tb_str code = tb_json_string(members->values[i]);
    if (!tb_currency_known(code, NULL)) {
        tb_field_reader_fail(reader, "currency",
                             "must be an ISO 4217 code of a currency in use, such as \"EUR\"");
        return false;
    }
    memcpy(ret_code, code.ptr, 3);
    ret_code[3] = '\0';
    return true;
}

bool tb_order_read_placed_at(struct tb_field_reader *reader, const struct tb_members *members,
                             int i, int64_t *ret_ms)
{
    int64_t placed_ms;

    if (!tb_field_read_time(reader, members, i, &placed_ms))
        return false;
    if (placed_ms < PLACED_AT_MIN_MS) {
        tb_field_reader_fail(reader, members->fields[i].name.ptr, "must not be before 1970");
        return false;
    }
    *ret_ms = placed_ms;
    return true;
}

static void read_line(struct tb_field_reader *reader, const struct tb_json *value,
                      struct tb_line *ret_line)
{
    enum { SKU, NAME, QUANTITY, UNIT_PRICE, COUNT };
    static const struct tb_field fields[COUNT] = {
        [SKU] = TB_FIELD("sku", TB_REQUIRED, TB_TEXT(1, TB_SKU_MAX, TB_CHARS_PRINT)),
        [NAME] = TB_FIELD("name", TB_TEXT(0, TB_NAME_MAX, TB_CHARS_ANY)),
        [QUANTITY] =
            TB_FIELD("quantity", TB_REQUIRED, TB_RANGE(-TB_QUANTITY_MAX, TB_QUANTITY_MAX)),
        [UNIT_PRICE] = TB_FIELD("unitPriceMinor", TB_REQUIRED, TB_RANGE(0, TB_PRICE_MAX)),
    };
    struct tb_members m;

    if (!tb_field_read_members(reader, value, fields, COUNT, &m))
        return;
    tb_field_read_text(reader, &m, SKU, &ret_line->sku);
    tb_field_read_text(reader, &m, NAME, &ret_line->name);
    if (tb_field_read_int(reader, &m, QUANTITY, &ret_line->quantity) && ret_line->quantity == 0)
        tb_field_reader_fail(reader, "quantity", "must not be 0");
    tb_field_read_int(reader, &m, UNIT_PRICE, &ret_line->unit_price_minor);
}

void tb_order_read_lines(struct tb_field_reader *reader, const struct tb_members *members, int i,
                         size_t lines_max, struct tb_line **ret_lines, size_t *ret_count)
{
    struct tb_line *lines =
        tb_field_read_array(reader, members, i, lines_max, sizeof *lines, ret_count);
    int64_t n = 0;

    if (!lines)
        return;
    for (const struct tb_json *line = tb_json_first(members->values[i]); line;
         line = tb_json_next(line), n++) {
        tb_field_reader_enter(reader, "/lines", n);
        read_line(reader, line, &lines[n]);
    }
    tb_field_reader_enter(reader, NULL, 0);
    *ret_lines = lines;
}

void tb_order_check_signs(struct tb_field_reader *reader, const char *base,
                          const struct tb_line *lines, size_t count, enum tb_order_kind kind)
{
    for (size_t i = 0; i < count; i++) {
        tb_field_reader_enter(reader, base, (int64_t)i);
        /* The reader of the line has recorded a quantity of 0 as an error already. */
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
    static const struct tb_field fields[COUNT] = {
        [LINE1] = TB_FIELD("line1", TB_REQUIRED, TB_TEXT(1, TB_TEXT_MAX, TB_CHARS_ANY)),
        [LINE2] = TB_FIELD("line2", TB_TEXT(0, TB_TEXT_MAX, TB_CHARS_ANY)),
        [CITY] = TB_FIELD("city", TB_REQUIRED, TB_TEXT(1, TB_TEXT_MAX, TB_CHARS_ANY)),
        [POSTAL_CODE] = TB_FIELD("postalCode", TB_TEXT(0, TB_TEXT_MAX, TB_CHARS_ANY)),
        [COUNTRY] = TB_FIELD("country", TB_REQUIRED, TB_TEXT(2, 2, TB_CHARS_CAPITALS)),
    };
    struct tb_members m;

    tb_field_reader_enter(reader, base, -1);
    if (tb_field_read_members(reader, value, fields, COUNT, &m)) {
        tb_field_read_text(reader, &m, LINE1, &ret_address->line1);
        tb_field_read_text(reader, &m, LINE2, &ret_address->line2);
        tb_field_read_text(reader, &m, CITY, &ret_address->city);
        tb_field_read_text(reader, &m, POSTAL_CODE, &ret_address->postal_code);
        tb_field_read_text(reader, &m, COUNTRY, &ret_address->country);
    }
    tb_field_reader_enter(reader, NULL, 0);
}

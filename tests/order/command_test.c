/* Promise: a body becomes a command within all limits, or all its errors are listed. */
#include "order/samples.h"
#include <stdio.h>
#include <stdlib.h>

/* Bodies of each command type, and the pointers of the expected errors in order; "." is the body.
 */
#define LINE "{\"sku\":\"T\",\"quantity\":2,\"unitPriceMinor\":350}"
#define LINES "\"lines\":[" LINE "]"
#define ADDRESS "\"line1\":\"Main 1\",\"city\":\"Berlin\",\"country\":\"DE\""

struct row {
    enum tb_command_type type;
    const char *body;
    const char *pointers; /* "" : accepted */
};
static const struct row rows[] = {
    {TB_CMD_PLACE, "{" LINES "}", ""},
    {TB_CMD_PLACE, "[]", "."},
    {TB_CMD_PLACE, "null", "."},
    {TB_CMD_PLACE, "\"text\"", "."},
    {TB_CMD_PLACE, "{}", "/lines"},
    {TB_CMD_PLACE, "{\"Lines\":[]}", "/Lines /lines"},
    /* orderId */
    {TB_CMD_PLACE, "{\"orderId\":\"0191D2C0-5E6F-7A1B-8C2D-3E4F5A6B7C8D\"," LINES "}", ""},
    {TB_CMD_PLACE, "{\"orderId\":\"0191d2c05e6f7a1b8c2d3e4f5a6b7c8d\"," LINES "}", "/orderId"},
    {TB_CMD_PLACE, "{\"orderId\":\"\"," LINES "}", "/orderId"},
    {TB_CMD_PLACE, "{\"orderId\":7," LINES "}", "/orderId"},
    {TB_CMD_PLACE, "{\"orderId\":null," LINES "}", "/orderId"},
    /* customerId, source, kind, currency */
    {TB_CMD_PLACE, "{\"customerId\":\"\"," LINES "}", "/customerId"},
    {TB_CMD_PLACE, "{\"customerId\":\"a\\u0001\"," LINES "}", "/customerId"},
    {TB_CMD_PLACE, "{\"customerId\":\"a\\u007f\"," LINES "}", "/customerId"},
    {TB_CMD_PLACE, "{\"customerId\":\"\\u00e9 \\u20ac\"," LINES "}", ""},
    {TB_CMD_PLACE, "{\"customerId\":17850," LINES "}", "/customerId"},
    {TB_CMD_PLACE, "{\"source\":\"KIOSK_1-A\"," LINES "}", ""},
    {TB_CMD_PLACE, "{\"source\":\"12345678901234567890123456789012\"," LINES "}", ""},
    {TB_CMD_PLACE, "{\"source\":\"123456789012345678901234567890123\"," LINES "}", "/source"},
    {TB_CMD_PLACE, "{\"source\":\"\"," LINES "}", "/source"},
    {TB_CMD_PLACE, "{\"source\":\"Pos\"," LINES "}", "/source"},
    {TB_CMD_PLACE, "{\"source\":\"P S\"," LINES "}", "/source"},
    {TB_CMD_PLACE, "{\"kind\":\"SALE\"," LINES "}", ""},
    {TB_CMD_PLACE, "{\"kind\":\"sale\"," LINES "}", "/kind"},
    {TB_CMD_PLACE, "{\"kind\":1," LINES "}", "/kind"},
    {TB_CMD_PLACE, "{\"kind\":\"RETURN\"," LINES "}", "/lines/0/quantity"},
    {TB_CMD_PLACE, "{\"currency\":\"JPY\"," LINES "}", ""},
    {TB_CMD_PLACE, "{\"currency\":\"eur\"," LINES "}", "/currency"},
    {TB_CMD_PLACE, "{\"currency\":\"ABC\"," LINES "}", "/currency"},
    {TB_CMD_PLACE, "{\"currency\":\"\"," LINES "}", "/currency"},
    {TB_CMD_PLACE, "{\"currency\":978," LINES "}", "/currency"},
    /* placedAt: now is 2026-11-23T08:20:42.123Z */
    {TB_CMD_PLACE, "{\"placedAt\":\"2010-12-01T08:26:00Z\"," LINES "}", ""},
    {TB_CMD_PLACE, "{\"placedAt\":\"2026-11-24T08:20:42.123Z\"," LINES "}", ""},
    {TB_CMD_PLACE, "{\"placedAt\":\"2026-11-24T08:20:42.124Z\"," LINES "}", "/placedAt"},
    {TB_CMD_PLACE, "{\"placedAt\":\"1970-01-01T00:00:00Z\"," LINES "}", ""},
    {TB_CMD_PLACE, "{\"placedAt\":\"1969-12-31T23:59:59.999Z\"," LINES "}", "/placedAt"},
    {TB_CMD_PLACE, "{\"placedAt\":\"2026-11-23\"," LINES "}", "/placedAt"},
    {TB_CMD_PLACE, "{\"placedAt\":1795422042," LINES "}", "/placedAt"},
    /* lines */
    {TB_CMD_PLACE, "{\"lines\":[]}", "/lines"},
    {TB_CMD_PLACE, "{\"lines\":{}}", "/lines"},
    {TB_CMD_PLACE, "{\"lines\":[7]}", "/lines/0"},
    {TB_CMD_PLACE, "{\"lines\":[{}]}", "/lines/0/sku /lines/0/quantity /lines/0/unitPriceMinor"},
    {TB_CMD_PLACE, "{\"lines\":[" LINE ",{\"sku\":\"\",\"quantity\":1,\"unitPriceMinor\":0}]}",
     "/lines/1/sku"},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\\tb\",\"quantity\":1,\"unitPriceMinor\":0}]}",
     "/lines/0/sku"},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":5,\"quantity\":1,\"unitPriceMinor\":0}]}",
     "/lines/0/sku"},
    {TB_CMD_PLACE,
     "{\"lines\":[{\"sku\":\"a\",\"name\":\"x\\ty\",\"quantity\":1,\"unitPriceMinor\":0}]}", ""},
    {TB_CMD_PLACE,
     "{\"lines\":[{\"sku\":\"a\",\"name\":\"\",\"quantity\":1,\"unitPriceMinor\":0}]}", ""},
    {TB_CMD_PLACE,
     "{\"lines\":[{\"sku\":\"a\",\"name\":null,\"quantity\":1,\"unitPriceMinor\":0}]}",
     "/lines/0/name"},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\",\"quantity\":0,\"unitPriceMinor\":0}]}",
     "/lines/0/quantity"},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\",\"quantity\":-0,\"unitPriceMinor\":0}]}",
     "/lines/0/quantity"},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\",\"quantity\":-1,\"unitPriceMinor\":0}]}",
     "/lines/0/quantity"},
    {TB_CMD_PLACE,
     "{\"kind\":\"RETURN\",\"lines\":[{\"sku\":\"a\",\"quantity\":-1,\"unitPriceMinor\":5}]}", ""},
    {TB_CMD_PLACE,
     "{\"kind\":\"GIFT\",\"lines\":[{\"sku\":\"a\",\"quantity\":-1,\"unitPriceMinor\":5}]}",
     "/kind"},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\",\"quantity\":1.0,\"unitPriceMinor\":5}]}",
     "/lines/0/quantity"},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\",\"quantity\":1e2,\"unitPriceMinor\":3.5}]}",
     "/lines/0/quantity /lines/0/unitPriceMinor"},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\",\"quantity\":\"1\",\"unitPriceMinor\":true}]}",
     "/lines/0/quantity /lines/0/unitPriceMinor"},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\",\"quantity\":1000000000,\"unitPriceMinor\":9}]}",
     ""},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\",\"quantity\":1000000001,\"unitPriceMinor\":9}]}",
     "/lines/0/quantity"},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\",\"quantity\":9,\"unitPriceMinor\":1000000000}]}",
     ""},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\",\"quantity\":9,\"unitPriceMinor\":1000000001}]}",
     "/lines/0/unitPriceMinor"},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\",\"quantity\":9,\"unitPriceMinor\":-1}]}",
     "/lines/0/unitPriceMinor"},
    {TB_CMD_PLACE,
     "{\"lines\":[{\"sku\":\"a\",\"quantity\":99999999999999999999,\"unitPriceMinor\":1}]}",
     "/lines/0/quantity"},
    /* 10^9 times 10^9 is within every limit but the total's */
    {TB_CMD_PLACE,
     "{\"lines\":[{\"sku\":\"a\",\"quantity\":1000000000,\"unitPriceMinor\":1000000000}]}",
     "/lines"},
    /* unknown fields, pointed at with ~ and / escaped */
    {TB_CMD_PLACE, "{\"total\":7," LINES "}", "/total"},
    {TB_CMD_PLACE, "{\"a/b~c\":7," LINES "}", "/a~1b~0c"},
    {TB_CMD_PLACE, "{\"\":7," LINES "}", "/"},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\",\"qty\":1,\"quantity\":1,\"unitPriceMinor\":1}]}",
     "/lines/0/qty"},
    /* shippingAddress */
    {TB_CMD_PLACE, "{\"shippingAddress\":{" ADDRESS "}," LINES "}", ""},
    {TB_CMD_PLACE, "{\"shippingAddress\":{}," LINES "}",
     "/shippingAddress/line1 /shippingAddress/city /shippingAddress/country"},
    {TB_CMD_PLACE, "{\"shippingAddress\":\"Berlin\"," LINES "}", "/shippingAddress"},
    {TB_CMD_PLACE, "{\"shippingAddress\":{" ADDRESS ",\"zip\":\"1\"}," LINES "}",
     "/shippingAddress/zip"},
    /* all errors at once */
    {TB_CMD_PLACE,
     "{\"orderId\":1,\"bad\":2,\"kind\":\"X\",\"lines\":[{\"sku\":\"\",\"quantity\":0}],"
     "\"shippingAddress\":{\"country\":\"Germany\"},\"placedAt\":\"now\"}",
     "/bad /orderId /kind /lines/0/sku /lines/0/quantity /lines/0/unitPriceMinor "
     "/shippingAddress/line1 /shippingAddress/city /shippingAddress/country /placedAt"},
    /* the other commands */
    {TB_CMD_ADDRESS, "{" ADDRESS "}", ""},
    {TB_CMD_ADDRESS, "{" ADDRESS ",\"line2\":\"\",\"postalCode\":\"10115\"}", ""},
    {TB_CMD_ADDRESS, "{\"line1\":\"\",\"city\":\"\",\"country\":\"DEU\"}",
     "/line1 /city /country"},
    {TB_CMD_ADDRESS, "{\"line1\":\"a\",\"city\":\"b\",\"country\":\"D1\"}", "/country"},
    {TB_CMD_ADDRESS, "{\"line1\":\"a\",\"city\":\"b\",\"country\":\"de\"}", "/country"},
    {TB_CMD_ADDRESS, "{\"shippingAddress\":{" ADDRESS "}}",
     "/shippingAddress /line1 /city /country"},
    {TB_CMD_ADDRESS, "7", "."},
    {TB_CMD_LINES, "{" LINES "}", ""},
    {TB_CMD_LINES, "{\"lines\":[{\"sku\":\"a\",\"quantity\":-1,\"unitPriceMinor\":1}]}", ""},
    {TB_CMD_LINES, "{\"lines\":[]}", "/lines"},
    {TB_CMD_LINES, "[" LINE "]", "."},
    {TB_CMD_LINES, "{" LINES ",\"totalMinor\":700}", "/totalMinor"},
    {TB_CMD_SHIP, "", ""},
    {TB_CMD_SHIP, "{}", ""},
    {TB_CMD_SHIP, "[]", "."},
    {TB_CMD_SHIP, "{\"carrier\":\"x\"}", "/carrier"},
    {TB_CMD_CANCEL, "", ""},
    {TB_CMD_CANCEL, "{}", ""},
    {TB_CMD_CANCEL, "{\"reason\":\"\"}", ""},
    {TB_CMD_CANCEL, "{\"reason\":\"changed\\nher mind\"}", ""},
    {TB_CMD_CANCEL, "{\"reason\":7}", "/reason"},
    {TB_CMD_CANCEL, "{\"why\":\"x\"}", "/why"},
};

static struct tb_arena arena;
static struct tb_field_errors errors;
static struct tb_command command;
static struct tb_error err;
static struct tb_buf text;

static void setup(void)
{
    ck_ok(tb_zone_set("UTC", &err));
}

static void teardown(void)
{
    tb_arena_release(&arena);
    tb_buf_release(&text);
}

static enum tb_code parse(enum tb_command_type type, struct tb_str body)
{
    return tb_command_parse(type, body, &sample_context, &arena, &command, &errors, &err);
}

START_TEST(every_rule_has_its_pointer)
{
    const struct row *row = &rows[_i];
    enum tb_code code = parse(row->type, tb_str_of(row->body));

    sample_pointers(&errors, &text);
    ck_assert_msg(strcmp(text.data, row->pointers) == 0, "%s: got %s", row->body, text.data);
    ck_assert_int_eq(code, row->pointers[0] ? TB_INVALID : TB_OK);
    for (size_t i = 0; i < errors.count; i++)
        ck_assert_uint_gt(errors.list[i].detail.len, 5);
}
END_TEST

/* Malformed JSON gives an error without a list (400), not a list of errors (422). */
START_TEST(malformed_json_lists_no_errors)
{
    static const char *const bodies[] = {
        "", "{", "{} {}", "{\"a\":01}", "{\"lines\":[}", "\xff", "{\"a\":1,\"a\":2}", " "};

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        ck_assert_int_eq(parse(TB_CMD_PLACE, tb_str_of(bodies[i])), TB_INVALID);
        ck_assert_uint_eq(errors.count, 0);
        ck_assert_uint_gt(strlen(err.text), 0);
    }
}
END_TEST

START_TEST(a_placed_order_is_read_in_full)
{
    static const char body[] =
        "{\"orderId\":\"0191D2C0-5E6F-7A1B-8C2D-3E4F5A6B7C8D\",\"customerId\":\"C-1\","
        "\"source\":\"WEB\",\"kind\":\"RETURN\",\"currency\":\"KWD\",\"lines\":["
        "{\"sku\":\"A\",\"name\":\"Tea\",\"quantity\":-2,\"unitPriceMinor\":1500},"
        "{\"sku\":\"B\",\"quantity\":-1,\"unitPriceMinor\":7}],"
        "\"shippingAddress\":{" ADDRESS ",\"line2\":\"2\",\"postalCode\":\"3\"},"
        "\"placedAt\":\"2010-12-01T08:26:00+01:00\"}";
    char *copy = strdup(body);

    ck_ok(parse(TB_CMD_PLACE, tb_str_of(copy)));
    /* Nothing is borrowed from the body. */
    memset(copy, 'x', sizeof body - 1);
    free(copy);
    ck_assert_str_eq(command.order_id, SAMPLE_ORDER_ID);
    ck_assert(tb_str_eq(command.customer_id, TB_STR("C-1")));
    ck_assert(tb_str_eq(command.source, TB_STR("WEB")));
    ck_assert_int_eq(command.kind, TB_RETURN);
    ck_assert_str_eq(command.currency, "KWD");
    ck_assert_uint_eq(command.line_count, 2);
    ck_assert(tb_str_eq(command.lines[0].name, TB_STR("Tea")));
    ck_assert_ptr_null(command.lines[1].name.ptr);
    ck_assert_int_eq(command.total_minor, -3007);
    ck_assert(command.has_address);
    ck_assert(tb_str_eq(command.address.line2, TB_STR("2")));
    ck_assert(command.has_placed_at);
    ck_assert_int_eq(command.placed_at_ms, INT64_C(1291188360000));
}
END_TEST

START_TEST(what_is_left_out_has_its_default)
{
    ck_ok(parse(TB_CMD_PLACE, TB_STR("{" LINES "}")));
    ck_assert_str_eq(command.order_id, "");
    ck_assert_ptr_null(command.customer_id.ptr);
    ck_assert(tb_str_eq(command.source, TB_STR("UNKNOWN")));
    ck_assert_int_eq(command.kind, TB_SALE);
    ck_assert_str_eq(command.currency, "EUR");
    ck_assert(!command.has_address);
    ck_assert(!command.has_placed_at);
    ck_assert(!command.has_expected_version);
    ck_ok(parse(TB_CMD_CANCEL, TB_STR("{\"reason\":\"\"}")));
    ck_assert_ptr_null(command.reason.ptr);
}
END_TEST

/* Limits count bytes, so a two-byte letter counts twice; a text of exactly the limit is accepted.
 */
static const struct {
    enum tb_command_type type;
    const char *front, *back, *pointer;
    size_t max;
} limits[] = {
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"", "\",\"quantity\":1,\"unitPriceMinor\":1}]}",
     "/lines/0/sku", TB_SKU_MAX},
    {TB_CMD_PLACE, "{\"lines\":[{\"sku\":\"a\",\"name\":\"",
     "\",\"quantity\":1,\"unitPriceMinor\":1}]}", "/lines/0/name", TB_NAME_MAX},
    {TB_CMD_PLACE, "{\"customerId\":\"", "\"," LINES "}", "/customerId", TB_TEXT_MAX},
    {TB_CMD_CANCEL, "{\"reason\":\"", "\"}", "/reason", TB_TEXT_MAX},
    {TB_CMD_ADDRESS, "{\"city\":\"b\",\"country\":\"DE\",\"line1\":\"", "\"}", "/line1",
     TB_TEXT_MAX},
    {TB_CMD_ADDRESS, "{" ADDRESS ",\"line2\":\"", "\"}", "/line2", TB_TEXT_MAX},
    {TB_CMD_ADDRESS, "{" ADDRESS ",\"postalCode\":\"", "\"}", "/postalCode", TB_TEXT_MAX},
    {TB_CMD_ADDRESS, "{\"line1\":\"a\",\"country\":\"DE\",\"city\":\"", "\"}", "/city",
     TB_TEXT_MAX},
};

START_TEST(text_limits_are_bytes)
{
    for (size_t over = 0; over < 2; over++) {
        struct tb_buf body = {0};

        tb_buf_adds(&body, limits[_i].front);
        for (size_t i = 0; i < limits[_i].max / 2; i++)
            tb_buf_adds(&body, "\xc3\xa9");
        for (size_t i = 0; i < over; i++)
            tb_buf_addc(&body, 'x');
        tb_buf_adds(&body, limits[_i].back);
        ck_assert_int_eq(parse(limits[_i].type, tb_buf_str(&body)), over ? TB_INVALID : TB_OK);
        sample_pointers(&errors, &text);
        ck_assert_str_eq(text.data, over ? limits[_i].pointer : "");
        tb_buf_release(&body);
    }
}
END_TEST

static void many_lines(struct tb_buf *out, size_t count, const char *line)
{
    tb_buf_clear(out);
    tb_buf_adds(out, "{\"lines\":[");
    for (size_t i = 0; i < count; i++) {
        tb_buf_adds(out, i > 0 ? "," : "");
        tb_buf_adds(out, line);
    }
    tb_buf_adds(out, "]}");
}

START_TEST(a_thousand_lines_and_no_more)
{
    struct tb_buf body = {0};

    many_lines(&body, TB_LINES_MAX, LINE);
    ck_ok(parse(TB_CMD_PLACE, tb_buf_str(&body)));
    ck_assert_int_eq(command.total_minor, 700000);
    ck_ok(parse(TB_CMD_LINES, tb_buf_str(&body)));
    ck_assert_uint_eq(command.line_count, TB_LINES_MAX);
    many_lines(&body, TB_LINES_MAX + 1, LINE);
    for (int type = TB_CMD_PLACE; type <= TB_CMD_LINES; type += TB_CMD_LINES - TB_CMD_PLACE) {
        ck_assert_int_eq(parse((enum tb_command_type)type, tb_buf_str(&body)), TB_INVALID);
        sample_pointers(&errors, &text);
        ck_assert_str_eq(text.data, "/lines");
    }
    tb_buf_release(&body);
}
END_TEST

/* All errors are counted, but only the first ones are listed, up to a limit. */
START_TEST(errors_are_bounded)
{
    struct tb_buf body = {0};
    char expected[32];

    many_lines(&body, TB_LINES_MAX, "{\"quantity\":1,\"unitPriceMinor\":1}");
    ck_assert_int_eq(parse(TB_CMD_PLACE, tb_buf_str(&body)), TB_INVALID);
    ck_assert_uint_eq(errors.count, TB_LINES_MAX);
    for (size_t i = 0; i < TB_FIELD_ERRORS_MAX; i++) {
        snprintf(expected, sizeof expected, "/lines/%zu/sku", i);
        ck_assert_str_eq(errors.list[i].pointer.ptr, expected);
        ck_assert_str_eq(errors.list[i].detail.ptr, "is missing");
    }
    tb_buf_release(&body);
}
END_TEST

/* An unknown name that is too long to be repeated is reported by the pointer of its object. */
START_TEST(long_unknown_names_are_not_repeated)
{
    struct tb_buf body = {0};

    for (size_t len = TB_TEXT_MAX; len <= TB_TEXT_MAX + 1; len++) {
        tb_buf_clear(&body);
        tb_buf_adds(&body, "{\"");
        for (size_t i = 0; i < len; i++)
            tb_buf_addc(&body, '~');
        tb_buf_adds(&body, "\":1," LINES "}");
        ck_assert_int_eq(parse(TB_CMD_PLACE, tb_buf_str(&body)), TB_INVALID);
        ck_assert_uint_eq(errors.count, 1);
        ck_assert_uint_eq(errors.list[0].pointer.len, len > TB_TEXT_MAX ? 0 : 1 + 2 * len);
    }
    tb_buf_release(&body);
}
END_TEST

/* Checks the limits without the code under test. */
static void assert_within_limits(void)
{
    __int128 sum = 0;
    bool has_lines = command.type == TB_CMD_PLACE || command.type == TB_CMD_LINES;

    ck_assert(!has_lines || (command.line_count >= 1 && command.line_count <= TB_LINES_MAX));
    for (size_t i = 0; i < command.line_count; i++) {
        const struct tb_line *line = &command.lines[i];

        ck_assert(line->sku.len >= 1 && line->sku.len <= TB_SKU_MAX);
        ck_assert_uint_le(line->name.len, TB_NAME_MAX);
        ck_assert(line->quantity != 0 && line->quantity >= -TB_QUANTITY_MAX &&
                  line->quantity <= TB_QUANTITY_MAX);
        ck_assert(line->unit_price_minor >= 0 && line->unit_price_minor <= TB_PRICE_MAX);
        if (command.type == TB_CMD_PLACE)
            ck_assert_int_eq(line->quantity < 0, command.kind == TB_RETURN);
        sum += (__int128)line->quantity * line->unit_price_minor;
    }
    if (command.type == TB_CMD_PLACE) {
        ck_assert(sum == command.total_minor);
        ck_assert(command.total_minor >= -TB_TOTAL_MAX && command.total_minor <= TB_TOTAL_MAX);
        ck_assert(tb_currency_known(tb_str_of(command.currency), NULL));
        ck_assert(command.source.len >= 1 && command.source.len <= TB_SOURCE_MAX);
        ck_assert(!command.customer_id.ptr || command.customer_id.len >= 1);
    }
    if (command.has_address) {
        ck_assert(command.address.line1.len >= 1 && command.address.line1.len <= TB_TEXT_MAX);
        ck_assert(command.address.city.len >= 1 && command.address.city.len <= TB_TEXT_MAX);
        ck_assert_uint_eq(command.address.country.len, 2);
    }
    ck_assert_uint_le(command.reason.len, TB_TEXT_MAX);
}

static void mutate(struct fake_random *random, struct tb_buf *body)
{
    static const char *const pieces[] = {
        "0",       "-",   "9999999999", "\"", "{",    "}",      "[",  "]",  ",",  ":",   "null",
        "\\u0000", "1e9", "\xc3\xa9",   "\\", "kind", "RETURN", "-1", "[]", "{}", "\"\""};
    const char *piece = pieces[fake_random_below(random, sizeof pieces / sizeof pieces[0])];
    size_t at = fake_random_below(random, body->len + 1);
    size_t cut = fake_random_below(random, 4);
    struct tb_buf out = {0};

    if (cut > body->len - at)
        cut = body->len - at;
    tb_buf_add(&out, body->data, at);
    tb_buf_adds(&out, piece);
    tb_buf_add(&out, body->data + at + cut, body->len - at - cut);
    tb_buf_release(body);
    *body = out;
}

/* Mutated bodies never crash the parser, and none is accepted beyond a limit. */
START_TEST(mutated_bodies_keep_the_limits)
{
    struct fake_random random;
    int taken = 0, refused = 0, malformed = 0;

    fake_random_init(&random, test_seed(4));
    for (int round = 0; round < 60000; round++) {
        const struct row *row = &rows[fake_random_below(&random, sizeof rows / sizeof rows[0])];
        struct tb_buf body = {0};

        tb_buf_adds(&body, row->body);
        tb_buf_reserve(&body, 1);
        for (size_t n = 1 + fake_random_below(&random, 3); n > 0; n--)
            mutate(&random, &body);
        if (parse(row->type, tb_buf_str(&body)) == TB_OK) {
            assert_within_limits();
            taken++;
        } else {
            ck_assert_int_eq(err.code, TB_INVALID);
            refused += errors.count > 0;
            malformed += errors.count == 0;
        }
        tb_buf_release(&body);
        tb_arena_clear(&arena);
    }
    /* The mutations have reached all three outcomes. */
    ck_assert_int_gt(taken, 100);
    ck_assert_int_gt(refused, 500);
    ck_assert_int_gt(malformed, 500);
}
END_TEST

START_TEST(commands_have_names)
{
    ck_assert_str_eq(tb_command_name(TB_CMD_PLACE), "place");
    for (int i = 0; i < TB_CMD_COUNT; i++)
        ck_assert_ptr_nonnull(tb_command_name((enum tb_command_type)i));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command");
    TCase *tc = tcase_create("command");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, every_rule_has_its_pointer, 0, sizeof rows / sizeof rows[0]);
    tcase_add_test(tc, malformed_json_lists_no_errors);
    tcase_add_test(tc, a_placed_order_is_read_in_full);
    tcase_add_test(tc, what_is_left_out_has_its_default);
    tcase_add_loop_test(tc, text_limits_are_bytes, 0, sizeof limits / sizeof limits[0]);
    tcase_add_test(tc, a_thousand_lines_and_no_more);
    tcase_add_test(tc, errors_are_bounded);
    tcase_add_test(tc, long_unknown_names_are_not_repeated);
    tcase_add_test(tc, mutated_bodies_keep_the_limits);
    tcase_add_test(tc, commands_have_names);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

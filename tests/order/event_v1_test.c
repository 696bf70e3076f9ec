/* Promise: amounts of OrderPlaced.v1 are read exactly, and each valid event becomes the order that
 * v2 would place; the others are refused with the field that is wrong. */
#include "order/order_fields.h"
#include "order/samples.h"
#include <stdio.h>

static const struct {
    const char *text;
    int digits;
    bool cut, ok;
    int64_t value;
} decimals[] = {
    {"0", 2, false, true, 0},
    {"-0", 2, false, true, 0},
    {"-0.00", 2, false, true, 0},
    {"1", 2, false, true, 100},
    {"12.5", 2, false, true, 1250},
    {"12.50", 2, false, true, 1250},
    {"12.500", 2, false, true, 1250}, /* exact all the same */
    {"12.505", 2, false, false, 0},   /* never rounded */
    {"12.505", 3, false, true, 12505},
    {"0.1", 0, false, false, 0},
    {"7.0", 0, false, true, 7},
    {"0.01", 2, false, true, 1},
    {"0.001", 2, false, false, 0},
    {"-3.99", 2, false, true, -399},
    {"1e2", 2, false, true, 10000},
    {"1E+2", 2, false, true, 10000},
    {"1.5e-1", 2, false, true, 15},
    {"1.55e-1", 2, false, false, 0},
    {"1.0E7", 2, false, true, 1000000000},
    {"100e-2", 0, false, true, 1},
    {"0e999999999999", 2, false, true, 0},
    {"1e999999999999", 2, false, false, 0},
    {"1e-999999999999", 2, false, false, 0},
    {"90071992547409.91", 2, false, true, TB_JSON_INT_MAX},
    {"90071992547409.92", 2, false, false, 0},
    {"9007199254740991", 0, false, true, TB_JSON_INT_MAX},
    {"-9007199254740991", 0, false, true, -TB_JSON_INT_MAX},
    {"9007199254740992", 0, false, false, 0},
    {"123456789012345678901234567890", 0, false, false, 0},
    {"0.00000000000000000000000000000001", 2, false, false, 0},
    {"1.00000000000000000000000000000000", 2, false, true, 100},
    {"1.00000000000000000000000000000001", 2, false, false, 0},
    {"1731322800", 3, true, true, 1731322800000},
    {"1731322800.123456789", 3, true, true, 1731322800123},
    {"1731322800.12345678901234567", 3, true, true, 1731322800123},
    {"1.7313228E9", 3, true, true, 1731322800000},
    {"0.0009", 3, true, true, 0},
};

START_TEST(decimals_are_exact)
{
    int64_t value = -77;

    ck_assert_msg(tb_decimal_scale(tb_str_of(decimals[_i].text), decimals[_i].digits,
                                   decimals[_i].cut, &value) == decimals[_i].ok,
                  "%s", decimals[_i].text);
    ck_assert_msg(value == (decimals[_i].ok ? decimals[_i].value : -77), "%s: %lld",
                  decimals[_i].text, (long long)value);
}
END_TEST

/* Every amount, written with the decimal point at any place, is read back exactly. */
START_TEST(written_amounts_are_read_back)
{
    struct fake_random random;

    fake_random_init(&random, test_seed(7));
    for (int round = 0; round < 20000; round++) {
        int digits = (int)fake_random_below(&random, 5);
        int64_t scale = 1, value = -1;
        int64_t minor =
            (int64_t)(fake_random_u64(&random) >> (11 + fake_random_below(&random, 53)));
        char text[64];

        for (int i = 0; i < digits; i++)
            scale *= 10;
        snprintf(text, sizeof text, digits ? "%lld.%0*lld" : "%lld", (long long)(minor / scale),
                 digits, (long long)(minor % scale));
        bool ok = tb_decimal_scale(tb_str_of(text), digits, false, &value);
        ck_assert_msg(ok && value == minor, "%s: %lld", text, (long long)value);
    }
}
END_TEST

#define EVENT "\"eventId\":\"" SAMPLE_EVENT_ID "\",\"orderId\":\"" SAMPLE_ORDER_ID "\","
#define ITEM "{\"productId\":\"P1\",\"quantity\":2,\"price\":3.50}"
#define WHEN "\"timestamp\":\"2024-11-11T11:00:00Z\""
/* The order that all valid events below become. */
#define ORDER(kind, total, customer, lines)                                                       \
    "{\"orderId\":\"" SAMPLE_ORDER_ID "\",\"version\":1,\"status\":\"PLACED\",\"kind\":\"" kind   \
    "\",\"totalMinor\":" total ",\"currency\":\"EUR\",\"placedAt\":\"2024-11-11T11:00:00.000Z\"," \
    "\"businessDate\":\"2024-11-11\",\"node\":\"shop7\",\"source\":\"UNKNOWN\"," customer         \
    "\"lines\":[" lines "],\"updatedAt\":\"2024-11-11T11:00:00.000Z\","                           \
    "\"lastEventId\":\"" SAMPLE_EVENT_ID "\"}"
#define LINE "{\"sku\":\"P1\",\"quantity\":2,\"unitPriceMinor\":350}"

static const struct {
    const char *value;
    const char *order; /* NULL: refused */
    const char *error;
} events[] = {
    {"{" EVENT "\"customerId\":\"C1\",\"items\":[" ITEM "],\"totalAmount\":7.00," WHEN "}",
     ORDER("SALE", "700", "\"customerId\":\"C1\",", LINE), NULL},
    {"{" EVENT "\"items\":[" ITEM "],\"totalAmount\":7,\"timestamp\":1731322800}",
     ORDER("SALE", "700", "", LINE), NULL},
    {"{" EVENT "\"customerId\":null,\"items\":[" ITEM "],\"totalAmount\":7.0,\"x\":{},"
     "\"timestamp\":1731322800.000900}",
     ORDER("SALE", "700", "", LINE), NULL},
    {"{" EVENT "\"items\":[{\"productId\":42,\"quantity\":-1,\"price\":0.01}],"
     "\"totalAmount\":-0.01," WHEN "}",
     ORDER("RETURN", "-1", "", "{\"sku\":\"42\",\"quantity\":-1,\"unitPriceMinor\":1}"), NULL},
    {"{" EVENT "\"items\":[{\"productId\":\"P\",\"quantity\":1,\"price\":3.505}],"
     "\"totalAmount\":3.505," WHEN "}",
     NULL, "/items/0/price must be an amount that is exact"},
    {"{" EVENT "\"items\":[" ITEM ",{\"productId\":\"P\",\"quantity\":-1,\"price\":1}],"
     "\"totalAmount\":6.00," WHEN "}",
     NULL, "/items/1/quantity must be above 0"},
    {"{" EVENT "\"items\":[" ITEM "],\"totalAmount\":7.01," WHEN "}", NULL,
     "/totalAmount is not the sum of the items, 700"},
    {"{" EVENT "\"items\":[" ITEM "]," WHEN "}", NULL, "/totalAmount is missing"},
    {"{" EVENT "\"items\":[],\"totalAmount\":0," WHEN "}", NULL, "/items must have 1 to 1000"},
    {"{" EVENT "\"totalAmount\":0," WHEN "}", NULL, "/items must be an array"},
    {"{" EVENT "\"items\":[{\"quantity\":2,\"price\":3.50}],\"totalAmount\":7," WHEN "}", NULL,
     "/items/0/productId is missing"},
    {"{" EVENT "\"items\":[{\"productId\":4.5,\"quantity\":2,\"price\":1}],\"totalAmount\":2," WHEN
     "}",
     NULL, "/items/0/productId must be a string"},
    {"{" EVENT
     "\"items\":[{\"productId\":\"P\",\"quantity\":0,\"price\":1}],\"totalAmount\":0," WHEN "}",
     NULL, "/items/0/quantity must not be 0"},
    {"{" EVENT "\"items\":[{\"productId\":\"P\",\"quantity\":1,\"price\":-1}],"
     "\"totalAmount\":-1," WHEN "}",
     NULL, "/items/0/price must be from 0"},
    {"{" EVENT "\"items\":[{\"productId\":\"P\",\"quantity\":1,\"price\":\"1.00\"}],"
     "\"totalAmount\":1," WHEN "}",
     NULL, "/items/0/price must be a number, not a string"},
    {"{" EVENT "\"items\":[7],\"totalAmount\":7," WHEN "}", NULL, "/items/0 must be an object"},
    {"{" EVENT "\"items\":[" ITEM "],\"totalAmount\":7,\"timestamp\":\"yesterday\"}", NULL,
     "/timestamp must be an RFC 3339"},
    {"{" EVENT "\"items\":[" ITEM "],\"totalAmount\":7,\"timestamp\":1731322800000}", NULL,
     "/timestamp must be seconds"},
    {"{" EVENT "\"items\":[" ITEM "],\"totalAmount\":7,\"timestamp\":-1}", NULL,
     "/timestamp must be seconds"},
    {"{" EVENT "\"items\":[" ITEM "],\"totalAmount\":7}", NULL, "/timestamp is missing"},
    {"{\"items\":[" ITEM "],\"totalAmount\":7," WHEN "}", NULL, "/orderId is missing"},
    {"{\"orderId\":\"12\",\"items\":[" ITEM "],\"totalAmount\":7," WHEN "}", NULL,
     "/orderId must be a UUID"},
    {"7", NULL, "must be an object"},
};

static enum tb_code decode(const char *text, const char *currency, struct tb_buf *ret_doc,
                           struct tb_error *err)
{
    struct tb_event_context context = {
        .type = TB_STR("OrderPlaced.v1"), .currency = currency, .node = TB_STR("shop7")};
    struct tb_arena arena = {0};
    struct tb_json *json = sample_json(text);
    struct tb_event event;
    struct tb_order order = {0};
    enum tb_code code = tb_event_decode(json, &context, &arena, &event, err);

    if (code == TB_OK) {
        ck_assert_int_eq(event.type, TB_EVENT_PLACED);
        ck_assert_int_eq(event.version, 1);
        ck_assert_str_eq(event.event_id, event.order.last_event_id);
        tb_event_apply(&event, &order);
        tb_order_encode(ret_doc, &order);
    }
    tb_json_free(json);
    tb_arena_release(&arena);
    return code;
}

START_TEST(old_events_become_new_ones)
{
    struct tb_error err = {0};
    struct tb_buf doc = {0};

    ck_ok(tb_zone_set("UTC", &err));
    enum tb_code code = decode(events[_i].value, "EUR", &doc, &err);
    if (events[_i].order) {
        ck_assert_msg(code == TB_OK, "%s", err.text);
        ck_assert_str_eq(doc.data, events[_i].order);
    } else {
        ck_assert_int_eq(code, TB_INVALID);
        ck_assert_msg(strstr(err.text, events[_i].error) != NULL, "%s", err.text);
    }
    tb_buf_release(&doc);
}
END_TEST

/* The name becomes part of keys in a database. */
START_TEST(a_node_has_a_proper_name)
{
    static const struct tb_str names[] = {
        {"", 0},       {"a\0b", 3}, {"\xff", 1},
        {"shop 7", 6}, {"a/b", 3},  TB_STR("123456789012345678901234567890123"),
    };
    struct tb_event_context context = {.type = TB_STR("OrderPlaced.v1"), .currency = "EUR"};
    struct tb_arena arena = {0};
    struct tb_json *json = sample_json(events[0].value);
    struct tb_error err = {0};
    struct tb_event event;

    context.node = names[_i];
    ck_assert_int_eq(tb_event_decode(json, &context, &arena, &event, &err), TB_INVALID);
    ck_assert_msg(strstr(err.text, "name is not 1 to 32"), "%s", err.text);
    context.node = TB_STR("12345678901234567890123456-Aa-zZ");
    ck_ok(tb_event_decode(json, &context, &arena, &event, &err));
    tb_json_free(json);
    tb_arena_release(&arena);
}
END_TEST

/* The digits of the currency determine the minor units. */
START_TEST(amounts_follow_the_currency)
{
    static const char value[] =
        "{" EVENT "\"items\":[{\"productId\":\"P\",\"quantity\":1,\"price\":12}],"
        "\"totalAmount\":12," WHEN "}";
    static const struct {
        const char *currency, *total;
    } rows[] = {{"JPY", "\"totalMinor\":12,"},
                {"EUR", "\"totalMinor\":1200,"},
                {"KWD", "\"totalMinor\":12000,"}};

    for (size_t i = 0; i < 3; i++) {
        struct tb_error err = {0};
        struct tb_buf doc = {0};

        ck_ok(decode(value, rows[i].currency, &doc, &err));
        ck_assert_ptr_nonnull(strstr(doc.data, rows[i].total));
        tb_buf_release(&doc);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_v1");
    TCase *tc = tcase_create("event_v1");

    tcase_add_loop_test(tc, decimals_are_exact, 0, sizeof decimals / sizeof decimals[0]);
    tcase_add_test(tc, written_amounts_are_read_back);
    tcase_add_loop_test(tc, a_node_has_a_proper_name, 0, 6);
    tcase_add_loop_test(tc, old_events_become_new_ones, 0, sizeof events / sizeof events[0]);
    tcase_add_test(tc, amounts_follow_the_currency);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

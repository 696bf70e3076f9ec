/* Promise: an order is encoded in one fixed form, and every document is decoded to the same order
 * or refused with the field that is wrong. */
#include "order/samples.h"

static const char full[] =
    "{\"orderId\":\"" SAMPLE_ORDER_ID "\",\"orderNumber\":\"till1-000042\",\"version\":3,"
    "\"status\":\"SHIPPED\",\"kind\":\"SALE\",\"totalMinor\":700,\"currency\":\"EUR\","
    "\"placedAt\":\"2026-11-23T08:20:42.123Z\",\"businessDate\":\"2026-11-23\",\"node\":\"till1\","
    "\"source\":\"POS\",\"customerId\":\"C-1001\","
    "\"lines\":[{\"sku\":\"TEA-1\",\"name\":\"Green \\\"tea\\\"\",\"quantity\":2,"
    "\"unitPriceMinor\":350},{\"sku\":\"BAG\",\"quantity\":1,\"unitPriceMinor\":0}],"
    "\"shippingAddress\":{\"line1\":\"Main 1\",\"line2\":\"\",\"city\":\"Berlin\","
    "\"postalCode\":\"10115\",\"country\":\"DE\"},\"updatedAt\":\"2026-11-23T08:21:00.000Z\","
    "\"lastEventId\":\"" SAMPLE_EVENT_ID "\"}";
/* As an order from OrderPlaced.v1 may look. */
static const char minimal[] =
    "{\"orderId\":\"" SAMPLE_ORDER_ID "\",\"version\":1,\"status\":\"PLACED\",\"kind\":\"RETURN\","
    "\"totalMinor\":-9,\"currency\":\"JPY\",\"placedAt\":\"1970-01-01T00:00:00.000Z\","
    "\"businessDate\":\"1970-01-01\",\"source\":\"UNKNOWN\","
    "\"lines\":[{\"sku\":\"1\",\"quantity\":-3,\"unitPriceMinor\":3}],"
    "\"updatedAt\":\"1970-01-01T00:00:00.000Z\"}";

static void encode_again(const char *text, const char *expected)
{
    struct tb_error err = {0};
    struct tb_arena arena = {0};
    struct tb_json *json = sample_json(text);
    struct tb_order order;
    struct tb_buf out = {0};

    ck_ok(tb_order_decode(json, &arena, &order, &err));
    tb_order_encode(&out, &order);
    ck_assert_str_eq(out.data, expected);
    tb_buf_release(&out);
    tb_json_free(json);
    tb_arena_release(&arena);
}

START_TEST(the_form_is_fixed)
{
    encode_again(full, full);
    encode_again(minimal, minimal);
}
END_TEST

/* A stranger may add fields, mix their order, write ids in capitals and leave updatedAt out. */
START_TEST(documents_of_other_programs_are_read)
{
    encode_again("{\"x\":[{\"sku\":1}],\"lines\":[{\"unitPriceMinor\":3,\"sku\":\"1\",\"y\":null,"
                 "\"quantity\":-3}],\"source\":\"UNKNOWN\",\"businessDate\":\"1970-01-01\","
                 "\"placedAt\":\"1970-01-01T01:00:00+01:00\",\"currency\":\"JPY\","
                 "\"totalMinor\":-9,\"kind\":\"RETURN\",\"status\":\"PLACED\",\"version\":1,"
                 "\"orderId\":\"0191D2C0-5E6F-7A1B-8C2D-3E4F5A6B7C8D\",\"delivery\":\"pending\"}",
                 minimal);
}
END_TEST

/* Whatever an order holds, reading it back loses nothing. */
START_TEST(encode_decode_encode_is_identical)
{
    struct tb_error err = {0};
    struct tb_arena arena = {0};
    struct fake_random random;
    struct tb_buf first = {0}, second = {0};

    fake_random_init(&random, test_seed(3));
    for (int round = 0; round < 1000; round++) {
        struct tb_order order, back;

        sample_order(&random, &arena, &order);
        tb_buf_clear(&first);
        tb_order_encode(&first, &order);
        struct tb_json *json = sample_json(first.data);
        ck_ok(tb_order_decode(json, &arena, &back, &err));
        tb_buf_clear(&second);
        tb_order_encode(&second, &back);
        ck_assert_str_eq(first.data, second.data);
        ck_assert_int_eq(order.total_minor, back.total_minor);
        ck_assert_int_eq(order.updated_at_ms, back.updated_at_ms);
        ck_assert_str_eq(order.order_number, back.order_number);
        ck_assert(tb_str_eq(order.customer_id, back.customer_id));
        ck_assert(tb_str_eq(order.node, back.node));
        ck_assert(tb_str_eq(order.address.line2, back.address.line2));
        ck_assert(tb_str_eq(order.address.postal_code, back.address.postal_code));
        for (size_t i = 0; i < order.line_count; i++)
            ck_assert(tb_str_eq(order.lines[i].name, back.lines[i].name));
        tb_json_free(json);
        tb_arena_clear(&arena);
    }
    tb_buf_release(&first);
    tb_buf_release(&second);
    tb_arena_release(&arena);
}
END_TEST

/* The document `full` with `from` put in place of `with`; the error names the field. */
static const struct {
    const char *from, *with, *error;
} wrong[] = {
    {"\"" SAMPLE_ORDER_ID "\"", "\"42\"", "/orderId must be a UUID"},
    {"\"orderId\"", "\"orderid\"", "/orderId is missing"},
    {"\"orderNumber\":\"till1-000042\"", "\"orderNumber\":\"\"", "/orderNumber must not be empty"},
    {"till1-000042", "1234567890123456789012345678901234567890123456789012345",
     "/orderNumber must have at most 53 bytes, not 55"},
    {"\"version\":3", "\"version\":0", "/version must be from 1 to"},
    {"\"version\":3", "\"version\":3.0", "/version must be a whole number"},
    {"\"version\":3", "\"version\":\"3\"", "/version must be a whole number, not a string"},
    {"SHIPPED", "LOST", "/status must be"},
    {"\"status\":\"SHIPPED\",", "", "/status is missing"},
    {"\"SALE\"", "\"GIFT\"", "/kind must be"},
    {"\"SALE\"", "\"RETURN\"", "/lines/0/quantity must be below 0"},
    {"\"kind\":\"SALE\",", "", "/kind is missing"},
    {"\"totalMinor\":700", "\"totalMinor\":701", "/totalMinor is not the sum of the lines, 700"},
    {"\"totalMinor\":700", "\"totalMinor\":9007199254740992", "/totalMinor must be"},
    {"\"EUR\"", "\"EUX\"", "/currency must be"},
    {"\"currency\":\"EUR\",", "", "/currency is missing"},
    {"\"2026-11-23T08:20:42.123Z\"", "\"2026-11-23\"", "/placedAt must be an RFC 3339"},
    {"2026-11-23T08:20:42.123Z", "1969-12-31T23:59:59.999Z", "/placedAt must not be before 1970"},
    {"\"businessDate\":\"2026-11-23\"", "\"businessDate\":\"2026-02-29\"",
     "/businessDate must be"},
    {"\"businessDate\":\"2026-11-23\",", "", "/businessDate is missing"},
    {"\"node\":\"till1\"", "\"node\":\"123456789012345678901234567890123\"", "/node must have"},
    {"\"source\":\"POS\"", "\"source\":\"pos\"", "/source must consist of"},
    {"\"source\":\"POS\",", "", "/source is missing"},
    {"\"customerId\":\"C-1001\"", "\"customerId\":\"\"", "/customerId must not be empty"},
    {"\"sku\":\"TEA-1\"", "\"sku\":\"\"", "/lines/0/sku must not be empty"},
    {"\"sku\":\"BAG\",", "", "/lines/1/sku is missing"},
    {"\"quantity\":1", "\"quantity\":0", "/lines/1/quantity must not be 0"},
    {"\"quantity\":1", "\"quantity\":-1", "/lines/1/quantity must be above 0"},
    {"\"unitPriceMinor\":0", "\"unitPriceMinor\":-1", "/lines/1/unitPriceMinor must be from 0"},
    {"\"lines\":[", "\"lines\":[7,", "/lines/0 must be an object"},
    {"\"lines\"", "\"rows\"", "/lines is missing"},
    {"\"country\":\"DE\"", "\"country\":\"de\"", "/shippingAddress/country must consist of"},
    {"\"city\":\"Berlin\",", "", "/shippingAddress/city is missing"},
    {"2026-11-23T08:21:00.000Z", "soon", "/updatedAt must be"},
    {"\"" SAMPLE_EVENT_ID "\"", "7", "/lastEventId must be a string"},
};

START_TEST(wrong_fields_are_named)
{
    struct tb_error err = {0};
    struct tb_arena arena = {0};
    struct tb_order order = {.version = 77};
    struct tb_buf text = {0};
    const char *at = strstr(full, wrong[_i].from);

    ck_assert_ptr_nonnull(at);
    tb_buf_add(&text, full, (size_t)(at - full));
    tb_buf_adds(&text, wrong[_i].with);
    tb_buf_adds(&text, at + strlen(wrong[_i].from));
    struct tb_json *json = sample_json(text.data);
    ck_assert_int_eq(tb_order_decode(json, &arena, &order, &err), TB_INVALID);
    ck_assert_msg(strstr(err.text, wrong[_i].error) != NULL, "%s: %s", wrong[_i].with, err.text);
    ck_assert_int_eq(order.version, 77); /* untouched */
    tb_json_free(json);
    tb_buf_release(&text);
    tb_arena_release(&arena);
}
END_TEST

START_TEST(only_an_object_is_an_order)
{
    struct tb_error err = {0};
    struct tb_arena arena = {0};
    struct tb_order order;
    struct tb_json *json = sample_json("[]");

    ck_assert_int_eq(tb_order_decode(json, &arena, &order, &err), TB_INVALID);
    ck_assert_str_eq(err.text, "the order: the value must be an object, not an array");
    tb_json_free(json);
    tb_arena_release(&arena);
}
END_TEST

/* The shortest texts there may be are not taken for none. */
START_TEST(short_texts_are_kept)
{
    struct tb_line line = {TB_STR("a"), TB_STR("b"), 1, 0};
    struct tb_order order = {.order_id = SAMPLE_ORDER_ID,
                             .version = 1,
                             .currency = "EUR",
                             .business_date = "1970-01-01",
                             .node = TB_STR("n"),
                             .customer_id = TB_STR("c"),
                             .source = TB_STR("S"),
                             .lines = &line,
                             .line_count = 1};
    struct tb_buf out = {0};

    tb_order_encode(&out, &order);
    ck_assert_ptr_nonnull(strstr(out.data, "\"node\":\"n\",\"source\":\"S\",\"customerId\":\"c\","
                                           "\"lines\":[{\"sku\":\"a\",\"name\":\"b\","));
    tb_buf_release(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("order_json");
    TCase *tc = tcase_create("order_json");

    tcase_add_test(tc, the_form_is_fixed);
    tcase_add_test(tc, documents_of_other_programs_are_read);
    tcase_add_test(tc, encode_decode_encode_is_identical);
    tcase_add_loop_test(tc, wrong_fields_are_named, 0, sizeof wrong / sizeof wrong[0]);
    tcase_add_test(tc, only_an_object_is_an_order);
    tcase_add_test(tc, short_texts_are_kept);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

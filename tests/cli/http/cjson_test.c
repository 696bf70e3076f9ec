/* Promise: the values of an answer are read exactly, and a text that cJSON would misread is
 * refused. */
#include "cli/http/cjson.h"
#include "support/support.h"
#include <stdlib.h>

static cJSON *parse(const char *bytes, size_t len)
{
    struct tb_buf text = {0};
    cJSON *root;

    tb_buf_add(&text, bytes, len);
    root = tb_cjson_parse(&text);
    tb_buf_release(&text);
    return root;
}

START_TEST(what_cjson_would_misread_is_refused)
{
    static const struct tb_str texts[] = {
        TB_STR(""),
        TB_STR("<html>"),
        TB_STR("{} {}"),
        TB_STR("{}\0"),
        TB_STR("{}\0{}"),
        TB_STR("{\"a\":\"b\\u0000c\"}"),
        TB_STR("{\"a\\u0000\":1}"),
        TB_STR("\"\\\\\\u0000\""),
        TB_STR("\"\\u12G4\""),
        TB_STR("\"\\"),
        TB_STR("\"\\u"),
        TB_STR("\"\xC0\xAF\""), /* overlong */
        TB_STR("\"\xE2\x82\""), /* cut */
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        ck_assert_msg(!parse(texts[i].ptr, texts[i].len), "%zu: %s", i, texts[i].ptr);
}
END_TEST

/* A deep document from another machine must not use up the stack. */
START_TEST(a_deep_document_is_refused)
{
    struct tb_buf text = {0};

    for (int i = 0; i < 100000; i++)
        tb_buf_addc(&text, '[');
    ck_assert_ptr_null(tb_cjson_parse(&text));
    tb_buf_release(&text);
}
END_TEST

START_TEST(an_escaped_backslash_is_no_escape)
{
    static const char text[] = "{\"value\":\"{\\\"a\\\":\\\"\\\\u0000\\\"}\"}";
    TB_CLEANUP(tb_cjson_freep) cJSON *root = parse(text, sizeof text - 1);

    ck_assert(tb_str_eq(tb_cjson_text(root, "value"), TB_STR("{\"a\":\"\\u0000\"}")));
}
END_TEST

START_TEST(members_are_found_by_their_exact_name)
{
    static const char text[] =
        "{\"List\":[7],\"list\":[1,{\"a\":true}],\"text\":\"x\",\"no\":null}";
    TB_CLEANUP(tb_cjson_freep) cJSON *root = parse(text, sizeof text - 1);
    const cJSON *first = tb_cjson_first(root, "list");
    int64_t value = 0;

    ck_assert(tb_cjson_is_int(first, &value));
    ck_assert_int_eq(value, 1);
    ck_assert(cJSON_IsTrue(tb_cjson_get(first->next, "a")));
    ck_assert_ptr_null(tb_cjson_first(root, "text"));
    ck_assert_ptr_null(tb_cjson_get(first, "a"));
    ck_assert_ptr_null(tb_cjson_get(NULL, "a"));
    ck_assert_ptr_null(tb_cjson_text(root, "no").ptr);
    ck_assert_ptr_null(tb_cjson_text(root, "absent").ptr);
    ck_assert(tb_str_eq(tb_cjson_text(root, "text"), TB_STR("x")));
}
END_TEST

static const struct {
    const char *text;
    bool is_int, is_amount;
    tb_sum value;
} numbers[] = {
    {"0", true, true, 0},
    {"-700", true, true, -700},
    {"9007199254740991", true, true, INT64_C(9007199254740991)},
    {"-9007199254740991", true, true, INT64_C(-9007199254740991)},
    {"9007199254740992", false, false, 0}, /* 2^53 + 1 is read as this, too */
    {"9007199254740993", false, false, 0},
    {"1.5", false, false, 0},
    {"1e400", false, false, 0},
    {"true", false, false, 0},
    {"null", false, false, 0},
    {"\"9007199254740993\"", false, true, INT64_C(9007199254740993)},
    {"\"-9223372036854775808\"", false, true, INT64_MIN},
    {"\"9223372036854775808\"", false, true, (tb_sum)1 << 63},
    {"\"7 \"", false, false, 0},
    {"\"\"", false, false, 0},
};

START_TEST(integers_are_exact_or_refused)
{
    TB_CLEANUP(tb_cjson_freep) cJSON *root = parse(numbers[_i].text, strlen(numbers[_i].text));
    int64_t value = 0;
    tb_sum minor = 0;

    ck_assert_ptr_nonnull(root);
    ck_assert_int_eq(tb_cjson_is_int(root, &value), numbers[_i].is_int);
    ck_assert_int_eq(tb_cjson_is_sum(root, &minor), numbers[_i].is_amount);
    ck_assert(value == (numbers[_i].is_int ? numbers[_i].value : 0));
    ck_assert(minor == numbers[_i].value);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cjson");
    TCase *tc = tcase_create("answers");

    tcase_add_test(tc, what_cjson_would_misread_is_refused);
    tcase_add_test(tc, a_deep_document_is_refused);
    tcase_add_test(tc, an_escaped_backslash_is_no_escape);
    tcase_add_test(tc, members_are_found_by_their_exact_name);
    tcase_add_loop_test(tc, integers_are_exact_or_refused, 0, sizeof numbers / sizeof numbers[0]);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

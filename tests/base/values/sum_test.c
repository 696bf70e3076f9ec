/* Promise: a sum is exact whatever it is, as text, as JSON, and back. Method: the values at which
 * something changes; random ones, added up digit by digit. */
#include "base/values/sum.h"
#include "support/support.h"

#define EXACT_MAX INT64_C(9007199254740991) /* 2^53 - 1 */

static const struct {
    const char *text, *json;
    bool is_int64;
} cases[] = {
    {"0", "\"totalMinor\":0", true},
    {"-1", "\"totalMinor\":-1", true},
    {"9007199254740991", "\"totalMinor\":9007199254740991", true},
    {"-9007199254740991", "\"totalMinor\":-9007199254740991", true},
    {"9007199254740992", "\"totalMinor\":\"9007199254740992\",\"exact\":\"string\"", true},
    {"-9007199254740992", "\"totalMinor\":\"-9007199254740992\",\"exact\":\"string\"", true},
    {"9223372036854775807", "\"totalMinor\":\"9223372036854775807\",\"exact\":\"string\"", true},
    {"-9223372036854775808", "\"totalMinor\":\"-9223372036854775808\",\"exact\":\"string\"", true},
    {"9223372036854775808", "\"totalMinor\":\"9223372036854775808\",\"exact\":\"string\"", false},
    {"-9223372036854775809", "\"totalMinor\":\"-9223372036854775809\",\"exact\":\"string\"",
     false},
    {"99999999999999999999999999999999999999",
     "\"totalMinor\":\"99999999999999999999999999999999999999\",\"exact\":\"string\"", false},
};

START_TEST(a_sum_is_exact_as_text_and_as_json)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf out = {0};
    char text[TB_SUM_SIZE];
    int64_t number = 0;
    tb_sum sum = 7;

    ck_assert(tb_sum_parse(tb_str_of(cases[_i].text), &sum));
    tb_sum_format(sum, text);
    ck_assert_str_eq(text, cases[_i].text);
    ck_assert_int_eq(tb_sum_int64(sum, &number), cases[_i].is_int64);
    ck_assert(!cases[_i].is_int64 || number == sum);
    tb_buf_addc(&out, '{');
    tb_sum_add_member(&out, "totalMinor", sum);
    tb_buf_addc(&out, '\0');
    ck_assert_str_eq(out.data + 1, cases[_i].json);
}
END_TEST

START_TEST(the_ends_have_a_text)
{
    char text[TB_SUM_SIZE];
    tb_sum lowest = (tb_sum)1 << 126;

    lowest = -lowest - lowest;
    tb_sum_format(lowest, text);
    ck_assert_str_eq(text, "-170141183460469231731687303715884105728");
    tb_sum_format(-(lowest + 1), text);
    ck_assert_str_eq(text, "170141183460469231731687303715884105727");
}
END_TEST

START_TEST(what_is_no_sum_is_refused)
{
    static const char *const texts[] = {"",
                                        "-",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1.0",
                                        "1e3",
                                        "0x1",
                                        "--1",
                                        "1-",
                                        "100000000000000000000000000000000000000" /* 39 digits */};
    tb_sum sum = 7;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(!tb_sum_parse(tb_str_of(texts[i]), &sum), "%s", texts[i]);
    ck_assert(sum == 7);
}
END_TEST

/* 1,100 orders as large as they may be, and their half taken away again. */
START_TEST(sums_of_the_largest_orders)
{
    char text[TB_SUM_SIZE];
    tb_sum sum = 0;

    for (int i = 0; i < 1100; i++)
        sum += EXACT_MAX;
    tb_sum_format(sum, text);
    ck_assert_str_eq(text, "9907919180215090100");
    for (int i = 0; i < 550; i++)
        sum -= EXACT_MAX;
    tb_sum_format(sum, text);
    ck_assert_str_eq(text, "4953959590107545050");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/values/sum");
    TCase *tc = tcase_create("sum");

    tcase_add_loop_test(tc, a_sum_is_exact_as_text_and_as_json, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tc, the_ends_have_a_text);
    tcase_add_test(tc, what_is_no_sum_is_refused);
    tcase_add_test(tc, sums_of_the_largest_orders);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

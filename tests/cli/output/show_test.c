/* Promise: an amount of any size is shown exactly, in the digits of its currency. */
#include "cli/output/show.h"
#include "support/support.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    tb_sum minor;
    int digits;
    const char *text;
} cases[] = {
    {0, 2, "0.00"},
    {0, 0, "0"},
    {7, 2, "0.07"},
    {-7, 2, "-0.07"},
    {700, 2, "7.00"},
    {-123456, 2, "-1234.56"},
    {1200, 0, "1200"},
    {-1, 0, "-1"},
    {5, 3, "0.005"},
    {12345, 4, "1.2345"},
    {9007199254740991, 2, "90071992547409.91"},
    {INT64_MAX, 2, "92233720368547758.07"},
    {INT64_MIN, 2, "-92233720368547758.08"},
    {INT64_MIN, 0, "-9223372036854775808"},
    {INT64_MAX, 9, "9223372036.854775807"},
    {(tb_sum)1100 * 9007199254740991, 2, "99079191802150901.00"},
    {(tb_sum)-1100 * 9007199254740991, 0, "-9907919180215090100"},
    {-5, 9, "-0.000000005"},
    {-100, 2, "-1.00"},
    {0, 2, "0.00"},
};

START_TEST(amounts_are_exact)
{
    char text[TB_AMOUNT_SIZE];

    tb_amount_format(cases[_i].minor, cases[_i].digits, text);
    ck_assert_str_eq(text, cases[_i].text);
}
END_TEST

/* Without its point, the text is the number in minor units. */
START_TEST(without_the_point_it_is_the_number)
{
    struct fake_random random;

    fake_random_init(&random, test_seed(1));
    for (int i = 0; i < 2000; i++) {
        int64_t minor = (int64_t)(fake_random_u64(&random) >> fake_random_below(&random, 63));
        int digits = (int)fake_random_below(&random, 5);
        char text[TB_AMOUNT_SIZE];
        char *point;

        tb_amount_format(minor, digits, text);
        point = strchr(text, '.');
        ck_assert_int_eq(point ? (int)strlen(point + 1) : 0, digits);
        if (point)
            memmove(point, point + 1, strlen(point));
        ck_assert_int_eq(strtoll(text, NULL, 10), minor);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("show");
    TCase *tc = tcase_create("amounts");

    tcase_add_loop_test(tc, amounts_are_exact, 0, sizeof cases / sizeof cases[0]);
    tcase_add_test(tc, without_the_point_it_is_the_number);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

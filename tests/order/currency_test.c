#include "order/order.h"
#include "support/support.h"

/* Promise: the list is ISO 4217's: 165 codes with a minor unit, of which 17 have no digits, 7 have
 * three and 2 have four. Method: every possible code is looked up, so that an entry out of order
 * shows. */
START_TEST(the_whole_list_is_found)
{
    int counts[5] = {0}, known = 0;

    for (int i = 0; i < 26 * 26 * 26; i++) {
        char code[3] = {(char)('A' + i / 676), (char)('A' + i / 26 % 26), (char)('A' + i % 26)};
        int digits = -1;

        if (!tb_currency_known((struct tb_str){code, 3}, &digits)) {
            ck_assert_int_eq(digits, -1);
            continue;
        }
        known++;
        ck_assert_int_ge(digits, 0);
        ck_assert_int_le(digits, 4);
        counts[digits]++;
    }
    ck_assert_int_eq(known, 165);
    ck_assert_int_eq(counts[0], 17);
    ck_assert_int_eq(counts[1], 0);
    ck_assert_int_eq(counts[3], 7);
    ck_assert_int_eq(counts[4], 2);
}
END_TEST

static const struct {
    const char *code;
    int digits; /* -1: unknown */
} currencies[] = {
    {"EUR", 2},  {"GBP", 2},  {"USD", 2},  {"JPY", 0}, {"KRW", 0},   {"KWD", 3},  {"TND", 3},
    {"CLF", 4},  {"AED", 2},  {"ZWG", 2},  {"XCG", 2}, {"XAF", 0},   {"HRK", -1}, /* withdrawn */
    {"ANG", -1}, /* withdrawn: XCG took its place */
    {"BGN", -1}, /* withdrawn with 2026 */
    {"XAU", -1}, /* gold has no minor unit */
    {"XUA", -1}, {"XTS", -1}, {"eur", -1}, {"EU", -1}, {"EURO", -1}, {"", -1},    {"E\xc3", -1},
};

START_TEST(known_currencies)
{
    int digits = -1;

    (void)tb_currency_known(tb_str_of(currencies[_i].code), &digits);
    ck_assert_msg(digits == currencies[_i].digits, "%s: %d", currencies[_i].code, digits);
    ck_assert_int_eq(tb_currency_known(tb_str_of(currencies[_i].code), NULL), digits >= 0);
}
END_TEST

START_TEST(absent_is_unknown)
{
    ck_assert(!tb_currency_known((struct tb_str){NULL, 0}, NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("currency");
    TCase *tc = tcase_create("currency");

    tcase_add_test(tc, the_whole_list_is_found);
    tcase_add_loop_test(tc, known_currencies, 0, sizeof currencies / sizeof currencies[0]);
    tcase_add_test(tc, absent_is_unknown);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

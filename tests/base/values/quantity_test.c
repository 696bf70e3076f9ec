/* Promise: a quantity is read exactly or refused, and written in its largest whole unit. */
#include "base/values/quantity.h"
#include "support/support.h"

START_TEST(durations)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } cases[] = {
        {"0", 0},
        {"5", 5000},
        {"500ms", 500},
        {"5s", 5000},
        {"2m", 120000},
        {"24h", 86400000},
        {"90d", 7776000000},
        {"9223372036854775807ms", INT64_MAX},
        {"9223372036854775808ms", -1},
        {"106751991168d", -1},
        {"99999999999999999999999", -1},
        {"", -1},
        {"s", -1},
        {"-1s", -1},
        {"+1s", -1},
        {"1.5s", -1},
        {"1 s", -1},
        {" 1s", -1},
        {"1S", -1},
        {"1w", -1},
        {"1sx", -1},
        {"forever", -1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;
        bool ok = tb_quantity_parse(tb_str_of(cases[i].text), tb_unit_durations, &ms);

        ck_assert_msg(ok == (cases[i].ms >= 0), "%s", cases[i].text);
        ck_assert_int_eq(ms, cases[i].ms);
    }
}
END_TEST

/* What is written is read back as the same value. */
START_TEST(the_largest_whole_unit_is_written)
{
    static const struct {
        const struct tb_unit *units;
        int64_t value;
        const char *text;
    } cases[] = {
        {tb_unit_none, 0, "0"},
        {tb_unit_none, 1000, "1000"},
        {tb_unit_bytes, 0, "0"},
        {tb_unit_bytes, 1023, "1023"},
        {tb_unit_bytes, 1536 * 1024, "1536KiB"},
        {tb_unit_bytes, INT64_C(3) << 30, "3GiB"},
        {tb_unit_durations, 0, "0ms"},
        {tb_unit_durations, 1500, "1500ms"},
        {tb_unit_durations, 5000, "5s"},
        {tb_unit_durations, 5400000, "90m"},
        {tb_unit_durations, 7776000000, "90d"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        TB_CLEANUP(tb_buf_release) struct tb_buf out = {0};
        int64_t value = -1;

        tb_quantity_add(&out, cases[i].units, cases[i].value);
        ck_assert_str_eq(out.data, cases[i].text);
        ck_assert(tb_quantity_parse(tb_buf_str(&out), cases[i].units, &value));
        ck_assert_int_eq(value, cases[i].value);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quantity");
    TCase *tc = tcase_create("quantity");

    tcase_add_test(tc, durations);
    tcase_add_test(tc, the_largest_whole_unit_is_written);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

/* Promise: a buffer has everything that was appended, NUL-terminated, and reports failed
 * allocations. */
#include "base/mem/buf.h"
#include "support/support.h"
#include <stdlib.h>

START_TEST(grows_and_stays_terminated)
{
    struct tb_buf buf = {0};

    ck_assert_str_eq(tb_buf_str(&buf).ptr, "");
    for (int i = 0; i < 5000; i++) {
        tb_buf_addc(&buf, (char)('a' + i % 26));
        ck_assert_uint_eq(strlen(buf.data), buf.len);
    }
    tb_buf_clear(&buf);
    tb_buf_adds(&buf, "n=");
    tb_buf_addf(&buf, "%05d", 42);
    tb_buf_add_str(&buf, TB_STR("!"));
    ck_assert_str_eq(buf.data, "n=00042!");
    tb_buf_release(&buf);
}
END_TEST

START_TEST(integers_are_exact_at_the_edges)
{
    static const struct {
        int64_t value;
        const char *text;
    } rows[] = {
        {0, "0"},
        {-1, "-1"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
        {1000, "1000"},
    };
    struct tb_buf buf = {0};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tb_buf_clear(&buf);
        tb_buf_add_int(&buf, rows[i].value);
        ck_assert_str_eq(buf.data, rows[i].text);
    }
    tb_buf_release(&buf);
}
END_TEST

START_TEST(a_failed_allocation_is_reported)
{
    struct tb_buf buf = {0};
    size_t len = 0;

    tb_buf_adds(&buf, "kept");
    ck_assert(!tb_buf_reserve(&buf, SIZE_MAX / 2));
    tb_buf_adds(&buf, "dropped");
    ck_assert(!tb_buf_ok(&buf));
    ck_assert_ptr_null(tb_buf_take(&buf, &len));
    ck_assert_ptr_null(buf.data);
}
END_TEST

START_TEST(take_returns_even_an_empty_text)
{
    struct tb_buf buf = {0};
    size_t len = 99;
    char *text = tb_buf_take(&buf, &len);

    ck_assert_str_eq(text, "");
    ck_assert_uint_eq(len, 0);
    free(text);
}
END_TEST

START_TEST(error_context_is_cut_not_overrun)
{
    struct tb_error err = {0};
    char longest[400];

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    ck_assert_int_eq(tb_error_set(&err, TB_FULL, "%s", longest), TB_FULL);
    ck_assert_int_eq(tb_error_wrap(&err, "opening"), TB_FULL);
    ck_assert_uint_lt(strlen(err.text), sizeof err.text);
    ck_assert_int_eq(memcmp(err.text, "opening: xxx", 12), 0);
    tb_error_errno(&err, TB_UNAVAILABLE, 2, "reading %s", "a.db");
    ck_assert_str_eq(err.text, "reading a.db: No such file or directory");
    ck_assert_int_eq(err.native, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buf");
    TCase *tc = tcase_create("buf");

    tcase_add_test(tc, grows_and_stays_terminated);
    tcase_add_test(tc, integers_are_exact_at_the_edges);
    tcase_add_test(tc, a_failed_allocation_is_reported);
    tcase_add_test(tc, take_returns_even_an_empty_text);
    tcase_add_test(tc, error_context_is_cut_not_overrun);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

/* Promise: counts are exact, whatever comes in which order, up to a limit that is reported. */
#include "base/values/sha256.h"
#include "cli/engine/occurrences.h"
#include "support/support.h"
#include <stdio.h>

static struct tb_occurrences counted;

static void setup(void)
{
    counted = (struct tb_occurrences){.max = TB_OCCURRENCES_MAX};
}

static void teardown(void)
{
    tb_occurrences_release(&counted);
}

static enum tb_code add(int number, uint32_t *ret_count, struct tb_error *err)
{
    uint8_t digest[TB_SHA256_SIZE];
    char text[16];

    snprintf(text, sizeof text, "%d", number);
    tb_sha256(tb_str_of(text), digest);
    return tb_occurrences_add(&counted, digest, ret_count, err);
}

/* 20,000 contents come in random order; the table grows several times meanwhile. */
START_TEST(counts_are_exact)
{
    enum { CONTENTS = 20000, LINES = 100000 };
    static uint32_t expected[CONTENTS];
    struct fake_random random;
    struct tb_error err = {0};

    memset(expected, 0, sizeof expected);
    fake_random_init(&random, test_seed(7));
    for (int i = 0; i < LINES; i++) {
        int number = (int)fake_random_below(&random, CONTENTS);
        uint32_t count = 0;

        ck_ok(add(number, &count, &err));
        ck_assert_uint_eq(count, ++expected[number]);
    }
    ck_assert_uint_lt(counted.capacity, CONTENTS * 4);
}
END_TEST

/* Known contents are counted on when there is no room for another one. */
START_TEST(the_limit_is_reported)
{
    struct tb_error err = {0};
    uint32_t count = 0;

    counted.max = 3000;
    for (int i = 0; i < 3000; i++)
        ck_ok(add(i, &count, &err));
    ck_assert_int_eq(add(3000, &count, &err), TB_FULL);
    ck_assert_ptr_nonnull(strstr(err.text, "more than 3000 different lines"));
    ck_assert_int_eq(add(3000, &count, &err), TB_FULL);
    ck_ok(add(17, &count, &err));
    ck_assert_uint_eq(count, 2);
}
END_TEST

/* The header promises how much memory the full table takes. */
START_TEST(the_full_table_has_a_bounded_size)
{
    struct tb_error err = {0};
    uint32_t count = 0;
    uint8_t digest[TB_SHA256_SIZE] = {0};

    for (uint32_t i = 0; i < TB_OCCURRENCES_MAX; i++) {
        uint32_t spread = i * 2654435761U;

        memcpy(digest, &spread, sizeof spread);
        if (tb_occurrences_add(&counted, digest, &count, &err) != TB_OK || count != 1)
            ck_abort_msg("content %u: %u, %s", i, count, err.text);
    }
    ck_assert_uint_eq(counted.capacity * 20, 80 << 20);
    memset(digest, 1, sizeof digest);
    ck_assert_int_eq(tb_occurrences_add(&counted, digest, &count, &err), TB_FULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli/engine/occurrences");
    TCase *tc = tcase_create("occurrences");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, counts_are_exact);
    tcase_add_test(tc, the_limit_is_reported);
    tcase_add_test(tc, the_full_table_has_a_bounded_size);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

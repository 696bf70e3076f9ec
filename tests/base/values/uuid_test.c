/* Promise: ids are of version 7 and unique, and sort in the order of their creation, even if the
 * clock jumps. */
#include "base/mem/arena.h"
#include "base/time/backoff.h"
#include "base/values/uuid.h"
#include "support/support.h"
#include <strings.h>

START_TEST(ids_sort_as_made_while_the_clock_jumps)
{
    struct fake_clock clock;
    struct fake_random random;
    char last[TB_UUID_SIZE] = "", next[TB_UUID_SIZE];

    fake_clock_init(&clock, 1700000000000);
    fake_random_init(&random, test_seed(7));
    struct tb_uuid_gen gen = {.clock = &clock.clock, .random = &random.random};
    for (int i = 0; i < 50000; i++) {
        if (fake_random_below(&random, 100) == 0)
            clock.wall_ms += (int64_t)fake_random_below(&random, 2000) - 1000;
        tb_uuid_new(&gen, next);
        ck_assert_str_gt(next, last);
        ck_assert_int_eq(next[14], '7');
        ck_assert_ptr_nonnull(strchr("89ab", next[19]));
        memcpy(last, next, sizeof last);
    }
}
END_TEST

START_TEST(time_stands_in_front)
{
    struct fake_clock clock;
    struct fake_random random;
    char id[TB_UUID_SIZE];

    fake_clock_init(&clock, 0x017F22E279B0); /* RFC 9562's example, A.6 */
    fake_random_init(&random, 1);
    struct tb_uuid_gen gen = {.clock = &clock.clock, .random = &random.random};
    tb_uuid_new(&gen, id);
    ck_assert_int_eq(memcmp(id, "017f22e2-79b0-7", 15), 0);
}
END_TEST

/* At each place, each of the 256 bytes. */
START_TEST(parse_takes_hex_digits_of_ascii_only)
{
    for (int c = 0; c < 256; c++) {
        char text[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", id[TB_UUID_SIZE];
        bool fits = text[_i] == '-' ? c == '-' : c && strchr("0123456789abcdefABCDEF", c);

        text[_i] = (char)c;
        ck_assert_int_eq(tb_uuid_parse((struct tb_str){text, TB_UUID_LEN}, id), fits);
        if (fits)
            ck_assert_int_eq(strncasecmp(id, text, TB_UUID_SIZE), 0);
    }
}
END_TEST

START_TEST(parse_takes_only_the_hyphenated_form)
{
    static const char *const bad[] = {
        "",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
        "017f22e279b07cc398c4dc0c0c07398f0000",
        "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "017f22e2 79b0-7cc3-98c4-dc0c0c07398f",
    };
    char id[TB_UUID_SIZE] = "untouched";

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert(!tb_uuid_parse(tb_str_of(bad[i]), id));
    ck_assert(!tb_uuid_parse((struct tb_str){0}, id));
    ck_assert_str_eq(id, "untouched");
    ck_assert(tb_uuid_parse(TB_STR("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), id));
    ck_assert_str_eq(id, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}
END_TEST

/* Full jitter: never above the bound, the bound doubles up to the cap, and a success resets it. */
START_TEST(backoff_is_jittered_and_capped)
{
    struct fake_random random;
    int64_t bound = 100, widest = 0;

    fake_random_init(&random, test_seed(11));
    struct tb_backoff backoff = {.base_ms = 100, .cap_ms = 5000};
    for (int i = 0; i < 1000; i++) {
        int64_t wait = tb_backoff_next_ms(&backoff, &random.random);
        ck_assert_int_ge(wait, 0);
        ck_assert_int_le(wait, bound);
        widest = wait > widest ? wait : widest;
        bound = bound * 2 > 5000 ? 5000 : bound * 2;
    }
    ck_assert_int_gt(widest, 4000);
    tb_backoff_reset(&backoff);
    ck_assert_int_le(tb_backoff_next_ms(&backoff, &random.random), 100);
}
END_TEST

START_TEST(arena_keeps_what_it_gave)
{
    struct tb_arena arena = {0};
    char *kept[200];

    for (int i = 0; i < 200; i++) {
        kept[i] = tb_arena_alloc(&arena, (size_t)i * 37 + 1);
        ck_assert_uint_eq((uintptr_t)kept[i] % 16, 0);
        ck_assert_int_eq(kept[i][i * 37], 0);
        memset(kept[i], i, (size_t)i * 37 + 1);
    }
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq((unsigned char)kept[i][i * 37], i);
    ck_assert_ptr_null(tb_arena_array(&arena, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(tb_arena_copy(&arena, (struct tb_str){0}).ptr);
    ck_assert_str_eq(tb_arena_copy(&arena, TB_STR("tea")).ptr, "tea");
    tb_arena_clear(&arena);
    ck_assert_ptr_nonnull(tb_arena_alloc(&arena, 1));
    tb_arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("uuid");
    TCase *tc = tcase_create("uuid");

    tcase_add_test(tc, ids_sort_as_made_while_the_clock_jumps);
    tcase_add_test(tc, time_stands_in_front);
    tcase_add_test(tc, parse_takes_only_the_hyphenated_form);
    tcase_add_loop_test(tc, parse_takes_hex_digits_of_ascii_only, 0, TB_UUID_LEN);
    tcase_add_test(tc, backoff_is_jittered_and_capped);
    tcase_add_test(tc, arena_keeps_what_it_gave);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

/* Promise: digests are FIPS 180-4's, in lower-case hex. */
#include "base/values/sha256.h"
#include "support/support.h"
#include <stdlib.h>

/* NIST's examples, with those whose padding just fits or just does not. */
START_TEST(published_vectors)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq"
         "klmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    char hex[TB_SHA256_HEX_SIZE];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tb_sha256_hex(tb_str_of(cases[i].text), hex);
        ck_assert_str_eq(hex, cases[i].hex);
    }
    tb_sha256_hex((struct tb_str){NULL, 0}, hex);
    ck_assert_str_eq(hex, cases[0].hex);
}
END_TEST

START_TEST(a_million_times_a)
{
    char *text = malloc(1000000);
    char hex[TB_SHA256_HEX_SIZE];

    ck_assert_ptr_nonnull(text);
    memset(text, 'a', 1000000);
    tb_sha256_hex((struct tb_str){text, 1000000}, hex);
    ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sha256");
    TCase *tc = tcase_create("sha256");

    tcase_add_test(tc, published_vectors);
    tcase_add_test(tc, a_million_times_a);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

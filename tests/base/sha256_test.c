/* Promise: the digests are FIPS 180-4's, however the bytes are cut into pieces. */
#include "base/sha256.h"
#include "support/support.h"
#include <stdlib.h>
#include <string.h>

static void digest_hex(const char *bytes, size_t len, char ret_hex[65])
{
    struct tb_sha256 sha;
    uint8_t digest[TB_SHA256_SIZE];

    tb_sha256_init(&sha);
    tb_sha256_add(&sha, bytes, len);
    tb_sha256_end(&sha, digest);
    tb_sha256_hex(digest, ret_hex);
}

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
    char hex[65];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        digest_hex(cases[i].text, strlen(cases[i].text), hex);
        ck_assert_str_eq(hex, cases[i].hex);
    }
}
END_TEST

START_TEST(a_million_times_a)
{
    char *text = malloc(1000000);
    char hex[65];

    ck_assert_ptr_nonnull(text);
    memset(text, 'a', 1000000);
    digest_hex(text, 1000000, hex);
    ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(text);
}
END_TEST

START_TEST(pieces_make_no_difference)
{
    struct fake_random random;
    char text[300], whole[65], pieces[65];

    fake_random_init(&random, test_seed(180));
    tb_random_fill(&random.random, text, sizeof text);
    for (size_t len = 0; len <= sizeof text; len++) {
        struct tb_sha256 sha;
        uint8_t digest[TB_SHA256_SIZE];

        digest_hex(text, len, whole);
        tb_sha256_init(&sha);
        for (size_t at = 0, part; at < len; at += part) {
            part = fake_random_below(&random, 2) ? fake_random_below(&random, 130)
                                                 : fake_random_below(&random, 3);
            part = part < len - at ? part : len - at;
            tb_sha256_add(&sha, text + at, part);
        }
        tb_sha256_end(&sha, digest);
        tb_sha256_hex(digest, pieces);
        ck_assert_str_eq(pieces, whole);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sha256");
    TCase *tc = tcase_create("sha256");

    tcase_add_test(tc, published_vectors);
    tcase_add_test(tc, a_million_times_a);
    tcase_add_test(tc, pieces_make_no_difference);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

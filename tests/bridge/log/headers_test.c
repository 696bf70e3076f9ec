/* Goal: headers are decoded as they were encoded, and a damaged blob is recognized.
 * Method: seeded random headers, encoded and decoded; every prefix of a blob; random bytes. */
#include "bridge/log/headers.h"
#include "support/support.h"
#include <stdlib.h>

static struct tb_str random_text(struct fake_random *random, char *room, size_t max)
{
    size_t len = fake_random_below(random, max + 1);

    random->random.fill(random, room, len);
    return (struct tb_str){room, len};
}

START_TEST(encoded_and_decoded_is_the_same)
{
    static char room[TB_LOG_HEADERS_MAX][2][64];
    struct tb_header in[TB_LOG_HEADERS_MAX], out[TB_LOG_HEADERS_MAX];
    struct fake_random random;
    struct tb_error err = {0};
    struct tb_buf blob = {0};

    fake_random_init(&random, test_seed((uint64_t)_i + 1));
    for (int round = 0; round < 200; round++) {
        size_t count = fake_random_below(&random, TB_LOG_HEADERS_MAX + 1), n = 0;

        for (size_t i = 0; i < count; i++) {
            in[i].name = random_text(&random, room[i][0], 64);
            in[i].value = fake_random_below(&random, 4) == 0
                              ? (struct tb_str){0}
                              : random_text(&random, room[i][1], 64);
        }
        ck_ok(tb_headers_encode(&blob, in, count, &err));
        ck_ok(tb_headers_decode(tb_buf_str(&blob), out, TB_LOG_HEADERS_MAX, &n, &err));
        ck_assert_uint_eq(n, count);
        for (size_t i = 0; i < count; i++) {
            ck_assert(tb_str_eq(in[i].name, out[i].name));
            ck_assert(tb_str_eq(in[i].value, out[i].value));
            ck_assert(!in[i].value.ptr == !out[i].value.ptr);
        }
    }
    tb_buf_release(&blob);
}
END_TEST

/* A blob that was cut holds whole headers or is refused, and no byte after it is read: each is an
 * allocation of its own, so that the sanitizer would notice. */
START_TEST(every_cut_is_noticed)
{
    const struct tb_header in[] = {{TB_STR("name"), TB_STR("value")}, {TB_STR("n"), {0}}};
    const size_t first_len = 6 + 4 + 5;
    struct tb_header out[4];
    struct tb_error err = {0};
    struct tb_buf blob = {0};

    ck_ok(tb_headers_encode(&blob, in, 2, &err));
    for (size_t len = 0; len < blob.len; len++) {
        char *cut = malloc(len + 1);
        size_t n = 9;
        enum tb_code code;

        ck_assert_ptr_nonnull(cut);
        memcpy(cut, blob.data, len);
        code = tb_headers_decode((struct tb_str){cut, len}, out, 4, &n, &err);
        if (len == 0 || len == first_len)
            ck_assert_int_eq(code, TB_OK);
        else
            ck_assert_int_eq(code, TB_CORRUPT);
        free(cut);
    }
    tb_buf_release(&blob);
}
END_TEST

START_TEST(limits)
{
    struct tb_header in[TB_LOG_HEADERS_MAX + 1], out[1];
    struct tb_error err = {0};
    struct tb_buf blob = {0};
    size_t n = 0;

    for (size_t i = 0; i <= TB_LOG_HEADERS_MAX; i++)
        in[i] = (struct tb_header){TB_STR("n"), TB_STR("v")};
    ck_assert_int_eq(tb_headers_encode(&blob, in, TB_LOG_HEADERS_MAX + 1, &err), TB_INVALID);
    ck_ok(tb_headers_encode(&blob, in, 2, &err));
    ck_assert_int_eq(tb_headers_decode(tb_buf_str(&blob), out, 1, &n, &err), TB_CORRUPT);
    in[0].name.len = TB_LOG_HEADER_BYTES_MAX;
    ck_assert_int_eq(tb_headers_encode(&blob, in, 1, &err), TB_INVALID);
    tb_buf_release(&blob);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log_headers");
    TCase *tc = tcase_create("headers");

    tcase_add_loop_test(tc, encoded_and_decoded_is_the_same, 0, 5);
    tcase_add_test(tc, every_cut_is_noticed);
    tcase_add_test(tc, limits);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

/* Goal: a key is appended to the partition that every other Kafka client would choose.
 * Method: test vectors of Kafka's Java client. */
#include "bridge/log/log.h"
#include "support/support.h"

static const struct {
    const char *key;
    int32_t hash;
} vectors[] = {
    {"21", -973932308},
    {"foobar", -790332482},
    {"a-little-bit-long-string", -985981536},
    {"a-little-bit-longer-string", -1486304829},
    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
    {"abc", 479470107},
};

START_TEST(murmur2_is_kafkas)
{
    struct tb_str key = tb_str_of(vectors[_i].key);

    ck_assert_int_eq((int32_t)tb_murmur2(key.ptr, key.len), vectors[_i].hash);
    ck_assert_int_eq(tb_log_partition(key, 6), (vectors[_i].hash & 0x7fffffff) % 6);
}
END_TEST

/* Bytes above 127 are unsigned, and a tail of 1, 2 or 3 bytes counts: each prefix differs. */
START_TEST(murmur2_sees_every_byte)
{
    const unsigned char bytes[] = {0xff, 0x80, 0x00, 0x81, 0xfe, 0x00, 0xc3};
    uint32_t seen[sizeof bytes + 1];

    for (size_t len = 0; len <= sizeof bytes; len++) {
        seen[len] = tb_murmur2(bytes, len);
        for (size_t other = 0; other < len; other++)
            ck_assert_uint_ne(seen[len], seen[other]);
    }
}
END_TEST

START_TEST(first_header_of_a_name)
{
    const struct tb_header headers[] = {
        {TB_STR("a"), TB_STR("1")}, {TB_STR("b"), {0}}, {TB_STR("a"), TB_STR("2")}};
    struct tb_record record = {.headers = headers, .header_count = 3};

    ck_assert(tb_str_eq(tb_record_header(&record, "a"), TB_STR("1")));
    ck_assert_ptr_null(tb_record_header(&record, "b").ptr);
    ck_assert_ptr_null(tb_record_header(&record, "A").ptr);
    ck_assert_ptr_null(tb_record_header(&record, "").ptr);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tc = tcase_create("log");

    tcase_add_loop_test(tc, murmur2_is_kafkas, 0, sizeof vectors / sizeof *vectors);
    tcase_add_test(tc, murmur2_sees_every_byte);
    tcase_add_test(tc, first_header_of_a_name);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

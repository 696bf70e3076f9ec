/* Promise: a value is parsed by its type, or refused with a text that says what is allowed. */
#include "base/config/config_priv.h"
#include "support/support.h"

START_TEST(values_are_parsed_by_their_type)
{
    static const struct {
        enum tb_config_key key;
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {
        {TB_NODE_DAY_START, "04:30", true, 270},
        {TB_NODE_DAY_START, "23:59", true, 1439},
        {TB_NODE_DAY_START, "24:00", false, 0},
        {TB_NODE_DAY_START, "4:30", false, 0},
        {TB_NODE_DAY_START, "04:60", false, 0},
        {TB_LIMITS_BODY, "2MiB", true, 2 << 20},
        {TB_LIMITS_BODY, "4096", true, 4096},
        {TB_LIMITS_BODY, "1GiB", false, 0},
        {TB_LIMITS_BODY, "1MB", false, 0},
        {TB_LIMITS_BODY, "-1", false, 0},
        {TB_LIMITS_BODY, "9999999999999GiB", false, 0},
        {TB_LIMITS_DISK_RESERVE, "0", true, 0},
        {TB_LIMITS_LINES, "1001", false, 0},
        {TB_LIMITS_LINES, "0", false, 0},
        {TB_LIMITS_LINES, "1", true, 1},
        {TB_LIMITS_LINES, "1x", false, 0},
        {TB_LIMITS_LINES, "", false, 0},
        {TB_RETENTION_LOG, "forever", true, -1},
        {TB_RETENTION_LOG, "7d", true, 7 * 86400000},
        {TB_RETENTION_OUTBOX, "forever", false, 0},
        {TB_RETENTION_IDEMPOTENCY, "23h", false, 0},
        {TB_NODE_NAME, "Till-7", true, 0},
        {TB_NODE_NAME, "", false, 0},
        {TB_NODE_NAME, "a.b", false, 0},
        {TB_NODE_NAME, "aaaaaaaaaabbbbbbbbbbccccccccccdd", true, 0},
        {TB_NODE_NAME, "aaaaaaaaaabbbbbbbbbbccccccccccddd", false, 0},
        {TB_NODE_DATA, "", false, 0},
        {TB_NODE_DATA, "/a\nb", false, 0},
        {TB_NODE_DATA, "/a\xFF", false, 0},
        {TB_NODE_DATA, "/\xC3\xA4 b", true, 0},
        {TB_NODE_CURRENCY, "GBP", true, 0},
        {TB_NODE_CURRENCY, "gbp", false, 0},
        {TB_NODE_CURRENCY, "EURO", false, 0},
        {TB_NODE_TIMEZONE, "UTC", true, 0},
        {TB_NODE_TIMEZONE, "../UTC", false, 0},
        {TB_HTTP_LISTEN, "[::1]:0", true, 0},
        {TB_HTTP_LISTEN, "localhost:65535", true, 0},
        {TB_HTTP_LISTEN, "0.0.0.0:65536", false, 0},
        {TB_HTTP_LISTEN, ":8081", false, 0},
        {TB_HTTP_LISTEN, "8081", false, 0},
        {TB_HTTP_LISTEN, "::1:8081", false, 0},
        {TB_HTTP_LISTEN, "[]:8081", false, 0},
        {TB_HTTP_LISTEN, "a:", false, 0},
        {TB_LOG_KIND, "inproc", true, 0},
        {TB_LOG_KIND, "kafka", true, 1},
        {TB_LOG_KIND, "pulsar", false, 0},
        {TB_LOG_KIND, "", false, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct tb_config_spec *spec = &tb_config_specs[cases[i].key];
        int64_t value = 0;

        ck_assert_msg(tb_config_value_parse(spec, cases[i].text, &value) == cases[i].good,
                      "%s.%s = %s", spec->section, spec->key, cases[i].text);
        if (cases[i].good)
            ck_assert_int_eq(value, cases[i].value);
    }
}
END_TEST

/* Yes/no, and a choice of several, which few keys have. */
START_TEST(yes_no_and_choices)
{
    static const struct tb_config_spec yes_no = {.type = TB_CONFIG_BOOL};
    static const struct tb_config_spec choice = {.type = TB_CONFIG_CHOICE, .choices = "a|bc|d"};
    int64_t value = -1;

    ck_assert(tb_config_value_parse(&yes_no, "yes", &value) && value == 1);
    ck_assert(tb_config_value_parse(&yes_no, "no", &value) && value == 0);
    ck_assert(!tb_config_value_parse(&yes_no, "true", &value));
    ck_assert(tb_config_value_parse(&choice, "a", &value) && value == 0);
    ck_assert(tb_config_value_parse(&choice, "bc", &value) && value == 1);
    ck_assert(tb_config_value_parse(&choice, "d", &value) && value == 2);
    ck_assert(!tb_config_value_parse(&choice, "b", &value));
    ck_assert(!tb_config_value_parse(&choice, "a|bc", &value));
    ck_assert(!tb_config_value_parse(&choice, "", &value));
}
END_TEST

START_TEST(the_text_says_what_is_allowed)
{
    static const struct {
        struct tb_config_spec spec;
        const char *words;
    } cases[] = {
        {{.type = TB_CONFIG_TEXT}, "a text in UTF-8 without control characters"},
        {{.type = TB_CONFIG_TEXT, .min = 1, .max = 9},
         "a text in UTF-8 without control characters, 1 to 9 bytes"},
        {{.type = TB_CONFIG_INT, .min = -1, .max = 5}, "a whole number from -1 to 5"},
        {{.type = TB_CONFIG_SIZE, .max = INT64_C(3) << 30},
         "a size in bytes, KiB, MiB or GiB from 0 to 3GiB"},
        {{.type = TB_CONFIG_SIZE, .min = 1000, .max = 1536 * 1024},
         "a size in bytes, KiB, MiB or GiB from 1000 to 1536KiB"},
        {{.type = TB_CONFIG_DURATION, .min = 100, .max = 5400000},
         "a duration in ms, s, m, h or d from 100ms to 90m"},
        {{.type = TB_CONFIG_DURATION, .forever = true},
         "a duration in ms, s, m, h or d, or forever"},
        {{.type = TB_CONFIG_BOOL}, "yes or no"},
        {{.type = TB_CONFIG_CHOICE, .choices = "a|bc"}, "one of a, bc"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_buf out = {0};

        tb_config_value_allowed(&cases[i].spec, &out);
        ck_assert_str_eq(out.data, cases[i].words);
        tb_buf_release(&out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_value");
    TCase *tc = tcase_create("config_value");

    tcase_add_test(tc, values_are_parsed_by_their_type);
    tcase_add_test(tc, yes_no_and_choices);
    tcase_add_test(tc, the_text_says_what_is_allowed);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

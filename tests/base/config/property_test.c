/* Promise: properties of librdkafka are passed on as they were written in the file or the
 * environment, and passwords are never printed. */
#include "base/config/config_load.h"
#include "support/support.h"

static void check_property(const struct tb_config_property *property,
                           enum tb_config_section section, const char *key, const char *value,
                           enum tb_config_origin origin)
{
    ck_assert_ptr_nonnull(property);
    ck_assert_int_eq(property->section, section);
    ck_assert_str_eq(property->key, key);
    ck_assert_str_eq(property->value, value);
    ck_assert_int_eq(property->origin, origin);
}

/* Any key is accepted, from the file and from the environment. */
START_TEST(properties_are_passed_on_unchanged)
{
    struct load l = {
        .file = "[kafka]\nbrokers = a:1\n[kafka.properties]\nsecurity.protocol = sasl_ssl\n"
                "linger.ms = 7\n[kafka.producer]\nlinger.ms = 9\n",
        .env = {"TILLBOX_KAFKA_PRODUCER_LINGER_MS=8", "TILLBOX_KAFKA_PROPERTIES_SASL_PASSWORD=p=w",
                "TILLBOX_KAFKA_CONSUMER_CHECK_CRCS=true", "TILLBOX_KAFKA_TOPIC=t"}};
    const struct tb_config_property *p;

    load_good(&l);
    p = tb_config_properties(l.config);
    check_property(p, TB_CONFIG_KAFKA_PROPERTIES, "security.protocol", "sasl_ssl", TB_CONFIG_FILE);
    check_property(p = p->next, TB_CONFIG_KAFKA_PROPERTIES, "linger.ms", "7", TB_CONFIG_FILE);
    check_property(p = p->next, TB_CONFIG_KAFKA_PRODUCER, "linger.ms", "8", TB_CONFIG_ENV);
    check_property(p = p->next, TB_CONFIG_KAFKA_PROPERTIES, "sasl.password", "p=w", TB_CONFIG_ENV);
    check_property(p = p->next, TB_CONFIG_KAFKA_CONSUMER, "check.crcs", "true", TB_CONFIG_ENV);
    ck_assert_ptr_null(p->next);
    ck_assert_str_eq(tb_config_text(l.config, TB_KAFKA_TOPIC), "t");
    release(&l);
}
END_TEST

START_TEST(wrong_properties_are_reported)
{
    static const char *const lines[] = {
        "FILE:3: kafka.consumer.a is set already",
        "FILE:4: kafka.consumer.b is not allowed; allowed: a key of at most 100 bytes and a text "
        "in UTF-8 without control characters, at most 4096 bytes",
        "TILLBOX_KAFKA_PRODUCER_: unknown variable; TILLBOX_SECTION_KEY sets a key, such as "
        "TILLBOX_NODE_NAME ('tillbox config' lists the keys)",
        NULL,
    };
    struct load l = {.file = "[kafka.consumer]\na = 1\na = 2\nb = \xff\n",
                     .env = {"TILLBOX_KAFKA_PRODUCER_=x"}};

    check_report(&l, lines);
}
END_TEST

/* Users paste the output into tickets. */
START_TEST(passwords_are_not_printed)
{
    struct load l = {
        .file = "[mongo]\nuri = mongodb://u:s3cret@h:1/?x=@\n[kafka.properties]\n"
                "sasl.password = s3cret\nssl.key.password = s3cret\nsasl.username = me\n"};

    load_good(&l);
    for (int json = 0; json < 2; json++) {
        struct tb_buf out = {0};

        tb_config_print(l.config, json, &out);
        ck_assert_ptr_null(strstr(out.data, "s3cret"));
        ck_assert_ptr_nonnull(strstr(out.data, "mongodb://u:(hidden)@"));
        ck_assert_ptr_nonnull(strstr(out.data, "kafka.properties.sasl.username"));
        ck_assert_ptr_nonnull(strstr(out.data, json ? "\"value\":\"me\"" : " = me  # file"));
        tb_buf_release(&out);
    }
    release(&l);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_property");
    TCase *tc = tcase_create("properties");

    tcase_add_checked_fixture(tc, config_setup, config_teardown);
    tcase_add_test(tc, properties_are_passed_on_unchanged);
    tcase_add_test(tc, wrong_properties_are_reported);
    tcase_add_test(tc, passwords_are_not_printed);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

/* Promise: each value comes from the last source that has it, or every error is reported with its
 * place and what is allowed. */
#include "base/config/config_load.h"
#include "base/config/config_priv.h"
#include "base/json/json.h"
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(defaults_are_those_of_the_interface)
{
    static const struct {
        enum tb_config_key key;
        int64_t value;
    } numbers[] = {
        {TB_NODE_DAY_START, 0},
        {TB_KAFKA_PARTITIONS, 6},
        {TB_KAFKA_CREATE_TOPICS, false},
        {TB_KAFKA_REPLICATION, 0},
        {TB_MONGO_BULK_SIZE, 500},
        {TB_LINK_OFFLINE_AFTER, 10000},
        {TB_LINK_RETRY_MAX, 300000},
        {TB_LINK_FIRST_RETRY_SPREAD, 120000},
        {TB_RETENTION_OUTBOX, 86400000},
        {TB_RETENTION_IDEMPOTENCY, 86400000},
        {TB_RETENTION_LOG, -1},
        {TB_RETENTION_DEAD_LETTERS, 90 * INT64_C(86400000)},
        {TB_LIMITS_DISK_RESERVE, 64 << 20},
        {TB_LIMITS_BODY, 1 << 20},
        {TB_LIMITS_LINES, 1000},
        {TB_LIMITS_DEPTH, 32},
        {TB_LIMITS_HEADER, 8192},
        {TB_LIMITS_HEADER_TIMEOUT, 5000},
        {TB_LIMITS_BODY_TIMEOUT, 10000},
        {TB_LIMITS_CONNECTIONS, 8192},
        {TB_LIMITS_CONNECTIONS_PER_ADDRESS, 512},
    };
    struct load l = {.env = {"HOME=/", "TILLBOX_URL=http://x"}};
    const char *node;

    load_good(&l);
    ck_assert_str_eq(tb_config_text(l.config, TB_NODE_DATA), "./tillbox-data");
    ck_assert_str_eq(tb_config_text(l.config, TB_NODE_CURRENCY), "EUR");
    ck_assert_str_eq(tb_config_text(l.config, TB_NODE_TIMEZONE), "");
    ck_assert_str_eq(tb_config_text(l.config, TB_HTTP_LISTEN), LISTEN);
    ck_assert_str_eq(tb_config_text(l.config, TB_LOG_KIND), "inproc");
    ck_assert_str_eq(tb_config_text(l.config, TB_KAFKA_BROKERS), "");
    ck_assert_str_eq(tb_config_text(l.config, TB_KAFKA_TOPIC), "order-events");
    ck_assert_str_eq(tb_config_text(l.config, TB_KAFKA_GROUP), "tillbox-central");
    ck_assert_str_eq(tb_config_text(l.config, TB_KAFKA_KEY), "order");
    ck_assert_str_eq(tb_config_text(l.config, TB_MONGO_DATABASE), "tillbox");
    ck_assert_ptr_null(tb_config_properties(l.config));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        ck_assert_int_eq(tb_config_int(l.config, numbers[i].key), numbers[i].value);
    for (int i = 0; i < TB_CONFIG_KEY_COUNT; i++)
        ck_assert_int_eq(l.config->keys[i].origin, TB_CONFIG_DEFAULT);
    node = tb_config_text(l.config, TB_NODE_NAME); /* the host name, made to fit */
    ck_assert_uint_ge(strlen(node), 1);
    ck_assert_uint_le(strlen(node), 32);
    release(&l);
}
END_TEST

START_TEST(the_later_wins)
{
    static const char file[] = "[node]\nname = from-file\n";
    static const char env[] = "TILLBOX_NODE_NAME=from-env";
    struct load loads[] = {
        {.file = file},
        {.file = file, .env = {env}},
        {.file = file, .env = {env}, .args = {"--node", "from-flag"}},
        {.env = {env}, .args = {"--node=from-flag"}},
        {.file = file, .args = {"--node=from-flag0", "--node=from-flag"}},
    };
    static const struct {
        enum tb_config_origin origin;
        const char *name;
    } expected[] = {{TB_CONFIG_FILE, "from-file"},
                    {TB_CONFIG_ENV, "from-env"},
                    {TB_CONFIG_FLAG, "from-flag"},
                    {TB_CONFIG_FLAG, "from-flag"},
                    {TB_CONFIG_FLAG, "from-flag"}};

    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        load_good(&loads[i]);
        ck_assert_int_eq(loads[i].config->keys[TB_NODE_NAME].origin, expected[i].origin);
        ck_assert_str_eq(tb_config_text(loads[i].config, TB_NODE_NAME), expected[i].name);
        ck_assert_int_eq(loads[i].config->keys[TB_NODE_DATA].origin, TB_CONFIG_DEFAULT);
        release(&loads[i]);
    }
}
END_TEST

START_TEST(every_key_can_be_set_in_the_file_and_by_its_variable)
{
    for (int i = 0; i < TB_CONFIG_KEY_COUNT; i++) {
        const struct tb_config_spec *spec = &tb_config_specs[i];
        const char *value = spec->fallback ? spec->fallback : "1.2.3.4:5";
        char file[200], variable[200];

        if (i == TB_NODE_NAME)
            value = "a";
        snprintf(file, sizeof file, "[%s]\n%s = %s\n", spec->section, spec->key, value);
        int len = snprintf(variable, sizeof variable, "TILLBOX_%s_%s=%s", spec->section, spec->key,
                           value);
        ck_assert_int_lt(len, (int)sizeof variable);
        for (char *c = variable; *c != '='; c++)
            *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);

        struct load by_file = {.file = file}, by_env = {.env = {variable}};
        load_good(&by_file);
        load_good(&by_env);
        ck_assert_int_eq(by_file.config->keys[i].origin, TB_CONFIG_FILE);
        ck_assert_int_eq(by_env.config->keys[i].origin, TB_CONFIG_ENV);
        ck_assert_str_eq(tb_config_text(by_env.config, (enum tb_config_key)i), value);
        release(&by_file);
        release(&by_env);
    }
}
END_TEST

/* All errors are reported, not only the first, each with its place and what is allowed. */
START_TEST(all_errors_are_reported_at_once)
{
    static const char *const lines[] = {
        "zzz: unexpected argument; flags begin with --",
        "--foo: unknown flag; there are --config, --node, --data, --listen, --log, "
        "--kafka-brokers, --kafka-topic, --kafka-group, --kafka-partitions, --kafka-key, "
        "--create-topics, --kafka-replication, --mongo-uri, --mongo-database, --mongo-bulk-size",
        "--data: needs a value",
        "FILE:2: node.name = a b is not allowed; allowed: letters, digits and '-', 1 to 32",
        "FILE:3: unknown key nam; [node] has name, data, currency, timezone, day_start, "
        "allow_any_filesystem",
        "FILE:5: foo is in an unknown section [nodx]; there are [node], [http], [log], "
        "[kafka], [mongo], [link], [retention], [limits], [kafka.properties], [kafka.producer], "
        "[kafka.consumer]",
        "FILE:6: neither [section] nor key = value",
        "FILE:8: neither [section] nor key = value",
        "FILE:11: http.listen is set in line 10 already",
        "FILE:12: a section is [name] alone on its line",
        "FILE:14: a section is [name] alone on its line",
        "FILE:15: limits.depth = 99 is not allowed; allowed: a whole number from 3 to 32",
        "TILLBOX_NODE: unknown variable; TILLBOX_SECTION_KEY sets a key, such as "
        "TILLBOX_NODE_NAME ('tillbox config' lists the keys)",
        "TILLBOX_RETENTION_LOG: retention.log = 1s is not allowed; allowed: a duration in ms, s, "
        "m, h or d from 1m to 3650d, or forever",
        "--log: log.kind = pulsar is not allowed; allowed: one of inproc, kafka",
        NULL,
    };
    struct load l = {
        .file = "[node]\nname = a b\nnam = x\n[nodx]\nfoo = 1\nbar\n\n  baz\n[http]\n"
                "listen = [::1]:0 ; free\nlisten = x:1\n[limits\ndepth = x\n[limits] depth = 1\n"
                "depth = 99\n# end",
        .env = {"TILLBOX_NODE=1", "TILLBOX_RETENTION_LOG=1s", "TILLBOX_CONFIG=/nowhere",
                "TILLBOX_URL=x", "OTHER=1", "TILLBOXX=1"},
        .args = {"zzz", "--foo=2", "--log", "pulsar", "--data", "--node", "ok"},
    };

    check_report(&l, lines);
}
END_TEST

START_TEST(keys_without_a_section_are_named)
{
    static const char *const lines[] = {"FILE:1: name is in no section; there are [node], "
                                        "[http], [log], [kafka], [mongo], [link], "
                                        "[retention], [limits], [kafka.properties], "
                                        "[kafka.producer], [kafka.consumer]",
                                        NULL};
    struct load l = {.file = "name = a\n"};

    check_report(&l, lines);
}
END_TEST

START_TEST(files_as_editors_leave_them)
{
    static const char *const files[] = {
        "\xEF\xBB\xBF[node]\r\nname = till-7\r\n",
        "; c\n# c\n\n  [node] ; c\n  name=till-7  ; c",
        "[node]\nname : till-7\n[http]\n[node]\n",
    };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct load l = {.file = files[i]};

        load_good(&l);
        ck_assert_str_eq(tb_config_text(l.config, TB_NODE_NAME), "till-7");
        release(&l);
    }
}
END_TEST

/* An indented line is a key of its own; it does not continue the value above. */
START_TEST(values_do_not_run_over_lines)
{
    struct load l = {.file = "[node]\nname = a\n  data = /b\n"};

    load_good(&l);
    ck_assert_str_eq(tb_config_text(l.config, TB_NODE_NAME), "a");
    ck_assert_str_eq(tb_config_text(l.config, TB_NODE_DATA), "/b");
    release(&l);
}
END_TEST

static enum tb_code load_written(struct load *l)
{
    l->args[0] = "--config";
    l->args[1] = file_path;
    return load(l);
}

START_TEST(long_values_are_whole_or_refused)
{
    struct tb_buf text = {0};
    struct load good = {0}, bad = {0};

    tb_buf_adds(&text, "[node]\ndata = /");
    for (int i = 0; i < 3071; i++)
        tb_buf_addc(&text, 'd');
    write_file(text.data, text.len);
    ck_assert_int_eq(load_written(&good), TB_OK);
    ck_assert_uint_eq(strlen(tb_config_text(good.config, TB_NODE_DATA)), 3072);
    release(&good);

    for (int i = 0; i < 9000; i++)
        tb_buf_addc(&text, 'd');
    tb_buf_adds(&text, "\nname = a b\n"); /* lines are still counted right */
    write_file(text.data, text.len);
    ck_assert_int_eq(load_written(&bad), TB_INVALID);
    ck_assert_ptr_nonnull(strstr(bad.report.data, ":2: a line of more than 8190 bytes\n"));
    ck_assert_ptr_nonnull(strstr(bad.report.data, ":3: node.name = a b is not"));
    release(&bad);
    tb_buf_release(&text);
}
END_TEST

START_TEST(what_is_no_configuration_file_is_refused)
{
    struct load nul = {0}, large = {0}, missing = {0}, is_folder = {0};
    char *bytes = calloc(1, (1 << 20) + 1);

    ck_assert_ptr_nonnull(bytes);
    write_file("[node]\0\nname=a\n", 15);
    ck_assert_int_eq(load_written(&nul), TB_INVALID);
    ck_assert_ptr_nonnull(strstr(nul.report.data, "NUL"));
    release(&nul);

    memset(bytes, '\n', (1 << 20) + 1);
    write_file(bytes, (1 << 20) + 1);
    ck_assert_int_eq(load_written(&large), TB_INVALID);
    ck_assert_ptr_nonnull(strstr(large.report.data, "more than 1048576 bytes"));
    release(&large);
    free(bytes);

    ck_assert_int_eq(unlink(file_path), 0);
    ck_assert_int_eq(load_written(&missing), TB_INVALID);
    ck_assert_ptr_nonnull(strstr(missing.report.data, "No such file"));
    release(&missing);

    ck_assert_int_eq(mkdir(file_path, 0700), 0);
    ck_assert_int_eq(load_written(&is_folder), TB_INVALID);
    ck_assert_ptr_nonnull(strstr(is_folder.report.data, "directory"));
    release(&is_folder);
}
END_TEST

START_TEST(the_variable_names_the_file_unless_the_flag_does)
{
    char variable[200];
    struct load by_env = {.env = {variable}};
    struct load by_flag = {.env = {"TILLBOX_CONFIG=/nowhere"}};
    struct load missing = {.env = {"TILLBOX_CONFIG=/nowhere/t.conf"}};

    snprintf(variable, sizeof variable, "TILLBOX_CONFIG=%s", file_path);
    write_file("[node]\nname = a\n", 16);
    load_good(&by_env);
    ck_assert_str_eq(tb_config_text(by_env.config, TB_NODE_NAME), "a");
    release(&by_env);
    ck_assert_int_eq(load_written(&by_flag), TB_OK);
    ck_assert_str_eq(tb_config_text(by_flag.config, TB_NODE_NAME), "a");
    release(&by_flag);
    ck_assert_int_eq(load(&missing), TB_INVALID);
    ck_assert_str_eq(missing.report.data,
                     "/nowhere/t.conf: cannot be opened: No such file or directory\n");
    release(&missing);
}
END_TEST

START_TEST(no_environment_is_fine)
{
    struct tb_config *config = NULL;
    struct tb_buf report = {0};
    struct tb_error err = {0};

    ck_ok(tb_config_load(0, NULL, NULL, "127.0.0.1:8082", &config, &report, &err));
    ck_assert_str_eq(tb_config_text(config, TB_HTTP_LISTEN), "127.0.0.1:8082");
    tb_config_free(config);
    tb_config_free(NULL);
}
END_TEST

START_TEST(printed_as_lines_each_with_meaning_and_origin)
{
    struct load l = {.file = "[limits]\nlines = 10\n",
                     .env = {"TILLBOX_NODE_DATA=/d"},
                     .args = {"--node", "t"}};
    struct tb_buf out = {0};
    int lines = 0;

    load_good(&l);
    tb_config_print(l.config, false, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "\nnode.name = t  # flag\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "\nnode.data = /d  # env\n"));
    ck_assert_ptr_nonnull(
        strstr(out.data, "\n# Most lines in an order.\nlimits.lines = 10  # file\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "\nhttp.listen = " LISTEN "  # default\n"));
    for (const char *c = out.data; *c; c++)
        lines += *c == '\n';
    ck_assert_int_eq(lines, 2 * TB_CONFIG_KEY_COUNT);
    tb_buf_release(&out);
    release(&l);
}
END_TEST

START_TEST(printed_as_json_with_four_members_each)
{
    struct load l = {.env = {"TILLBOX_NODE_DATA=/\"d\""}};
    struct tb_error err = {0};
    struct tb_json *root = NULL;
    struct tb_buf out = {0};

    load_good(&l);
    tb_config_print(l.config, true, &out);
    ck_ok(tb_json_parse(tb_buf_str(&out), 2, &root, &err));
    ck_assert_uint_eq(tb_json_count(root), TB_CONFIG_KEY_COUNT);
    const struct tb_json *data = tb_json_next(tb_json_first(root));
    ck_assert_str_eq(tb_json_string(tb_json_get(data, "key")).ptr, "node.data");
    ck_assert_str_eq(tb_json_string(tb_json_get(data, "value")).ptr, "/\"d\"");
    ck_assert_str_eq(tb_json_string(tb_json_get(data, "origin")).ptr, "env");
    for (const struct tb_json *entry = tb_json_first(root); entry; entry = tb_json_next(entry)) {
        ck_assert_uint_eq(tb_json_count(entry), 4);
        ck_assert_uint_gt(tb_json_string(tb_json_get(entry, "help")).len, 10);
    }
    tb_json_free(root);
    tb_buf_release(&out);
    release(&l);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tc = tcase_create("config");

    tcase_add_checked_fixture(tc, config_setup, config_teardown);
    tcase_add_test(tc, defaults_are_those_of_the_interface);
    tcase_add_test(tc, the_later_wins);
    tcase_add_test(tc, every_key_can_be_set_in_the_file_and_by_its_variable);
    tcase_add_test(tc, all_errors_are_reported_at_once);
    tcase_add_test(tc, keys_without_a_section_are_named);
    tcase_add_test(tc, files_as_editors_leave_them);
    tcase_add_test(tc, values_do_not_run_over_lines);
    tcase_add_test(tc, long_values_are_whole_or_refused);
    tcase_add_test(tc, what_is_no_configuration_file_is_refused);
    tcase_add_test(tc, the_variable_names_the_file_unless_the_flag_does);
    tcase_add_test(tc, no_environment_is_fine);
    tcase_add_test(tc, printed_as_lines_each_with_meaning_and_origin);
    tcase_add_test(tc, printed_as_json_with_four_members_each);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

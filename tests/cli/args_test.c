/* Promise: each argument is read as the help says, and the error for a wrong one names it. */
#include "cli/args.h"
#include "support/support.h"
#include <stdlib.h>
#include <string.h>

static const struct tb_option own[] = {
    {"--line", "L", "a line", NULL}, {"--all", NULL, "all", NULL}, {NULL, NULL, NULL, NULL}};
static const struct tb_option common[] = {{"--url", "URL", "where", NULL},
                                          {NULL, NULL, NULL, NULL}};

static const struct {
    const char *argv[6];
    const char *error; /* a part of its text */
} wrong[] = {
    {{"--lines", "x"}, "'--lines'"},
    {{"--lin", "x"}, "'--lin'"},
    {{"--url"}, "--url needs a value"},
    {{"--all=yes"}, "--all takes no value"},
    {{"-x"}, "'-x'"},
    {{"x", "--none=1"}, "'--none'"},
};

static int count(const char *const *argv)
{
    int argc = 0;

    while (argv[argc])
        argc++;
    return argc;
}

START_TEST(the_error_names_the_wrong_argument)
{
    char *argv[6] = {0};
    struct tb_args args = {0};
    struct tb_error err = {0};
    int argc = count(wrong[_i].argv);

    for (int i = 0; i < argc; i++)
        argv[i] = strdup(wrong[_i].argv[i]);
    ck_assert_int_eq(tb_args_parse(argc, argv, own, common, &args, &err), TB_INVALID);
    ck_assert_msg(strstr(err.text, wrong[_i].error), "%s", err.text);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
}
END_TEST

START_TEST(options_and_operands_are_distinguished)
{
    char *argv[] = {(char[]){"a"},          (char[]){"--line"}, (char[]){"--all"},
                    (char[]){"--line=x=y"}, (char[]){"--all"},  (char[]){"-"},
                    (char[]){"--url="},     (char[]){"--"},     (char[]){"--line"}};
    struct tb_args args = {0};
    struct tb_error err = {0};
    size_t cursor = 0;

    ck_ok(tb_args_parse(9, argv, own, common, &args, &err));
    ck_assert_uint_eq(args.operand_count, 3);
    ck_assert_str_eq(args.operands[0], "a");
    ck_assert_str_eq(args.operands[1], "-");
    ck_assert_str_eq(args.operands[2], "--line");
    ck_assert_str_eq(tb_args_each(&args, "--line", &cursor), "--all");
    ck_assert_str_eq(tb_args_each(&args, "--line", &cursor), "x=y");
    ck_assert_ptr_null(tb_args_each(&args, "--line", &cursor));
    ck_assert_str_eq(tb_args_get(&args, "--line"), "x=y");
    ck_assert_str_eq(tb_args_get(&args, "--url"), "");
    ck_assert(tb_args_has(&args, "--all"));
    tb_args_release(&args);
}
END_TEST

START_TEST(whole_numbers_only)
{
    static const char *const bad[] = {"",    "-",    "+1",  " 1",  "1 ",
                                      "1.0", "0x10", "1e3", "2,5", "9223372036854775808"};
    int64_t value = 42;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!tb_args_int(bad[i], &value), "'%s'", bad[i]);
    ck_assert_int_eq(value, 42);
    ck_assert(tb_args_int("-9223372036854775808", &value));
    ck_assert(value == INT64_MIN);
    ck_assert(tb_args_int("007", &value));
    ck_assert_int_eq(value, 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("args");
    TCase *tc = tcase_create("parse");

    tcase_add_loop_test(tc, the_error_names_the_wrong_argument, 0, sizeof wrong / sizeof wrong[0]);
    tcase_add_test(tc, options_and_operands_are_distinguished);
    tcase_add_test(tc, whole_numbers_only);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}

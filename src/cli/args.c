#include "cli/args.h"
#include <errno.h>
#include <stdlib.h>

static const struct tb_option *find(const struct tb_option *table, const char *name, size_t len)
{
    for (; table && table->name; table++)
        if (strlen(table->name) == len && memcmp(table->name, name, len) == 0)
            return table;
    return NULL;
}

/* Parses the option argv[at] and its value. *ret_used: 1, or 2 if the value is in argv[at + 1]. */
static enum tb_code parse_option(int argc, char *const *argv, int at,
                                 const struct tb_option *options, const struct tb_option *common,
                                 struct tb_given_option *ret_given, int *ret_used,
                                 struct tb_error *err)
{
    const char *text = argv[at];
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    const struct tb_option *option = find(options, text, len);

    if (!option)
        option = find(common, text, len);
    if (!option)
        return tb_error_set(err, TB_INVALID, "unknown option '%.*s'", (int)len, text);
    *ret_used = 1;
    *ret_given = (struct tb_given_option){option, equals ? equals + 1 : NULL};
    if (!option->value && equals)
        return tb_error_set(err, TB_INVALID, "%s takes no value", option->name);
    if (!option->value || equals)
        return TB_OK;
    if (at + 1 >= argc)
        return tb_error_set(err, TB_INVALID, "%s needs a value: %s", option->name, option->value);
    ret_given->value = argv[at + 1];
    *ret_used = 2;
    return TB_OK;
}

enum tb_code tb_args_parse(int argc, char *const *argv, const struct tb_option *options,
                           const struct tb_option *common, struct tb_args *ret_args,
                           struct tb_error *err)
{
    struct tb_args args = {0};
    bool options_ended = false;
    enum tb_code code = TB_OK;

    args.given = calloc((size_t)argc + 1, sizeof *args.given);
    args.operands = calloc((size_t)argc + 1, sizeof *args.operands);
    if (!args.given || !args.operands)
        code = tb_error_set(err, TB_INTERNAL, "out of memory");
    for (int at = 0, used = 1; code == TB_OK && at < argc; at += used) {
        used = 1;
        if (!options_ended && strcmp(argv[at], "--") == 0) {
            options_ended = true;
        } else if (!options_ended && argv[at][0] == '-' && argv[at][1] != '\0') {
            code = parse_option(argc, argv, at, options, common, &args.given[args.given_count],
                                &used, err);
            args.given_count += code == TB_OK;
        } else {
            args.operands[args.operand_count++] = argv[at];
        }
    }
    if (code == TB_OK)
        *ret_args = args;
    else
        tb_args_release(&args);
    return code;
}

void tb_args_release(struct tb_args *args)
{
    free(args->given);
    free(args->operands);
    *args = (struct tb_args){0};
}

static const struct tb_given_option *last_given(const struct tb_args *args, const char *name)
{
    for (size_t i = args->given_count; i > 0; i--)
        if (strcmp(args->given[i - 1].option->name, name) == 0)
            return &args->given[i - 1];
    return NULL;
}

bool tb_args_has(const struct tb_args *args, const char *name)
{
    return last_given(args, name);
}

const char *tb_args_get(const struct tb_args *args, const char *name)
{
    const struct tb_given_option *given = last_given(args, name);

    return given ? given->value : NULL;
}

const char *tb_args_each(const struct tb_args *args, const char *name, size_t *cursor)
{
    while (*cursor < args->given_count) {
        const struct tb_given_option *given = &args->given[(*cursor)++];

        if (strcmp(given->option->name, name) == 0)
            return given->value;
    }
    return NULL;
}

bool tb_args_int(const char *text, int64_t *ret_value)
{
    const char *digits = *text == '-' ? text + 1 : text;
    long long value;

    if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits))
        return false;
    errno = 0;
    value = strtoll(text, NULL, 10);
    if (errno != 0)
        return false;
    *ret_value = value;
    return true;
}

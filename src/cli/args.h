/* Arguments of one subcommand: options by a table, the rest are operands.
 *
 * `--name value`, `--name=value`, switches without a value; `--` ends the options, `-` is an
 * operand. Names are never abbreviated, so that a later version can add some.
 *
 * Thread:  one.
 * Memory:  borrows from argv and the tables; tb_args_release frees the lists.
 * Errors:  TB_INVALID names the argument.
 * Units:   none. */
#pragma once
#include "base/mem/buf.h"

struct tb_option {
    const char *name;  /* "--customer" */
    const char *value; /* "ID" for the help; NULL: a switch */
    const char *help;
};

struct tb_given_option {
    const struct tb_option *option;
    const char *value;
};
struct tb_args {
    struct tb_given_option *given;
    size_t given_count;
    const char **operands;
    size_t operand_count;
};

/* Both tables end with a NULL name; own may be NULL. */
TB_CHECKED enum tb_code tb_args_parse(int argc, char *const *argv, const struct tb_option *own,
                                      const struct tb_option *common, struct tb_args *ret_args,
                                      struct tb_error *err);
void tb_args_release(struct tb_args *args);
bool tb_args_has(const struct tb_args *args, const char *name);
/* The last one given, or NULL. */
const char *tb_args_get(const struct tb_args *args, const char *name);
/* Every one given, in order: *cursor starts at 0; NULL at the end. */
const char *tb_args_each(const struct tb_args *args, const char *name, size_t *cursor);
/* A whole number in decimal, nothing before or behind it. */
bool tb_args_int(const char *text, int64_t *ret_value);

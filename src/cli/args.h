/* Command-line arguments of one subcommand: options from a table; everything else is an operand.
 *
 * Understands `--name value`, `--name=value` and switches without a value. After `--` every
 * argument is an operand; `-` is always one. A name must be written out: with abbreviations, a new
 * option of a later version could change the meaning of an old command.
 *
 * Memory:  borrows from argv and the tables; tb_args_release frees the lists.
 * Errors:  TB_INVALID: the text names the argument. */
#pragma once
#include "base/mem/buf.h"

struct tb_option {
    const char *name;  /* "--customer" */
    const char *value; /* "ID" for the help; NULL: a switch */
    const char *help;
    const char *field; /* query parameter or member of the body that gets the value; NULL: none */
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

/* argv does not include the name of the subcommand. Both tables end with a NULL name; options may
 * be NULL. */
TB_CHECKED enum tb_code tb_args_parse(int argc, char *const *argv, const struct tb_option *options,
                                      const struct tb_option *common, struct tb_args *ret_args,
                                      struct tb_error *err);
void tb_args_release(struct tb_args *args);
bool tb_args_has(const struct tb_args *args, const char *name);
/* Returns the value of the last option with this name, or NULL. */
const char *tb_args_get(const struct tb_args *args, const char *name);
/* Returns the value of the next option with this name; NULL at the end. *cursor starts at 0. */
const char *tb_args_each(const struct tb_args *args, const char *name, size_t *cursor);
/* True if text is a decimal integer and nothing else. */
bool tb_args_int(const char *text, int64_t *ret_value);

/* Bodies of commands: read from a file, or built from flags.
 *
 * Thread:  one.
 * Memory:  appends to the caller's buffer.
 * Errors:  an exit status; anything but TB_EXIT_DONE has been explained.
 * Units:   bytes. */
#pragma once
#include "base/mem/buf.h"
#include "cli/cli.h"

/* "-" is standard input. */
int tb_command_body_read(const struct tb_cli *cli, const char *file, struct tb_buf *ret_body);
/* The member "lines" from every --line SKU:QTY:PRICE_MINOR[:NAME]. */
int tb_command_body_add_lines(const struct tb_cli *cli, const struct tb_args *args,
                              const char *command, struct tb_buf *out);
/* Options given beside a FILE contradict it; says which. NULL-terminated names. */
int tb_command_body_check_alone(const struct tb_cli *cli, const struct tb_args *args,
                                const char *command, const char *const *names);
/* --idempotency-key, checked; *ret_key NULL if none was given. */
int tb_command_idempotency_key(const struct tb_cli *cli, const struct tb_args *args,
                               const char *command, const char **ret_key);
/* --if-match likewise, a version. */
int tb_command_if_match(const struct tb_cli *cli, const struct tb_args *args, const char *command,
                        const char **ret_version);

#define TB_OPTION_KEY                                                                             \
    {                                                                                             \
        "--idempotency-key", "KEY", "the key under which a repeat does nothing; one is made"      \
    }
#define TB_OPTION_IF_MATCH                                                                        \
    {                                                                                             \
        "--if-match", "N", "only if the order still has version N"                                \
    }
#define TB_OPTION_LINE                                                                            \
    {                                                                                             \
        "--line", "SKU:QTY:PRICE[:NAME]", "a line; the price in minor units (350 is 3.50 EUR)"    \
    }

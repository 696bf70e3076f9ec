/* Bodies and headers of commands, from files and options.
 *
 * Thread:  main.
 * Memory:  appends to the caller's buffer.
 * Errors:  an exit status. Whatever is not TB_EXIT_DONE has been printed. */
#pragma once
#include "cli/cli.h"

/* Reads a file; "-" is standard input. */
int tb_command_body_read(const struct tb_cli *cli, const char *file, struct tb_buf *ret_body);
/* A body from a file, if the operand is given, else from the options, by build. flags: the options
 * that build reads; they must not be given beside a file. Ends with NULL. */
int tb_command_body_make(const struct tb_cli *cli, const struct tb_args *args, const char *command,
                         size_t file_operand, const char *const *flags,
                         int (*build)(const struct tb_cli *cli, const struct tb_args *args,
                                      struct tb_buf *out),
                         struct tb_buf *ret_body);
/* Appends a member for each flag that is given. Both lists end with NULL. */
void tb_command_body_add_texts(struct tb_buf *out, const struct tb_args *args,
                               const char *const *flags, const char *const *names);
/* Appends the member "lines", made of every --line SKU:QTY:PRICE_MINOR[:NAME]. */
int tb_command_body_add_lines(const struct tb_cli *cli, const struct tb_args *args,
                              const char *command, struct tb_buf *out);
/* Sends the command with --idempotency-key and --if-match, and prints the answer. */
int tb_command_send(const struct tb_cli *cli, const struct tb_args *args, const char *command,
                    const char *method, const char *path, struct tb_str body);

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

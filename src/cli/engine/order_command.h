/* Commands about one order: their path, body and headers, from the command line.
 *
 * Thread:  main.
 * Errors:  an exit status. Whatever is not TB_EXIT_DONE has been printed. */
#pragma once
#include "cli/cli.h"

/* How a command is sent. Its body comes from a FILE, or from flags. */
struct tb_order_command {
    const char *name;                /* "order lines" */
    const char *method;              /* "PUT" */
    const char *suffix;              /* of the path /orders/ID; NULL: the path is /orders */
    const struct tb_option *options; /* those with a field become members of the body */
    bool lines;                      /* --line becomes the member "lines", and must be there */
    const char *needs; /* what to give if there is no body; NULL: the command needs none */
};
/* Sends the command with --idempotency-key and --if-match, and prints the answer. */
int tb_order_command_run(const struct tb_cli *cli, const struct tb_args *args,
                         const struct tb_order_command *command);

/* Appends "/orders/ID" and the suffix; ID is the first operand. One that is no order id is a usage
 * error. */
int tb_order_path(const struct tb_cli *cli, const struct tb_args *args, const char *name,
                  const char *suffix, struct tb_buf *path);
/* Reads a file that fits into a request's body; "-" is standard input. */
int tb_body_read(const struct tb_cli *cli, const char *file, struct tb_buf *ret_body);

#define TB_OPTION_KEY                                                                             \
    {                                                                                             \
        "--idempotency-key", "KEY", "a repeat with the same key does nothing; made if left out",  \
            NULL                                                                                  \
    }
#define TB_OPTION_IF_MATCH                                                                        \
    {                                                                                             \
        "--if-match", "N", "only if the order still has version N", NULL                          \
    }
#define TB_OPTION_LINE                                                                            \
    {                                                                                             \
        "--line", "SKU:QTY:PRICE[:NAME]", "a line; the price in minor units (350 is 3.50 EUR)",   \
            NULL                                                                                  \
    }

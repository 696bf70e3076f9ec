/* Commands about one order: makes the request (path, body, headers) from the command line. */
#pragma once
#include "cli/cli.h"

/* Sends the command that cli->subcommand->order describes, with --idempotency-key and --if-match,
 * and prints the answer. */
int tb_order_command_run(struct tb_cli *cli, const struct tb_args *args);

/* Appends "/orders/ID" and the suffix. ID is the first operand; anything but an order id is a
 * usage error. */
int tb_order_path(const struct tb_cli *cli, const struct tb_args *args, const char *suffix,
                  struct tb_buf *path);
/* Reads a whole file, which must fit into the body of a request; "-" is standard input. */
int tb_body_read(const struct tb_cli *cli, const char *file, struct tb_buf *ret_body);

/* For the tables of options: {TB_OPTION_KEY}. */
#define TB_OPTION_KEY                                                                             \
    "--idempotency-key", "KEY", "a repeat with the same key does nothing; made if left out", NULL
#define TB_OPTION_IF_MATCH "--if-match", "N", "only if the order still has version N", NULL
#define TB_OPTION_LINE                                                                            \
    "--line", "SKU:QTY:PRICE[:NAME]", "a line; the price in minor units (350 is 3.50 EUR)", NULL

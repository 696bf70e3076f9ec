/* Paths of one order. */
#pragma once
#include "cli/cli.h"

/* Appends "/orders/ID" and the suffix; ID is the command's first operand. An operand that is no
 * order id is a usage error, which is printed; returns an exit status. */
int tb_order_path(const struct tb_cli *cli, const struct tb_args *args, const char *command,
                  const char *suffix, struct tb_buf *path);

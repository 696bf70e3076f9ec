/* Help: of the program, of a group such as `order`, of one subcommand.
 *
 * Thread:  one.
 * Memory:  static texts.
 * Errors:  none.
 * Units:   none. */
#pragma once
#include "cli/cli.h"

extern const struct tb_option tb_common_options[];

void tb_help_program(const struct tb_subcommand *const *subcommands, const char *group, FILE *out);
void tb_help_subcommand(const struct tb_subcommand *subcommand, FILE *out);

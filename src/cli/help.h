/* Help texts: of the program, of a group of subcommands such as `order`, of one subcommand. */
#pragma once
#include "cli/cli.h"

/* Options of every subcommand that has no run_raw. */
extern const struct tb_option tb_common_options[];

/* True if the first of two words in the subcommand's name is the group. */
bool tb_in_group(const struct tb_subcommand *subcommand, const char *group);
/* Lists the subcommands of the group; NULL: all. */
void tb_help_program(const struct tb_subcommand *const *subcommands, const char *group, FILE *out);
void tb_help_subcommand(const struct tb_subcommand *subcommand, FILE *out);

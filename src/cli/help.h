/* Help texts: of the program, of a group of subcommands such as `order`, of one subcommand.
 *
 * Thread:  main. */
#pragma once
#include "cli/cli.h"

/* Options that every subcommand without run_raw understands. */
extern const struct tb_option tb_common_options[];

/* True if the subcommand's name is the group's and a second word. */
bool tb_in_group(const struct tb_subcommand *subcommand, const char *group);
/* group NULL: all subcommands. */
void tb_help_program(const struct tb_subcommand *const *subcommands, const char *group, FILE *out);
void tb_help_subcommand(const struct tb_subcommand *subcommand, FILE *out);

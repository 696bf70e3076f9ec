/* Replays dead letters: the server sends their records into the log again.
 *
 * Thread:  main.
 * Errors:  an exit status. Whatever is not TB_EXIT_DONE has been printed.
 * Units:   dead letters a second. */
#pragma once
#include "cli/engine/dead_letter_filter.h"

/* Replays the open dead letters that the options select, one after the other; with --dry-run only
 * lists them. rate 0: as fast as the log acknowledges them. */
int tb_dead_letter_replay_selected(const struct tb_cli *cli, const struct tb_args *args,
                                   int64_t rate);
/* Prints the end of a dry run. ids: so many NUL-terminated texts. */
void tb_dead_letter_print_selected(const struct tb_cli *cli, const char *ids, int64_t count);

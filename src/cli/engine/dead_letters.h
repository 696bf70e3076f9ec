/* Dead letters: which ones the options select, how they are listed, and replaying them, that is,
 * the server sends their records into the log again.
 *
 * Thread:  main.
 * Errors:  an exit status. Whatever is not TB_EXIT_DONE has been printed.
 * Units:   dead letters a second. */
#pragma once
#include "cli/engine/pages.h"

/* Options that select dead letters. */
#define TB_OPTIONS_DEAD_LETTER_FILTER                                                             \
    {"--order", "ID", "of this order, in the order of the log", "orderId"},                       \
        {"--type", "TYPE", "of this event type, such as OrderPlaced.v2", "type"},                 \
        {"--reason", "REASON", "decode, invalid, gap or apply", "reason"},                        \
    {                                                                                             \
        "--since", "TIME", "died at or after this time or date", "since"                          \
    }

/* Open dead letters unless --status is given. The list's options are those of the macro. */
extern const struct tb_page_list tb_dead_letter_list;
/* Appends "/dead-letters/ID" and the suffix. */
void tb_dead_letter_path(const char *id, const char *suffix, struct tb_buf *path);

/* Replays the open dead letters that the options select, one after the other; with --dry-run only
 * lists them. rate 0: as fast as the log acknowledges them. */
int tb_dead_letter_replay_selected(const struct tb_cli *cli, const struct tb_args *args,
                                   int64_t rate);
/* Prints the end of a dry run. ids: so many NUL-terminated texts. */
void tb_dead_letter_print_selected(const struct tb_cli *cli, const char *ids, int64_t count);

/* Selects, lists and replays dead letters. To replay one is to let the server send its record into
 * the log again. */
#pragma once
#include "cli/engine/pages.h"

/* Options that select dead letters. */
#define TB_OPTIONS_DEAD_LETTER_FILTER                                                             \
    {"--order", "ID", "of this order, in the order of the log", "orderId"},                       \
        {"--type", "TYPE", "of this event type, such as OrderPlaced.v2", "type"},                 \
        {"--reason", "REASON", "decode, invalid, gap, apply, conflict or parked", "reason"},      \
    {                                                                                             \
        "--since", "TIME", "died at or after this time or date", "since"                          \
    }

/* The list of `dlq list`: open dead letters unless --status is given. Its options are those of the
 * macro. */
extern const struct tb_page_list tb_dead_letter_list;
/* Appends "/dead-letters/ID" and the suffix. */
void tb_dead_letter_path(const char *id, const char *suffix, struct tb_buf *path);

/* Replays the open dead letters that the options select, one after the other; with --dry-run only
 * lists them. rate: dead letters a second; 0: as fast as the log acknowledges them. */
int tb_dead_letter_replay_selected(const struct tb_cli *cli, const struct tb_args *args,
                                   int64_t rate);
/* Prints the result of a dry run: a count on a terminal, all ids with --json, nothing in a pipe.
 * ids: `count` texts, each with its NUL, one behind the other. */
void tb_dead_letter_print_selected(const struct tb_cli *cli, const char *ids, int64_t count);

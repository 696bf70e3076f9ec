/* The options of `dlq` that select dead letters, the paths to them, and their table.
 *
 * Thread:  main.
 * Memory:  borrows from args; paths are appended to the caller's buffer. */
#pragma once
#include "cli/engine/pages.h"

/* Options that select dead letters; tb_dead_letter_list_path reads them. */
#define TB_OPTIONS_DEAD_LETTER_FILTER                                                             \
    {"--order", "ID", "of this order, in the order of the log"},                                  \
        {"--type", "TYPE", "of this event type, such as OrderPlaced.v2"},                         \
        {"--reason", "REASON", "decode, invalid, gap or apply"},                                  \
    {                                                                                             \
        "--since", "TIME", "died at or after this time or date"                                   \
    }

/* NULL: any status, the server's limit, from the start. */
void tb_dead_letter_list_path(const struct tb_args *args, const char *status, const char *limit,
                              const char *cursor, struct tb_buf *path);
/* "/dead-letters/ID" and the suffix. */
void tb_dead_letter_path(const char *id, const char *suffix, struct tb_buf *path);
/* A table whose rows tb_show_cells fills. */
void tb_dead_letter_table_init(const struct tb_cli *cli, struct tb_table *ret_table);

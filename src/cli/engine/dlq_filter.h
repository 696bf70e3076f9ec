/* Dead letters on the command line: which ones are asked for, and how a row of them looks.
 *
 * Thread:  one.
 * Memory:  borrows from args; paths go to the caller's buffer.
 * Errors:  an exit status; anything but TB_EXIT_DONE has been explained on standard error.
 * Units:   none. */
#pragma once
#include "cli/cli.h"
#include "cli/http/pages.h"
#include "cli/output/table.h"

/* Options that choose letters; tb_dead_letter_list_path reads them. */
#define TB_OPTIONS_DEAD_LETTER_FILTER                                                             \
    {"--order", "ID", "of this order, in the order of the log"},                                  \
        {"--type", "TYPE", "of this event type, such as OrderPlaced.v2"},                         \
        {"--reason", "REASON", "decode, invalid, gap or apply"},                                  \
    {                                                                                             \
        "--since", "TIME", "died at or after this time or date"                                   \
    }

/* status, limit, cursor: NULL: any, the server's, from the start. */
void tb_dead_letter_list_path(const struct tb_args *args, const char *status, const char *limit,
                              const char *cursor, struct tb_buf *ret_path);
/* "/dead-letters/ID" and more behind it. */
void tb_dead_letter_path(const char *id, const char *more, struct tb_buf *ret_path);

void tb_dead_letter_table_init(const struct tb_cli *cli, struct tb_table *ret_table);
/* A row; as a tb_page_element with the table as ctx. */
bool tb_dead_letter_table_add(void *table, const struct tb_json *letter);

/* Sends the open letters that the options choose, one after the other; with --dry-run says which.
 * rate: letters a second; 0: as fast as the log acknowledges them. */
int tb_dead_letter_replay_selected(struct tb_cli *cli, const struct tb_args *args, int64_t rate);
/* What a dry run says at its end: so many ids, each ended by a NUL. */
void tb_dead_letter_print_selected(const struct tb_cli *cli, const char *ids, int64_t count);

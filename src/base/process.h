/* What a daemon settles with its process before it opens anything.
 *
 * Thread:  the main one, before any other starts.
 * Memory:  none.
 * Errors:  none: without /dev/null there is nothing to settle.
 * Units:   files. */
#pragma once
#include <stdint.h>

/* Opens the standard input, output and error that are closed on /dev/null: a database file opened
 * in their place would be written into by whoever prints. */
void tb_process_standard_files(void);
/* Lets the process open `wanted` files at once, if its hard limit does; returns how many it may:
 * the soft limit is 1,024 nearly everywhere, for programs that still use select(2). */
int64_t tb_process_open_files(int64_t wanted);

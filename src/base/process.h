/* What a daemon settles with its process before it opens anything.
 *
 * Thread:  the main one, before any other starts.
 * Memory:  none.
 * Errors:  none: without /dev/null there is nothing to settle.
 * Units:   none. */
#pragma once

/* Opens the standard input, output and error that are closed on /dev/null: a database file opened
 * in their place would be written into by whoever prints. */
void tb_process_standard_files(void);

/* What a daemon settles with its process: files before it opens anything, and its threads.
 *
 * Thread:  the main one; files before any other starts; tb_yield_cpu from any.
 * Memory:  arg is borrowed until the thread has ended.
 * Errors:  TB_INTERNAL: no thread; without /dev/null there is nothing to settle,
 *          and of how many files may be open nothing is known: 0.
 * Units:   files. */
#pragma once
#include "base/error.h"
#include <pthread.h>
#include <stdint.h>

/* Opens the standard input, output and error that are closed on /dev/null: a database file opened
 * in their place would be written into by whoever prints. */
void tb_process_open_standard_files(void);
/* Lets the process open `wanted` files at once, if its hard limit does; returns how many it may:
 * the soft limit is 1,024 nearly everywhere, for programs that still use select(2). */
int64_t tb_process_raise_file_limit(int64_t wanted);
/* Starts a thread that is called name (15 bytes at most) by top and perf. */
TB_CHECKED enum tb_code tb_process_start_thread(pthread_t *ret_thread, const char *name,
                                                void *(*run)(void *arg), void *arg,
                                                struct tb_error *err);
/* Whoever waits for this processor goes first: in the midst of long work, and while staying awake
 * for what comes at any moment. */
void tb_yield_cpu(void);

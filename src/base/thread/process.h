/* The process: its standard files, its limit of open files, its use of the processors.
 *
 * Thread:  the main thread, before it starts others; tb_yield_cpu and tb_give_way: any. */
#pragma once
#include <stdint.h>

/* Opens those of standard input, output and error that are closed, on /dev/null. Otherwise a
 * database file could get one of their descriptors, and every printed line would be written into
 * it. */
void tb_process_open_standard_files(void);
/* Raises the soft limit of open files to `wanted`, or to the hard limit if that is lower. Returns
 * how many files the process may open; 0: unknown. (The soft limit is 1,024 nearly everywhere,
 * because select(2) can handle no more.) */
int64_t tb_process_raise_file_limit(int64_t wanted);
/* Lets threads that wait for this processor run first. Call it while spinning. */
void tb_yield_cpu(void);
/* The same within long work, after each piece of it: on a machine that is busy with other programs
 * the calling thread keeps half of its time for the work. */
void tb_give_way(void);

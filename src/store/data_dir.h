/* The data folder: creates it, locks it, and checks that it can hold a store.
 *
 * Thread:  edge's main thread, at start and stop; tb_data_dir_free_bytes: any.
 * Memory:  the lock is held until tb_data_dir_free.
 * Errors:  TB_CONFLICT: another process has locked it (the text says which); TB_INVALID: not a
 *          folder, not writable, or on a file system that cannot hold a write-ahead log. */
#pragma once
#include "base/error.h"
#include <stdint.h>

struct tb_data_dir;
TB_CHECKED enum tb_code tb_data_dir_open(const char *path, struct tb_data_dir **ret_dir,
                                         struct tb_error *err);
void tb_data_dir_free(struct tb_data_dir *dir);
const char *tb_data_dir_path(const struct tb_data_dir *dir); /* absolute */
/* Writes our pid, and our address if it is given, into the lock file: the next process that tries
 * to open the folder shows them in its error. */
void tb_data_dir_write_owner(struct tb_data_dir *dir, const char *address);
int64_t tb_data_dir_free_bytes(const struct tb_data_dir *dir); /* -1: unknown */
/* False for network file systems: the WAL needs shared memory, which they do not share between
 * machines. magic: f_type of statfs(2). */
bool tb_fs_supports_wal(int64_t magic);

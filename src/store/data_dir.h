/* The data folder: made, locked, and fit to hold a store.
 *
 * Thread:  edge.c's, at start and stop.
 * Memory:  opaque; the lock lives as long as the object.
 * Errors:  TB_CONFLICT: another process holds it (text says which); TB_INVALID: not a folder, not
 *          writable, or on a file system that cannot hold a write-ahead log.
 * Units:   bytes. */
#pragma once
#include "base/error.h"
#include <stdint.h>

struct tb_data_dir;
TB_CHECKED enum tb_code tb_data_dir_open(const char *path, struct tb_data_dir **ret_dir,
                                         struct tb_error *err);
void tb_data_dir_free(struct tb_data_dir *dir);
const char *tb_data_dir_path(const struct tb_data_dir *dir); /* absolute */
/* Writes who we are into the lock file, for the error of the next one who tries: the address. */
void tb_data_dir_write_owner(struct tb_data_dir *dir, const char *who);
int64_t tb_data_dir_free_bytes(const struct tb_data_dir *dir); /* -1: not known; any thread */
/* False for network file systems, where shared memory of the WAL is not shared. magic: f_type of
 * statfs(2). */
bool tb_fs_supports_wal(int64_t magic);

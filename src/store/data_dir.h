/* The data folder: creates it, locks it, and checks that it can hold a store.
 *
 * It has a file "ballast" of TB_BALLAST_BYTES, which is emptied when the folder is opened on a
 * full disk: SQLite cannot open a database without room for the WAL's index (store.db-shm).
 *
 * Thread:  edge's main thread, at start and stop; tb_data_dir_free_bytes: any;
 *          tb_data_dir_keep_ballast: one.
 * Memory:  the lock is held until tb_data_dir_free.
 * Errors:  TB_CONFLICT: another process has locked it (the text says which); TB_INVALID: not a
 *          folder, not writable, or on a file system that cannot hold the store safely. */
#pragma once
#include "base/error.h"
#include <stdint.h>

/* An index has 32 KiB for each 16 MiB of WAL, so this is enough for 2 GiB of WALs. */
#define TB_BALLAST_BYTES (INT64_C(4) << 20)

struct tb_data_dir;
/* any_file_system: a file system that cannot hold the store safely is warned of, not refused. */
TB_CHECKED enum tb_code tb_data_dir_open(const char *path, bool any_file_system,
                                         struct tb_data_dir **ret_dir, struct tb_error *err);
/* Fills the ballast with what closing the databases has freed. */
void tb_data_dir_free(struct tb_data_dir *dir);
const char *tb_data_dir_path(const struct tb_data_dir *dir); /* absolute */
/* What the user must know of the file system: "is in memory: ..." of the folder. NULL: nothing. */
const char *tb_data_dir_warning(const struct tb_data_dir *dir);
/* Writes our pid, and our address if it is given, into the lock file: the next process that tries
 * to open the folder shows them in its error. */
void tb_data_dir_write_owner(struct tb_data_dir *dir, const char *address);
int64_t tb_data_dir_free_bytes(const struct tb_data_dir *dir); /* -1: unknown */
/* Fills the ballast with what is free, if it is not full. Call it when the databases are open,
 * before anything else takes what opening them has left. */
void tb_data_dir_fill_ballast(struct tb_data_dir *dir);
/* The same, but only if the disk has room again. */
void tb_data_dir_keep_ballast(struct tb_data_dir *dir);

enum tb_file_system {
    TB_FS_LOCAL,
    TB_FS_MEMORY,  /* tmpfs, ramfs: empty after a power cut */
    TB_FS_NETWORK, /* several machines may mount it: they do not share the WAL's index */
    /* A program serves it. The same folder may be mounted twice: then locks and the WAL's index of
     * one mount are unknown to the other, and two processes start in one folder. */
    TB_FS_FUSE,
};
/* magic: f_type of statfs(2). A file system that is not known counts as local. */
enum tb_file_system tb_file_system_of(int64_t magic);

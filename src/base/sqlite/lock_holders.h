/* The other processes that hold locks on a database file: who makes a writer wait, and whose
 * snapshot keeps a checkpoint from emptying the WAL. A WAL database's locks are on single bytes of
 * its WAL-index (the file with -shm), and the kernel lists them in /proc/locks.
 *
 * Thread:  any.
 * Errors:  whoever cannot be known is left out: a process in a container that we do not see, or
 *          all, where there is no /proc. */
#pragma once
#include "base/mem/buf.h"
#include <sys/types.h>

#define TB_LOCK_HOLDERS_MAX 8

struct tb_lock_holder {
    pid_t pid;
    char name[32]; /* of the program, such as "sqlite3"; "": not known */
    bool writes;   /* it is in a transaction that writes */
    bool reads;    /* it has a snapshot */
};
/* Appends the text of /proc/locks. The kernel hands it out in parts, and locks come and go between
 * them: a lock that is held all the time may be missing from one reading. To read takes as long as
 * the kernel waits for all processors: tens of milliseconds on a busy machine. False: it cannot be
 * read. */
bool tb_lock_holders_read(struct tb_buf *out);
/* Finds in that text those of the database file at `path`; returns how many there are, at most
 * TB_LOCK_HOLDERS_MAX. */
size_t tb_lock_holders_find(struct tb_str locks, const char *path,
                            struct tb_lock_holder ret_holders[TB_LOCK_HOLDERS_MAX]);
/* Finds who keeps this process from writing: who has the write lock, or all of the database file
 * for itself (PRAGMA locking_mode=EXCLUSIVE). False: nobody, or it cannot be known. */
bool tb_lock_holders_find_writer(struct tb_str locks, const char *path,
                                 struct tb_lock_holder *ret_holder);
/* tb_lock_holders_find without names. inode: of the WAL-index; self: our pid, whose own locks tell
 * how the kernel names the file's device. */
size_t tb_lock_holders_parse(struct tb_str locks, ino_t inode, pid_t self,
                             struct tb_lock_holder ret_holders[TB_LOCK_HOLDERS_MAX]);

/* A VFS for SQLite that can fail, and whose power can be cut.
 *
 * It wraps the default VFS and replaces it, so that every database opened by base/sqlite/db.h uses
 * it. The files are real, in the test's folder. For each file it knows what was synced and what
 * was only written: a power cut loses, keeps, tears or shuffles what was only written.
 *
 *   fault_vfs_install();                        in the test's setup; once per process is enough
 *   open the store, place an order ...
 *   fault_vfs_cut_power(3, FAULT_CUT_TEAR, 42); the third call from now that changes a file
 *   place another                               fails at some point; so does all I/O after it
 *   close everything
 *   fault_vfs_reboot();                         the files are now what the disk had
 *   open the store, look
 *   fault_vfs_uninstall();                      in teardown: forgets the files, ends every fault
 *
 * Run the scenario without faults first, and count its calls (fault_vfs_changes before and after).
 * Then run it again for each of these calls, and let that call fail.
 *
 * A failed sync (fault_vfs_fail with FAULT_SYNC) behaves as on Linux: the seed decides which of
 * the unsynced bytes reach the disk and which are lost, and later syncs do not write the lost
 * ones.
 *
 * Thread:  any; one lock for everything.
 * Memory:  the images of all opened files are in memory: keep databases small.
 * Errors:  failed check assertions.
 * Units:   calls, counted from 1. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum fault_kind {
    FAULT_READ = 1,
    FAULT_WRITE = 2,
    FAULT_SYNC = 4,
    FAULT_TRUNCATE = 8,
    FAULT_OPEN = 16,
    FAULT_DELETE = 32,
    FAULT_CHANGES = FAULT_WRITE | FAULT_SYNC | FAULT_TRUNCATE | FAULT_DELETE,
    FAULT_ALL = 63
};

/* What a power cut does to writes that were not synced. */
enum fault_cut {
    FAULT_CUT_DROP,    /* all are lost */
    FAULT_CUT_KEEP,    /* all are on the disk */
    FAULT_CUT_TEAR,    /* a prefix is on the disk; of its last write, some sectors of 512 bytes */
    FAULT_CUT_SHUFFLE, /* any sectors of 512 bytes are on the disk, written in any order */
    FAULT_CUT_COUNT
};

void fault_vfs_install(void);
/* Every connection must be closed. */
void fault_vfs_uninstall(void);

/* The nth call of these kinds from now fails with an SQLite code; forever: all later ones, too. */
void fault_vfs_fail(unsigned kinds, int64_t nth, int sqlite_code, bool forever, uint64_t seed);
/* From now on only calls for files whose names end so count for fault_vfs_fail: "-wal", ".db".
 * NULL: all do. */
void fault_vfs_fail_only(const char *suffix);
int64_t fault_vfs_failures(void); /* calls since install that fault_vfs_fail let fail */
void fault_vfs_heal(void);        /* cancels planned failures and a planned cut */

/* Cuts the power at the nth call from now that changes a file (FAULT_CHANGES). */
void fault_vfs_cut_power(int64_t nth, enum fault_cut how, uint64_t seed);
/* Cuts the power at once. */
void fault_vfs_cut_power_now(enum fault_cut how, uint64_t seed);
bool fault_vfs_power_is_off(void);
/* Every connection must be closed. */
void fault_vfs_reboot(void);

/* True: the disk says that a write may change bytes beside its own, as SQLite assumes unless it
 * was built otherwise: it lacks SQLITE_IOCAP_POWERSAFE_OVERWRITE. For files opened from now on. */
void fault_vfs_hide_powersafe_overwrite(bool hide);

/* Calls of these kinds since install. */
int64_t fault_vfs_calls(unsigned kinds);
static inline int64_t fault_vfs_changes(void)
{
    return fault_vfs_calls(FAULT_CHANGES);
}

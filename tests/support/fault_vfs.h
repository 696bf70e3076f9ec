/* A file system for SQLite that fails, and whose power can be cut.
 *
 * It wraps the default VFS and stands in its place, so that whatever opens a database through
 * base/db.h goes through it. The files are real ones in the test's folder. For each it keeps what
 * has been synced and what was only written: a cut of the power takes back, keeps, tears or
 * shuffles the latter.
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
 * Count a run without faults first (fault_vfs_changes before and after) to know how many places
 * there are to break; then break each of them.
 *
 * A sync that fails (fault_vfs_fail with FAULT_SYNC) behaves as Linux does: what it was for is on
 * the disk or lost, by the seed, and a later sync will not write it.
 *
 * Thread:  any; one lock for everything.
 * Memory:  the images of all files that were opened are held in memory: keep databases small.
 * Errors:  a failed check assertion for trouble of its own.
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

/* What becomes of what was written and not synced. */
enum fault_cut {
    FAULT_CUT_DROP,    /* lost */
    FAULT_CUT_KEEP,    /* there, as written */
    FAULT_CUT_TEAR,    /* a prefix is there, the last of it in part, 512 bytes at a time */
    FAULT_CUT_SHUFFLE, /* any of it in any order, 512 bytes at a time */
    FAULT_CUT_COUNT
};

void fault_vfs_install(void);
/* Every connection must be closed. */
void fault_vfs_uninstall(void);

/* The nth call from now of the kinds fails with an SQLite code; forever: and all after it. */
void fault_vfs_fail(unsigned kinds, int64_t nth, int sqlite_code, bool forever, uint64_t seed);
int64_t fault_vfs_failures(void); /* calls that failed so since install */
void fault_vfs_heal(void); /* no call fails any more; a cut that has not come does not come */

/* The power goes at the nth call from now that changes a file (FAULT_CHANGES). */
void fault_vfs_cut_power(int64_t nth, enum fault_cut how, uint64_t seed);
/* As above, at once. */
void fault_vfs_cut_power_now(enum fault_cut how, uint64_t seed);
bool fault_vfs_power_is_off(void);
/* Every connection must be closed. */
void fault_vfs_reboot(void);

/* Calls of the kinds since install. */
int64_t fault_vfs_calls(unsigned kinds);
static inline int64_t fault_vfs_changes(void)
{
    return fault_vfs_calls(FAULT_CHANGES);
}

/* What the disk and its VFS share.
 *
 * Thread:  one.
 * Memory:  as disk.h.
 * Errors:  none.
 * Units:   as disk.h. */
#pragma once
#include "sim/disk.h"
#include <sqlite3.h>

/* Locks of the WAL's index that SQLite uses. */
#define DISK_SHM_LOCKS 8
/* 32 KiB each: a WAL of 8 regions has 32,000 pages. */
#define DISK_SHM_REGIONS 8
struct disk_shm {
    void *regions[DISK_SHM_REGIONS]; /* owned */
};

struct disk_handle {
    sqlite3_file base; /* first: SQLite sees this */
    struct disk *disk;
    struct disk_file *file;
    struct disk_handle *next; /* of the same file */
    int lock;                 /* SQLITE_LOCK_... */
    bool dead;                /* its process was killed */
    bool folder_due; /* its first sync also syncs the folder, as SQLite's unix VFS has it */
    bool has_shm;
    unsigned shm_shared, shm_exclusive; /* bits: locks held */
};

void *disk_realloc(void *old, size_t size); /* realloc; never NULL */

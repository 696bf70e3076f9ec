/* Shared by the disk and its VFS.
 *
 * Thread:  one.
 * Memory:  as disk.h.
 * Units:   as disk.h. */
#pragma once
#include "sim/disk.h"
#include <sqlite3.h>

/* Locks in the WAL index. */
#define DISK_SHM_LOCKS 8
/* Regions of 32 KiB. Eight cover a WAL of 32,000 pages. */
#define DISK_SHM_REGIONS 8
struct disk_shm {
    void *regions[DISK_SHM_REGIONS]; /* owned */
};

struct disk_handle {
    sqlite3_file base; /* first: SQLite has pointers to it */
    struct disk *disk;
    struct disk_file *file;
    struct disk_handle *next; /* next handle of the same file */
    int lock;                 /* SQLITE_LOCK_... */
    bool dead;                /* its process was killed */
    bool folder_due;          /* its first sync also syncs the folder, as in SQLite's unix VFS */
    bool has_shm;
    unsigned shm_shared, shm_exclusive; /* bit masks of held locks */
};

void *disk_realloc(void *old, size_t size); /* aborts instead of returning NULL */

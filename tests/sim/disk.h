/* The disk of one simulated node: files in memory, what of them was synced, and its faults.
 *
 * A file has the newest bytes, as the kernel's cache would; its image has what the disk itself
 * has. A process that is killed loses neither. A power cut leaves the image, and of what was
 * written since the last sync as much as the cut's kind says.
 *
 * A sync that fails behaves as Linux does: what it was for is on the disk or lost, by the seed,
 * and a later sync will not write it.
 *
 * Thread:  one.
 * Memory:  everything lives until disk_release; running out of memory ends the process.
 * Errors:  SQLite's codes, from the VFS (disk_vfs.c).
 * Units:   bytes; faults are planned in calls from now, counted from 1. */
#pragma once
#include "support/support.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_MAX 8
#define DISK_PATH_SIZE 64

/* What becomes of what was written and not synced. */
enum disk_cut {
    DISK_CUT_DROP,    /* lost */
    DISK_CUT_KEEP,    /* there, as written */
    DISK_CUT_TEAR,    /* a prefix is there, the last of it in part, 512 bytes at a time */
    DISK_CUT_SHUFFLE, /* any of it in any order, 512 bytes at a time */
    DISK_CUT_COUNT
};
enum disk_call { DISK_READ = 1, DISK_WRITE = 2, DISK_SYNC = 4 };

struct disk_bytes {
    uint8_t *ptr; /* owned */
    size_t size, cap;
};
struct disk_op;
struct disk_handle;
struct disk_shm;
struct disk_file {
    struct disk_file *next;
    char path[DISK_PATH_SIZE];
    uint64_t serial; /* of the file that has the name now; a new file, a new one */
    bool exists;     /* for programs */
    struct disk_bytes cache;
    bool on_disk;
    struct disk_bytes image;
    struct disk_op *ops; /* since the last sync, oldest first */
    size_t op_count, op_cap;
    bool sync_owed;              /* see disk.late_sync */
    struct disk_handle *handles; /* open ones */
    struct disk_shm *shm;        /* the WAL's index; NULL while nobody has it mapped */
};

struct disk {
    struct disk_file *files;
    struct fake_random random;
    uint64_t serials;
    uint64_t changes;   /* of what programs see */
    bool power_off;     /* no power: every call fails */
    bool faults_paused; /* a checker looks: nothing fails, nothing is counted */
    bool full;          /* nothing may grow */
    /* A mutant: a sync of a file with this suffix is done when the file is next written. */
    const char *late_sync;
    int64_t power_cut_in; /* changing calls until the power goes; 0: not planned */
    enum disk_cut power_cut_kind;
    int64_t fail_in; /* calls of fail_kinds until one fails; 0: not planned */
    unsigned fail_kinds;
};

void disk_init(struct disk *disk, int number, uint64_t seed); /* paths: /sim/<number>/<name> */
void disk_release(struct disk *disk, int number);             /* nothing may be open */
/* NULL if the path is on no disk. */
struct disk *disk_of(const char *path);
struct disk_file *disk_find(struct disk *disk, const char *path); /* NULL: never was there */
struct disk_file *disk_make(struct disk *disk, const char *path); /* it is there from now on */

void disk_write(struct disk *disk, struct disk_file *file, const void *bytes, size_t len,
                size_t at);
void disk_truncate(struct disk *disk, struct disk_file *file, size_t size);
void disk_delete(struct disk *disk, struct disk_file *file);
void disk_sync(struct disk_file *file);
void disk_sync_folder(struct disk *disk); /* deletions are on the disk */
void disk_sync_failed(struct disk *disk, struct disk_file *file);
/* The kernel's own write-back: everything is on the disk. */
void disk_write_back(struct disk *disk);

void disk_cut_now(struct disk *disk, enum disk_cut how);
/* The power is back: the files are what the disk has. Nothing may be open. */
void disk_power_on(struct disk *disk);
void disk_heal(struct disk *disk); /* no planned fault any more; not full */
/* The process is gone: its handles fail from now on and hold no lock. */
void disk_kill_handles(struct disk *disk);

/* disk_vfs.c. now_us moves on while SQLite sleeps. */
void disk_vfs_install(uint64_t seed, int64_t *now_us);

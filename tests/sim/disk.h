/* The disk of one simulated node: files in memory, how much of them is synced, and faults.
 *
 * A file has two contents. `cache` is what programs read and write, as in the kernel's page cache.
 * `image` is what the disk has. Killing the process changes neither. After a power cut only the
 * image is left, and as much of the unsynced operations as the kind of the cut says.
 *
 * A failed sync behaves as on Linux: what it should have written is on the disk or lost, by the
 * seed, and a later sync does not write it again.
 *
 * Thread:  one.
 * Memory:  everything lives until disk_release; running out of memory ends the process.
 * Errors:  SQLite's codes, from the VFS (disk_vfs.c).
 * Units:   bytes; faults are planned as a number of calls from now, from 1. */
#pragma once
#include "support/support.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_MAX 8
#define DISK_PATH_SIZE 64

/* What a power cut leaves of the unsynced operations. */
enum disk_cut {
    DISK_CUT_DROP,    /* nothing */
    DISK_CUT_KEEP,    /* everything */
    DISK_CUT_TEAR,    /* a prefix; its last write torn at sector borders (512 bytes) */
    DISK_CUT_SHUFFLE, /* any sectors, in any order */
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
    char old_path[DISK_PATH_SIZE]; /* a power cut may bring this name back; "": it cannot */
    uint64_t serial;               /* inode number: a new file under the name gets a new one */
    bool exists;                   /* programs see it */
    struct disk_bytes cache;
    bool on_disk;
    struct disk_bytes image;
    struct disk_op *ops; /* not synced yet, oldest first */
    size_t op_count, op_cap;
    bool sync_owed;              /* postponed by disk.late_sync */
    struct disk_handle *handles; /* open handles */
    struct disk_shm *shm;        /* shared memory of the WAL index; NULL while no handle maps it */
};

struct disk {
    struct disk_file *files;
    struct fake_random random;
    uint64_t serials;
    uint64_t changes;   /* counts changes that programs can see */
    bool power_off;     /* every call fails */
    bool faults_paused; /* a checker reads: no faults, no counting */
    bool full;          /* writes that make a file longer fail with SQLITE_FULL */
    /* Mutant: a sync of a file with this suffix happens at the next write to the file. */
    const char *late_sync;
    int64_t power_cut_in; /* changing calls until the power cut; 0: none planned */
    enum disk_cut power_cut_kind;
    int64_t fail_in; /* calls of fail_kinds until one fails; 0: none planned */
    unsigned fail_kinds;
    const char *fail_sync_of; /* the next sync of the file with this path fails; NULL: none */
};

void disk_init(struct disk *disk, int number,
               uint64_t seed);                    /* its paths begin with /sim/<number>/ */
void disk_release(struct disk *disk, int number); /* all files must be closed */
/* NULL if no disk has the path */
struct disk *disk_of(const char *path);
struct disk_file *disk_find(struct disk *disk,
                            const char *path); /* NULL: no such file ever existed */
struct disk_file *disk_make(struct disk *disk, const char *path); /* creates it if needed */

void disk_write(struct disk *disk, struct disk_file *file, const void *bytes, size_t len,
                size_t at);
void disk_truncate(struct disk *disk, struct disk_file *file, size_t size);
void disk_delete(struct disk *disk, struct disk_file *file);
void disk_rename(struct disk *disk, struct disk_file *file, const char *path);
void disk_sync(struct disk_file *file);
void disk_sync_folder(struct disk *disk); /* makes deletions and new names durable */
void disk_sync_failed(struct disk *disk, struct disk_file *file);
/* The kernel writes back its cache: everything is durable. */
void disk_write_back(struct disk *disk);

/* Somebody else puts a file in place or removes it, durably, while no handle is open. in_place:
 * the file that has the name is overwritten, so it keeps its serial. */
void disk_put(struct disk *disk, const char *path, const struct disk_bytes *bytes, bool in_place);
void disk_remove(struct disk *disk, const char *path);

void disk_cut_now(struct disk *disk, enum disk_cut how);
/* Power returns: files are what the disk has. All handles must be closed. */
void disk_power_on(struct disk *disk);
void disk_heal(struct disk *disk); /* cancels planned faults; the disk is not full any more */
/* The process was killed: its handles fail from now on and hold no locks. */
void disk_kill_handles(struct disk *disk);

/* disk_vfs.c: what becomes of a call. DISK_CUT: do it, then call disk_cut_now. */
enum disk_verdict { DISK_GO_ON, DISK_FAIL, DISK_CUT, DISK_OFF };
enum disk_verdict disk_judge(struct disk *disk, enum disk_call call);
/* disk_vfs.c: makes the simulated disks SQLite's default VFS. When SQLite sleeps, *now_us
 * advances. */
void disk_vfs_install(uint64_t seed, int64_t *now_us);

#include "base/sqlite/lock_holders.h"
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* From SQLite's wal.c and os_unix.c (UNIX_SHM_BASE): the bytes of the WAL-index that are locked.
 * Between them stand the locks of those who checkpoint and recover, which last for moments. */
#define WRITE_BYTE 120
#define FIRST_READ_BYTE 123
#define LAST_READ_BYTE 127

/* The bytes of the database file (os.h: SHARED_FIRST, SHARED_SIZE). Each connection of a WAL
 * database reads them; who has them for writing has the file for itself. */
#define FIRST_SHARED_BYTE 0x40000002
#define LAST_SHARED_BYTE (FIRST_SHARED_BYTE + 509)

#define LOCKS_PATH "/proc/locks"
/* More is not read: some thousand locks. */
#define LOCKS_MAX (256 * 1024)
#define DEVICE_SIZE 32

/* A line of /proc/locks. */
struct lock {
    pid_t pid;
    char device[DEVICE_SIZE];
    uint64_t inode;
    int64_t first, last; /* bytes */
    bool writes;         /* nobody else may have a lock on them */
};

/* "1: POSIX  ADVISORY  WRITE 4711 08:01:131073 120 120": device and inode (decimal), first and
 * last byte, which may be EOF. A process that only waits for a lock has "->" before POSIX. */
static bool parse_line(const char *line, struct lock *ret_lock)
{
    char last[24], kind[8], *inode;
    long pid;

    if (sscanf(line, "%*d: POSIX %*s %7s %ld %31[0-9a-f:] %" SCNd64 " %23s", kind, &pid,
               ret_lock->device, &ret_lock->first, last) != 5)
        return false;
    ret_lock->writes = strcmp(kind, "WRITE") == 0;
    inode = strrchr(ret_lock->device, ':');
    if (!inode || sscanf(inode + 1, "%" SCNu64, &ret_lock->inode) != 1)
        return false;
    *inode = '\0';
    ret_lock->pid = (pid_t)pid;
    if (sscanf(last, "%" SCNd64, &ret_lock->last) != 1)
        ret_lock->last = INT64_MAX;
    return true;
}

static bool covers(const struct lock *lock, int64_t first, int64_t last)
{
    return lock->first <= last && lock->last >= first;
}

/* Calls back for each lock on a file with the inode number. */
struct scan {
    ino_t inode;
    pid_t self;
    char device[DEVICE_SIZE]; /* of the file; "": not known yet */
    struct tb_lock_holder *holders;
    size_t count;
};

static void note_device(struct scan *scan, const struct lock *lock)
{
    if (lock->pid == scan->self)
        snprintf(scan->device, sizeof scan->device, "%s", lock->device);
}

static void add_holder(struct scan *scan, const struct lock *lock)
{
    bool writes = covers(lock, WRITE_BYTE, WRITE_BYTE);
    bool reads = covers(lock, FIRST_READ_BYTE, LAST_READ_BYTE);
    size_t i = 0;

    if (lock->pid == scan->self || !(writes || reads) || strcmp(lock->device, scan->device) != 0)
        return;
    while (i < scan->count && scan->holders[i].pid != lock->pid)
        i++;
    if (i == TB_LOCK_HOLDERS_MAX)
        return;
    if (i == scan->count)
        scan->holders[scan->count++] = (struct tb_lock_holder){.pid = lock->pid};
    scan->holders[i].writes |= writes;
    scan->holders[i].reads |= reads;
}

/* Whoever has the whole database file for itself. */
static void add_owner(struct scan *scan, const struct lock *lock)
{
    if (lock->pid == scan->self || !lock->writes || scan->count > 0 ||
        !covers(lock, FIRST_SHARED_BYTE, LAST_SHARED_BYTE) ||
        strcmp(lock->device, scan->device) != 0)
        return;
    scan->holders[scan->count++] = (struct tb_lock_holder){.pid = lock->pid, .writes = true};
}

static void each_lock(struct tb_str locks, struct scan *scan,
                      void (*each)(struct scan *scan, const struct lock *lock))
{
    char line[160];

    for (size_t at = 0, len; at < locks.len; at += len + 1) {
        const char *end = memchr(locks.ptr + at, '\n', locks.len - at);
        struct lock lock;

        len = end ? (size_t)(end - locks.ptr) - at : locks.len - at;
        snprintf(line, sizeof line, "%.*s", (int)(len < sizeof line ? len : sizeof line - 1),
                 locks.ptr + at);
        if (parse_line(line, &lock) && lock.inode == scan->inode)
            each(scan, &lock);
    }
}

size_t tb_lock_holders_parse(struct tb_str locks, ino_t inode, pid_t self,
                             struct tb_lock_holder ret_holders[TB_LOCK_HOLDERS_MAX])
{
    struct scan scan = {.inode = inode, .self = self, .holders = ret_holders};

    /* Another file system may have a file with this inode number. stat(2) and /proc/locks name a
     * device differently (btrfs, overlays), so our own lock on the file says the device. */
    each_lock(locks, &scan, note_device);
    if (scan.device[0])
        each_lock(locks, &scan, add_holder);
    return scan.count;
}

/* Appends what a file has, if it can be read. */
static void add_file(struct tb_buf *out, const char *path, size_t max)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)!tb_buf_add_file(out, fd, max);
    close(fd);
}

static void find_name(struct tb_lock_holder *holder)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};
    char path[48];

    snprintf(path, sizeof path, "/proc/%ld/comm", (long)holder->pid);
    add_file(&text, path, sizeof holder->name);
    struct tb_str name = tb_buf_str(&text);
    snprintf(holder->name, sizeof holder->name, "%.*s", (int)name.len, name.ptr ? name.ptr : "");
    holder->name[strcspn(holder->name, "\n")] = '\0';
}

bool tb_lock_holders_read(struct tb_buf *out)
{
    size_t before = out->len;

    add_file(out, LOCKS_PATH, LOCKS_MAX);
    return out->len > before; /* our own are there */
}

size_t tb_lock_holders_find(struct tb_str locks, const char *path,
                            struct tb_lock_holder ret_holders[TB_LOCK_HOLDERS_MAX])
{
    char index[PATH_MAX];
    struct stat st;
    size_t count;

    /* Only stat: to open and close the file would drop our own locks on it. */
    if (snprintf(index, sizeof index, "%s-shm", path) >= (int)sizeof index ||
        stat(index, &st) != 0)
        return 0;
    count = tb_lock_holders_parse(locks, st.st_ino, getpid(), ret_holders);
    for (size_t i = 0; i < count; i++)
        find_name(&ret_holders[i]);
    return count;
}

/* We have no lock on such a file, so its device is the one that stat(2) says: on a file system
 * that is named otherwise in /proc/locks nobody is found. */
static bool find_owner(struct tb_str locks, const char *path, struct tb_lock_holder *ret_holder)
{
    struct scan scan = {.self = getpid(), .holders = ret_holder};
    struct stat st;

    if (stat(path, &st) != 0)
        return false;
    scan.inode = st.st_ino;
    snprintf(scan.device, sizeof scan.device, "%02x:%02x", major(st.st_dev), minor(st.st_dev));
    each_lock(locks, &scan, add_owner);
    return scan.count > 0;
}

bool tb_lock_holders_find_writer(struct tb_str locks, const char *path,
                                 struct tb_lock_holder *ret_holder)
{
    struct tb_lock_holder holders[TB_LOCK_HOLDERS_MAX];
    size_t count;

    if (find_owner(locks, path, ret_holder)) {
        find_name(ret_holder);
        return true;
    }
    count = tb_lock_holders_find(locks, path, holders);
    for (size_t i = 0; i < count; i++) {
        *ret_holder = holders[i];
        if (holders[i].writes)
            return true;
    }
    return false;
}

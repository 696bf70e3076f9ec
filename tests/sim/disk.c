#include "sim/disk_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512

enum op_type { OP_WRITE, OP_TRUNCATE, OP_DELETE };
struct disk_op {
    enum op_type type;
    size_t at, len; /* OP_TRUNCATE: at is the new size */
    uint8_t *bytes; /* owned; OP_WRITE only */
};

static struct disk *disks[DISK_MAX];

void *disk_realloc(void *old, size_t size)
{
    void *bytes = realloc(old, size ? size : 1);

    if (!bytes)
        abort();
    return bytes;
}

void disk_init(struct disk *disk, int number, uint64_t seed)
{
    *disk = (struct disk){0};
    fake_random_init(&disk->random, seed);
    disks[number] = disk;
}

static void drop_ops(struct disk_file *file)
{
    for (size_t i = 0; i < file->op_count; i++)
        free(file->ops[i].bytes);
    file->op_count = 0;
}

static void free_file(struct disk *disk, struct disk_file *file)
{
    struct disk_file **link = &disk->files;

    TB_ASSERT(!file->handles && !file->shm);
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    drop_ops(file);
    free(file->ops);
    free(file->cache.ptr);
    free(file->image.ptr);
    free(file);
}

void disk_release(struct disk *disk, int number)
{
    while (disk->files)
        free_file(disk, disk->files);
    disks[number] = NULL;
}

struct disk *disk_of(const char *path)
{
    static const char prefix[] = "/sim/";
    int number;

    if (!path || strncmp(path, prefix, sizeof prefix - 1) != 0)
        return NULL;
    number = path[sizeof prefix - 1] - '0';
    return number >= 0 && number < DISK_MAX ? disks[number] : NULL;
}

struct disk_file *disk_find(struct disk *disk, const char *path)
{
    struct disk_file *file = disk->files;

    while (file && strcmp(file->path, path) != 0)
        file = file->next;
    return file;
}

/* A file that was renamed keeps its new name once another file has the old one. */
static void keep_new_names(struct disk *disk, const char *old_path)
{
    for (struct disk_file *file = disk->files; file; file = file->next)
        if (strcmp(file->old_path, old_path) == 0)
            file->old_path[0] = '\0';
}

struct disk_file *disk_make(struct disk *disk, const char *path)
{
    struct disk_file *file = disk_find(disk, path);

    if (!file) {
        file = calloc(1, sizeof *file);
        if (!file)
            abort();
        TB_ASSERT(strlen(path) < sizeof file->path);
        snprintf(file->path, sizeof file->path, "%s", path);
        file->next = disk->files;
        disk->files = file;
    }
    if (!file->exists) {
        file->serial = ++disk->serials;
        keep_new_names(disk, path);
    }
    file->exists = true;
    return file;
}

static void resize(struct disk_bytes *bytes, size_t size)
{
    if (size > bytes->cap) {
        bytes->cap = 2 * size;
        bytes->ptr = disk_realloc(bytes->ptr, bytes->cap);
    }
    if (size > bytes->size)
        memset(bytes->ptr + bytes->size, 0, size - bytes->size);
    bytes->size = size;
}

static struct disk_op *add_op(struct disk_file *file, enum op_type type, size_t at)
{
    if (file->op_count == file->op_cap) {
        file->op_cap = file->op_cap ? 2 * file->op_cap : 16;
        file->ops = disk_realloc(file->ops, file->op_cap * sizeof *file->ops);
    }
    file->ops[file->op_count] = (struct disk_op){.type = type, .at = at};
    return &file->ops[file->op_count++];
}

void disk_write(struct disk *disk, struct disk_file *file, const void *bytes, size_t len,
                size_t at)
{
    struct disk_op *op;

    disk->changes++;
    if (file->sync_owed)
        disk_sync(file);
    op = add_op(file, OP_WRITE, at);
    op->len = len;
    op->bytes = disk_realloc(NULL, len);
    memcpy(op->bytes, bytes, len);
    if (at + len > file->cache.size)
        resize(&file->cache, at + len);
    memcpy(file->cache.ptr + at, bytes, len);
}

void disk_truncate(struct disk *disk, struct disk_file *file, size_t size)
{
    disk->changes++;
    add_op(file, OP_TRUNCATE, size);
    resize(&file->cache, size);
}

void disk_delete(struct disk *disk, struct disk_file *file)
{
    disk->changes++;
    add_op(file, OP_DELETE, 0);
    resize(&file->cache, 0);
    file->exists = false;
}

void disk_rename(struct disk *disk, struct disk_file *file, const char *path)
{
    struct disk_file *replaced = disk_find(disk, path);

    disk->changes++;
    TB_ASSERT(strlen(path) < sizeof file->path);
    if (replaced)
        free_file(disk, replaced);
    if (file->old_path[0] == '\0')
        memcpy(file->old_path, file->path, sizeof file->old_path);
    snprintf(file->path, sizeof file->path, "%s", path);
}

static void copy_bytes(struct disk_bytes *to, const struct disk_bytes *from)
{
    resize(to, 0);
    resize(to, from->size);
    if (from->size > 0)
        memcpy(to->ptr, from->ptr, from->size);
}

void disk_put(struct disk *disk, const char *path, const struct disk_bytes *bytes, bool in_place)
{
    struct disk_file *file = disk_make(disk, path);

    TB_ASSERT(!file->handles && !disk->power_off);
    disk->changes++;
    drop_ops(file);
    file->sync_owed = false;
    file->on_disk = true;
    copy_bytes(&file->cache, bytes);
    copy_bytes(&file->image, bytes);
    if (!in_place)
        file->serial = ++disk->serials;
}

void disk_remove(struct disk *disk, const char *path)
{
    struct disk_file *file = disk_find(disk, path);

    if (!file || !file->exists)
        return;
    TB_ASSERT(!file->handles && !disk->power_off);
    disk_delete(disk, file);
    disk_sync(file);
}

/* Writes bytes [from, to) of an operation to the image. */
static void put(struct disk_file *file, const struct disk_op *op, size_t from, size_t to)
{
    file->on_disk = true;
    if (op->at + to > file->image.size)
        resize(&file->image, op->at + to);
    memcpy(file->image.ptr + op->at + from, op->bytes + from, to - from);
}

static void apply(struct disk_file *file, const struct disk_op *op)
{
    if (op->type == OP_WRITE) {
        put(file, op, 0, op->len);
        return;
    }
    file->on_disk = op->type == OP_TRUNCATE;
    resize(&file->image, op->type == OP_TRUNCATE ? op->at : 0);
}

/* Applies each 512-byte sector of a write, or does not, at random. */
static void apply_torn(struct disk_file *file, const struct disk_op *op,
                       struct fake_random *random)
{
    if (op->type != OP_WRITE) {
        if (fake_random_below(random, 2))
            apply(file, op);
        return;
    }
    for (size_t from = 0, to; from < op->len; from = to) {
        to = (op->at + from) / SECTOR * SECTOR + SECTOR - op->at;
        if (to > op->len)
            to = op->len;
        if (fake_random_below(random, 2))
            put(file, op, from, to);
    }
}

void disk_sync(struct disk_file *file)
{
    for (size_t i = 0; i < file->op_count; i++)
        apply(file, &file->ops[i]);
    drop_ops(file);
    file->on_disk = file->exists;
    file->sync_owed = false;
}

/* Applies all operations up to the last deletion. */
static void apply_deletions(struct disk_file *file)
{
    size_t done = 0;

    for (size_t i = 0; i < file->op_count; i++)
        if (file->ops[i].type == OP_DELETE)
            done = i + 1;
    if (done == 0)
        return;
    apply(file, &file->ops[done - 1]);
    for (size_t i = 0; i < done; i++)
        free(file->ops[i].bytes);
    file->op_count -= done;
    memmove(file->ops, file->ops + done, file->op_count * sizeof *file->ops);
}

void disk_sync_folder(struct disk *disk)
{
    for (struct disk_file *file = disk->files; file; file = file->next) {
        apply_deletions(file);
        file->old_path[0] = '\0';
    }
}

static void shuffle(struct disk_op *ops, size_t count, struct fake_random *random)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)fake_random_below(random, i);
        struct disk_op held = ops[i - 1];

        ops[i - 1] = ops[other];
        ops[other] = held;
    }
}

/* Applies what a disk may have done of the first `count` operations, none of which is a
 * deletion. */
static void apply_some_unsynced(struct disk_file *file, struct disk_op *ops, size_t count,
                                enum disk_cut how, struct fake_random *random)
{
    size_t whole = count;

    if (how == DISK_CUT_DROP)
        return;
    if (how == DISK_CUT_SHUFFLE)
        shuffle(ops, count, random);
    if (how == DISK_CUT_TEAR)
        whole = (size_t)fake_random_below(random, count + 1);
    for (size_t i = 0; i < whole; i++) {
        if (how == DISK_CUT_SHUFFLE)
            apply_torn(file, &ops[i], random);
        else
            apply(file, &ops[i]);
    }
    if (whole < count)
        apply_torn(file, &ops[whole], random);
}

/* A deletion ends the life of one file: operations after it belong to another file of the same
 * name. If the deletion did not reach the disk, the later file has no name there. */
static void apply_unsynced(struct disk_file *file, enum disk_cut how, struct fake_random *random)
{
    size_t from = 0;

    for (size_t i = 0; i <= file->op_count; i++) {
        bool end = i == file->op_count;

        if (!end && file->ops[i].type != OP_DELETE)
            continue;
        apply_some_unsynced(file, file->ops + from, i - from, how, random);
        if (end)
            break;
        if (how == DISK_CUT_DROP || (how != DISK_CUT_KEEP && fake_random_below(random, 2)))
            break;
        apply(file, &file->ops[i]);
        from = i + 1;
    }
    drop_ops(file);
    file->sync_owed = false;
}

void disk_sync_failed(struct disk *disk, struct disk_file *file)
{
    apply_unsynced(file, DISK_CUT_SHUFFLE, &disk->random);
}

void disk_write_back(struct disk *disk)
{
    for (struct disk_file *file = disk->files; file; file = file->next)
        disk_sync(file);
    disk_sync_folder(disk);
}

static void cut_rename(struct disk_file *file, enum disk_cut how, struct fake_random *random)
{
    if (file->old_path[0] == '\0')
        return;
    if (how == DISK_CUT_DROP || (how != DISK_CUT_KEEP && fake_random_below(random, 2)))
        memcpy(file->path, file->old_path, sizeof file->path);
    file->old_path[0] = '\0';
}

void disk_cut_now(struct disk *disk, enum disk_cut how)
{
    if (disk->power_off)
        return;
    for (struct disk_file *file = disk->files; file; file = file->next) {
        apply_unsynced(file, how, &disk->random);
        cut_rename(file, how, &disk->random);
    }
    disk->power_off = true;
}

void disk_power_on(struct disk *disk)
{
    for (struct disk_file *file = disk->files; file; file = file->next) {
        TB_ASSERT(!file->handles && !file->shm);
        /* The name now belongs to another file: its deletion was lost, or its creation. */
        if (file->on_disk && !file->exists)
            file->serial = ++disk->serials;
        file->exists = file->on_disk;
        resize(&file->cache, 0);
        resize(&file->cache, file->exists ? file->image.size : 0);
        if (file->cache.size > 0)
            memcpy(file->cache.ptr, file->image.ptr, file->cache.size);
    }
    disk->changes++;
    disk->power_off = false;
}

void disk_heal(struct disk *disk)
{
    disk->power_cut_in = disk->fail_in = 0;
    disk->fail_sync_of = NULL;
    disk->full = false;
}

#include "support/fault_image.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512

enum op_type { OP_WRITE, OP_TRUNCATE, OP_DELETE };
struct op {
    enum op_type type;
    size_t at, len; /* TRUNCATE: at is the new size */
    uint8_t *bytes; /* owned; WRITE only */
};

struct fault_image {
    struct fault_image *next;
    char *path;
    bool exists; /* on the disk */
    uint8_t *bytes;
    size_t size, cap;
    struct op *ops; /* since the last sync, oldest first */
    size_t op_count, op_cap;
};

static struct fault_image *images;

static void *grown(void *old, size_t size)
{
    void *bytes = realloc(old, size ? size : 1);

    ck_assert_ptr_nonnull(bytes);
    return bytes;
}

static void resize(struct fault_image *image, size_t size)
{
    if (size > image->cap) {
        image->cap = 2 * size;
        image->bytes = grown(image->bytes, image->cap);
    }
    if (size > image->size)
        memset(image->bytes + image->size, 0, size - image->size);
    image->size = size;
}

static void load(struct fault_image *image)
{
    struct stat st;
    int fd = open(image->path, O_RDONLY);

    if (fd < 0)
        return;
    image->exists = true;
    ck_assert_int_eq(fstat(fd, &st), 0);
    resize(image, (size_t)st.st_size);
    ck_assert_int_eq(read(fd, image->bytes, image->size), (ssize_t)image->size);
    close(fd);
}

struct fault_image *fault_image_of(const char *path)
{
    struct fault_image *image;

    for (image = images; image; image = image->next)
        if (strcmp(image->path, path) == 0)
            return image;
    image = calloc(1, sizeof *image);
    ck_assert_ptr_nonnull(image);
    image->path = strdup(path);
    ck_assert_ptr_nonnull(image->path);
    load(image);
    image->next = images;
    images = image;
    return image;
}

static struct op *add_op(struct fault_image *image, enum op_type type, size_t at)
{
    if (image->op_count == image->op_cap) {
        image->op_cap = image->op_cap ? 2 * image->op_cap : 16;
        image->ops = grown(image->ops, image->op_cap * sizeof *image->ops);
    }
    image->ops[image->op_count] = (struct op){.type = type, .at = at};
    return &image->ops[image->op_count++];
}

void fault_image_write(struct fault_image *image, int64_t offset, const void *bytes, size_t len)
{
    struct op *op = add_op(image, OP_WRITE, (size_t)offset);

    op->len = len;
    op->bytes = grown(NULL, len);
    memcpy(op->bytes, bytes, len);
}

void fault_image_truncate(struct fault_image *image, int64_t size)
{
    add_op(image, OP_TRUNCATE, (size_t)size);
}

/* Lets the bytes [from, to) of a write reach the disk. */
static void put(struct fault_image *image, const struct op *op, size_t from, size_t to)
{
    image->exists = true;
    if (op->at + to > image->size)
        resize(image, op->at + to);
    memcpy(image->bytes + op->at + from, op->bytes + from, to - from);
}

static void apply(struct fault_image *image, const struct op *op)
{
    if (op->type == OP_WRITE) {
        put(image, op, 0, op->len);
    } else if (op->type == OP_TRUNCATE) {
        image->exists = true;
        resize(image, op->at);
    } else {
        image->exists = false;
        image->size = 0;
    }
}

/* Lets a random part of an operation reach the disk; each sector of a write on its own. */
static void apply_torn(struct fault_image *image, const struct op *op, struct fake_random *random)
{
    if (op->type != OP_WRITE) {
        if (fake_random_below(random, 2))
            apply(image, op);
        return;
    }
    for (size_t from = 0, to; from < op->len; from = to) {
        to = (op->at + from) / SECTOR * SECTOR + SECTOR - op->at;
        if (to > op->len)
            to = op->len;
        if (fake_random_below(random, 2))
            put(image, op, from, to);
    }
}

static void drop_ops(struct fault_image *image)
{
    for (size_t i = 0; i < image->op_count; i++)
        free(image->ops[i].bytes);
    image->op_count = 0;
}

void fault_image_sync(struct fault_image *image)
{
    image->exists = true;
    for (size_t i = 0; i < image->op_count; i++)
        apply(image, &image->ops[i]);
    drop_ops(image);
}

void fault_image_delete(struct fault_image *image, bool synced)
{
    add_op(image, OP_DELETE, 0);
    if (synced) {
        fault_image_sync(image);
        image->exists = false;
    }
}

/* Lets everything up to the last deletion reach the disk. */
static void settle_deletion(struct fault_image *image)
{
    size_t done = 0;

    for (size_t i = 0; i < image->op_count; i++)
        if (image->ops[i].type == OP_DELETE)
            done = i + 1;
    if (done == 0)
        return;
    image->exists = false;
    image->size = 0;
    for (size_t i = 0; i < done; i++)
        free(image->ops[i].bytes);
    image->op_count -= done;
    memmove(image->ops, image->ops + done, image->op_count * sizeof *image->ops);
}

void fault_images_sync_folder(void)
{
    for (struct fault_image *image = images; image; image = image->next)
        settle_deletion(image);
}

static void shuffle(struct op *ops, size_t count, struct fake_random *random)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)fake_random_below(random, i);
        struct op held = ops[i - 1];

        ops[i - 1] = ops[other];
        ops[other] = held;
    }
}

/* Lets some of the first `count` operations, none of which deletes, reach the disk. */
static void settle_some(struct fault_image *image, struct op *ops, size_t count,
                        enum fault_cut how, struct fake_random *random)
{
    if (how == FAULT_CUT_DROP)
        return;
    if (how == FAULT_CUT_SHUFFLE)
        shuffle(ops, count, random);
    /* TEAR: a prefix of the operations is complete, and the next one is torn. */
    size_t whole = how == FAULT_CUT_TEAR ? (size_t)fake_random_below(random, count + 1) : count;

    for (size_t i = 0; i < whole; i++) {
        if (how == FAULT_CUT_SHUFFLE)
            apply_torn(image, &ops[i], random);
        else
            apply(image, &ops[i]);
    }
    if (how == FAULT_CUT_TEAR && whole < count)
        apply_torn(image, &ops[whole], random);
}

/* Decides which operations reach the disk, and forgets the others. Operations after a deletion
 * belong to a new file: if the deletion does not reach the disk, they do not either. */
static void settle(struct fault_image *image, enum fault_cut how, struct fake_random *random)
{
    size_t from = 0;

    for (size_t i = 0; i <= image->op_count; i++) {
        bool end = i == image->op_count;

        if (!end && image->ops[i].type != OP_DELETE)
            continue;
        settle_some(image, image->ops + from, i - from, how, random);
        if (end)
            break;
        if (how == FAULT_CUT_DROP || (how != FAULT_CUT_KEEP && fake_random_below(random, 2)))
            break;
        apply(image, &image->ops[i]);
        from = i + 1;
    }
    drop_ops(image);
}

void fault_image_sync_failed(struct fault_image *image, struct fake_random *random)
{
    settle(image, FAULT_CUT_SHUFFLE, random);
}

void fault_images_cut(enum fault_cut how, struct fake_random *random)
{
    for (struct fault_image *image = images; image; image = image->next)
        settle(image, how, random);
}

static void restore(const struct fault_image *image)
{
    int fd;

    if (!image->exists) {
        unlink(image->path);
        return;
    }
    /* Write in place, so that the file keeps its inode. */
    fd = open(image->path, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq(write(fd, image->bytes, image->size), (ssize_t)image->size);
    close(fd);
}

void fault_images_restore(void)
{
    for (struct fault_image *image = images; image; image = image->next)
        restore(image);
}

void fault_images_forget(void)
{
    while (images) {
        struct fault_image *image = images;

        images = image->next;
        drop_ops(image);
        free(image->ops);
        free(image->bytes);
        free(image->path);
        free(image);
    }
}

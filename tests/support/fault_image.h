/* The disk's image of a file: the bytes that were synced, and the operations since then.
 *
 * The real file always has the newest bytes, as the kernel's cache has. The image knows which of
 * them a power cut may lose.
 *
 * Thread:  the caller locks.
 * Memory:  images live until fault_images_forget.
 * Errors:  failed check assertions. */
#pragma once
#include "support/fault_vfs.h"
#include "support/support.h"

struct fault_image;
/* The image of a path; when it is created, the content of the file counts as synced. */
struct fault_image *fault_image_of(const char *path);
void fault_image_write(struct fault_image *image, int64_t offset, const void *bytes, size_t len);
void fault_image_truncate(struct fault_image *image, int64_t size);
void fault_image_delete(struct fault_image *image, bool synced);
void fault_image_sync(struct fault_image *image);
/* A sync fails: some of the operations reach the disk, the others never do, because the kernel has
 * marked their pages as clean. */
void fault_image_sync_failed(struct fault_image *image, struct fake_random *random);
/* The folder is synced: all deletions are on the disk. */
void fault_images_sync_folder(void);

/* Cuts the power: decides for every image which operations have reached the disk. */
void fault_images_cut(enum fault_cut how, struct fake_random *random);
/* Writes into the real files what the disk has. */
void fault_images_restore(void);
void fault_images_forget(void);

/* What a disk holds of a file: the bytes that were synced, and what was written since.
 *
 * The file itself always has the newest bytes, as the kernel's cache would. An image knows which
 * of them a power cut may take away.
 *
 * Thread:  the caller locks.
 * Memory:  images live until fault_images_forget.
 * Errors:  a failed check assertion.
 * Units:   bytes. */
#pragma once
#include "support/fault_vfs.h"
#include "support/support.h"

struct fault_image;
/* The image of a path; at first sight what is in the file counts as synced. */
struct fault_image *fault_image_of(const char *path);
void fault_image_write(struct fault_image *image, int64_t offset, const void *bytes, size_t len);
void fault_image_truncate(struct fault_image *image, int64_t size);
void fault_image_delete(struct fault_image *image, bool synced);
void fault_image_sync(struct fault_image *image);
/* A sync that failed: some of what it was for is on the disk, the rest never will be, because
 * the kernel has marked its pages clean. */
void fault_image_sync_failed(struct fault_image *image, struct fake_random *random);
/* The folder was synced: deletions are on the disk. */
void fault_images_sync_folder(void);

/* The power goes: decides for every image what the disk has. */
void fault_images_cut(enum fault_cut how, struct fake_random *random);
/* Writes into the files what the disk has. */
void fault_images_restore(void);
void fault_images_forget(void);

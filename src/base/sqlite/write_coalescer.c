#include "base/sqlite/db_priv.h"
#include <sqlite3.h>
#include <stdlib.h>

/* SQLite writes page by page: a commit writes each page into the WAL in two calls (a frame's
 * header of 24 bytes, then its content), and a checkpoint writes each page into the file in one. A
 * commit of some orders has dozens of pages, a checkpoint hundreds, and most of them are adjacent
 * in the file. The coalescer holds adjacent writes back in a buffer and writes them in one call.
 *
 * 31 frames of 4 KiB. SQLite's unix VFS writes less than 128 KiB in one call, and would report a
 * full disk for more. */
#define COALESCER_SIZE (31 * (24 + 4096))

struct tb_write_coalescer {
    sqlite3_file *file;
    int len;              /* how many of `bytes` are held back */
    sqlite3_int64 offset; /* their place in the file */
    uint8_t bytes[COALESCER_SIZE];
};

struct tb_write_coalescer *tb_write_coalescer_new(sqlite3_file *file)
{
    struct tb_write_coalescer *coalescer = malloc(sizeof *coalescer);

    if (coalescer) {
        coalescer->file = file;
        coalescer->len = 0;
    }
    return coalescer;
}

int tb_write_coalescer_flush(struct tb_write_coalescer *coalescer)
{
    sqlite3_file *file = coalescer->file;
    int len = coalescer->len;

    coalescer->len = 0;
    return len > 0 ? file->pMethods->xWrite(file, coalescer->bytes, len, coalescer->offset)
                   : SQLITE_OK;
}

int tb_write_coalescer_write(struct tb_write_coalescer *coalescer, const void *bytes, int len,
                             int64_t offset)
{
    sqlite3_file *file = coalescer->file;
    bool adjacent = offset == coalescer->offset + coalescer->len;
    int rc = SQLITE_OK;

    if (coalescer->len > 0 && (!adjacent || coalescer->len + len > COALESCER_SIZE))
        rc = tb_write_coalescer_flush(coalescer);
    if (rc != SQLITE_OK)
        return rc;
    if (len > COALESCER_SIZE)
        return file->pMethods->xWrite(file, bytes, len, offset);
    if (coalescer->len == 0)
        coalescer->offset = offset;
    memcpy(coalescer->bytes + coalescer->len, bytes, (size_t)len);
    coalescer->len += len;
    return SQLITE_OK;
}

#include "base/db_priv.h"
#include "base/process.h"
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>

/* SQLite writes a commit into the WAL in two calls a page, a frame's header of 24 bytes and its
 * content; a commit of some orders has dozens of pages. They follow on one another in the file, so
 * they are gathered, and written in one call:
 *   - with a sync at each commit, at the sync: SQLite asks for it before anybody is told of the
 *     commit (sqlite3WalFrames);
 *   - without one, a frame is written as soon as it has its content. A header alone that does not
 *     follow on what was written last is one that is written over, and nothing comes after it.
 * What fails is told by the call that writes, as a write that failed. 64 connections place a tenth
 * more orders, one alone a twentieth.
 *
 * The WAL's file is what SQLITE_FCNTL_JOURNAL_POINTER gives; its methods are replaced by ours,
 * which end at those of the file system that it was opened with. */
#define FRAME_HEADER_SIZE 24
/* 31 frames of 4 KiB; more follow in a further call. SQLite's unix VFS writes less than 128 KiB in
 * one: more it takes for a full disk. */
#define GATHER_SIZE (31 * (FRAME_HEADER_SIZE + 4096))

struct tb_gather {
    sqlite3_io_methods methods; /* first: the file's pMethods leads here */
    const sqlite3_io_methods *real;
    const struct tb_db *db;
    bool until_sync;
    int len;
    sqlite3_int64 offset; /* of what is gathered; of nothing: where the last write ended */
    uint8_t bytes[GATHER_SIZE];
};

static struct tb_gather *gather_of(sqlite3_file *file)
{
    return (struct tb_gather *)(uintptr_t)file->pMethods; /* ours, and not const */
}

/* What could not be written is not tried again: SQLite rolls back. */
static int flush(sqlite3_file *file)
{
    struct tb_gather *gather = gather_of(file);
    sqlite3_int64 offset = gather->offset;
    int len = gather->len;

    gather->offset += len;
    gather->len = 0;
    return len > 0 ? gather->real->xWrite(file, gather->bytes, len, offset) : SQLITE_OK;
}

static int gather_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset)
{
    struct tb_gather *gather = gather_of(file);
    bool follows = offset == gather->offset + gather->len;
    int rc = SQLITE_OK;

    if (!follows || gather->len + len > GATHER_SIZE)
        rc = flush(file);
    if (rc != SQLITE_OK)
        return rc;
    if (gather->len == 0)
        gather->offset = offset;
    if (len > GATHER_SIZE) {
        gather->offset += len;
        return gather->real->xWrite(file, bytes, len, offset);
    }
    memcpy(gather->bytes + gather->len, bytes, (size_t)len);
    gather->len += len;
    if (gather->until_sync || (follows && len == FRAME_HEADER_SIZE))
        return SQLITE_OK;
    return flush(file);
}

static int gather_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 offset)
{
    int rc = flush(file);

    if (gather_of(file)->db->gives_way)
        tb_process_give_way();
    return rc == SQLITE_OK ? gather_of(file)->real->xRead(file, bytes, len, offset) : rc;
}

static int gather_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = flush(file);

    return rc == SQLITE_OK ? gather_of(file)->real->xTruncate(file, size) : rc;
}

static int gather_sync(sqlite3_file *file, int flags)
{
    int rc = flush(file);

    return rc == SQLITE_OK ? gather_of(file)->real->xSync(file, flags) : rc;
}

static int gather_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    int rc = flush(file);

    return rc == SQLITE_OK ? gather_of(file)->real->xFileSize(file, ret_size) : rc;
}

/* What nobody synced was rolled back. */
static int gather_close(sqlite3_file *file)
{
    struct tb_gather *gather = gather_of(file);
    int rc;

    file->pMethods = gather->real;
    rc = file->pMethods->xClose(file);
    free(gather);
    return rc;
}

enum tb_code tb_db_gather(struct tb_db *db, bool until_sync, struct tb_error *err)
{
    sqlite3_file *file = NULL;
    struct tb_gather *gather;
    int rc;

    /* A new file's WAL is opened by what first reads it. */
    TB_TRY(tb_db_exec(db, "PRAGMA schema_version", err));
    rc = sqlite3_file_control(db->raw, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    if (rc != SQLITE_OK)
        return tb_error_sqlite(err, db->raw, rc);
    TB_ASSERT(file && file->pMethods);
    gather = calloc(1, sizeof *gather);
    if (!gather)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    gather->real = file->pMethods;
    gather->db = db;
    gather->until_sync = until_sync;
    gather->methods = *gather->real;
    gather->methods.iVersion = 1; /* no memory-mapped reads that would pass by what is gathered */
    gather->methods.xClose = gather_close;
    gather->methods.xRead = gather_read;
    gather->methods.xWrite = gather_write;
    gather->methods.xTruncate = gather_truncate;
    gather->methods.xSync = gather_sync;
    gather->methods.xFileSize = gather_size;
    file->pMethods = &gather->methods;
    return TB_OK;
}

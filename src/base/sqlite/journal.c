#include "base/sqlite/db_priv.h"
#include <sqlite3.h>

/* Our files have a rollback journal only while SQLite makes them: it writes their first page, and
 * deletes the journal before there is a WAL. A power cut may leave the journal of a file whose
 * making was not finished. If a copy is put in the place of that file, SQLite takes the journal
 * for the copy's, cuts the file to nothing and deletes the WAL.
 *
 * The format (sqlite.org/fileformat2.html, "The Database Header"): the page size at 16, where 1
 * means 65536, and at 18 the version that a writer must know, 2 for a WAL. */
#define HEADER_AT 16
#define WAL_VERSION 2

static bool exists(sqlite3_vfs *vfs, const char *path, int *rc)
{
    int there = 0;

    if (*rc == SQLITE_OK)
        *rc = vfs->xAccess(vfs, path, SQLITE_ACCESS_EXISTS, &there);
    return *rc == SQLITE_OK && there;
}

/* Sets *ret_made if the file uses a WAL and is longer than what its journal may be for. */
static int is_made(struct tb_db *db, bool has_wal, bool *ret_made)
{
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    uint8_t header[3] = {0};
    int page, rc = sqlite3_file_control(db->raw, "main", SQLITE_FCNTL_FILE_POINTER, &file);

    *ret_made = false;
    if (rc == SQLITE_OK)
        rc = file->pMethods->xFileSize(file, &size);
    if (rc != SQLITE_OK || size < HEADER_AT + (int)sizeof header)
        return rc;
    rc = file->pMethods->xRead(file, header, sizeof header, HEADER_AT);
    page = header[0] << 8 | header[1];
    *ret_made = rc == SQLITE_OK && header[2] == WAL_VERSION &&
                (has_wal || size > (page == 1 ? 65536 : page));
    return rc;
}

int tb_db_remove_foreign_journal(struct tb_db *db)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    const char *path = sqlite3_db_filename(db->raw, "main");
    const char *journal = sqlite3_filename_journal(path);
    int rc = SQLITE_OK;
    bool made = false;

    if (!exists(vfs, journal, &rc))
        return rc;
    rc = is_made(db, exists(vfs, sqlite3_filename_wal(path), &rc), &made);
    return rc == SQLITE_OK && made ? vfs->xDelete(vfs, journal, /* syncDir= */ 1) : rc;
}

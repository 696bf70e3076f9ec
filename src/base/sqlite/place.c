#include "base/sqlite/db_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Looks at what stands in the place of a database's files. SQLite says "unable to open database
 * file" of most odd ones and names none; it opens a folder in the place of the WAL-index for
 * reading, and then the database cannot be written; and where a link to nothing stands it begins
 * an empty database, although the disk that has the real one may only be missing. */

/* As if SQLite could not open it: such a file may be gone with the next try. */
static enum tb_code odd_file(const char *path, const char *kind, const char *way_out,
                             struct tb_error *err)
{
    tb_error_set(err, TB_UNAVAILABLE, "%s is %s: %s", path, kind, way_out);
    err->native = SQLITE_CANTOPEN;
    return err->code;
}

static enum tb_code check_kind(const char *path, const struct stat *st, struct tb_error *err)
{
    const char *kind = "no regular file";

    if (S_ISREG(st->st_mode))
        return TB_OK;
    if (S_ISDIR(st->st_mode))
        kind = "a folder";
    else if (S_ISLNK(st->st_mode))
        kind = "a symbolic link";
    return odd_file(path, kind, "move it away", err);
}

static enum tb_code check_companion(const char *path, const char *suffix, struct tb_error *err)
{
    char companion[PATH_MAX + 8];
    struct stat st;

    snprintf(companion, sizeof companion, "%s%s", path, suffix);
    /* What cannot be looked at, SQLite cannot open either, and says so. */
    return lstat(companion, &st) == 0 ? check_kind(companion, &st, err) : TB_OK;
}

static enum tb_code check_companions(const char *path, struct tb_error *err)
{
    TB_TRY(check_companion(path, "-wal", err));
    return check_companion(path, "-shm", err);
}

enum tb_code tb_db_check_place(const char *path, struct tb_error *err)
{
    char target[PATH_MAX];
    struct stat st;

    if (lstat(path, &st) != 0)
        return check_companions(path, err); /* a new database */
    if (!S_ISLNK(st.st_mode)) {
        TB_TRY(check_kind(path, &st, err));
        return check_companions(path, err);
    }
    if (stat(path, &st) != 0 && errno == ENOENT)
        return odd_file(path, "a symbolic link to a file that does not exist",
                        "bring the file back, such as by mounting its disk, or remove the link",
                        err);
    /* The WAL and its index are beside the file that the link leads to. */
    return realpath(path, target) ? check_companions(target, err) : TB_OK;
}

/* SQLite would create a file that other users may read. Its WAL and WAL-index get the mode of the
 * file. To close the descriptor drops no lock: nobody has one on a file that was made just now. */
enum tb_code tb_db_make_private(const char *path, struct tb_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno != EEXIST) {
        tb_error_errno(err, TB_UNAVAILABLE, errno, "cannot make the file");
        err->native = SQLITE_CANTOPEN;
        return err->code;
    }
    if (fd >= 0)
        close(fd);
    return TB_OK;
}

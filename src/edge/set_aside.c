#include "edge/set_aside.h"
#include "base/time/timefmt.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 4300
/* Several files that are set aside in one second. */
#define NAMES_MAX 1000

static enum tb_code sync_folder(const char *path, struct tb_error *err)
{
    const char *slash = strrchr(path, '/');
    enum tb_code code = TB_OK;
    char folder[PATH_SIZE];
    int fd;

    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    fd = open(folder[0] ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return tb_error_errno(err, TB_UNAVAILABLE, errno, "cannot open %s", folder);
    if (fsync(fd) != 0)
        code = tb_error_errno(err, TB_UNAVAILABLE, errno, "cannot sync %s", folder);
    close(fd);
    return code;
}

static enum tb_code choose_name(const char *path, int64_t now_ms, char ret_path[PATH_SIZE],
                                struct tb_error *err)
{
    char time[TB_TIME_SIZE], stamp[TB_TIME_SIZE];
    size_t len = 0;

    tb_time_format(now_ms, time);
    for (const char *c = time; *c && *c != '.'; c++) {
        if (*c != '-' && *c != ':')
            stamp[len++] = *c;
    }
    stamp[len] = '\0';
    for (int i = 0; i < NAMES_MAX; i++) {
        char number[16] = "";

        if (i > 0)
            snprintf(number, sizeof number, "-%d", i + 1);
        if (snprintf(ret_path, PATH_SIZE, "%s.set-aside-%sZ%s", path, stamp, number) >= PATH_SIZE)
            break;
        if (access(ret_path, F_OK) != 0)
            return TB_OK;
    }
    return tb_error_set(err, TB_UNAVAILABLE, "no free name to set %s aside", path);
}

static enum tb_code rename_part(const char *path, const char *aside, const char *suffix,
                                struct tb_error *err)
{
    char from[PATH_SIZE + 8], to[PATH_SIZE + 8];

    snprintf(from, sizeof from, "%s%s", path, suffix);
    snprintf(to, sizeof to, "%s%s", aside, suffix);
    if (rename(from, to) != 0 && errno != ENOENT)
        return tb_error_errno(err, TB_UNAVAILABLE, errno, "cannot rename %s", from);
    return TB_OK;
}

/* The WAL first: a new database beside an old WAL would make SQLite delete the WAL. */
enum tb_code tb_set_aside(const char *path, int64_t now_ms, char *ret_path, struct tb_error *err)
{
    char shm[PATH_SIZE + 8];

    TB_TRY(choose_name(path, now_ms, ret_path, err));
    TB_TRY(rename_part(path, ret_path, "-wal", err));
    TB_TRY(rename_part(path, ret_path, "", err));
    snprintf(shm, sizeof shm, "%s-shm", path);
    if (unlink(shm) != 0) {
        if (errno == EISDIR) /* a person has put it there */
            TB_TRY(rename_part(path, ret_path, "-shm", err));
        else if (errno != ENOENT)
            return tb_error_errno(err, TB_UNAVAILABLE, errno, "cannot remove %s", shm);
    }
    return sync_folder(path, err);
}

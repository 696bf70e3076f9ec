#include "store/folder_identity.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PRESENT_NAME "identity"
#define NEXT_NAME "identity.new"
#define TOKEN_LEN 16
/* The token, a space, the number, a line feed. */
#define CONTENT_MAX (TOKEN_LEN + 24)

static void path_of(const char *folder, const char *name, char ret_path[PATH_MAX])
{
    snprintf(ret_path, PATH_MAX, "%s/%s", folder, name);
}

static enum tb_code failed(struct tb_error *err, const char *what, const char *path)
{
    int number = errno;

    return tb_error_errno(err, number == ENOSPC || number == EDQUOT ? TB_FULL : TB_UNAVAILABLE,
                          number, "cannot %s %s", what, path);
}

/* What identifies the open file with this content. A file system that does not know times of birth
 * has the inode number only. */
static bool describe(int fd, const char *content, char ret_id[TB_FOLDER_ID_SIZE])
{
    struct statx st;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) != 0)
        return false;
    bool born = (st.stx_mask & STATX_BTIME) != 0;
    snprintf(ret_id, TB_FOLDER_ID_SIZE, "%.*s:%" PRIu64 "-%" PRId64 ".%09" PRIu32,
             (int)strcspn(content, " \n"), content, (uint64_t)st.stx_ino,
             born ? (int64_t)st.stx_btime.tv_sec : 0, born ? st.stx_btime.tv_nsec : 0);
    return true;
}

/* False: the file may be there, but it cannot be read. */
static bool read_file(const char *folder, const char *name, char ret_id[TB_FOLDER_ID_SIZE],
                      int64_t *last_number)
{
    char path[PATH_MAX], content[CONTENT_MAX + 1] = "";
    int fd;
    bool done;

    ret_id[0] = '\0';
    path_of(folder, name, path);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT;
    done = read(fd, content, CONTENT_MAX) >= 0 && describe(fd, content, ret_id);
    close(fd);
    if (done && strlen(content) > TOKEN_LEN) {
        int64_t number = strtoll(content + TOKEN_LEN, NULL, 10);

        *last_number = number > *last_number ? number : *last_number;
    }
    return done;
}

void tb_folder_identity_read(const char *folder, struct tb_folder_identity *ret_identity)
{
    bool is_known;

    *ret_identity = (struct tb_folder_identity){0};
    is_known = read_file(folder, PRESENT_NAME, ret_identity->present, &ret_identity->last_number);
    ret_identity->is_known =
        read_file(folder, NEXT_NAME, ret_identity->next, &ret_identity->last_number) && is_known;
}

static enum tb_code sync_folder(const char *folder, struct tb_error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum tb_code code = TB_OK;

    if (fd < 0)
        return failed(err, "open", folder);
    if (fsync(fd) != 0)
        code = failed(err, "sync", folder);
    close(fd);
    return code;
}

static enum tb_code write_next(const char *path, const char *content,
                               struct tb_folder_identity *identity, struct tb_error *err)
{
    ssize_t len = (ssize_t)strlen(content);
    enum tb_code code = TB_OK;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return failed(err, "make", path);
    errno = ENOSPC; /* if less is written than there is */
    if (write(fd, content, (size_t)len) != len || fsync(fd) != 0 ||
        !describe(fd, content, identity->next))
        code = failed(err, "write", path);
    close(fd);
    return code;
}

enum tb_code tb_folder_identity_prepare(const char *folder, const struct tb_random *random,
                                        int64_t last_number, struct tb_folder_identity *identity,
                                        struct tb_error *err)
{
    char path[PATH_MAX], content[CONTENT_MAX + 1];
    uint64_t token = 0;

    tb_random_fill(random, &token, sizeof token);
    snprintf(content, sizeof content, "%016" PRIx64 " %" PRId64 "\n", token, last_number);
    path_of(folder, NEXT_NAME, path);
    if (unlink(path) != 0 && errno != ENOENT) /* a new file has another inode */
        return failed(err, "remove", path);
    identity->next[0] = '\0';
    TB_TRY(write_next(path, content, identity, err));
    return sync_folder(folder, err);
}

enum tb_code tb_folder_identity_adopt(const char *folder, struct tb_folder_identity *identity,
                                      struct tb_error *err)
{
    char from[PATH_MAX], to[PATH_MAX];

    path_of(folder, NEXT_NAME, from);
    path_of(folder, PRESENT_NAME, to);
    if (rename(from, to) != 0)
        return failed(err, "rename", from);
    memcpy(identity->present, identity->next, sizeof identity->present);
    identity->next[0] = '\0';
    return TB_OK; /* after a power cut it may be called the next one again, which does no harm */
}

#include "base/sqlite/db_priv.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

/* A checkpoint copies pages from the WAL into the database file, and says in the WAL-index how
 * many frames it has copied. If the WAL is cut below that, SQLite recovers the frames that are
 * left and reads old pages of the WAL beside newer pages of the file: a mixture, with or without
 * an error. If all of the WAL is lost, the file alone is whole only if all frames were copied.
 *
 * A checkpoint syncs the WAL before it counts, so a power cut leaves no such WAL.
 *
 * The formats: of the WAL see wal_sync.c. The WAL-index (walformat.html) has at 16 the number of
 * frames in the WAL, at 32 the WAL's salts, at 96 the number of those that were copied; numbers
 * are in the machine's order. */
#define WAL_HEADER_SIZE 32
#define WAL_PAGE_SIZE 8
#define WAL_SALTS 16
#define FRAME_HEADER_SIZE 24
#define INDEX_SIZE 100
#define INDEX_FRAMES 16
#define INDEX_SALTS 32
#define INDEX_COPIED 96
#define SALTS_SIZE 8
#define PATH_SIZE 4400

struct wal_state {
    int64_t frames; /* that the WAL has room for; 0 without a WAL */
    uint8_t header[WAL_HEADER_SIZE];
    uint8_t index[INDEX_SIZE];
};

/* Reads the first bytes of FILE-suffix; returns its size, -1 if it cannot be read. */
static int64_t read_start(const char *path, const char *suffix, uint8_t *ret_bytes, size_t len)
{
    char name[PATH_SIZE];
    int64_t size = -1;
    int fd;

    snprintf(name, sizeof name, "%s%s", path, suffix);
    fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    if (pread(fd, ret_bytes, len, 0) >= 0)
        size = lseek(fd, 0, SEEK_END);
    close(fd);
    return size;
}

static uint32_t number_at(const uint8_t *index, size_t at)
{
    uint32_t number;

    memcpy(&number, index + at, sizeof number);
    return number;
}

static void count_frames(struct wal_state *state, int64_t wal_size)
{
    const uint8_t *b = state->header + WAL_PAGE_SIZE;
    uint32_t page = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];

    if (wal_size >= WAL_HEADER_SIZE)
        state->frames = (wal_size - WAL_HEADER_SIZE) / (FRAME_HEADER_SIZE + (int64_t)page);
}

static bool is_cut(const struct wal_state *state)
{
    uint32_t copied = number_at(state->index, INDEX_COPIED);

    if (copied == 0)
        return false;
    if (state->frames == 0)
        return copied < number_at(state->index, INDEX_FRAMES);
    return state->frames < copied &&
           memcmp(state->header + WAL_SALTS, state->index + INDEX_SALTS, SALTS_SIZE) == 0;
}

enum tb_code tb_db_check_cut(const char *path, struct tb_error *err)
{
    struct wal_state state = {0};

    if (read_start(path, "-shm", state.index, sizeof state.index) < INDEX_SIZE)
        return TB_OK; /* nothing was copied since the last connection has closed */
    count_frames(&state, read_start(path, "-wal", state.header, sizeof state.header));
    if (!is_cut(&state))
        return TB_OK;
    tb_error_set(err, TB_CORRUPT,
                 "its -wal was cut: %lld of its frames are left, and %u were copied from it",
                 (long long)state.frames, number_at(state.index, INDEX_COPIED));
    err->native = SQLITE_CORRUPT;
    return err->code;
}

#include "base/sqlite/file_loss.h"
#include "base/sqlite/db_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The WAL and its index, file formats that SQLite documents (walformat.html). A WAL has a header
 * of 32 bytes with two salts at 16; then frames, each a header of 24 bytes with the same salts at
 * 8, and a page. The index begins with two equal copies of a header of 48 bytes, and numbers are
 * in the machine's order. */
#define WAL_HEADER_SIZE 32
#define WAL_HEADER_SALTS 16
#define FRAME_HEADER_SIZE 24
#define FRAME_SALTS 8
#define SALTS_SIZE 8
#define INDEX_REGION_SIZE 32768
enum index_word {
    INDEX_FRAMES = 4, /* committed, in the WAL */
    INDEX_PAGES = 5,  /* of the database after the last commit; 0: no commit is in the WAL */
    INDEX_SALTS = 8,
    INDEX_COPY = 12,
    INDEX_BACKFILL = 24, /* frames that are in the database file */
    INDEX_WORDS
};
/* Of a longer path only the name is told, so that what to do is not cut off. */
#define PATH_TOLD_MAX 110
/* The index changes with each commit: after so many looks in vain the next step looks again. */
#define LOOKS_MAX 4

struct loss {
    enum tb_loss_kind kind;
    struct tb_place place;
    struct tb_file_loss told;
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next three */
static struct loss losses[TB_WAL_BACKLOGS_MAX];
static size_t loss_count;
static uint64_t last_number;
static _Atomic bool any_loss;

/* SQLite writes the index without atomic operations, and a torn header differs from its copy. */
__attribute__((no_sanitize_thread)) static bool read_index(const struct tb_db *db,
                                                           uint32_t ret_words[INDEX_WORDS])
{
    const uint32_t volatile *index = db->wal.index;

    for (int i = 0; i < INDEX_WORDS; i++)
        ret_words[i] = index[i];
    return memcmp(ret_words, ret_words + INDEX_COPY, INDEX_COPY * sizeof *ret_words) == 0;
}

static bool is_same_file(const struct stat *st, dev_t device, ino_t inode)
{
    return st->st_dev == device && st->st_ino == inode;
}

/* A file that cannot be looked at proves nothing. */
static enum tb_loss_kind judge_file(const struct tb_db *db, const uint32_t *index)
{
    const struct tb_place *place = &db->wal.place;
    int64_t size = atomic_load(&db->wal.file_size);
    int64_t pages = index[INDEX_PAGES];
    struct stat st;

    if (stat(db->wal.path, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR ? TB_LOSS_FILE_GONE : TB_LOSS_NONE;
    if (!is_same_file(&st, place->device, place->inode))
        return TB_LOSS_FILE_GONE;
    /* A VACUUM by another program makes it shorter. */
    if (pages > 0 && pages * db->wal.page_size < size)
        size = pages * db->wal.page_size;
    return st.st_size < size ? TB_LOSS_FILE_CUT : TB_LOSS_NONE;
}

/* Somebody who cuts the WAL leaves a hole behind which the next commit is written. */
static bool has_salts(int fd, int64_t offset, const uint32_t *index)
{
    char salts[SALTS_SIZE];

    return pread(fd, salts, sizeof salts, offset) == (ssize_t)sizeof salts &&
           memcmp(salts, &index[INDEX_SALTS], sizeof salts) == 0;
}

/* A hole ends where the WAL ended when it was cut, so its last frame is not before the last one
 * that was checked. Without that, each commit would read a WAL that a snapshot lets grow. */
static int64_t first_unchecked(const struct tb_db *db, const uint32_t *index)
{
    int64_t checked = db->wal.checked_frames, first = index[INDEX_BACKFILL];

    if (memcmp(db->wal.checked_salts, &index[INDEX_SALTS], SALTS_SIZE) == 0 && checked > first)
        first = checked - 1;
    return first;
}

static bool has_frames(const struct tb_db *db, int fd, const uint32_t *index, bool all)
{
    int64_t size = FRAME_HEADER_SIZE + db->wal.page_size, count = index[INDEX_FRAMES];
    int64_t first = all ? first_unchecked(db, index) : count - 1;
    struct stat st;

    if (count == 0)
        return true; /* it starts over: whatever it has is of an earlier round */
    if (fstat(fd, &st) != 0 || st.st_size < WAL_HEADER_SIZE + count * size ||
        !has_salts(fd, WAL_HEADER_SALTS, index))
        return false;
    for (int64_t frame = first; frame < count; frame++)
        if (!has_salts(fd, WAL_HEADER_SIZE + frame * size + FRAME_SALTS, index))
            return false;
    return true;
}

static enum tb_loss_kind judge_wal(const struct tb_db *db, const uint32_t *index, bool all)
{
    const char *path = db->wal.wal_path;
    enum tb_loss_kind kind = TB_LOSS_NONE;
    struct stat st;
    /* Unlike the database file and the index, a WAL has no locks that closing it would drop. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return errno == ENOENT ? TB_LOSS_WAL_GONE : TB_LOSS_NONE;
    if (fstat(fd, &st) == 0 && !is_same_file(&st, db->wal.place.device, db->wal.place.wal_inode))
        kind = TB_LOSS_WAL_GONE;
    else if (!has_frames(db, fd, index, all))
        kind = TB_LOSS_WAL_CUT;
    close(fd);
    return kind;
}

static void note_checked(struct tb_db *db, const uint32_t *index)
{
    db->wal.checked_frames = index[INDEX_FRAMES];
    memcpy(db->wal.checked_salts, &index[INDEX_SALTS], SALTS_SIZE);
}

/* all: each frame that the next checkpoint would copy; else the last. SQLite changes the index
 * before it makes file or WAL shorter, and after it has made them longer, so what was seen between
 * two equal readings of the index is so. It never removes a file that somebody else has open. */
static enum tb_loss_kind judge(struct tb_db *db, bool all)
{
    uint32_t before[INDEX_WORDS], after[INDEX_WORDS];

    if (!db->wal.index)
        return TB_LOSS_NONE;
    for (int looks = 0; looks < LOOKS_MAX; looks++) {
        enum tb_loss_kind kind;

        if (!read_index(db, before))
            continue;
        kind = judge_file(db, before);
        if (kind == TB_LOSS_NONE)
            kind = judge_wal(db, before, all);
        if (kind == TB_LOSS_NONE && all)
            note_checked(db, before);
        if (kind == TB_LOSS_NONE || kind == TB_LOSS_FILE_GONE || kind == TB_LOSS_WAL_GONE ||
            (read_index(db, after) && memcmp(before, after, sizeof before) == 0))
            return kind;
    }
    return TB_LOSS_NONE;
}

static struct loss *find(const char *path)
{
    for (size_t i = 0; i < loss_count; i++)
        if (strcmp(losses[i].told.path, path) == 0)
            return &losses[i];
    return NULL;
}

static void describe(struct loss *loss)
{
    static const struct {
        const char *file, *text; /* the end of the file's name; what happened to it */
    } words[] = {
        [TB_LOSS_FILE_GONE] = {"",
                               "was moved, removed or replaced while it was open: put it back, "
                               "or restart the node"},
        [TB_LOSS_FILE_CUT] = {"",
                              "was cut short while it was open: restart the node, and put back "
                              "a copy of the file if it is damaged"},
        [TB_LOSS_WAL_GONE] = {"-wal", "was moved, removed or replaced while it was open: restart "
                                      "the node"},
        [TB_LOSS_WAL_CUT] = {"-wal", "was cut short or overwritten while it was open, and what "
                                     "only it held is lost: restart the node"},
        [TB_LOSS_CHANGED] = {"", "was overwritten by another program while it was open: restart "
                                 "the node"},
    };

    const char *path = loss->told.path, *slash = strrchr(path, '/');

    if (slash && strlen(path) > PATH_TOLD_MAX)
        path = slash + 1;
    snprintf(loss->told.text, sizeof loss->told.text, "%.*s%s %s", PATH_TOLD_MAX, path,
             words[loss->kind].file, words[loss->kind].text);
}

static void forget(struct loss *loss)
{
    *loss = losses[--loss_count];
    atomic_store(&any_loss, loss_count > 0);
}

/* With the lock held. */
static void update(const struct tb_db *db, enum tb_loss_kind kind)
{
    struct loss *loss = find(db->path);

    if (loss && loss->kind == TB_LOSS_FILE_GONE && kind == TB_LOSS_NONE)
        forget(loss);
    if (kind == TB_LOSS_NONE ||
        (loss && (loss->kind != TB_LOSS_FILE_GONE || kind == TB_LOSS_FILE_GONE)) ||
        (!loss && loss_count == TB_WAL_BACKLOGS_MAX))
        return;
    if (!loss)
        loss = &losses[loss_count++];
    *loss = (struct loss){.kind = kind, .place = db->wal.place, .told.number = ++last_number};
    snprintf(loss->told.path, sizeof loss->told.path, "%s", db->path);
    describe(loss);
    atomic_store(&any_loss, true);
}

void tb_db_lose(struct tb_db *db, enum tb_loss_kind kind)
{
    pthread_mutex_lock(&lock);
    update(db, kind);
    pthread_mutex_unlock(&lock);
}

static void look_at(struct tb_db *db, bool all)
{
    tb_db_lose(db, judge(db, all));
}

static void look_at_end(struct tb_db *db)
{
    look_at(db, false);
}

static bool is_back(const struct loss *loss)
{
    struct stat st;

    return loss->kind == TB_LOSS_FILE_GONE && stat(loss->told.path, &st) == 0 &&
           is_same_file(&st, loss->place.device, loss->place.inode);
}

void tb_file_losses_look(void)
{
    tb_wal_each(look_at_end);
    pthread_mutex_lock(&lock);
    for (size_t i = loss_count; i-- > 0;)
        if (is_back(&losses[i]))
            forget(&losses[i]);
    pthread_mutex_unlock(&lock);
}

size_t tb_file_losses(struct tb_file_loss ret_losses[TB_WAL_BACKLOGS_MAX])
{
    size_t count;

    pthread_mutex_lock(&lock);
    count = loss_count;
    for (size_t i = 0; i < count; i++)
        ret_losses[i] = losses[i].told;
    pthread_mutex_unlock(&lock);
    return count;
}

static enum tb_loss_kind kind_of(const char *path)
{
    enum tb_loss_kind kind;
    struct loss *loss;

    if (!atomic_load(&any_loss) || !path)
        return TB_LOSS_NONE;
    pthread_mutex_lock(&lock);
    loss = find(path);
    kind = loss ? loss->kind : TB_LOSS_NONE;
    pthread_mutex_unlock(&lock);
    return kind;
}

enum tb_code tb_file_loss_check(const char *path, struct tb_error *err)
{
    struct loss *loss = NULL;

    if (!atomic_load(&any_loss) || !path)
        return TB_OK;
    pthread_mutex_lock(&lock);
    loss = find(path);
    if (loss && is_back(loss)) {
        forget(loss);
        loss = NULL;
    }
    if (loss)
        tb_error_set(err, TB_UNAVAILABLE, "%s", loss->told.text);
    pthread_mutex_unlock(&lock);
    return loss ? TB_UNAVAILABLE : TB_OK;
}

enum tb_loss_kind tb_db_loss(const struct tb_db *db)
{
    return kind_of(db->path);
}

enum tb_loss_kind tb_db_look(struct tb_db *db, bool all)
{
    look_at(db, all);
    return tb_db_loss(db);
}

void tb_db_note_file_size(struct tb_db *db)
{
    struct stat st;

    if (stat(db->wal.path, &st) == 0 &&
        is_same_file(&st, db->wal.place.device, db->wal.place.inode))
        atomic_store(&db->wal.file_size, (int64_t)st.st_size);
}

void tb_db_note_place(struct tb_db *db)
{
    struct tb_wal *wal = &db->wal;
    sqlite3_file *file = NULL;
    void volatile *region = NULL;
    struct stat of_file, of_wal;

    wal->wal_path = sqlite3_filename_wal(wal->path);
    if (stat(wal->path, &of_file) != 0 || stat(wal->wal_path, &of_wal) != 0 ||
        sqlite3_file_control(db->raw, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        file->pMethods->xShmMap(file, 0, INDEX_REGION_SIZE, /* extend= */ 0, &region) != SQLITE_OK)
        return;
    wal->place = (struct tb_place){of_file.st_dev, of_file.st_ino, of_wal.st_ino};
    atomic_store(&wal->file_size, (int64_t)of_file.st_size);
    wal->index = region;
}

#include "edge/file_watch.h"
#include "base/diag/diag.h"
#include "base/json/json.h"
#include "base/sqlite/lock_holders.h"
#include "base/sqlite/wal_backlog.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The first look after somebody has come is late by a step at most, and so is the one that finds
 * that the time is up: together they stay below a second. */
#define STEP_MS 700
#define HELD_STEP_MS 250 /* while somebody has a lock */
#define WRITES_MS 1000
#define READS_MS 60000
#define POSITION_MS 2000
/* One reading of the locks may miss one (lock_holders.h); that so many do will not happen. */
#define READINGS_MAX 3

struct noted {
    struct tb_hold hold;
    int64_t since_ms;
    int64_t written_frames; /* of the WAL, when it was seen first */
    bool seen;              /* by the present look */
    bool held_up;           /* a checkpoint was stopped meanwhile, or it writes */
    bool reported;
};
/* A file, and who has locks on it. */
struct seen_file {
    struct tb_wal_backlog backlog;
    struct tb_lock_holder holders[TB_LOCK_HOLDERS_MAX];
    size_t holder_count;
    int64_t locked_ms; /* for so long its writer has not got the lock; below 0: it gets it */
};

struct tb_file_watch {
    struct tb_file_watch_options options;
    struct tb_mailbox mailbox; /* never has mail; waking it ends a wait */
    _Atomic bool stopping;
    /* Of the stepping thread: */
    int64_t next_ms; /* when the next step is due */
    int64_t told_sequence, told_at_ms;
    struct tb_db *store; /* owned; a reader */
    struct tb_stmt last_row;
    struct tb_wal_backlog backlogs[TB_WAL_BACKLOGS_MAX];
    struct seen_file files[TB_WAL_BACKLOGS_MAX];
    size_t file_count;
    pthread_mutex_t lock; /* guards the rest, which only the stepping thread changes */
    struct noted noted[TB_HOLDS_MAX];
    size_t count;
};

enum tb_code tb_file_watch_new(const struct tb_file_watch_options *options,
                               struct tb_file_watch **ret_watch, struct tb_error *err)
{
    struct tb_file_watch *watch = calloc(1, sizeof *watch);

    if (!watch)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    watch->options = *options;
    watch->next_ms = tb_clock_mono_ms(options->clock);
    tb_mailbox_init(&watch->mailbox, 0);
    TB_ASSERT(pthread_mutex_init(&watch->lock, NULL) == 0);
    if (options->store_path &&
        tb_db_open(options->store_path, TB_DB_READER, 0, &watch->store, err) != TB_OK) {
        tb_file_watch_free(watch);
        return err->code;
    }
    if (watch->store)
        tb_stmt_declare(
            &watch->last_row, watch->store,
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)");
    *ret_watch = watch;
    return TB_OK;
}

void tb_file_watch_free(struct tb_file_watch *watch)
{
    if (!watch)
        return;
    tb_stmt_finalize(&watch->last_row);
    tb_db_close(watch->store);
    pthread_mutex_destroy(&watch->lock);
    tb_mailbox_release(&watch->mailbox);
    free(watch);
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void report(const struct noted *noted)
{
    const struct tb_hold *hold = &noted->hold;
    char who[64] = "another program, or a query of this node,";

    if (hold->pid > 0)
        snprintf(who, sizeof who, "%s (pid %" PRId64 ")", hold->program, hold->pid);
    if (!noted->seen)
        tb_diag(TB_DIAG_INFO, "file.free", "%s is not held up by %s any more", hold->path, who);
    else if (hold->writes)
        tb_diag(TB_DIAG_WARN, "file.held_up", "%s: %s has the write lock for %" PRId64 " s: %s",
                hold->path, who, hold->held_ms / 1000,
                strcmp(hold->file, TB_HOLD_STORE) == 0 ? "nothing can be stored"
                                                       : "nothing new gets into the view");
    else
        tb_diag(TB_DIAG_WARN, "file.held_up",
                "%s: %s reads an old state for %" PRId64
                " s: meanwhile the file's WAL cannot be emptied; %" PRId64 " MiB of it wait",
                hold->path, who, hold->held_ms / 1000, hold->wal_bytes >> 20);
}

static void set_path(struct tb_hold *hold, const char *path)
{
    bool fits = strlen(path) < sizeof hold->path && tb_utf8_valid(tb_str_of(path));

    snprintf(hold->file, sizeof hold->file, "%.*s", (int)sizeof hold->file - 1, name_of(path));
    snprintf(hold->path, sizeof hold->path, "%s", fits ? path : hold->file);
}

static struct noted *find_noted(struct tb_file_watch *watch, const char *path, int64_t pid,
                                bool writes)
{
    for (size_t i = 0; i < watch->count; i++) {
        struct noted *noted = &watch->noted[i];

        if (noted->hold.pid == pid && noted->hold.writes == writes &&
            strcmp(noted->hold.file, name_of(path)) == 0)
            return noted;
    }
    return NULL;
}

/* A checkpoint has gone past all that was there when the reader was seen first: it reads a later
 * state now. */
static bool reads_anew(const struct noted *noted, const struct tb_wal_backlog *file)
{
    return !noted->hold.writes && file->copied_frames > noted->written_frames;
}

/* pid 0: who it is cannot be known. */
static void note(struct tb_file_watch *watch, const struct tb_wal_backlog *file,
                 const struct tb_lock_holder *holder, bool writes, int64_t now_ms)
{
    struct noted *noted = find_noted(watch, file->path, holder->pid, writes);
    bool is_new = !noted;

    if (is_new && watch->count == TB_HOLDS_MAX)
        return;
    if (is_new)
        noted = &watch->noted[watch->count++];
    else if (reads_anew(noted, file)) {
        noted->seen = false;
        if (noted->reported)
            report(noted);
        is_new = true;
    }
    if (is_new) {
        *noted = (struct noted){.since_ms = now_ms,
                                .written_frames = file->written_frames,
                                .hold = {.pid = holder->pid, .writes = writes}};
        set_path(&noted->hold, file->path);
    }
    memcpy(noted->hold.program, holder->name, sizeof noted->hold.program);
    noted->hold.wal_bytes = file->bytes;
    noted->seen = true;
    noted->held_up |= writes || (file->stopped && file->bytes > 0);
}

static void note_holders(struct tb_file_watch *watch, const struct seen_file *file, int64_t now_ms)
{
    static const struct tb_lock_holder unknown = {0};
    const struct tb_wal_backlog *backlog = &file->backlog;
    bool read = false, written = false;

    for (size_t i = 0; i < file->holder_count; i++) {
        const struct tb_lock_holder *holder = &file->holders[i];

        if (holder->writes)
            note(watch, backlog, holder, true, now_ms);
        /* A writer has a snapshot, too: it counts if it was there before. */
        if (holder->reads &&
            (!holder->writes || find_noted(watch, backlog->path, holder->pid, false)))
            note(watch, backlog, holder, false, now_ms);
        written |= holder->writes;
        read |= holder->reads;
    }
    if (backlog->stopped && backlog->bytes > 0 && !read)
        note(watch, backlog, &unknown, false, now_ms);
    if (file->locked_ms >= 0 && !written)
        note(watch, backlog, &unknown, true, now_ms);
}

static bool is_long(const struct noted *noted)
{
    return noted->held_up && noted->hold.held_ms >= (noted->hold.writes ? WRITES_MS : READS_MS);
}

/* Forgets who is gone, and reports. */
static void sort_out(struct tb_file_watch *watch, int64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < watch->count; i++) {
        struct noted noted = watch->noted[i];

        if (noted.seen)
            noted.hold.held_ms = now_ms - noted.since_ms;
        if (noted.seen ? is_long(&noted) && !noted.reported : noted.reported) {
            report(&noted);
            noted.reported = true;
        }
        if (noted.seen)
            watch->noted[kept++] = noted;
    }
    watch->count = kept;
}

static bool has_holder(const struct tb_file_watch *watch, const struct tb_hold *hold)
{
    for (size_t f = 0; f < watch->file_count; f++) {
        const struct seen_file *file = &watch->files[f];

        if (strcmp(name_of(file->backlog.path), hold->file) != 0)
            continue;
        for (size_t i = 0; i < file->holder_count; i++) {
            const struct tb_lock_holder *holder = &file->holders[i];

            if (holder->pid == hold->pid && (hold->writes ? holder->writes : holder->reads))
                return true;
        }
    }
    return false;
}

/* Somebody who had a lock at the last look has none in this reading; or nobody has the lock that
 * the writer does not get. */
static bool misses_someone(const struct tb_file_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++)
        if (watch->noted[i].hold.pid > 0 && !has_holder(watch, &watch->noted[i].hold))
            return true;
    for (size_t f = 0; f < watch->file_count; f++) {
        bool written = watch->files[f].locked_ms < 0;

        for (size_t i = 0; i < watch->files[f].holder_count; i++)
            written |= watch->files[f].holders[i].writes;
        if (!written)
            return true;
    }
    return false;
}

/* False: the locks cannot be read. */
static bool read_locks(struct tb_file_watch *watch)
{
    for (int readings = 1;; readings++) {
        TB_CLEANUP(tb_buf_release) struct tb_buf locks = {0};

        if (!tb_lock_holders_read(&locks))
            return false;
        for (size_t f = 0; f < watch->file_count; f++) {
            struct seen_file *file = &watch->files[f];

            file->holder_count =
                tb_lock_holders_find(tb_buf_str(&locks), file->backlog.path, file->holders);
        }
        if (readings == READINGS_MAX || !misses_someone(watch))
            return true;
    }
}

static void look_at_files(struct tb_file_watch *watch)
{
    watch->file_count = tb_wal_backlogs(watch->backlogs);
    for (size_t f = 0; f < watch->file_count; f++) {
        struct seen_file *file = &watch->files[f];
        bool is_store = strcmp(name_of(watch->backlogs[f].path), TB_HOLD_STORE) == 0;

        *file = (struct seen_file){.backlog = watch->backlogs[f], .locked_ms = -1};
        if (is_store)
            file->locked_ms = tb_writer_locked_ms(watch->options.writer);
    }
}

size_t tb_file_watch_holds(struct tb_file_watch *watch, struct tb_hold ret_holds[TB_HOLDS_MAX])
{
    int64_t now_ms = tb_clock_mono_ms(watch->options.clock);
    size_t count = 0;

    pthread_mutex_lock(&watch->lock);
    for (size_t i = 0; i < watch->count; i++) {
        if (!is_long(&watch->noted[i]))
            continue;
        ret_holds[count] = watch->noted[i].hold;
        ret_holds[count++].held_ms = now_ms - watch->noted[i].since_ms;
    }
    pthread_mutex_unlock(&watch->lock);
    return count;
}

/* The steps keep to their times, whatever one takes; those that are missed are left out. */
static int64_t next_wait_ms(struct tb_file_watch *watch)
{
    int64_t now_ms = tb_clock_mono_ms(watch->options.clock);

    watch->next_ms += watch->count > 0 ? HELD_STEP_MS : STEP_MS;
    if (watch->next_ms < now_ms)
        watch->next_ms = now_ms;
    return watch->next_ms - now_ms;
}

/* Another program has put a copy into the store. The writer would find it with its next order: it
 * looks now. Whatever else is wrong with the store shows elsewhere. */
static void look_at_store(struct tb_file_watch *watch, const struct tb_writer_position *position)
{
    struct tb_error ignored = {0};
    bool row = false;

    if (!watch->store)
        return;
    if (tb_stmt_step(&watch->last_row, &row, &ignored) == TB_OK && row &&
        tb_stmt_int64(&watch->last_row, 0) < position->row)
        tb_writer_suspect(watch->options.writer);
    tb_stmt_reset(&watch->last_row);
}

static void tell_position(struct tb_file_watch *watch, const struct tb_writer_position *position,
                          int64_t now_ms)
{
    const struct tb_file_watch_options *options = &watch->options;

    if (!options->on_position || position->sequence == watch->told_sequence ||
        now_ms < watch->told_at_ms + POSITION_MS)
        return;
    watch->told_sequence = position->sequence;
    watch->told_at_ms = now_ms;
    options->on_position(options->ctx, position->epoch, position->sequence, position->number);
}

int64_t tb_file_watch_step(struct tb_file_watch *watch)
{
    int64_t now_ms = tb_clock_mono_ms(watch->options.clock);
    struct tb_writer_position position;
    bool known;

    look_at_files(watch);
    known = read_locks(watch);
    pthread_mutex_lock(&watch->lock);
    for (size_t i = 0; i < watch->count; i++)
        watch->noted[i].seen = !known && watch->noted[i].hold.pid > 0;
    for (size_t f = 0; f < watch->file_count; f++)
        note_holders(watch, &watch->files[f], now_ms);
    sort_out(watch, now_ms);
    pthread_mutex_unlock(&watch->lock);
    tb_writer_position(watch->options.writer, &position); /* before the file is looked at */
    look_at_store(watch, &position);
    tell_position(watch, &position, now_ms);
    tb_data_dir_keep_ballast(watch->options.dir);
    if (tb_damage_look_for_losses(watch->options.damage))
        tb_writer_wake(watch->options.writer); /* it rescues what can be rescued */
    tb_damage_step(watch->options.damage, tb_writer_found_damage(watch->options.writer));
    return next_wait_ms(watch);
}

void tb_file_watch_run(struct tb_file_watch *watch)
{
    while (!atomic_load(&watch->stopping))
        tb_mailbox_wait(&watch->mailbox, tb_file_watch_step(watch));
}

void tb_file_watch_stop(struct tb_file_watch *watch)
{
    atomic_store(&watch->stopping, true);
    tb_mailbox_wake(&watch->mailbox);
}

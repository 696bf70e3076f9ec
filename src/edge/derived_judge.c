#include "edge/derived_priv.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the marker: which file has the damage, if SQLite's check would not find it. */
#define MARK_VIEW "view\n"
#define MARK_LOG "log\n"
#define MARKS_SIZE 64 /* the first marks are enough */

void tb_derived_condemn(struct tb_derived_finding *finding, const char *format, ...)
{
    va_list args;

    if (finding->bad) /* the first reason counts */
        return;
    finding->bad = true;
    va_start(args, format);
    vsnprintf(finding->reason, sizeof finding->reason, format, args);
    va_end(args);
}

/* A link to nothing counts, too. */
static bool exists(const char *path)
{
    struct stat st;

    return access(path, F_OK) == 0 || lstat(path, &st) == 0;
}

/* Judging the log. */

/* store_sequence: so far was the store when a snapshot was read from it. That the log has events
 * up to it is not said. */
static enum tb_code on_epoch(void *ctx, const char *epoch, int64_t sequence,
                             int64_t store_sequence, struct tb_error *err)
{
    struct tb_derived_state *derived = ctx;
    int64_t end = 0, known = store_sequence > sequence ? store_sequence : sequence;

    if (strcmp(epoch, derived->told.epoch) == 0 && sequence >= derived->told.sequence)
        derived->is_told_known = true;
    TB_TRY(tb_store_epoch_end(derived->options->store, epoch, &end, err));
    if (known > end && !derived->restored) {
        derived->restored = true;
        snprintf(derived->lost, sizeof derived->lost,
                 "of epoch %s event %" PRId64 " is known, the store has %" PRId64, epoch, known,
                 end);
    }
    return TB_OK;
}

/* The cursor moves only after the log has the events on its disk. */
static enum tb_code compare_with_cursor(struct tb_derived_state *derived, struct tb_error *err)
{
    const struct tb_store_position *told = &derived->told;
    int64_t known = 0;

    if (derived->is_told_known)
        return TB_OK;
    TB_TRY(tb_log_inproc_high_sequence(derived->log, told->epoch, &known, err));
    tb_derived_condemn(&derived->log_state,
                       "it ends at event %" PRId64
                       " of epoch %s, and had acknowledged event %" PRId64,
                       known, told->epoch, told->sequence);
    return TB_OK;
}

bool tb_derived_is_log_empty(const struct tb_derived_state *derived)
{
    return tb_log_inproc_range(derived->log, NULL).end == tb_log_inproc_origin(derived->log)->base;
}

/* True: the log is empty and lacks nothing. It was made just now, or by a start that came no
 * further. */
static enum tb_code is_begun(struct tb_derived_state *derived, bool *ret_begun,
                             struct tb_error *err)
{
    bool has_sent = false;

    *ret_begun = false;
    TB_TRY(tb_store_has_sent_snapshots(derived->options->store, TB_CURSOR_INPROC, &has_sent, err));
    if (has_sent || derived->told.sequence > 0)
        return TB_OK;
    *ret_begun = tb_derived_is_log_empty(derived);
    return TB_OK;
}

/* What the store says of one log tells nothing about another one, which may lack what was sent to
 * the first. */
static enum tb_code compare_log_id(struct tb_derived_state *derived, struct tb_error *err)
{
    const char *found = tb_log_inproc_origin(derived->log)->log_id;
    char known[TB_STORE_LOG_ID_SIZE];
    bool begun = false;

    TB_TRY(tb_store_log_id(derived->options->store, known, err));
    if (!known[0] || strcmp(found, known) == 0)
        return TB_OK;
    if (!found[0])
        TB_TRY(is_begun(derived, &begun, err));
    if (begun)
        return TB_OK;
    if (!derived->log_state.existed)
        tb_derived_condemn(&derived->log_state, "it is missing");
    else
        tb_derived_condemn(&derived->log_state, "it is log %s, the store's is log %s",
                           found[0] ? found : "without an id", known);
    return TB_OK;
}

static enum tb_code read_log(struct tb_derived_state *derived, struct tb_error *err)
{
    const struct tb_log_origin *origin;

    TB_TRY(tb_db_check_cut(derived->log_path, err));
    TB_TRY(tb_log_inproc_open(derived->log_path, derived->options->clock, &derived->log, err));
    origin = tb_log_inproc_origin(derived->log);
    if (origin->store_id[0] && strcmp(origin->store_id, derived->store_id) != 0) {
        tb_derived_condemn(&derived->log_state, "it is of the store %s, this store is %s",
                           origin->store_id, derived->store_id);
        return TB_OK;
    }
    if (tb_log_inproc_is_partitioned(derived->log))
        tb_derived_condemn(&derived->log_state, "an earlier build made it, with six partitions");
    TB_TRY(compare_log_id(derived, err));
    TB_TRY(tb_log_inproc_each_epoch(derived->log, on_epoch, derived, err));
    return compare_with_cursor(derived, err);
}

/* False: the error has another cause, or may be gone with the next try. */
bool tb_derived_condemn_for(const struct tb_derived_state *derived,
                            struct tb_derived_finding *finding, struct tb_error *err)
{
    const char *state = NULL;

    if (err->code == TB_CORRUPT || tb_error_is_of_schema(err))
        state = "is damaged";
    else if (err->native == TB_DB_NOT_OURS)
        state = "is another file";
    else if (derived->options->gives_up_reading && tb_error_is_of_reading(err))
        state = "cannot be read";
    if (!state)
        return false;
    tb_derived_condemn(finding, "it %s: %s", state, err->text);
    *err = (struct tb_error){0};
    return true;
}

static enum tb_code judge_log(struct tb_derived_state *derived, struct tb_error *err)
{
    enum tb_code code;

    derived->log_state.existed = exists(derived->log_path);
    code = read_log(derived, err);
    if (code == TB_OK || !tb_derived_condemn_for(derived, &derived->log_state, err))
        return code;
    tb_log_inproc_free(derived->log);
    derived->log = NULL;
    return TB_OK;
}

/* Judging the view. */

/* A view is never ahead of its log: the consumer reads only what is on the log's disk. */
static enum tb_code compare_offsets(struct tb_derived_state *derived, struct tb_error *err)
{
    int64_t end = tb_log_inproc_range(derived->log, NULL).end, next = -1;

    TB_TRY(derived->view->ops->offset(derived->view, 0, &next, err));
    if (next > end)
        tb_derived_condemn(&derived->log_state,
                           "it ends at offset %" PRId64 ", the view has read up to %" PRId64, end,
                           next);
    return TB_OK;
}

bool tb_derived_is_of_log(const struct tb_derived_state *derived)
{
    return derived->log &&
           strcmp(derived->view_origin.log_id, tb_log_inproc_origin(derived->log)->log_id) == 0;
}

/* True: the log has no records, and begins behind all offsets that the view or its dead letters
 * have. It was made for this view. */
static enum tb_code is_made_for_view(struct tb_derived_state *derived, bool *ret_made,
                                     struct tb_error *err)
{
    int64_t end = 0;

    TB_TRY(tb_view_sqlite_offsets_end(derived->view, &end, err));
    *ret_made =
        tb_derived_is_log_empty(derived) && end <= tb_log_inproc_origin(derived->log)->base;
    return TB_OK;
}

/* A view that was put back after its log had been made anew. What it has of the other log, dead
 * letters too, would stand for other records of this one. */
static enum tb_code compare_with_log(struct tb_derived_state *derived, struct tb_error *err)
{
    const char *read = derived->view_origin.log_id, *found;
    bool made = false;

    if (!read[0] || !derived->log || derived->log_state.bad || tb_derived_is_of_log(derived))
        return TB_OK;
    found = tb_log_inproc_origin(derived->log)->log_id;
    TB_TRY(is_made_for_view(derived, &made, err));
    if (found[0] && !made)
        tb_derived_condemn(&derived->view_state, "it is of log %s, the log here is %s", read,
                           found);
    return TB_OK;
}

static enum tb_code read_view(struct tb_derived_state *derived, struct tb_error *err)
{
    TB_TRY(tb_db_check_cut(derived->view_path, err));
    TB_TRY(tb_view_sqlite_open(derived->view_path, &derived->view, err));
    TB_TRY(tb_view_sqlite_read_origin(derived->view, &derived->view_origin, err));
    if (derived->view_origin.store_id[0] &&
        strcmp(derived->view_origin.store_id, derived->store_id) != 0) {
        tb_derived_condemn(&derived->view_state, "it is of the store %s, this store is %s",
                           derived->view_origin.store_id, derived->store_id);
        return TB_OK;
    }
    TB_TRY(compare_with_log(derived, err));
    if (tb_derived_is_of_log(derived) && !derived->log_state.bad)
        TB_TRY(compare_offsets(derived, err));
    /* The log tells whether the store was put back, unless the view is of another log. */
    if (tb_derived_is_of_log(derived) && !derived->log_state.bad)
        return TB_OK;
    return tb_view_sqlite_each_epoch(derived->view, on_epoch, derived, err);
}

static enum tb_code judge_view(struct tb_derived_state *derived, struct tb_error *err)
{
    enum tb_code code;

    derived->view_state.existed = exists(derived->view_path);
    code = read_view(derived, err);
    if (code == TB_OK || !tb_derived_condemn_for(derived, &derived->view_state, err))
        return code;
    tb_view_free(derived->view);
    derived->view = NULL;
    return TB_OK;
}

/* Damage that was found while the files were used. */

static void marker_path(const struct tb_derived_state *derived, char ret_path[TB_VIEW_PATH_SIZE])
{
    snprintf(ret_path, TB_VIEW_PATH_SIZE, "%s/" TB_DAMAGE_MARKER, derived->options->folder);
}

static enum tb_code check_log(struct tb_derived_state *derived, struct tb_error *err)
{
    enum tb_code code = derived->log ? tb_log_inproc_check(derived->log, err) : TB_OK;

    return code == TB_OK || tb_derived_condemn_for(derived, &derived->log_state, err) ? TB_OK
                                                                                      : code;
}

static enum tb_code check_view(struct tb_derived_state *derived, struct tb_error *err)
{
    enum tb_code code = derived->view ? tb_view_sqlite_check(derived->view, err) : TB_OK;

    return code == TB_OK || tb_derived_condemn_for(derived, &derived->view_state, err) ? TB_OK
                                                                                       : code;
}

/* SQLite's check does not find a value that is damaged within its page. */
static void condemn_marked(struct tb_derived_state *derived, const char *path)
{
    static const char reason[] = "it is damaged: a value in it could not be read";
    char marks[MARKS_SIZE] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (read(fd, marks, sizeof marks - 1) < 0)
        marks[0] = '\0';
    close(fd);
    if (strstr(marks, MARK_VIEW) && derived->view_state.existed)
        tb_derived_condemn(&derived->view_state, "%s", reason);
    if (strstr(marks, MARK_LOG) && derived->log_state.existed)
        tb_derived_condemn(&derived->log_state, "%s", reason);
}

/* Reads all of log and view, but only if the process before has found damage in one of them, or
 * this one an error of reading that does not go away. */
static enum tb_code check_pages(struct tb_derived_state *derived, struct tb_error *err)
{
    char path[TB_VIEW_PATH_SIZE];

    marker_path(derived, path);
    if (!exists(path) && !derived->options->gives_up_reading)
        return TB_OK;
    condemn_marked(derived, path);
    TB_TRY(check_log(derived, err));
    return check_view(derived, err);
}

void tb_derived_remove_marker(const struct tb_derived_state *derived)
{
    char path[TB_VIEW_PATH_SIZE];

    marker_path(derived, path);
    (void)!unlink(path); /* if it stays, the next start checks again */
}

/* If it cannot be written, whoever meets the damage again tries again. */
static void mark(const char *folder, const char *what)
{
    char path[TB_VIEW_PATH_SIZE], marks[MARKS_SIZE] = "";
    int fd;

    snprintf(path, sizeof path, "%s/" TB_DAMAGE_MARKER, folder);
    fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (read(fd, marks, sizeof marks - 1) >= 0 && !strstr(marks, what))
        (void)!write(fd, what, strlen(what));
    close(fd);
}

void tb_derived_mark_damage(const char *folder, const struct tb_error *err)
{
    const char *what = err->native == TB_DB_BAD_DOCUMENT ? MARK_VIEW
                       : err->native == TB_DB_BAD_RECORD ? MARK_LOG
                                                         : "";

    if (err->code == TB_CORRUPT && err->native != 0) /* it was found in a file */
        mark(folder, what);
}

void tb_derived_mark(const char *folder)
{
    mark(folder, "");
}

/* A store without events has nothing in log and view. */
static void judge_missing(struct tb_derived_state *derived)
{
    const struct tb_store_position *told = &derived->told;

    if (!derived->log_state.existed && (told->sequence > 0 || derived->view_state.existed)) {
        derived->log_state.bad = false; /* what was judged is the new one */
        tb_derived_condemn(&derived->log_state, "it is missing");
    }
}

/* The note is of another store if that one was deleted; numbers were given all the same. */
static enum tb_code read_heartbeat(struct tb_derived_state *derived, struct tb_error *err)
{
    struct tb_heartbeat_note note;

    if (!tb_heartbeat_note_read(derived->options->folder, &note))
        return TB_OK;
    if (note.number > derived->noted_number)
        derived->noted_number = note.number;
    return strcmp(note.store_id, derived->store_id) == 0
               ? on_epoch(derived, note.epoch, note.sequence, 0, err)
               : TB_OK;
}

bool tb_derived_store_is_missing(const struct tb_derived_state *derived)
{
    const struct tb_folder_identity *identity = derived->options->identity;

    return tb_store_is_new(derived->options->store) && identity && identity->present[0];
}

enum tb_code tb_derived_judge(struct tb_derived_state *derived, struct tb_error *err)
{
    if (derived->options->identity)
        derived->noted_number = derived->options->identity->last_number;
    TB_TRY(
        tb_store_cursor_position(derived->options->store, TB_CURSOR_INPROC, &derived->told, err));
    derived->is_told_known = derived->told.sequence == 0;
    TB_TRY(judge_log(derived, err));
    TB_TRY(judge_view(derived, err));
    TB_TRY(read_heartbeat(derived, err));
    TB_TRY(check_pages(derived, err));
    judge_missing(derived);
    return TB_OK;
}

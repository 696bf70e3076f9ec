#include "edge/heartbeat_note.h"
#include "base/diag/diag.h"
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void path_of(const char *folder, const char *suffix, char ret_path[PATH_MAX])
{
    snprintf(ret_path, PATH_MAX, "%s/" TB_HEARTBEAT_NOTE "%s", folder, suffix);
}

static bool write_file(const char *path, const struct tb_heartbeat_note *note)
{
    FILE *file = fopen(path, "we");
    bool done;

    if (!file)
        return false;
    done = fprintf(file, "%s %s %" PRId64 " %" PRId64 "\n", note->store_id, note->epoch,
                   note->sequence, note->number) > 0;
    return fclose(file) == 0 && done;
}

void tb_heartbeat_note_write(const char *folder, const struct tb_heartbeat_note *note)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the file, and the next */
    static bool is_reported;
    char path[PATH_MAX], fresh[PATH_MAX];

    path_of(folder, "", path);
    path_of(folder, ".new", fresh);
    pthread_mutex_lock(&lock);
    if (!(write_file(fresh, note) && rename(fresh, path) == 0)) {
        if (!is_reported)
            tb_diag(TB_DIAG_WARN, "edge.heartbeat", "cannot write %s", path);
        is_reported = true;
    }
    pthread_mutex_unlock(&lock);
}

/* A field ends with the character `end`. */
static bool read_number(const char **at, char end, int64_t *ret_value)
{
    int64_t value = 0;
    int digits = 0;

    for (; **at >= '0' && **at <= '9' && digits < 18; (*at)++, digits++)
        value = value * 10 + (**at - '0');
    *ret_value = value;
    return digits > 0 && *(*at)++ == end;
}

static bool read_text(const char **at, char *ret_text, size_t size)
{
    size_t len = strcspn(*at, " \n");

    if (len == 0 || len >= size || (*at)[len] != ' ')
        return false;
    memcpy(ret_text, *at, len);
    ret_text[len] = '\0';
    *at += len + 1;
    return true;
}

bool tb_heartbeat_note_read(const char *folder, struct tb_heartbeat_note *ret_note)
{
    char path[PATH_MAX], line[200];
    const char *at = line;
    FILE *file;
    bool found;

    *ret_note = (struct tb_heartbeat_note){0};
    path_of(folder, "", path);
    file = fopen(path, "re");
    if (!file)
        return false;
    found = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    return found && read_text(&at, ret_note->store_id, sizeof ret_note->store_id) &&
           read_text(&at, ret_note->epoch, sizeof ret_note->epoch) &&
           read_number(&at, ' ', &ret_note->sequence) && read_number(&at, '\n', &ret_note->number);
}

void tb_heartbeat_note_remove(const char *folder)
{
    char path[PATH_MAX];

    path_of(folder, "", path);
    (void)!unlink(path); /* if it stays, the next start begins another epoch, which does no harm */
}

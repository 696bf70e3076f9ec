#include "edge/restored_note.h"
#include "base/config/config.h"
#include "base/time/timefmt.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum tb_code tb_restored_note_add(const char *folder, int64_t now_ms, const char *reason,
                                  struct tb_error *err)
{
    char path[PATH_MAX], time[TB_TIME_SIZE];
    enum tb_code code = TB_OK;
    FILE *note;

    tb_time_format(now_ms, time);
    snprintf(path, sizeof path, "%s/" TB_RESTORED_NOTE, folder);
    note = fopen(path, "ae");
    if (!note || fprintf(note, "%s %s\n", time, reason) < 0 || fflush(note) != 0 ||
        fsync(fileno(note)) != 0)
        code = tb_error_errno(err, TB_UNAVAILABLE, errno, "cannot write %s", path);
    if (note)
        fclose(note);
    return code;
}

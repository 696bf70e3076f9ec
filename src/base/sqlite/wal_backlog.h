/* What the checkpoints of the files that this process writes have yet to copy out of their WALs.
 *
 * To copy it takes as much free space again, in the database files, while the WALs still have
 * theirs: so it counts as used before it is written. A reader's snapshot lets it grow.
 *
 * Thread:  any.
 * Memory:  tb_wal_backlogs copies. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Store, log and view; and the view that a rebuild fills. */
#define TB_WAL_BACKLOGS_MAX 8
#define TB_WAL_PATH_SIZE 4200

struct tb_wal_backlog {
    char path[TB_WAL_PATH_SIZE]; /* of the database file */
    int64_t bytes;
    bool stopped; /* the last checkpoint was stopped by a reader's snapshot, or by a lock */
    /* Of the WAL since it was opened, however often it has started over: */
    int64_t written_frames, copied_frames;
};
size_t tb_wal_backlogs(struct tb_wal_backlog ret_backlogs[TB_WAL_BACKLOGS_MAX]);
int64_t tb_wal_backlog_bytes(void); /* of all files together; cheap */
/* True: from now on a WAL that was copied is made empty at once, because the disk has no room for
 * it. Else its space is kept for later commits, up to 16 MiB. */
void tb_wal_give_back_space(bool give_back);

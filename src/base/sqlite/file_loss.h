/* Whether the files that this process writes are still those that it has opened.
 *
 * Nobody may move, remove, replace, cut or overwrite a database file or its WAL while a process
 * has it open; whoever does takes away what the next process would read. So such a file is lost:
 *
 *   - nothing is written into it any more: tb_txn_begin and tb_db_open fail with TB_UNAVAILABLE,
 *     and the text says what to do;
 *   - what only the WAL holds is copied into the database file, while the WAL still has it: the
 *     owner's next tb_db_retry_checkpoint or tb_db_close does it;
 *   - a WAL or a file that was cut is not checkpointed, because SQLite would copy the hole: it
 *     checks no checksum of a frame that the index of the WAL has.
 *
 * A database file that is put back is not lost any more. The other losses stay until the process
 * ends: its connections share the index of the WAL that is gone, and another WAL does not fit it.
 *
 * Thread:  any.
 * Memory:  tb_file_losses copies. */
#pragma once
#include "base/error.h"
#include "base/sqlite/wal_backlog.h"

struct tb_file_loss {
    char path[TB_WAL_PATH_SIZE]; /* of the database file, as it was opened */
    uint64_t number;             /* grows from loss to loss */
    char text[240];              /* what was lost and what to do, for a person */
};

/* Looks at the files of all connections that write; call it about once a second. */
void tb_file_losses_look(void);
size_t tb_file_losses(struct tb_file_loss ret_losses[TB_WAL_BACKLOGS_MAX]);
/* TB_UNAVAILABLE: the file is lost, as far as somebody has looked. Cheap while none is. */
TB_CHECKED enum tb_code tb_file_loss_check(const char *path, struct tb_error *err);

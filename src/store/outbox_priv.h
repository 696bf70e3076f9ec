/* An outbox reader, for the files that read with it.
 *
 * Thread:  the reader's. */
#pragma once
#include "store/outbox.h"
#include "store/statements.h"

struct tb_outbox_reader {
    struct tb_db *db; /* owned */
    struct tb_stmt stmts[TB_STMT_COUNT];
    struct tb_stmt *rows;   /* the one of stmts that reads rows, with or without customers */
    struct tb_stmt *source; /* what the open read reads: `rows`, or the orders */
    bool reading;           /* a transaction is open */
    char epoch[TB_EPOCH_SIZE];
    int64_t epoch_first, epoch_end; /* rows of epoch: first <= row < end */
};

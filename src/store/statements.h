/* The names of the store's SQL statements; their texts are in statements.c, in the same order. The
 * SQL that creates the tables is in schema.c. Each connection has an array of TB_STMT_COUNT
 * statements, zeroed at first. */
#pragma once
#include "base/sqlite/db.h"

enum tb_store_stmt {
    /* Of the writer's connection */
    TB_STMT_READ_META,
    TB_STMT_INSERT_META,
    TB_STMT_SET_FILE_ID,
    TB_STMT_LOG_ID,
    TB_STMT_SET_LOG_ID,
    TB_STMT_SET_FORCED_OFFLINE,
    TB_STMT_SET_UPTIME,
    TB_STMT_LAST_EPOCH,
    TB_STMT_DELETE_EPOCH,
    TB_STMT_INSERT_EPOCH,
    TB_STMT_FIND_ANSWER,
    TB_STMT_SAVE_ANSWER,
    TB_STMT_FIND_ORDER,
    TB_STMT_INSERT_ORDER,
    TB_STMT_UPDATE_ORDER,
    TB_STMT_INSERT_OUTBOX,
    TB_STMT_LOWEST_CURSOR,
    TB_STMT_FIND_CURSOR,
    TB_STMT_DELETE_CURSOR,
    TB_STMT_DELETE_PARKED,
    TB_STMT_MOVE_CURSOR,
    TB_STMT_PARK_ORDER,
    TB_STMT_UNPARK_ORDER,
    TB_STMT_REQUEST_UNPARK,
    TB_STMT_SAVE_DELIVERED,
    TB_STMT_FORGET_DELIVERED,
    TB_STMT_BEGIN_RESEND,
    TB_STMT_MOVE_RESEND,
    TB_STMT_END_RESEND,
    TB_STMT_ASK_RESEND,
    TB_STMT_REQUEST_ALL_SNAPSHOTS,
    TB_STMT_DELETE_OUTBOX,
    TB_STMT_DELETE_ANSWERS,
    TB_STMT_MAY_EXPIRE,
    TB_STMT_EPOCH_LENGTH,
    TB_STMT_CURSOR_POSITION,
    TB_STMT_RESET_CURSOR,
    TB_STMT_LAST_INCOMPLETE_ORDER,
    TB_STMT_REQUEST_SNAPSHOTS,
    TB_STMT_HAS_SENT_SNAPSHOTS,
    TB_STMT_MOVE_SNAPSHOTS,
    TB_STMT_RAISE_NUMBER,
    TB_STMT_INSERT_RECOVERY,
    TB_STMT_DELETE_RECOVERIES,
    TB_STMT_STORE_END,

    /* Of an outbox reader */
    TB_STMT_OUTBOX_FIRST = TB_STMT_STORE_END,
    TB_STMT_OUTBOX_BEGIN = TB_STMT_OUTBOX_FIRST,
    TB_STMT_OUTBOX_COMMIT,
    TB_STMT_OUTBOX_EPOCH,
    TB_STMT_OUTBOX_ROWS,
    TB_STMT_OUTBOX_ROWS_WITH_CUSTOMER,
    TB_STMT_OUTBOX_CURSOR,
    TB_STMT_OUTBOX_CURSORS,
    TB_STMT_OUTBOX_STATUS,
    TB_STMT_OUTBOX_DELIVERED,
    TB_STMT_OUTBOX_PARKED,
    TB_STMT_OUTBOX_NEXT_PARKED,
    TB_STMT_OUTBOX_ROWS_OF_ORDER,
    TB_STMT_OUTBOX_SNAPSHOTS,
    TB_STMT_OUTBOX_ORDERS,
    TB_STMT_OUTBOX_RECOVERIES,
    TB_STMT_OUTBOX_DELIVERED_AT,
    TB_STMT_OUTBOX_RESEND,
    TB_STMT_OUTBOX_EPOCH_FIRST,
    TB_STMT_OUTBOX_END,

    /* Of an order reader */
    TB_STMT_SCAN_ORDERS = TB_STMT_OUTBOX_END,
    TB_STMT_COUNT
};

/* Prepares the statements from `first` to the one before `end`. */
TB_CHECKED enum tb_code tb_statements_prepare(struct tb_stmt stmts[TB_STMT_COUNT],
                                              struct tb_db *db, enum tb_store_stmt first,
                                              enum tb_store_stmt end, struct tb_error *err);
/* Frees those that are prepared. */
void tb_statements_finalize(struct tb_stmt stmts[TB_STMT_COUNT]);

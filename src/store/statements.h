/* The names of the store's SQL statements; their texts are in statements.c, in the same order. The
 * SQL that creates the tables is in schema.c. Each connection has an array of TB_STMT_COUNT
 * statements, zeroed at first. */
#pragma once
#include "base/sqlite/db.h"

enum tb_store_stmt {
    /* Of the writer's connection */
    TB_STMT_SAVEPOINT,
    TB_STMT_RELEASE,
    TB_STMT_ROLLBACK_TO,
    TB_STMT_READ_META,
    TB_STMT_INSERT_META,
    TB_STMT_SET_FILE_ID,
    TB_STMT_SET_FORCED_OFFLINE,
    TB_STMT_LAST_EPOCH,
    TB_STMT_DELETE_EPOCH,
    TB_STMT_INSERT_EPOCH,
    TB_STMT_FIND_ANSWER,
    TB_STMT_SAVE_ANSWER,
    TB_STMT_FIND_ORDER,
    TB_STMT_INSERT_ORDER,
    TB_STMT_UPDATE_ORDER,
    TB_STMT_INSERT_OUTBOX,
    TB_STMT_CURSOR,
    TB_STMT_MOVE_CURSOR,
    TB_STMT_PARK_ORDER,
    TB_STMT_DELETE_OUTBOX,
    TB_STMT_DELETE_ANSWERS,
    TB_STMT_MAY_EXPIRE,
    TB_STMT_STORE_END,

    /* Of an outbox reader */
    TB_STMT_OUTBOX_FIRST = TB_STMT_STORE_END,
    TB_STMT_OUTBOX_BEGIN = TB_STMT_OUTBOX_FIRST,
    TB_STMT_OUTBOX_COMMIT,
    TB_STMT_OUTBOX_EPOCH,
    TB_STMT_OUTBOX_ROWS,
    TB_STMT_OUTBOX_ROWS_WITH_CUSTOMER,
    TB_STMT_OUTBOX_CURSOR,
    TB_STMT_OUTBOX_STATUS,
    TB_STMT_OUTBOX_DELIVERED,
    TB_STMT_OUTBOX_PARKED,
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

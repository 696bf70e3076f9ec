/* Shared by the files of store/: the open store, and the steps that the writer runs inside its
 * transaction.
 *
 * Thread:  the writer's.
 * Errors:  the store has failed. A refused command is no error: the answer says why. */
#pragma once
#include "order/answer.h"
#include "order/command.h"
#include "store/statements.h"
#include "store/store.h"

/* The writer checkpoints when the WAL has this many pages (4 KiB). With more pages an order costs
 * less: with one connection, storing an order takes 2 % less time with 1,000 pages than with 500.
 * But a checkpoint then takes longer, and the slowest requests wait for it: with 64 connections
 * p99 is 8.9 ms with 500 pages and 10.5 ms with 1,000. */
#define TB_STORE_WAL_PAGES 1000
#define TB_STORE_WAL_PAGES_BUSY 500 /* while batches have more than one command */

#define TB_FILE_ID_SIZE 64

struct tb_store {
    struct tb_store_options options; /* path and node are the two below */
    char *path;                      /* owned */
    char node[TB_NODE_MAX + 1];
    struct tb_uuid_gen ids;
    struct tb_db *db; /* owned; NULL after a reopen that failed */
    struct tb_stmt stmts[TB_STMT_COUNT];
    char file_id[TB_FILE_ID_SIZE]; /* tells this file from a copy of it (file_identity in store.c)
                                    */
    /* file_id and the folder's identity as tb_store_bind has written them: "FILE/FOLDER". */
    char noted_ids[TB_FILE_ID_SIZE + TB_FOLDER_ID_SIZE];
    /* Copies of values in the tables. All are read when the database is opened; last_row and
     * last_number are read again after a rollback. */
    char epoch[TB_EPOCH_SIZE];
    int64_t epoch_first_row;
    int64_t last_row, last_number;
    int64_t created_at_ms;
    bool forced_offline;
    struct tb_uptime uptime;
    int64_t saved_uptime_ms; /* in the table meta */
    bool is_copy, is_new;    /* as tb_store_is_copy, tb_store_is_new say */
    /* Buffers for one command, kept to save allocations. */
    struct tb_buf doc, payload;
    struct tb_field_errors errors;
};

/* TB_CORRUPT, TB_UNAVAILABLE: the file at the path is no longer the one that is open. */
enum tb_code tb_store_check_place(const struct tb_store *store, struct tb_error *err);
enum tb_code tb_store_migrate(struct tb_db *db, struct tb_error *err);

/* execute.c */
/* Executes or refuses the command: TB_OK means that *answer is filled. */
TB_CHECKED enum tb_code tb_store_execute(struct tb_store *store, const struct tb_command *command,
                                         struct tb_str traceparent, struct tb_arena *arena,
                                         struct tb_answer *answer, struct tb_error *err);

/* idempotency.c */
/* Sets *ret_found if the key was used before; *answer is then the first answer, or a 422 if the
 * key was used for another request. */
TB_CHECKED enum tb_code tb_store_find_answer(struct tb_store *store, struct tb_str key,
                                             const uint8_t fingerprint[32],
                                             struct tb_answer *answer, bool *ret_found,
                                             struct tb_error *err);
/* Saves the answer if its status is 2xx, 409 or 412; else does nothing. */
TB_CHECKED enum tb_code tb_store_save_answer(struct tb_store *store, struct tb_str key,
                                             const uint8_t fingerprint[32],
                                             const struct tb_answer *answer, struct tb_error *err);

/* cursors.c */
/* Reads the present row of TB_STMT_FIND_CURSOR or TB_STMT_OUTBOX_CURSORS. */
void tb_cursor_status_read(struct tb_stmt *stmt, struct tb_outbox_cursor *ret_cursor);

/* store.c */
/* Reads the last order number and the last outbox row from the tables. */
TB_CHECKED enum tb_code tb_store_load_counters(struct tb_store *store, struct tb_error *err);
/* Stores the uptime, in the caller's transaction or in one of its own. */
TB_CHECKED enum tb_code tb_store_save_uptime(struct tb_store *store, struct tb_error *err);
/* Closes the connection and opens it again. Afterwards no write depends on pages whose sync has
 * failed, and a commit whose outcome was unknown is either there or will never appear. On failure
 * the store has no connection; call it again. */
TB_CHECKED enum tb_code tb_store_reopen(struct tb_store *store, struct tb_error *err);

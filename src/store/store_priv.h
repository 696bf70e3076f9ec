/* What the files of store/ share: the open store, its statements, and the steps that the writer
 * runs inside its transaction.
 *
 * Thread:  the writer's.
 * Memory:  results are borrowed or copied as said.
 * Errors:  an error here is the store's trouble, never a refusal: refusals are answers.
 * Units:   Unix milliseconds. */
#pragma once
#include "order/answer.h"
#include "order/command.h"
#include "store/store.h"

/* Checkpoint at this many WAL pages (4 KiB). The rarer, the less it costs an order: of one
 * connection's, 1,000 pages take 2 % less time than 500. But it is what the slowest wait for: with
 * 64 connections p99 is 8.9 ms with 500 pages and 10.5 ms with 1,000. */
#define TB_STORE_WAL_PAGES 1000
#define TB_STORE_WAL_PAGES_BUSY 500 /* while commands come more than one at a time */

enum tb_store_stmt {
    TB_STMT_SAVEPOINT,
    TB_STMT_RELEASE,
    TB_STMT_ROLLBACK_TO,
    TB_STMT_FIND_ANSWER,
    TB_STMT_SAVE_ANSWER,
    TB_STMT_FIND_ORDER,
    TB_STMT_INSERT_ORDER,
    TB_STMT_UPDATE_ORDER,
    TB_STMT_INSERT_OUTBOX,
    TB_STMT_MOVE_CURSOR,
    TB_STMT_SET_FORCED_OFFLINE,
    TB_STMT_DELETE_OUTBOX,
    TB_STMT_DELETE_ANSWERS,
    TB_STMT_MAY_EXPIRE,
    TB_STMT_CURSOR,
    TB_STMT_PARK_ORDER,
    TB_STMT_COUNT
};

struct tb_store {
    char *path; /* owned */
    char node[TB_NODE_MAX + 1];
    const struct tb_clock *clock;   /* borrowed */
    const struct tb_random *random; /* borrowed */
    int day_start_minutes;
    int64_t event_max_bytes;
    struct tb_uuid_gen ids;
    struct tb_db *db; /* owned; NULL after a reopen that failed */
    struct tb_stmt stmts[TB_STMT_COUNT];
    char file_id[64];
    /* As the tables have it; reloaded after a rollback. */
    char epoch[TB_EPOCH_SIZE];
    int64_t epoch_first_row;
    int64_t last_row, last_number;
    bool forced_offline;
    /* Scratch of one command. */
    struct tb_buf doc, payload;
    struct tb_field_errors errors;
};

enum tb_code tb_store_migrate(struct tb_db *db, struct tb_error *err);

/* order_store.c */
TB_CHECKED enum tb_code tb_store_prepare(struct tb_store *store, struct tb_error *err);
void tb_store_finalize(struct tb_store *store);
/* Carries the command out or refuses it: TB_OK means *answer is filled. */
TB_CHECKED enum tb_code tb_store_execute(struct tb_store *store, const struct tb_command *command,
                                         struct tb_str traceparent, struct tb_arena *arena,
                                         struct tb_answer *answer, struct tb_error *err);

/* idempotency.c */
/* *ret_found: the key is known and *answer is what was remembered, or the 422 of a key that was
 * used for something else. */
TB_CHECKED enum tb_code tb_store_find_answer(struct tb_store *store, struct tb_str key,
                                             const uint8_t fingerprint[32],
                                             struct tb_answer *answer, bool *ret_found,
                                             struct tb_error *err);
/* Keeps 2xx, 409 and 412; others are not remembered. */
TB_CHECKED enum tb_code tb_store_save_answer(struct tb_store *store, struct tb_str key,
                                             const uint8_t fingerprint[32],
                                             const struct tb_answer *answer, struct tb_error *err);

/* store.c */
/* Column texts need not end with a NUL; to does, cut to size. */
void tb_store_copy_text(char *to, size_t size, struct tb_str text);
/* Order number and rows as the tables have them. */
TB_CHECKED enum tb_code tb_store_load_counters(struct tb_store *store, struct tb_error *err);
/* Closes and opens again: what is written later depends on no page whose sync failed, and what of
 * an unknown commit is not there now never will be. On failure the store has no connection and may
 * be reopened again. */
TB_CHECKED enum tb_code tb_store_reopen(struct tb_store *store, struct tb_error *err);
TB_CHECKED enum tb_code tb_store_set_forced_offline(struct tb_store *store, bool forced_offline,
                                                    struct tb_error *err);
/* Never back, never past the last row. */
TB_CHECKED enum tb_code tb_store_move_cursor(struct tb_store *store, const char *name, int64_t row,
                                             int64_t at_ms, struct tb_error *err);

/* parked.c */
/* What was parked before stays as it was. */
TB_CHECKED enum tb_code tb_store_park_order(struct tb_store *store, const char *cursor_name,
                                            const char *order_id, int64_t row, const char *reason,
                                            int64_t at_ms, struct tb_error *err);

/* retention.c */
/* Rows of one transaction: a chunk holds the writer for a few milliseconds at most. */
#define TB_RETENTION_CHUNK 1000
struct tb_retention {
    int64_t now_ms;
    int64_t outbox_keep_ms; /* below 0: for ever */
    int64_t idempotency_keep_ms;
    const char *const *cursor_names;
    size_t cursor_count;
};
/* One chunk in a transaction of its own. *ret_more: there may be another. */
TB_CHECKED enum tb_code tb_store_delete_expired(struct tb_store *store,
                                                const struct tb_retention *what, bool *ret_more,
                                                struct tb_error *err);
/* Is there anything that a later round could remove? */
TB_CHECKED enum tb_code tb_store_may_expire(struct tb_store *store, bool *ret_cleanable,
                                            struct tb_error *err);

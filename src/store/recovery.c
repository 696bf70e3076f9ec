#include "store/recovery.h"
#include "store/store_priv.h"
#include <inttypes.h>
#include <stdio.h>

/* Older ones are forgotten, so that a file which fails at each start does not fill the table. */
#define RECOVERIES_KEPT 100

void tb_store_id(const struct tb_store *store, char ret_id[TB_STORE_ID_SIZE])
{
    snprintf(ret_id, TB_STORE_ID_SIZE, "%s/%" PRId64, store->node, store->created_at_ms);
}

bool tb_store_is_copy(const struct tb_store *store)
{
    return store->is_copy;
}

bool tb_store_is_new(const struct tb_store *store)
{
    return store->is_new;
}

enum tb_code tb_store_cursor_position(struct tb_store *store, const char *cursor_name,
                                      struct tb_store_position *ret_position, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &store->stmts[TB_STMT_CURSOR_POSITION];
    bool row = false;

    *ret_position = (struct tb_store_position){0};
    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    TB_TRY(tb_stmt_step(stmt, &row, err));
    if (!row)
        return TB_OK;
    tb_stmt_copy_text(stmt, 0, ret_position->epoch, sizeof ret_position->epoch);
    ret_position->sequence = tb_stmt_int64(stmt, 1);
    return TB_OK;
}

enum tb_code tb_store_epoch_end(struct tb_store *store, const char *epoch, int64_t *ret_sequence,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &store->stmts[TB_STMT_EPOCH_LENGTH];
    bool row = false;

    tb_stmt_bind_text(stmt, ":epoch", tb_str_of(epoch));
    tb_stmt_bind_int64(stmt, ":end", store->last_row + 1);
    TB_TRY(tb_stmt_step(stmt, &row, err));
    *ret_sequence = row ? tb_stmt_int64(stmt, 0) : 0;
    return TB_OK;
}

static enum tb_code request(struct tb_store *store, const char *cursor_name, int64_t last,
                            struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_REQUEST_SNAPSHOTS];

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    tb_stmt_bind_int64(stmt, ":last", last);
    return tb_stmt_run(stmt, err);
}

static enum tb_code last_incomplete_order(struct tb_store *store, int64_t *ret_number,
                                          struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &store->stmts[TB_STMT_LAST_INCOMPLETE_ORDER];
    bool row = false;

    TB_TRY(tb_stmt_step(stmt, &row, err));
    TB_ASSERT(row);
    *ret_number = tb_stmt_int64(stmt, 0);
    return TB_OK;
}

/* A resend that is under way knows an offset of the log before, which says nothing of this one. */
static enum tb_code put_log_id(struct tb_store *store, const char *log_id, struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_SET_LOG_ID];

    tb_stmt_bind_text(stmt, ":log_id", tb_str_of(log_id));
    TB_TRY(tb_stmt_run(stmt, err));
    return tb_stmt_run(&store->stmts[TB_STMT_RESTART_RESENDS], err);
}

enum tb_code tb_store_restart_cursor(struct tb_store *store, const char *cursor_name,
                                     const char *log_id, struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_stmt *reset = &store->stmts[TB_STMT_RESET_CURSOR];
    int64_t last = 0;

    TB_TRY(tb_txn_begin(&txn, store->db, err));
    TB_TRY(last_incomplete_order(store, &last, err));
    tb_stmt_bind_text(reset, ":name", tb_str_of(cursor_name));
    TB_TRY(tb_stmt_run(reset, err));
    TB_TRY(request(store, cursor_name, last, err));
    TB_TRY(put_log_id(store, log_id, err));
    return tb_txn_commit(&txn, err);
}

enum tb_code tb_store_log_id(struct tb_store *store, char ret_id[TB_STORE_LOG_ID_SIZE],
                             struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = &store->stmts[TB_STMT_LOG_ID];
    bool row = false;

    TB_TRY(tb_stmt_step(stmt, &row, err));
    ret_id[0] = '\0';
    if (row)
        tb_stmt_copy_text(stmt, 0, ret_id, TB_STORE_LOG_ID_SIZE);
    return TB_OK;
}

enum tb_code tb_store_set_log_id(struct tb_store *store, const char *log_id, struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};

    TB_TRY(tb_txn_begin(&txn, store->db, err));
    TB_TRY(put_log_id(store, log_id, err));
    return tb_txn_commit(&txn, err);
}

enum tb_code tb_store_has_sent_snapshots(struct tb_store *store, const char *cursor_name,
                                         bool *ret_has, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &store->stmts[TB_STMT_HAS_SENT_SNAPSHOTS];

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    return tb_stmt_step(stmt, ret_has, err);
}

enum tb_code tb_store_request_snapshots(struct tb_store *store, const char *cursor_name,
                                        struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};

    TB_TRY(tb_txn_begin(&txn, store->db, err));
    TB_TRY(request(store, cursor_name, store->last_number, err));
    return tb_txn_commit(&txn, err);
}

enum tb_code tb_store_has_cursor(struct tb_store *store, const char *cursor_name, bool *ret_has,
                                 struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = &store->stmts[TB_STMT_FIND_CURSOR];

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    return tb_stmt_step(stmt, ret_has, err);
}

enum tb_code tb_store_raise_number(struct tb_store *store, int64_t number, struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_stmt *stmt = &store->stmts[TB_STMT_RAISE_NUMBER];

    TB_TRY(tb_txn_begin(&txn, store->db, err));
    tb_stmt_bind_int64(stmt, ":number", number);
    TB_TRY(tb_stmt_run(stmt, err));
    TB_TRY(tb_txn_commit(&txn, err));
    return tb_store_load_counters(store, err);
}

int64_t tb_store_last_number(const struct tb_store *store)
{
    return store->last_number;
}

enum tb_code tb_store_note_recovery(struct tb_store *store, const char *file, const char *reason,
                                    const char *set_aside, struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_stmt *insert = &store->stmts[TB_STMT_INSERT_RECOVERY];
    struct tb_stmt *forget = &store->stmts[TB_STMT_DELETE_RECOVERIES];

    TB_TRY(tb_txn_begin(&txn, store->db, err));
    tb_stmt_bind_int64(insert, ":at", tb_clock_wall_ms(store->options.clock));
    tb_stmt_bind_text(insert, ":file", tb_str_of(file));
    tb_stmt_bind_text(insert, ":reason", tb_str_of(reason));
    tb_stmt_bind_text(insert, ":set_aside", tb_str_of(set_aside));
    TB_TRY(tb_stmt_run(insert, err));
    tb_stmt_bind_int64(forget, ":keep", RECOVERIES_KEPT);
    TB_TRY(tb_stmt_run(forget, err));
    return tb_txn_commit(&txn, err);
}

#include "store/store_priv.h"

enum tb_code tb_store_find_answer(struct tb_store *store, struct tb_str key,
                                  const uint8_t fingerprint[32], struct tb_answer *answer,
                                  bool *ret_found, struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_FIND_ANSWER];
    bool row = false;

    tb_stmt_bind_text(stmt, ":key", key);
    TB_TRY(tb_stmt_step(stmt, &row, err));
    *ret_found = row;
    if (!row)
        return TB_OK;

    struct tb_str first = tb_stmt_text(stmt, 0);
    if (first.len != 32 || memcmp(first.ptr, fingerprint, 32) != 0) {
        tb_answer_problem(answer, 422, "This idempotency key was used for another request.", NULL);
    } else {
        answer->status = (int)tb_stmt_int64(stmt, 1);
        answer->version = tb_stmt_int64(stmt, 2);
        tb_stmt_copy_text(stmt, 3, answer->order_id, sizeof answer->order_id);
        answer->replayed = true;
        tb_buf_add_str(&answer->body, tb_stmt_text(stmt, 4));
    }
    tb_stmt_reset(stmt);
    if (!tb_buf_ok(&answer->body))
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    return TB_OK;
}

enum tb_code tb_store_save_answer(struct tb_store *store, struct tb_str key,
                                  const uint8_t fingerprint[32], const struct tb_answer *answer,
                                  struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_SAVE_ANSWER];
    bool success = answer->status >= 200 && answer->status < 300;

    if (!success && answer->status != 409 && answer->status != 412)
        return TB_OK;
    tb_stmt_bind_text(stmt, ":key", key);
    tb_stmt_bind_blob(stmt, ":fingerprint", (struct tb_str){(const char *)fingerprint, 32});
    tb_stmt_bind_int64(stmt, ":status", answer->status);
    tb_stmt_bind_int64(stmt, ":version", answer->version);
    tb_stmt_bind_text(stmt, ":order_id", tb_str_of(answer->order_id));
    tb_stmt_bind_text(stmt, ":body", tb_buf_str(&answer->body));
    tb_stmt_bind_int64(stmt, ":created_at", tb_clock_wall_ms(store->options.clock));
    tb_stmt_bind_int64(stmt, ":uptime", tb_uptime_ms(&store->uptime, store->options.clock));
    return tb_stmt_run(stmt, err);
}

#include "store/store_priv.h"

enum tb_code tb_store_park_order(struct tb_store *store, const char *cursor_name,
                                 const char *order_id, int64_t row, const char *reason,
                                 int64_t at_ms, struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_PARK_ORDER];

    tb_stmt_bind_text(stmt, ":cursor", tb_str_of(cursor_name));
    tb_stmt_bind_text(stmt, ":order_id", tb_str_of(order_id));
    tb_stmt_bind_int64(stmt, ":row", row);
    tb_stmt_bind_text(stmt, ":reason", tb_str_of(reason));
    tb_stmt_bind_int64(stmt, ":at", at_ms);
    return tb_stmt_run(stmt, err);
}

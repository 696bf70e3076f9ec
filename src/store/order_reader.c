#include "store/order_reader.h"
#include "store/statements.h"
#include <stdlib.h>

struct tb_order_reader {
    struct tb_db *db; /* owned */
    struct tb_stmt stmts[TB_STMT_COUNT];
    struct tb_arena arena; /* of the order that is passed to each() */
};

enum tb_code tb_order_reader_open(const char *store_path, struct tb_order_reader **ret_reader,
                                  struct tb_error *err)
{
    struct tb_order_reader *reader = calloc(1, sizeof *reader);
    enum tb_code code;

    if (!reader)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    code = tb_db_open(store_path, TB_DB_READER, 0, &reader->db, err);
    if (code != TB_OK) {
        tb_order_reader_free(reader);
        return tb_error_wrap(err, "opening the orders");
    }
    tb_statements_declare(reader->stmts, reader->db, TB_STMT_SCAN_ORDERS, TB_STMT_COUNT);
    *ret_reader = reader;
    return TB_OK;
}

void tb_order_reader_free(struct tb_order_reader *reader)
{
    if (!reader)
        return;
    tb_statements_finalize(reader->stmts);
    tb_db_close(reader->db);
    tb_arena_release(&reader->arena);
    free(reader);
}

/* Decodes the order of the present row and calls each(). */
static enum tb_code decode_and_call(struct tb_order_reader *reader, struct tb_stmt *scan,
                                    void (*each)(void *ctx, const struct tb_stored_order *stored),
                                    void *ctx, struct tb_error *err)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *json = NULL;
    struct tb_stored_order stored = {.delivered = tb_stmt_int64(scan, 1) != 0,
                                     .parked = tb_stmt_text(scan, 2)};

    tb_arena_clear(&reader->arena);
    if (tb_json_parse(tb_stmt_text(scan, 0), TB_JSON_DEPTH_MAX, &json, err) != TB_OK ||
        tb_order_decode(json, &reader->arena, &stored.order, err) != TB_OK) {
        err->code = err->code == TB_INVALID ? TB_CORRUPT : err->code;
        return tb_error_wrap(err, "an order of the store");
    }
    each(ctx, &stored);
    return TB_OK;
}

enum tb_code tb_order_reader_scan(struct tb_order_reader *reader, const char *cursor_name,
                                  const char *start, int limit,
                                  void (*each)(void *ctx, const struct tb_stored_order *stored),
                                  void *ctx, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const scan = &reader->stmts[TB_STMT_SCAN_ORDERS];
    bool row = false;

    TB_ASSERT(limit > 0);
    tb_stmt_bind_text(scan, ":name", tb_str_of(cursor_name));
    tb_stmt_bind_text(scan, ":start", tb_str_of(start));
    tb_stmt_bind_int64(scan, ":limit", limit);
    for (;;) {
        TB_TRY(tb_stmt_step(scan, &row, err));
        if (!row)
            return TB_OK;
        TB_TRY(decode_and_call(reader, scan, each, ctx, err));
    }
}

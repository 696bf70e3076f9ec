#include "store/order_reader.h"
#include "base/sqlite/db.h"
#include <stdlib.h>

static const char scan_sql[] =
    "SELECT doc, last_row <= coalesce((SELECT row FROM cursors WHERE name = :name), 0),"
    " (SELECT reason FROM parked p WHERE p.cursor = :name AND p.order_id = orders.order_id)"
    " FROM orders WHERE order_id >= :start ORDER BY order_id LIMIT :limit";

struct tb_order_reader {
    struct tb_db *db; /* owned */
    struct tb_stmt scan;
    struct tb_arena arena; /* of the order shown */
};

enum tb_code tb_order_reader_open(const char *store_path, struct tb_order_reader **ret_reader,
                                  struct tb_error *err)
{
    struct tb_order_reader *reader = calloc(1, sizeof *reader);
    enum tb_code code;

    if (!reader)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    code = tb_db_open(store_path, TB_DB_READER, 0, &reader->db, err);
    if (code == TB_OK)
        code = tb_stmt_prepare(&reader->scan, reader->db, scan_sql, err);
    if (code != TB_OK) {
        tb_order_reader_free(reader);
        return tb_error_wrap(err, "opening the orders");
    }
    *ret_reader = reader;
    return TB_OK;
}

void tb_order_reader_free(struct tb_order_reader *reader)
{
    if (!reader)
        return;
    tb_stmt_finalize(&reader->scan);
    tb_db_close(reader->db);
    tb_arena_release(&reader->arena);
    free(reader);
}

static enum tb_code decode_and_call(struct tb_order_reader *reader,
                                    void (*each)(void *ctx, const struct tb_stored_order *stored),
                                    void *ctx, struct tb_error *err)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *json = NULL;
    struct tb_stored_order stored = {.delivered = tb_stmt_int64(&reader->scan, 1) != 0,
                                     .parked = tb_stmt_text(&reader->scan, 2)};

    tb_arena_clear(&reader->arena);
    if (tb_json_parse(tb_stmt_text(&reader->scan, 0), TB_JSON_DEPTH_MAX, &json, err) != TB_OK ||
        tb_order_decode(json, &reader->arena, &stored.order, err) != TB_OK) {
        err->code = err->code == TB_INVALID ? TB_CORRUPT : err->code;
        return tb_error_wrap(err, "an order of the store");
    }
    each(ctx, &stored);
    return TB_OK;
}

static enum tb_code scan_rows(struct tb_order_reader *reader,
                              void (*each)(void *ctx, const struct tb_stored_order *stored),
                              void *ctx, struct tb_error *err)
{
    bool row = true;

    for (;;) {
        TB_TRY(tb_stmt_step(&reader->scan, &row, err));
        if (!row)
            return TB_OK;
        TB_TRY(decode_and_call(reader, each, ctx, err));
    }
}

enum tb_code tb_order_reader_scan(struct tb_order_reader *reader, const char *cursor_name,
                                  const char *start, int limit,
                                  void (*each)(void *ctx, const struct tb_stored_order *stored),
                                  void *ctx, struct tb_error *err)
{
    enum tb_code code;

    TB_ASSERT(limit > 0);
    tb_stmt_bind_text(&reader->scan, ":name", tb_str_of(cursor_name));
    tb_stmt_bind_text(&reader->scan, ":start", tb_str_of(start));
    tb_stmt_bind_int64(&reader->scan, ":limit", limit);
    code = scan_rows(reader, each, ctx, err);
    tb_stmt_reset(&reader->scan);
    return code;
}

#include "store/outbox.h"
#include "store/store_priv.h"
#include <stdlib.h>

enum { BEGIN, END, EPOCH, ROWS, CUSTOMER_ROWS, CURSOR, STATUS, DELIVERED, PARKED, STMT_COUNT };

#define ROW_COLUMNS "row, event_id, order_id, type, version, occurred_at, traceparent, payload"
#define ROWS_AFTER " FROM outbox WHERE row > :after ORDER BY row LIMIT :limit"

static const char *const sql[STMT_COUNT] = {
    [BEGIN] = "BEGIN",
    [END] = "COMMIT",
    /* The epoch of a row, and where the next one begins. */
    [EPOCH] = "SELECT epoch, first_row, coalesce((SELECT min(n.first_row) FROM epochs n"
              " WHERE n.first_row > e.first_row), 9223372036854775807)"
              " FROM epochs e WHERE first_row <= :row ORDER BY first_row DESC LIMIT 1",
    [ROWS] = "SELECT " ROW_COLUMNS ", NULL" ROWS_AFTER,
    /* Whose order it is never changes. */
    [CUSTOMER_ROWS] = "SELECT " ROW_COLUMNS ", (SELECT json_extract(doc, '$.customerId')"
                      " FROM orders WHERE orders.order_id = outbox.order_id)" ROWS_AFTER,
    [CURSOR] = "SELECT row FROM cursors WHERE name = :name",
    /* One statement, hence one moment. Rows have no gaps, so that pending is a difference. */
    [STATUS] = "WITH"
               " e(epoch, first_row) AS"
               "  (SELECT epoch, first_row FROM epochs ORDER BY first_row DESC LIMIT 1),"
               " l(last) AS"
               "  (SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)),"
               " c(row, moved_at) AS (SELECT coalesce(max(row), 0), coalesce(max(moved_at), 0)"
               "  FROM cursors WHERE name = :name),"
               " p(row) AS (SELECT min(row) FROM outbox WHERE row > (SELECT row FROM c))"
               " SELECT epoch, first_row, last, c.row, moved_at,"
               "  coalesce(last - p.row + 1, 0),"
               "  coalesce((SELECT occurred_at FROM outbox WHERE row = p.row), 0),"
               "  (SELECT forced_offline FROM meta),"
               "  (SELECT count(*) FROM parked WHERE cursor = :name),"
               "  coalesce((SELECT occurred_at FROM outbox ORDER BY row LIMIT 1), 0),"
               "  coalesce((SELECT min(created_at) FROM idempotency), 0)"
               " FROM e, l, c, p",
    [DELIVERED] = "SELECT last_row <= coalesce((SELECT row FROM cursors WHERE name = :name), 0)"
                  " AND NOT EXISTS(SELECT 1 FROM parked p"
                  "  WHERE p.cursor = :name AND p.order_id = orders.order_id)"
                  " FROM orders WHERE order_id = :order_id",
    [PARKED] = "SELECT order_id, row FROM parked WHERE cursor = :name ORDER BY order_id"
               " LIMIT :max",
};

struct tb_outbox_reader {
    struct tb_db *db; /* owned */
    struct tb_stmt stmts[STMT_COUNT];
    struct tb_stmt *rows; /* of stmts */
    bool reading;         /* a transaction is open */
    char epoch[TB_EPOCH_SIZE];
    int64_t epoch_first, epoch_end; /* rows of epoch: first <= row < end */
};

enum tb_code tb_outbox_reader_open(const char *store_path, struct tb_outbox_reader **ret_reader,
                                   struct tb_error *err)
{
    struct tb_outbox_reader *reader = calloc(1, sizeof *reader);
    enum tb_code code;

    if (!reader)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    reader->rows = &reader->stmts[ROWS];
    code = tb_db_open(store_path, TB_DB_READER, 0, &reader->db, err);
    for (int i = 0; code == TB_OK && i < STMT_COUNT; i++)
        code = tb_stmt_prepare(&reader->stmts[i], reader->db, sql[i], err);
    if (code != TB_OK) {
        tb_outbox_reader_free(reader);
        return tb_error_wrap(err, "opening the outbox");
    }
    *ret_reader = reader;
    return TB_OK;
}

void tb_outbox_reader_free(struct tb_outbox_reader *reader)
{
    if (!reader)
        return;
    if (reader->reading) /* else a statement may not even have been prepared */
        tb_outbox_end_read(reader);
    for (int i = 0; i < STMT_COUNT; i++)
        tb_stmt_finalize(&reader->stmts[i]);
    tb_db_close(reader->db);
    free(reader);
}

void tb_outbox_include_customers(struct tb_outbox_reader *reader)
{
    TB_ASSERT(!reader->reading);
    reader->rows = &reader->stmts[CUSTOMER_ROWS];
}

/* One snapshot for rows and epochs: an epoch that begins meanwhile is not half seen. */
static enum tb_code begin_reading(struct tb_outbox_reader *reader, struct tb_error *err)
{
    tb_outbox_end_read(reader);
    TB_TRY(tb_stmt_run(&reader->stmts[BEGIN], err));
    reader->reading = true;
    reader->epoch_first = reader->epoch_end = 0;
    return TB_OK;
}

enum tb_code tb_outbox_read_after(struct tb_outbox_reader *reader, int64_t after, int64_t limit,
                                  struct tb_error *err)
{
    struct tb_stmt *rows = reader->rows;

    TB_TRY(begin_reading(reader, err));
    tb_stmt_bind_int64(rows, ":after", after);
    tb_stmt_bind_int64(rows, ":limit", limit);
    return TB_OK;
}

static enum tb_code find_epoch(struct tb_outbox_reader *reader, int64_t row, struct tb_error *err)
{
    struct tb_stmt *stmt = &reader->stmts[EPOCH];
    bool found = false;

    if (row >= reader->epoch_first && row < reader->epoch_end)
        return TB_OK;
    tb_stmt_bind_int64(stmt, ":row", row);
    TB_TRY(tb_stmt_step(stmt, &found, err));
    if (!found)
        return tb_error_set(err, TB_CORRUPT, "the outbox has a row before its first epoch");
    tb_store_copy_text(reader->epoch, sizeof reader->epoch, tb_stmt_text(stmt, 0));
    reader->epoch_first = tb_stmt_int64(stmt, 1);
    reader->epoch_end = tb_stmt_int64(stmt, 2);
    tb_stmt_reset(stmt);
    return TB_OK;
}

enum tb_code tb_outbox_next(struct tb_outbox_reader *reader, struct tb_outbox_row *ret_row,
                            bool *ret_more, struct tb_error *err)
{
    struct tb_stmt *rows = reader->rows;
    bool more = false;

    TB_ASSERT(reader->reading);
    TB_TRY(tb_stmt_step(rows, &more, err));
    *ret_more = more;
    if (!more)
        return TB_OK;
    ret_row->row = tb_stmt_int64(rows, 0);
    TB_TRY(find_epoch(reader, ret_row->row, err));
    memcpy(ret_row->epoch, reader->epoch, sizeof ret_row->epoch);
    ret_row->sequence = ret_row->row - reader->epoch_first + 1;
    ret_row->event_id = tb_stmt_text(rows, 1);
    ret_row->order_id = tb_stmt_text(rows, 2);
    ret_row->type = tb_stmt_text(rows, 3);
    ret_row->version = tb_stmt_int64(rows, 4);
    ret_row->occurred_at_ms = tb_stmt_int64(rows, 5);
    ret_row->traceparent = tb_stmt_text(rows, 6);
    ret_row->payload = tb_stmt_text(rows, 7);
    ret_row->customer_id = tb_stmt_text(rows, 8);
    return TB_OK;
}

void tb_outbox_end_read(struct tb_outbox_reader *reader)
{
    struct tb_error ignored = {0};

    tb_stmt_reset(reader->rows);
    tb_stmt_reset(&reader->stmts[EPOCH]);
    if (reader->reading) /* the end of a read does no I/O that could matter */
        (void)!tb_stmt_run(&reader->stmts[END], &ignored);
    reader->reading = false;
}

enum tb_code tb_outbox_cursor(struct tb_outbox_reader *reader, const char *name, int64_t *ret_row,
                              struct tb_error *err)
{
    struct tb_stmt *stmt = &reader->stmts[CURSOR];
    bool found = false;

    tb_stmt_bind_text(stmt, ":name", tb_str_of(name));
    TB_TRY(tb_stmt_step(stmt, &found, err));
    *ret_row = found ? tb_stmt_int64(stmt, 0) : 0;
    tb_stmt_reset(stmt);
    return TB_OK;
}

/* How many of the rows up to `row` are in the epoch that begins at first_row. */
static int64_t within_epoch(int64_t row, int64_t first_row)
{
    return row >= first_row ? row - first_row + 1 : 0;
}

enum tb_code tb_outbox_status(struct tb_outbox_reader *reader, const char *cursor_name,
                              struct tb_outbox_status *ret_figures, struct tb_error *err)
{
    struct tb_stmt *stmt = &reader->stmts[STATUS];
    bool row = false;

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    TB_TRY(tb_stmt_step(stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_CORRUPT, "the store has no epoch");
    struct tb_outbox_status figures = {
        .last_row = tb_stmt_int64(stmt, 2),
        .cursor_row = tb_stmt_int64(stmt, 3),
        .last_delivered_at_ms = tb_stmt_int64(stmt, 4),
        .pending = tb_stmt_int64(stmt, 5),
        .oldest_pending_at_ms = tb_stmt_int64(stmt, 6),
        .forced_offline = tb_stmt_int64(stmt, 7) != 0,
        .parked = tb_stmt_int64(stmt, 8),
        .oldest_event_at_ms = tb_stmt_int64(stmt, 9),
        .oldest_key_at_ms = tb_stmt_int64(stmt, 10),
    };
    int64_t first_row = tb_stmt_int64(stmt, 1);
    tb_store_copy_text(figures.epoch, sizeof figures.epoch, tb_stmt_text(stmt, 0));
    figures.last_sequence = within_epoch(figures.last_row, first_row);
    figures.delivered_sequence = within_epoch(figures.cursor_row, first_row);
    tb_stmt_reset(stmt);
    *ret_figures = figures;
    return TB_OK;
}

enum tb_code tb_outbox_list_parked(struct tb_outbox_reader *reader, const char *cursor_name,
                                   struct tb_parked_order *ret_parked, size_t max,
                                   size_t *ret_count, struct tb_error *err)
{
    struct tb_stmt *stmt = &reader->stmts[PARKED];
    size_t count = 0;
    bool row = true;

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    tb_stmt_bind_int64(stmt, ":max", (int64_t)max);
    for (;;) {
        TB_TRY(tb_stmt_step(stmt, &row, err));
        if (!row)
            break;
        tb_store_copy_text(ret_parked[count].order_id, sizeof ret_parked[count].order_id,
                           tb_stmt_text(stmt, 0));
        ret_parked[count++].row = tb_stmt_int64(stmt, 1);
    }
    *ret_count = count;
    return TB_OK;
}

enum tb_code tb_outbox_order_delivered(struct tb_outbox_reader *reader, const char *cursor_name,
                                       struct tb_str order_id, bool *ret_delivered,
                                       struct tb_error *err)
{
    struct tb_stmt *stmt = &reader->stmts[DELIVERED];
    bool row = false;

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    tb_stmt_bind_text(stmt, ":order_id", order_id);
    TB_TRY(tb_stmt_step(stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_NOT_FOUND, "no such order");
    *ret_delivered = tb_stmt_int64(stmt, 0) != 0;
    tb_stmt_reset(stmt);
    return TB_OK;
}

#include "store/outbox.h"
#include "store/store_priv.h"
#include <stdlib.h>

struct tb_outbox_reader {
    struct tb_db *db; /* owned */
    struct tb_stmt stmts[TB_STMT_COUNT];
    struct tb_stmt *rows; /* the one of stmts that reads rows, with or without customers */
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
    reader->rows = &reader->stmts[TB_STMT_OUTBOX_ROWS];
    code = tb_db_open(store_path, TB_DB_READER, 0, &reader->db, err);
    if (code == TB_OK)
        code = tb_statements_prepare(reader->stmts, reader->db, TB_STMT_OUTBOX_FIRST,
                                     TB_STMT_OUTBOX_END, err);
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
    if (reader->reading) /* after a failed open the statements are not prepared */
        tb_outbox_end_read(reader);
    tb_statements_finalize(reader->stmts);
    tb_db_close(reader->db);
    free(reader);
}

void tb_outbox_include_customers(struct tb_outbox_reader *reader)
{
    TB_ASSERT(!reader->reading);
    reader->rows = &reader->stmts[TB_STMT_OUTBOX_ROWS_WITH_CUSTOMER];
}

enum tb_code tb_outbox_read_after(struct tb_outbox_reader *reader, int64_t after, int64_t limit,
                                  struct tb_error *err)
{
    tb_outbox_end_read(reader);
    /* Rows and epochs are read in one snapshot, so that an epoch that begins meanwhile shows in
     * both of them or in neither. */
    TB_TRY(tb_stmt_run(&reader->stmts[TB_STMT_OUTBOX_BEGIN], err));
    reader->reading = true;
    reader->epoch_first = reader->epoch_end = 0;
    tb_stmt_bind_int64(reader->rows, ":after", after);
    tb_stmt_bind_int64(reader->rows, ":limit", limit);
    return TB_OK;
}

static enum tb_code find_epoch(struct tb_outbox_reader *reader, int64_t row, struct tb_error *err)
{
    struct tb_stmt *stmt = &reader->stmts[TB_STMT_OUTBOX_EPOCH];
    bool found = false;

    if (row >= reader->epoch_first && row < reader->epoch_end)
        return TB_OK;
    tb_stmt_bind_int64(stmt, ":row", row);
    TB_TRY(tb_stmt_step(stmt, &found, err));
    if (!found)
        return tb_error_set(err, TB_CORRUPT, "the outbox has a row before its first epoch");
    tb_stmt_copy_text(stmt, 0, reader->epoch, sizeof reader->epoch);
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
    tb_stmt_reset(&reader->stmts[TB_STMT_OUTBOX_EPOCH]);
    if (reader->reading) /* a COMMIT that ends a read has nothing to lose */
        (void)!tb_stmt_run(&reader->stmts[TB_STMT_OUTBOX_COMMIT], &ignored);
    reader->reading = false;
}

enum tb_code tb_outbox_cursor(struct tb_outbox_reader *reader, const char *name, int64_t *ret_row,
                              struct tb_error *err)
{
    struct tb_stmt *stmt = &reader->stmts[TB_STMT_OUTBOX_CURSOR];
    bool found = false;

    tb_stmt_bind_text(stmt, ":name", tb_str_of(name));
    TB_TRY(tb_stmt_step(stmt, &found, err));
    *ret_row = found ? tb_stmt_int64(stmt, 0) : 0;
    tb_stmt_reset(stmt);
    return TB_OK;
}

/* The number of rows up to `row` in the epoch that begins at first_row. */
static int64_t within_epoch(int64_t row, int64_t first_row)
{
    return row >= first_row ? row - first_row + 1 : 0;
}

enum tb_code tb_outbox_read_status(struct tb_outbox_reader *reader, const char *cursor_name,
                                   struct tb_outbox_status *ret_status, struct tb_error *err)
{
    struct tb_stmt *stmt = &reader->stmts[TB_STMT_OUTBOX_STATUS];
    bool row = false;

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    TB_TRY(tb_stmt_step(stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_CORRUPT, "the store has no epoch");
    struct tb_outbox_status status = {
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
    tb_stmt_copy_text(stmt, 0, status.epoch, sizeof status.epoch);
    status.last_sequence = within_epoch(status.last_row, first_row);
    status.delivered_sequence = within_epoch(status.cursor_row, first_row);
    tb_stmt_reset(stmt);
    *ret_status = status;
    return TB_OK;
}

enum tb_code tb_outbox_list_parked(struct tb_outbox_reader *reader, const char *cursor_name,
                                   struct tb_parked_order *ret_parked, size_t max,
                                   size_t *ret_count, struct tb_error *err)
{
    struct tb_stmt *stmt = &reader->stmts[TB_STMT_OUTBOX_PARKED];
    size_t count = 0;
    bool row = true;

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    tb_stmt_bind_int64(stmt, ":max", (int64_t)max);
    for (;;) {
        TB_TRY(tb_stmt_step(stmt, &row, err));
        if (!row)
            break;
        tb_stmt_copy_text(stmt, 0, ret_parked[count].order_id, sizeof ret_parked[count].order_id);
        ret_parked[count++].row = tb_stmt_int64(stmt, 1);
    }
    *ret_count = count;
    return TB_OK;
}

enum tb_code tb_outbox_order_delivered(struct tb_outbox_reader *reader, const char *cursor_name,
                                       struct tb_str order_id, bool *ret_delivered,
                                       struct tb_error *err)
{
    struct tb_stmt *stmt = &reader->stmts[TB_STMT_OUTBOX_DELIVERED];
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

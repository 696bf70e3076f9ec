#include "store/outbox_priv.h"
#include "store/store_priv.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum tb_code tb_outbox_reader_open(const char *store_path, struct tb_outbox_reader **ret_reader,
                                   struct tb_error *err)
{
    struct tb_outbox_reader *reader = calloc(1, sizeof *reader);
    enum tb_code code;

    if (!reader)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    reader->rows = reader->source = &reader->stmts[TB_STMT_OUTBOX_ROWS];
    code = tb_db_open(store_path, TB_DB_READER, 0, &reader->db, err);
    if (code != TB_OK) {
        tb_outbox_reader_free(reader);
        return tb_error_wrap(err, "opening the outbox");
    }
    tb_statements_declare(reader->stmts, reader->db, TB_STMT_OUTBOX_FIRST, TB_STMT_OUTBOX_END);
    *ret_reader = reader;
    return TB_OK;
}

void tb_outbox_reader_free(struct tb_outbox_reader *reader)
{
    if (!reader)
        return;
    if (reader->reading)
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

/* Rows and epochs are read in one snapshot, so that an epoch that begins meanwhile shows in both
 * of them or in neither. */
static enum tb_code begin_read(struct tb_outbox_reader *reader, struct tb_stmt *source,
                               struct tb_error *err)
{
    tb_outbox_end_read(reader);
    TB_TRY(tb_stmt_run(&reader->stmts[TB_STMT_OUTBOX_BEGIN], err));
    reader->reading = true;
    reader->epoch_first = reader->epoch_end = 0;
    reader->source = source;
    return TB_OK;
}

enum tb_code tb_outbox_read_after(struct tb_outbox_reader *reader, int64_t after, int64_t limit,
                                  struct tb_error *err)
{
    TB_TRY(begin_read(reader, reader->rows, err));
    tb_stmt_bind_int64(reader->rows, ":after", after);
    tb_stmt_bind_int64(reader->rows, ":limit", limit);
    return TB_OK;
}

enum tb_code tb_outbox_read_orders(struct tb_outbox_reader *reader,
                                   const struct tb_outbox_snapshots *snapshots, int64_t limit,
                                   struct tb_error *err)
{
    struct tb_stmt *orders = &reader->stmts[TB_STMT_OUTBOX_ORDERS];

    TB_TRY(begin_read(reader, orders, err));
    tb_stmt_bind_int64(orders, ":first", snapshots->next);
    tb_stmt_bind_int64(orders, ":last", snapshots->last);
    tb_stmt_bind_int64(orders, ":limit", limit);
    return TB_OK;
}

enum tb_code tb_outbox_read_order_row(struct tb_outbox_reader *reader, const char *order_id,
                                      int64_t first, int64_t last, struct tb_error *err)
{
    struct tb_stmt *rows = &reader->stmts[TB_STMT_OUTBOX_ROWS_OF_ORDER];

    TB_TRY(begin_read(reader, rows, err));
    tb_stmt_bind_text(rows, ":order_id", tb_str_of(order_id));
    tb_stmt_bind_int64(rows, ":first", first);
    tb_stmt_bind_int64(rows, ":last", last);
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

/* The number of rows up to `row` in the epoch that begins at first_row. */
static int64_t within_epoch(int64_t row, int64_t first_row)
{
    return row >= first_row ? row - first_row + 1 : 0;
}

enum tb_code tb_outbox_next(struct tb_outbox_reader *reader, struct tb_outbox_row *ret_row,
                            bool *ret_more, struct tb_error *err)
{
    struct tb_stmt *rows = reader->source;
    bool is_order = rows == &reader->stmts[TB_STMT_OUTBOX_ORDERS], more = false;
    bool with_customer = reader->rows == &reader->stmts[TB_STMT_OUTBOX_ROWS_WITH_CUSTOMER];

    TB_ASSERT(reader->reading);
    TB_TRY(tb_stmt_step(rows, &more, err));
    *ret_more = more;
    if (!more)
        return TB_OK;
    ret_row->row = tb_stmt_int64(rows, 0);
    /* A snapshot is of the present epoch. */
    TB_TRY(find_epoch(reader, is_order ? INT64_MAX - 1 : ret_row->row, err));
    memcpy(ret_row->epoch, reader->epoch, sizeof ret_row->epoch);
    ret_row->sequence = is_order ? 0 : ret_row->row - reader->epoch_first + 1;
    ret_row->store_sequence =
        is_order ? within_epoch(tb_stmt_int64(rows, 9), reader->epoch_first) : 0;
    ret_row->event_id = tb_stmt_text(rows, 1);
    ret_row->order_id = tb_stmt_text(rows, 2);
    ret_row->type = tb_stmt_text(rows, 3);
    ret_row->version = tb_stmt_int64(rows, 4);
    ret_row->occurred_at_ms = tb_stmt_int64(rows, 5);
    ret_row->traceparent = tb_stmt_text(rows, 6);
    ret_row->payload = tb_stmt_text(rows, 7);
    ret_row->customer_id = with_customer ? tb_stmt_text(rows, 8) : (struct tb_str){0};
    return TB_OK;
}

void tb_outbox_end_read(struct tb_outbox_reader *reader)
{
    struct tb_error ignored = {0};

    tb_stmt_reset(reader->source);
    tb_stmt_reset(&reader->stmts[TB_STMT_OUTBOX_EPOCH]);
    if (reader->reading) /* a COMMIT that ends a read has nothing to lose */
        (void)!tb_stmt_run(&reader->stmts[TB_STMT_OUTBOX_COMMIT], &ignored);
    reader->reading = false;
}

enum tb_code tb_outbox_last_number(struct tb_outbox_reader *reader, int64_t *ret_number,
                                   struct tb_error *err)
{
    return tb_db_query_int64(reader->db, "SELECT coalesce(max(number), 0) FROM orders", ret_number,
                             err);
}

enum tb_code tb_outbox_cursor(struct tb_outbox_reader *reader, const char *name, int64_t *ret_row,
                              struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = &reader->stmts[TB_STMT_OUTBOX_CURSOR];
    bool found = false;

    tb_stmt_bind_text(stmt, ":name", tb_str_of(name));
    TB_TRY(tb_stmt_step(stmt, &found, err));
    *ret_row = found ? tb_stmt_int64(stmt, 0) : 0;
    return TB_OK;
}

enum tb_code tb_outbox_list_cursors(struct tb_outbox_reader *reader,
                                    struct tb_outbox_cursor ret_cursors[TB_OUTBOX_CURSORS_MAX],
                                    size_t *ret_count, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = &reader->stmts[TB_STMT_OUTBOX_CURSORS];
    size_t count = 0;
    bool row = true;

    tb_stmt_bind_int64(stmt, ":max", TB_OUTBOX_CURSORS_MAX);
    for (;;) {
        TB_TRY(tb_stmt_step(stmt, &row, err));
        if (!row)
            break;
        tb_cursor_status_read(stmt, &ret_cursors[count++]);
    }
    *ret_count = count;
    return TB_OK;
}

void tb_outbox_unconfigured_text(const struct tb_outbox_cursor *cursor,
                                 char ret_text[TB_OUTBOX_TEXT_SIZE])
{
    bool one = cursor->pending == 1;

    snprintf(ret_text, TB_OUTBOX_TEXT_SIZE,
             "%" PRId64 " event%s for the log %s, which is not configured: configure it again, "
             "or `tillbox link forget %s`",
             cursor->pending, one ? " waits" : "s wait", cursor->name, cursor->name);
}

enum tb_code tb_outbox_read_status(struct tb_outbox_reader *reader, const char *cursor_name,
                                   struct tb_outbox_status *ret_status, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = &reader->stmts[TB_STMT_OUTBOX_STATUS];
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
        .any_pending = tb_stmt_int64(stmt, 11),
        .any_oldest_pending_at_ms = tb_stmt_int64(stmt, 12),
        .any_oldest_pending_uptime_ms = tb_stmt_int64(stmt, 13),
        .newest_row = tb_stmt_int64(stmt, 14),
    };
    int64_t first_row = tb_stmt_int64(stmt, 1);
    tb_stmt_copy_text(stmt, 0, status.epoch, sizeof status.epoch);
    status.last_sequence = within_epoch(status.last_row, first_row);
    status.delivered_sequence = within_epoch(status.cursor_row, first_row);
    *ret_status = status;
    return TB_OK;
}

static void read_parked(struct tb_stmt *stmt, struct tb_parked_order *ret_order)
{
    tb_stmt_copy_text(stmt, 0, ret_order->order_id, sizeof ret_order->order_id);
    ret_order->row = tb_stmt_int64(stmt, 1);
    ret_order->snapshot = tb_stmt_int64(stmt, 2) != 0;
    ret_order->unpark = tb_stmt_int64(stmt, 3);
    ret_order->bytes = tb_stmt_int64(stmt, 4);
    ret_order->number = tb_stmt_int64(stmt, 5);
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
        read_parked(stmt, &ret_parked[count++]);
    }
    *ret_count = count;
    return TB_OK;
}

enum tb_code tb_outbox_next_parked(struct tb_outbox_reader *reader, const char *cursor_name,
                                   const char *after, struct tb_parked_details *ret_parked,
                                   struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &reader->stmts[TB_STMT_OUTBOX_NEXT_PARKED];
    bool row = false;

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    tb_stmt_bind_text(stmt, ":after", tb_str_of(after));
    TB_TRY(tb_stmt_step(stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_NOT_FOUND, "no other order is parked");
    read_parked(stmt, &ret_parked->order);
    ret_parked->at_ms = tb_stmt_int64(stmt, 6);
    tb_stmt_copy_text(stmt, 7, ret_parked->reason, sizeof ret_parked->reason);
    return TB_OK;
}

enum tb_code tb_outbox_read_snapshots(struct tb_outbox_reader *reader, const char *cursor_name,
                                      struct tb_outbox_snapshots *ret_snapshots,
                                      struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &reader->stmts[TB_STMT_OUTBOX_SNAPSHOTS];
    bool row = false;

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    TB_TRY(tb_stmt_step(stmt, &row, err));
    *ret_snapshots = (struct tb_outbox_snapshots){row ? tb_stmt_int64(stmt, 0) : 1,
                                                  row ? tb_stmt_int64(stmt, 1) : 0};
    return TB_OK;
}

enum tb_code tb_outbox_list_recoveries(struct tb_outbox_reader *reader,
                                       struct tb_recovery *ret_recoveries, size_t max,
                                       size_t *ret_count, struct tb_error *err)
{
    struct tb_stmt *stmt = &reader->stmts[TB_STMT_OUTBOX_RECOVERIES];
    size_t count = 0;
    bool row = true;

    tb_stmt_bind_int64(stmt, ":max", (int64_t)max);
    for (;;) {
        TB_TRY(tb_stmt_step(stmt, &row, err));
        if (!row)
            break;
        struct tb_recovery *recovery = &ret_recoveries[count++];

        recovery->at_ms = tb_stmt_int64(stmt, 0);
        tb_stmt_copy_text(stmt, 1, recovery->file, sizeof recovery->file);
        tb_stmt_copy_text(stmt, 2, recovery->reason, sizeof recovery->reason);
        tb_stmt_copy_text(stmt, 3, recovery->set_aside, sizeof recovery->set_aside);
    }
    *ret_count = count;
    return TB_OK;
}

enum tb_code tb_outbox_order_delivered(struct tb_outbox_reader *reader, const char *cursor_name,
                                       struct tb_str order_id, bool *ret_delivered,
                                       struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &reader->stmts[TB_STMT_OUTBOX_DELIVERED];
    bool row = false;

    tb_stmt_bind_text(stmt, ":name", tb_str_of(cursor_name));
    tb_stmt_bind_text(stmt, ":order_id", order_id);
    TB_TRY(tb_stmt_step(stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_NOT_FOUND, "no such order");
    *ret_delivered = tb_stmt_int64(stmt, 0) != 0;
    return TB_OK;
}

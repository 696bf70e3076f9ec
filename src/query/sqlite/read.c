#include "query/sqlite/view_sqlite_priv.h"
#include <stdlib.h>

/* One statement for each index. The bounds are always bound; a filter that is not wanted is NULL.
 * SQLite checks the filters on the index's columns before it reads the order's row. */
#define LIST_RANGE " placed_at >= :from AND (placed_at, order_id) < (:before_at, :before_id)"
#define LIST_FILTERS                                                                              \
    " AND (:business_date IS NULL OR business_date = :business_date)"                             \
    " AND (:node IS NULL OR node = :node) AND (:status IS NULL OR status = :status)"              \
    " AND (:source IS NULL OR source = :source)"                                                  \
    " ORDER BY placed_at DESC, order_id DESC LIMIT :limit"

const char *const tb_view_sqlite_list_sql =
    "SELECT order_id, placed_at, doc FROM orders INDEXED BY orders_by_time WHERE" LIST_RANGE
        LIST_FILTERS;
const char *const tb_view_sqlite_list_customer_sql =
    "SELECT order_id, placed_at, doc FROM orders INDEXED BY orders_by_customer"
    " WHERE customer_id = :customer_id AND" LIST_RANGE LIST_FILTERS;
const char *const tb_view_sqlite_get_sql =
    "SELECT version, doc FROM orders WHERE order_id = :order_id AND doc IS NOT NULL";
static const char scan_sql[] =
    "SELECT doc, version, placed_at, business_date, node, status, source, currency, kind,"
    " total_minor, customer_id FROM orders WHERE order_id >= :start AND doc IS NOT NULL"
    " ORDER BY order_id LIMIT :limit";
static const char dead_letter_count_sql[] =
    "SELECT count(*) FROM dead_letters WHERE status = 'open'";

static void close_file(struct tb_sqlite_reader *reader)
{
    tb_view_sqlite_finalize((struct tb_stmt *)&reader->stmts,
                            (struct tb_stmt *)(&reader->stmts + 1));
    tb_db_close(reader->db);
}

struct tb_sqlite_reader *tb_view_sqlite_current(struct tb_view_reader *base)
{
    struct tb_sqlite_reader *reader = (struct tb_sqlite_reader *)base;
    struct tb_sqlite_reader *next = NULL;

    if (atomic_load(&reader->next))
        next = atomic_exchange(&reader->next, NULL);
    if (next) {
        close_file(reader);
        reader->db = next->db;
        reader->stmts = next->stmts;
        free(next);
    }
    return reader;
}

static enum tb_code reader_get(struct tb_view_reader *base, struct tb_str order_id,
                               struct tb_buf *ret_doc, int64_t *ret_version, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &tb_view_sqlite_current(base)->stmts.get;
    bool row = false;

    tb_stmt_bind_text(stmt, ":order_id", order_id);
    TB_TRY(tb_stmt_step(stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_NOT_FOUND, "the view has no such order");
    tb_buf_add_str(ret_doc, tb_stmt_text(stmt, 1));
    if (!tb_buf_ok(ret_doc))
        return tb_error_set(err, TB_INTERNAL, "out of memory reading an order");
    *ret_version = tb_stmt_int64(stmt, 0);
    return TB_OK;
}

/* Binds the range: from inclusive, and before `to` or behind the cursor, whichever is older. No id
 * sorts before "". */
static void bind_range(struct tb_stmt *stmt, const struct tb_list_filter *filter)
{
    int64_t before_at_ms = filter->has_to ? filter->to_ms : INT64_MAX;
    struct tb_str before_id = TB_STR("");

    if (filter->has_after && filter->after_placed_at_ms < before_at_ms) {
        before_at_ms = filter->after_placed_at_ms;
        before_id = tb_str_of(filter->after_order_id);
    }
    tb_stmt_bind_int64(stmt, ":from", filter->has_from ? filter->from_ms : INT64_MIN);
    tb_stmt_bind_int64(stmt, ":before_at", before_at_ms);
    tb_stmt_bind_text(stmt, ":before_id", before_id);
}

static void bind_filters(struct tb_stmt *stmt, const struct tb_list_filter *filter)
{
    tb_stmt_bind_text(stmt, ":business_date", filter->business_date);
    tb_stmt_bind_text(stmt, ":node", filter->node);
    tb_stmt_bind_text(stmt, ":source", filter->source);
    if (filter->has_status)
        tb_stmt_bind_int64(stmt, ":status", filter->status);
    /* One row more than wanted shows whether there are further ones. */
    tb_stmt_bind_int64(stmt, ":limit", filter->limit + 1);
}

static enum tb_code reader_list(struct tb_view_reader *base, const struct tb_list_filter *filter,
                                tb_listed_order_fn *each, void *ctx, bool *ret_more,
                                struct tb_error *err)
{
    struct tb_sqlite_reader *reader = tb_view_sqlite_current(base);
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt =
        filter->customer_id.ptr ? &reader->stmts.list_customer : &reader->stmts.list;
    bool row = true, taken = true;

    TB_ASSERT(filter->limit > 0);
    if (filter->customer_id.ptr)
        tb_stmt_bind_text(stmt, ":customer_id", filter->customer_id);
    bind_range(stmt, filter);
    bind_filters(stmt, filter);
    for (int i = 0; taken && i <= filter->limit; i++) {
        TB_TRY(tb_stmt_step(stmt, &row, err));
        if (!row)
            break;
        if (i < filter->limit)
            taken =
                each(ctx, tb_stmt_text(stmt, 0), tb_stmt_int64(stmt, 1), tb_stmt_text(stmt, 2));
    }
    *ret_more = row;
    return TB_OK;
}

/* The first column of scan_sql that differs from the document; NULL: none. */
static const char *other_column(struct tb_stmt *stmt, const struct tb_order *order)
{
    const struct {
        const char *name;
        bool same;
    } columns[] = {
        {"version", tb_stmt_int64(stmt, 1) == order->version},
        {"placedAt", tb_stmt_int64(stmt, 2) == order->placed_at_ms},
        {"businessDate", tb_str_eq(tb_stmt_text(stmt, 3), tb_str_of(order->business_date))},
        {"node", tb_str_eq(tb_stmt_text(stmt, 4), order->node)},
        {"status", tb_stmt_int64(stmt, 5) == (int64_t)order->status},
        {"source", tb_str_eq(tb_stmt_text(stmt, 6), order->source)},
        {"currency", tb_str_eq(tb_stmt_text(stmt, 7), tb_str_of(order->currency))},
        {"kind", tb_stmt_int64(stmt, 8) == (int64_t)order->kind},
        {"totalMinor", tb_stmt_int64(stmt, 9) == order->total_minor},
        {"customerId", tb_str_eq(tb_stmt_text(stmt, 10), order->customer_id)},
    };

    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (!columns[i].same)
            return columns[i].name;
    return NULL;
}

static enum tb_code reader_scan(struct tb_view_reader *base, const char *start, int limit,
                                tb_scanned_order_fn *each, void *ctx, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &tb_view_sqlite_current(base)->stmts.scan;
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};

    tb_stmt_bind_text(stmt, ":start", tb_str_of(start));
    tb_stmt_bind_int64(stmt, ":limit", limit);
    for (bool row = true;;) {
        struct tb_order order;

        TB_TRY(tb_stmt_step(stmt, &row, err));
        if (!row)
            return TB_OK;
        tb_arena_clear(&arena);
        TB_TRY(tb_view_sqlite_decode_order(tb_stmt_text(stmt, 0), &arena, &order, err));
        each(ctx, &order, other_column(stmt, &order));
    }
}

static enum tb_code reader_offset(struct tb_view_reader *base, int32_t partition,
                                  int64_t *ret_next, struct tb_error *err)
{
    return tb_view_sqlite_read_offset(&tb_view_sqlite_current(base)->stmts.offset, partition,
                                      ret_next, err);
}

static enum tb_code reader_dead_count(struct tb_view_reader *base, int64_t *ret_open,
                                      struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = &tb_view_sqlite_current(base)->stmts.dead_letter_count;
    bool row = false;

    TB_TRY(tb_stmt_step(stmt, &row, err));
    TB_ASSERT(row);
    *ret_open = tb_stmt_int64(stmt, 0);
    return TB_OK;
}

static void reader_free(struct tb_view_reader *base)
{
    struct tb_sqlite_reader *reader = (struct tb_sqlite_reader *)base;

    tb_view_reader_free((struct tb_view_reader *)atomic_load(&reader->next));
    close_file(reader);
    free(reader);
}

static const struct tb_view_reader_ops ops = {
    .get = reader_get,
    .list = reader_list,
    .scan = reader_scan,
    .stats = tb_view_sqlite_stats,
    .offset = reader_offset,
    .list_dead_letters = tb_view_sqlite_list_dead_letters,
    .get_dead_letter = tb_view_sqlite_get_dead_letter,
    .count_dead_letters = reader_dead_count,
    .free = reader_free,
};

static enum tb_code open_reader(struct tb_sqlite_reader *reader, const char *path,
                                struct tb_error *err)
{
    const struct tb_view_statement all[] = {
        {&reader->stmts.get, tb_view_sqlite_get_sql},
        {&reader->stmts.list, tb_view_sqlite_list_sql},
        {&reader->stmts.list_customer, tb_view_sqlite_list_customer_sql},
        {&reader->stmts.scan, scan_sql},
        {&reader->stmts.stats, tb_view_sqlite_stats_sql},
        {&reader->stmts.offset, tb_view_sqlite_offset_sql},
        {&reader->stmts.dead_letter, tb_view_sqlite_dead_letter_sql},
        {&reader->stmts.dead_letters, tb_view_sqlite_dead_letters_sql},
        {&reader->stmts.open_dead_letters, tb_view_sqlite_open_dead_letters_sql},
        {&reader->stmts.order_dead_letters, tb_view_sqlite_order_dead_letters_sql},
        {&reader->stmts.dead_letter_count, dead_letter_count_sql},
    };

    TB_TRY(tb_db_open(path, TB_DB_READER, 0, &reader->db, err));
    tb_view_sqlite_declare(reader->db, all, sizeof all / sizeof *all);
    return TB_OK;
}

enum tb_code tb_view_sqlite_reader(const char *path, struct tb_view_reader **ret_reader,
                                   struct tb_error *err)
{
    struct tb_sqlite_reader *reader = calloc(1, sizeof *reader);
    enum tb_code code;

    if (!reader)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    reader->reader.ops = &ops;
    code = open_reader(reader, path, err);
    if (code != TB_OK) {
        reader_free(&reader->reader);
        return code;
    }
    *ret_reader = &reader->reader;
    return TB_OK;
}

void tb_view_sqlite_switch_reader(struct tb_view_reader *base, struct tb_view_reader *next)
{
    struct tb_sqlite_reader *reader = (struct tb_sqlite_reader *)base;

    /* An earlier `next` that no query has used yet is replaced. */
    tb_view_reader_free(
        (struct tb_view_reader *)atomic_exchange(&reader->next, (struct tb_sqlite_reader *)next));
}

enum tb_code tb_view_sqlite_begin_snapshot(struct tb_view_reader *base, int64_t *ret_next,
                                           struct tb_error *err)
{
    enum tb_code code = tb_db_exec(tb_view_sqlite_current(base)->db, "BEGIN", err);

    if (code == TB_OK)
        code = base->ops->offset(base, 0, ret_next, err);
    if (code != TB_OK)
        tb_view_sqlite_end_snapshot(base);
    return code;
}

/* Nothing was written, so a rollback ends the snapshot as well as a commit. */
void tb_view_sqlite_end_snapshot(struct tb_view_reader *base)
{
    struct tb_txn txn = {.db = ((struct tb_sqlite_reader *)base)->db};

    tb_txn_rollback(&txn);
}

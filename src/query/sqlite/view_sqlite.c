#include "base/thread/process.h"
#include "query/sqlite/view_sqlite_priv.h"
#include <stdlib.h>

static const char *const schema[] = {
    "CREATE TABLE orders("
    " id INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,"
    " placed_at INTEGER, business_date TEXT, node TEXT, status INTEGER, source TEXT,"
    " currency TEXT, kind INTEGER, total_minor INTEGER, customer_id TEXT,"
    " epoch TEXT NOT NULL, sequence INTEGER NOT NULL, received_at INTEGER NOT NULL, doc TEXT,"
    " CHECK((doc IS NULL) = (placed_at IS NULL))) STRICT;"
    "CREATE INDEX orders_by_time ON orders(placed_at, order_id, business_date, node, status,"
    " source, currency, kind, total_minor);"
    "CREATE INDEX orders_by_customer ON orders(customer_id, placed_at, order_id)"
    " WHERE customer_id IS NOT NULL;"
    "CREATE TABLE offsets(partition INTEGER PRIMARY KEY, next INTEGER NOT NULL) STRICT;"
    "CREATE TABLE dead_letters("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, partition INTEGER NOT NULL, \"offset\" INTEGER NOT "
    "NULL,"
    " order_id TEXT, type TEXT, reason TEXT NOT NULL, message TEXT NOT NULL,"
    " key BLOB, value BLOB, headers BLOB NOT NULL, timestamp INTEGER NOT NULL,"
    " dead_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 1,"
    " status TEXT NOT NULL DEFAULT 'open' CHECK(status IN ('open', 'replayed', 'dropped')),"
    " UNIQUE(partition, \"offset\")) STRICT;"
    "CREATE INDEX dead_letters_by_time ON dead_letters(dead_at);"
    "CREATE INDEX dead_letters_open ON dead_letters(order_id, id) WHERE status = 'open';",
    /* Dead letters that can be replayed. Long blobs come last, so that reading the other columns
     * does not read past them. With reason gap, the version is taken from the message. */
    "ALTER TABLE dead_letters RENAME TO old_letters;"
    "CREATE TABLE dead_letters("
    " id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, \"offset\" INTEGER NOT NULL,"
    " last_offset INTEGER NOT NULL, order_id TEXT, version INTEGER NOT NULL, type TEXT,"
    " reason TEXT NOT NULL, message TEXT NOT NULL,"
    " status TEXT NOT NULL CHECK(status IN ('open', 'replayed', 'dropped')),"
    " attempts INTEGER NOT NULL, follows INTEGER NOT NULL, dead_at INTEGER NOT NULL,"
    " changed_at INTEGER NOT NULL, timestamp INTEGER NOT NULL, key BLOB, headers BLOB NOT NULL,"
    " value BLOB, UNIQUE(partition, \"offset\")) STRICT;"
    "INSERT INTO dead_letters SELECT id, partition, \"offset\", \"offset\", order_id,"
    " CASE reason WHEN 'tillbox.gap' THEN CAST(substr(message, 9) AS INTEGER) ELSE 0 END,"
    " type, reason, message, status, attempts, 0, dead_at, dead_at, timestamp, key, headers,"
    " value FROM old_letters;"
    "DROP TABLE old_letters;"
    "CREATE INDEX dead_letters_by_time ON dead_letters(dead_at, partition, \"offset\");"
    "CREATE INDEX dead_letters_by_order ON dead_letters(order_id, partition, \"offset\")"
    " WHERE order_id IS NOT NULL;"
    "CREATE INDEX dead_letters_open ON dead_letters(dead_at, partition, \"offset\", reason,"
    " order_id, version, follows, status) WHERE status = 'open';",
    /* A dead letter expires by the node's uptime. Those of earlier schemas count as kept from its
     * beginning on. */
    "ALTER TABLE dead_letters ADD COLUMN kept_from INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX dead_letters_kept_from ON dead_letters(kept_from);",
    /* The lineage of an order (lineage.h). Of orders from before, nothing is known. */
    "ALTER TABLE orders ADD COLUMN replaced INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE orders ADD COLUMN earlier_epochs TEXT;"
    "ALTER TABLE orders ADD COLUMN events BLOB;",
    "CREATE TABLE origin(one INTEGER PRIMARY KEY CHECK(one = 1), log_id TEXT NOT NULL,"
    " store_id TEXT NOT NULL) STRICT;",
    /* Views of logs with six partitions. That log is made anew: so the view counts as one of
     * another log, and its dead letters get offsets of the one partition that no record ever had.
     * The same dead letter gets the same one in every view, and the next log begins behind all of
     * them. */
    "INSERT OR IGNORE INTO origin SELECT 1, 'of six partitions', '' FROM offsets;"
    "INSERT OR REPLACE INTO offsets SELECT 0, next FROM offsets ORDER BY next DESC LIMIT 1;"
    "DELETE FROM offsets WHERE partition > 0;"
    "UPDATE dead_letters SET partition = 0,"
    " \"offset\" = 1000000000000 + 6 * \"offset\" + partition,"
    " last_offset = 1000000000000 + 6 * last_offset + partition WHERE partition > 0;",
    /* How far the store was, by epoch, when it sent the snapshots that are here. */
    "CREATE TABLE store_sequences(epoch TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT,"
    " WITHOUT ROWID;",
};

/* The row exists already if a plan is committed again after TB_UNKNOWN, or if a snapshot has
 * replaced the order. */
static const char insert_sql[] =
    "INSERT INTO orders(order_id, version, placed_at, business_date, node, status, source,"
    " currency, kind, total_minor, customer_id, epoch, sequence, received_at, doc, replaced,"
    " earlier_epochs, events)"
    " VALUES(:order_id, :version, :placed_at, :business_date, :node, :status, :source,"
    " :currency, :kind, :total_minor, :customer_id, :epoch, :sequence, :received_at, :doc,"
    " :replaced, :earlier_epochs, :events)"
    " ON CONFLICT(order_id) DO UPDATE SET version = excluded.version,"
    " placed_at = excluded.placed_at, business_date = excluded.business_date,"
    " node = excluded.node, status = excluded.status, source = excluded.source,"
    " currency = excluded.currency, kind = excluded.kind, total_minor = excluded.total_minor,"
    " customer_id = excluded.customer_id, epoch = excluded.epoch, sequence = excluded.sequence,"
    " received_at = excluded.received_at, doc = excluded.doc, replaced = excluded.replaced,"
    " earlier_epochs = excluded.earlier_epochs, events = excluded.events"
    " WHERE (excluded.replaced, excluded.version) > (orders.replaced, orders.version)";
/* Writes only the columns that change after the placing, so fewer indexes are updated. */
static const char update_sql[] =
    "UPDATE orders SET version = :version, status = :status, total_minor = :total_minor,"
    " epoch = :epoch, sequence = :sequence, received_at = :received_at, doc = :doc,"
    " replaced = :replaced, earlier_epochs = :earlier_epochs, events = :events"
    " WHERE order_id = :order_id AND (replaced, version) < (:replaced, :version)";
static const char load_sql[] =
    "SELECT version, epoch, sequence, received_at, doc, replaced, earlier_epochs, events"
    " FROM orders WHERE order_id = :order_id";
static const char set_offset_sql[] =
    "INSERT INTO offsets(partition, next) VALUES(:partition, :next)"
    " ON CONFLICT(partition) DO UPDATE SET next = excluded.next WHERE excluded.next > next";
static const char put_store_sequence_sql[] =
    "INSERT INTO store_sequences(epoch, sequence) VALUES(:epoch, :sequence)"
    " ON CONFLICT DO UPDATE SET sequence = max(sequence, excluded.sequence)";
const char *const tb_view_sqlite_offset_sql =
    "SELECT next FROM offsets WHERE partition = :partition";

enum tb_code tb_view_sqlite_read_offset(struct tb_stmt *offset, int32_t partition,
                                        int64_t *ret_next, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = offset;
    bool row = false;

    tb_stmt_bind_int64(stmt, ":partition", partition);
    TB_TRY(tb_stmt_step(stmt, &row, err));
    *ret_next = row ? tb_stmt_int64(stmt, 0) : -1;
    return TB_OK;
}

enum tb_code tb_view_sqlite_decode_order(struct tb_str doc, struct tb_arena *arena,
                                         struct tb_order *ret_order, struct tb_error *err)
{
    struct tb_json *json = NULL;
    enum tb_code code = tb_json_parse_in(doc, TB_JSON_DEPTH_MAX, arena, &json, err);

    if (code == TB_OK)
        code = tb_order_decode(json, arena, ret_order, err);
    if (code != TB_INVALID)
        return code;
    err->code = TB_CORRUPT; /* it was valid when it was written */
    err->native = TB_DB_BAD_DOCUMENT;
    return tb_error_wrap(err, "the view's document");
}

/* Each event as 8 bytes, big-endian. */
static struct tb_str pack_events(const struct tb_lineage *lineage,
                                 unsigned char bytes[8 * TB_LINEAGE_EVENTS_MAX])
{
    size_t len = 0;

    for (size_t i = 0; i < lineage->event_count; i++) {
        for (int shift = 56; shift >= 0; shift -= 8)
            bytes[len++] = (unsigned char)((uint64_t)lineage->events[i] >> shift);
    }
    return (struct tb_str){len > 0 ? (const char *)bytes : NULL, len};
}

static void unpack_events(struct tb_str bytes, struct tb_lineage *lineage)
{
    for (size_t at = 0; at + 8 <= bytes.len && lineage->event_count < TB_LINEAGE_EVENTS_MAX;) {
        uint64_t event = 0;

        for (size_t end = at + 8; at < end; at++)
            event = event << 8 | (unsigned char)bytes.ptr[at];
        lineage->events[lineage->event_count++] = (int64_t)event;
    }
}

static void load_lineage(struct tb_stmt *stmt, struct tb_lineage *lineage)
{
    lineage->replaced = tb_stmt_int64(stmt, 5);
    tb_stmt_copy_text(stmt, 6, lineage->earlier_epochs, sizeof lineage->earlier_epochs);
    unpack_events(tb_stmt_text(stmt, 7), lineage);
}

static enum tb_code load_row(struct tb_stmt *stmt, struct tb_arena *arena,
                             struct tb_planned_order *ret_order, struct tb_error *err)
{
    struct tb_planned_order found = {.exists = true};
    struct tb_str epoch = tb_stmt_text(stmt, 1);

    if (!tb_stmt_text(stmt, 4).ptr)
        found.stub = true;
    else
        TB_TRY(tb_view_sqlite_decode_order(tb_stmt_text(stmt, 4), arena, &found.order, err));
    found.order.version = tb_stmt_int64(stmt, 0);
    if (epoch.len < sizeof found.epoch)
        memcpy(found.epoch, epoch.ptr, epoch.len);
    found.sequence = tb_stmt_int64(stmt, 2);
    found.received_at_ms = tb_stmt_int64(stmt, 3);
    load_lineage(stmt, &found.lineage);
    *ret_order = found;
    return TB_OK;
}

static enum tb_code view_load(struct tb_view *base, const char *order_id, struct tb_arena *arena,
                              struct tb_planned_order *ret_order, struct tb_error *err)
{
    struct tb_view_sqlite *view = (struct tb_view_sqlite *)base;
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = &view->stmts.load;
    enum tb_code code;
    bool row = false;

    tb_give_way();
    *ret_order = (struct tb_planned_order){0};
    tb_stmt_bind_text(stmt, ":order_id", (struct tb_str){order_id, TB_UUID_LEN});
    code = tb_stmt_step(stmt, &row, err);
    if (code == TB_OK && row)
        code = load_row(stmt, arena, ret_order, err);
    return code == TB_OK ? TB_OK : tb_error_wrap(err, "order %s", order_id);
}

/* Binds the columns that change with every event. */
static void bind_changing(struct tb_stmt *stmt, const struct tb_planned_order *planned,
                          struct tb_str doc)
{
    tb_stmt_bind_text(stmt, ":order_id", (struct tb_str){planned->order.order_id, TB_UUID_LEN});
    tb_stmt_bind_int64(stmt, ":version", planned->order.version);
    tb_stmt_bind_text(stmt, ":epoch", tb_str_of(planned->epoch));
    tb_stmt_bind_int64(stmt, ":sequence", planned->sequence);
    tb_stmt_bind_int64(stmt, ":received_at", planned->received_at_ms);
    tb_stmt_bind_int64(stmt, ":replaced", planned->lineage.replaced);
    if (planned->lineage.earlier_epochs[0] != '\0')
        tb_stmt_bind_text(stmt, ":earlier_epochs", tb_str_of(planned->lineage.earlier_epochs));
    if (planned->stub)
        return; /* what is not bound is NULL */
    tb_stmt_bind_int64(stmt, ":status", planned->order.status);
    tb_stmt_bind_int64(stmt, ":total_minor", planned->order.total_minor);
    tb_stmt_bind_text(stmt, ":doc", doc);
}

/* Binds the columns that never change after the placing. */
static void bind_placed(struct tb_stmt *stmt, const struct tb_order *order)
{
    tb_stmt_bind_int64(stmt, ":placed_at", order->placed_at_ms);
    tb_stmt_bind_text(stmt, ":business_date", tb_str_of(order->business_date));
    tb_stmt_bind_text(stmt, ":node", order->node);
    tb_stmt_bind_text(stmt, ":source", order->source);
    tb_stmt_bind_text(stmt, ":currency", tb_str_of(order->currency));
    tb_stmt_bind_int64(stmt, ":kind", order->kind);
    tb_stmt_bind_text(stmt, ":customer_id", order->customer_id);
}

static enum tb_code write_order(struct tb_view_sqlite *view,
                                const struct tb_planned_order *planned, struct tb_error *err)
{
    bool all_columns = !planned->exists || planned->whole;
    struct tb_stmt *stmt = all_columns ? &view->stmts.insert : &view->stmts.update;
    unsigned char events[8 * TB_LINEAGE_EVENTS_MAX];

    tb_buf_clear(&view->scratch);
    if (!planned->stub)
        tb_order_encode(&view->scratch, &planned->order);
    if (!tb_buf_ok(&view->scratch))
        return tb_error_set(err, TB_INTERNAL, "out of memory writing an order");
    bind_changing(stmt, planned, tb_buf_str(&view->scratch));
    tb_stmt_bind_blob(stmt, ":events", pack_events(&planned->lineage, events));
    if (all_columns && !planned->stub)
        bind_placed(stmt, &planned->order);
    return tb_stmt_run(stmt, err);
}

static enum tb_code write_store_sequences(struct tb_view_sqlite *view, const struct tb_plan *plan,
                                          struct tb_error *err)
{
    struct tb_stmt *stmt = &view->stmts.put_store_sequence;

    for (size_t i = 0; i < plan->snapshot_count; i++) {
        const struct tb_plan_snapshot *snapshot = &plan->snapshots[i];

        if (snapshot->store_sequence == 0 || snapshot->epoch[0] == '\0')
            continue;
        tb_stmt_bind_text(stmt, ":epoch", tb_str_of(snapshot->epoch));
        tb_stmt_bind_int64(stmt, ":sequence", snapshot->store_sequence);
        TB_TRY(tb_stmt_run(stmt, err));
    }
    return TB_OK;
}

static enum tb_code view_commit(struct tb_view *base, const struct tb_plan *plan,
                                struct tb_error *err)
{
    struct tb_view_sqlite *view = (struct tb_view_sqlite *)base;
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    int64_t next;

    TB_TRY(tb_txn_begin(&txn, view->db, err));
    for (size_t i = 0; i < plan->order_count; i++) {
        if (!plan->orders[i]->changed)
            continue;
        TB_TRY(write_order(view, plan->orders[i], err));
        tb_give_way();
    }
    TB_TRY(tb_view_sqlite_write_dead_letters(view, plan, err));
    TB_TRY(write_store_sequences(view, plan, err));
    tb_stmt_bind_int64(&view->stmts.set_offset, ":partition", plan->partition);
    tb_stmt_bind_int64(&view->stmts.set_offset, ":next", plan->next_offset);
    TB_TRY(tb_stmt_run(&view->stmts.set_offset, err));
    next = plan->partition == 0 && plan->next_offset > view->next_offset ? plan->next_offset
                                                                         : view->next_offset;
    view->next_offset = -1; /* a commit that fails may have been done */
    TB_TRY(tb_txn_commit(&txn, err));
    view->next_offset = next;
    return TB_OK;
}

static enum tb_code view_sync(struct tb_view *base, struct tb_error *err)
{
    return tb_db_sync(((struct tb_view_sqlite *)base)->db, err);
}

static bool view_keep_up(struct tb_view *base)
{
    struct tb_view_sqlite *view = (struct tb_view_sqlite *)base;

    tb_db_retry_checkpoint(view->db);
    return tb_db_wants_checkpoint(view->db);
}

static enum tb_code view_offset(struct tb_view *base, int32_t partition, int64_t *ret_next,
                                struct tb_error *err)
{
    return tb_view_sqlite_read_offset(&((struct tb_view_sqlite *)base)->stmts.offset, partition,
                                      ret_next, err);
}

static void view_free(struct tb_view *base)
{
    struct tb_view_sqlite *view = (struct tb_view_sqlite *)base;

    tb_view_sqlite_finalize((struct tb_stmt *)&view->stmts, (struct tb_stmt *)(&view->stmts + 1));
    tb_db_close(view->db);
    tb_buf_release(&view->scratch);
    free(view);
}

static const struct tb_view_ops ops = {
    .load = view_load,
    .commit = view_commit,
    .sync = view_sync,
    .keep_up = view_keep_up,
    .offset = view_offset,
    .expire_dead_letters = tb_view_sqlite_expire_dead_letters,
    .redrivable = tb_view_sqlite_redrivable,
    .drop_dead_letter = tb_view_sqlite_drop_dead_letter,
    .free = view_free,
};

void tb_view_sqlite_declare(struct tb_db *db, const struct tb_view_statement *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tb_stmt_declare(list[i].stmt, db, list[i].sql);
}

void tb_view_sqlite_finalize(struct tb_stmt *first, const struct tb_stmt *end)
{
    for (struct tb_stmt *stmt = first; stmt < end; stmt++)
        tb_stmt_finalize(stmt);
}

static void declare_statements(struct tb_view_sqlite *view)
{
    const struct tb_view_statement all[] = {
        {&view->stmts.insert, insert_sql},
        {&view->stmts.update, update_sql},
        {&view->stmts.load, load_sql},
        {&view->stmts.set_offset, set_offset_sql},
        {&view->stmts.offset, tb_view_sqlite_offset_sql},
        {&view->stmts.put_store_sequence, put_store_sequence_sql},
    };

    tb_view_sqlite_declare(view->db, all, sizeof all / sizeof *all);
    tb_view_sqlite_declare_dead_letters(view);
}

/* Offsets never go back, and only this connection writes. */
static enum tb_code is_ours(void *ctx, bool *ret_ours, struct tb_error *err)
{
    struct tb_view_sqlite *view = ctx;
    int64_t next = -1;

    TB_TRY(tb_view_sqlite_read_offset(&view->stmts.offset, 0, &next, err));
    *ret_ours = view->next_offset < 0 || next == view->next_offset;
    return TB_OK;
}

static enum tb_code open_db(struct tb_view_sqlite *view, const char *path, struct tb_error *err)
{
    TB_TRY(tb_db_open(path, TB_DB_DERIVED, TB_VIEW_WAL_PAGES, &view->db, err));
    tb_db_yield_on_reads(view->db);
    if (tb_db_migrate(view->db, TB_VIEW_APPLICATION_ID, schema, sizeof schema / sizeof *schema,
                      err) != TB_OK)
        return tb_error_wrap(err, "the view %s", path);
    TB_TRY(tb_db_mark_wal(view->db, err));
    declare_statements(view);
    view->next_offset = -1;
    tb_db_watch_content(view->db, is_ours, view);
    return TB_OK;
}

enum tb_code tb_view_sqlite_open(const char *path, struct tb_view **ret_view, struct tb_error *err)
{
    struct tb_view_sqlite *view = calloc(1, sizeof *view);
    enum tb_code code;

    if (!view)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    view->view.ops = &ops;
    code = open_db(view, path, err);
    if (code != TB_OK) {
        view_free(&view->view);
        return code;
    }
    *ret_view = &view->view;
    return TB_OK;
}

void tb_view_sqlite_watch_checkpoints(struct tb_view *view, struct tb_checkpoints *checkpoints)
{
    tb_db_watch_checkpoints(((struct tb_view_sqlite *)view)->db, checkpoints);
}

#include "sim/check_priv.h"
#include <stdio.h>
#include <string.h>

static enum oracle_type type_of(const char *name)
{
    static const char *const names[] = {"OrderPlaced.v2", "OrderAddressChanged.v1",
                                        "OrderTotalChanged.v1", "OrderShipped.v1",
                                        "OrderCancelled.v1"};

    for (int i = 0; i <= ORACLE_CANCEL; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum oracle_type)i;
    sim_violation("I2: an event of type %s", name);
}

static void check_outbox_row(struct sim_node *node, sqlite3_stmt *stmt)
{
    int64_t row = sqlite3_column_int64(stmt, 0), version = sqlite3_column_int64(stmt, 2);
    struct check_mark mark = {0};
    int order;

    SIM_REQUIRE(row < SIM_ROWS_MAX, "the checker is too small for so many rows");
    SIM_REQUIRE(check_mark(check_text(stmt, 4), sqlite3_column_bytes(stmt, 4), &mark) &&
                    !mark.foreign,
                "I2: outbox row %" PRId64 " is of unknown origin", row);
    SIM_REQUIRE(sqlite3_column_int64(stmt, 5) == version,
                "I4: outbox row %" PRId64 " contradicts its payload", row);
    order = oracle_saw_event(&node->sim->oracle, node->index, check_text(stmt, 1), version,
                             mark.number, type_of(check_text(stmt, 3)));
    SIM_REQUIRE(row > node->rows_seen ||
                    (node->rows[row].order == order && node->rows[row].version == version),
                "I1: outbox row %" PRId64 " was another event before", row);
    node->rows[row] = (struct sim_row){order, version};
}

/* No row goes before the node can have kept it for as long as it must, whatever its clock says. */
static void check_age(struct sim_node *node, int64_t from, int64_t to)
{
    const struct sim *sim = node->sim;

    if (sim->mutant == SIM_MUTANT_RETENTION_IGNORES_CURSOR)
        return; /* it is to be found by the cursor */
    for (int64_t row = from; row <= to; row++) {
        const struct oracle_order *o = &sim->oracle.orders[node->rows[row].order];
        int op = o->events[node->rows[row].version].op;

        SIM_REQUIRE(op == ORACLE_NONE ||
                        sim->now_us - sim->op_sent_us[op] >= node->outbox_keep_ms * 1000,
                    "I7: %s: row %" PRId64 " was removed before its time", node->name, row);
    }
}

/* Retention removes the oldest rows first, but keeps all rows of an order with parked rows. */
static void check_removed(struct sim_node *node, int64_t from, int64_t to, bool any_retained)
{
    SIM_REQUIRE(!any_retained, "I4: %s: outbox row %" PRId64 " is missing", node->name, from);
    SIM_REQUIRE(to <= node->rows_seen, "I7: %s: rows were removed before they were seen",
                node->name);
    for (int64_t row = from; row <= to; row++)
        SIM_REQUIRE(!node->config || !check_centre_is_parked(node, row),
                    "I7: %s: row %" PRId64 " is parked and was removed", node->name, row);
    if (to <= node->rows_gone)
        return;
    check_age(node, node->rows_gone + 1, to);
    sim_cover(COVER_OUTBOX_CLEANED, (uint64_t)(to - node->rows_gone));
    node->rows_gone = to;
}

static void check_outbox(struct sim_node *node, sqlite3 *db)
{
    int64_t last = check_number(db, "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'");
    int64_t expected = 1;
    bool any_retained = false;
    sqlite3_stmt *stmt = check_query(db, "SELECT row, order_id, version, type, traceparent,"
                                         " json_extract(payload, '$.version')"
                                         " FROM outbox ORDER BY row");

    while (check_row(stmt)) {
        int64_t row = sqlite3_column_int64(stmt, 0);

        if (row > expected)
            check_removed(node, expected, row - 1, any_retained);
        check_outbox_row(node, stmt);
        any_retained = any_retained || !node->config || !check_centre_is_retained(node, row);
        expected = row + 1;
    }
    SIM_REQUIRE(last == 0 || expected == last + 1,
                "I4: %s: the outbox ends at %" PRId64 ", its counter at %" PRId64, node->name,
                expected - 1, last);
    SIM_REQUIRE(last >= node->rows_seen,
                "I1: %s: the outbox ended at %" PRId64 ", now at %" PRId64, node->name,
                node->rows_seen, last);
    node->rows_seen = last;
}

static int64_t count_orders(const struct sim_node *node)
{
    int64_t count = 0;

    for (int i = 0; i < node->sim->oracle.order_count; i++)
        count += node->sim->oracle.orders[i].node == node->index &&
                 node->sim->oracle.orders[i].max_version > 0;
    return count;
}

/* Numbers have no gaps, but for those of orders that were lost when the store was put back. Those
 * that log or view knew then are not given a second time. */
static void check_new_number(struct sim_node *node, int64_t before, int64_t number)
{
    SIM_REQUIRE(number > node->known_number,
                "I4: %s: number %" PRId64 " was given a second time, up to %" PRId64 " were known",
                node->name, number, node->known_number);
    SIM_REQUIRE(number == before + 1 ||
                    (before < node->lost_number && number <= node->lost_number + 1),
                "I4: %s: number %" PRId64 " follows %" PRId64, node->name, number, before);
    if (number > node->last_number)
        node->last_number = number;
}

static void check_orders(struct sim_node *node, sqlite3 *db)
{
    struct oracle *oracle = &node->sim->oracle;
    sqlite3_stmt *stmt = check_query(
        db, "SELECT number, order_id, version, status = json_extract(doc, '$.status') AND"
            " total_minor = json_extract(doc, '$.totalMinor')," CHECK_DOCUMENT_COLUMNS
            "FROM orders ORDER BY number");
    int64_t number = 0, count = 0;

    while (check_row(stmt)) {
        int order = oracle_find_order(oracle, check_text(stmt, 1));
        int64_t version = sqlite3_column_int64(stmt, 2), before = number;

        number = sqlite3_column_int64(stmt, 0);
        count++;
        SIM_REQUIRE(order != ORACLE_NONE && oracle->orders[order].node == node->index,
                    "I2: %s: order %s was never placed here", node->name, check_text(stmt, 1));
        struct oracle_order *o = &oracle->orders[order];
        SIM_REQUIRE(o->number == 0 || o->number == number,
                    "I1: order %s had number %" PRId64 ", has %" PRId64, o->id, o->number, number);
        if (o->number == 0)
            check_new_number(node, before, number);
        o->number = number;
        SIM_REQUIRE(version >= o->max_version,
                    "I1: order %s stood at version %" PRId64 ", the store has %" PRId64, o->id,
                    o->max_version, version);
        SIM_REQUIRE(version == o->max_version,
                    "I4: order %s is at version %" PRId64 ", its events end at %" PRId64, o->id,
                    version, o->max_version);
        SIM_REQUIRE(sqlite3_column_int64(stmt, 3) == 1, "I6: order %s contradicts its document",
                    o->id);
        const struct check_document document = check_document_row(stmt, 4);
        check_document(node, &document, order, version);
    }
    SIM_REQUIRE(count == count_orders(node),
                "I1: %s: %" PRId64 " orders were placed, %" PRId64 " are there", node->name,
                count_orders(node), count);
}

void check_store(struct sim_node *node, sqlite3 *db)
{
    int64_t keys = check_number(db, "SELECT count(*) FROM idempotency");

    check_outbox(node, db);
    check_orders(node, db);
    if (keys < node->keys_seen)
        sim_cover(COVER_KEYS_CLEANED, (uint64_t)(node->keys_seen - keys));
    node->keys_seen = keys;
}

static bool is_snapshot(sqlite3_stmt *stmt)
{
    return memmem(sqlite3_column_blob(stmt, 2), (size_t)sqlite3_column_bytes(stmt, 2),
                  "OrderSnapshot.v1", 16) != NULL;
}

/* A snapshot is the order as it was at its version. */
static void check_snapshot(struct sim_node *node, sqlite3_stmt *stmt)
{
    const struct check_document document = check_document_row(stmt, 4);
    int order = oracle_find_order(&node->sim->oracle, check_text(stmt, 1));

    SIM_REQUIRE(order != ORACLE_NONE, "I10: %s: a snapshot of order %s, the store does not know",
                node->name, check_text(stmt, 1));
    struct oracle_order *o = &node->sim->oracle.orders[order];
    SIM_REQUIRE(document.version >= 1 && document.version <= o->max_version,
                "I10: %s: a snapshot of order %s at version %" PRId64 ", the store has %" PRId64,
                node->name, o->id, document.version, o->max_version);
    check_document(node, &document, order, document.version);
    if (document.version > o->log_version)
        o->log_version = document.version;
    o->had_snapshot = true;
    sim_cover(COVER_SNAPSHOT, 1);
}

static void check_record(struct sim_node *node, sqlite3_stmt *stmt)
{
    struct oracle *oracle = &node->sim->oracle;
    struct check_mark mark = {0};
    int64_t version = sqlite3_column_int64(stmt, 3);
    int order;

    if (is_snapshot(stmt)) {
        check_snapshot(node, stmt);
        return;
    }
    SIM_REQUIRE(check_mark(sqlite3_column_blob(stmt, 2), sqlite3_column_bytes(stmt, 2), &mark),
                "I2: %s: the log has a record of unknown origin", node->name);
    if (mark.foreign) {
        SIM_REQUIRE(mark.number < node->sim->foreign_count,
                    "I2: a foreign record that was never sent");
        return;
    }
    order = oracle_find_order(oracle, check_text(stmt, 1));
    SIM_REQUIRE(order != ORACLE_NONE, "I10: %s: the log knows order %s, the store does not",
                node->name, check_text(stmt, 1));
    struct oracle_order *o = &oracle->orders[order];
    SIM_REQUIRE(version >= 1 && version <= o->max_version &&
                    o->events[version].attempt == mark.number,
                "I10: %s: the log has order %s version %" PRId64 " of attempt %d, which is not in"
                " the store",
                node->name, o->id, version, mark.number);
    SIM_REQUIRE(version <= o->log_version + 1,
                "I4: %s: in the log version %" PRId64 " of order %s follows %" PRId64, node->name,
                version, o->id, o->log_version);
    if (version > o->log_version)
        o->log_version = version;
}

void check_log(struct sim_node *node, sqlite3 *db)
{
    int64_t next = node->log_seen, first;
    int64_t end = check_number(db, "SELECT coalesce(max(offset) + 1, 0) FROM records");
    sqlite3_stmt *stmt;

    SIM_REQUIRE(end >= next || (end == 0 && next == node->log_gone),
                "I1: %s: the log ended at %" PRId64, node->name, next);
    first = end == 0 ? node->log_gone
                     : check_number(db, "SELECT coalesce(min(offset), 0) FROM records");
    sim_cover(COVER_LOG_EXPIRED, (uint64_t)(first - node->log_gone));
    node->log_gone = first;
    stmt =
        check_query(db, "SELECT offset, CAST(key AS TEXT), headers,"
                        " CASE WHEN json_valid(CAST(value AS TEXT))"
                        " THEN json_extract(CAST(value AS TEXT), '$.version')"
                        " END," CHECK_DOCUMENT_COLUMNS "FROM (SELECT offset, key, headers, value,"
                        "  CASE WHEN instr(headers, CAST('OrderSnapshot.v1' AS BLOB))"
                        "   THEN CAST(value AS TEXT) END AS doc"
                        "  FROM records) WHERE offset >= ?1 ORDER BY offset");
    sqlite3_bind_int64(stmt, 1, next);
    while (check_row(stmt)) {
        SIM_REQUIRE(sqlite3_column_int64(stmt, 0) == next,
                    "I4: %s: offset %" PRId64 " of the log is missing", node->name, next);
        check_record(node, stmt);
        next++;
    }
    node->log_seen = next;
}

void check_cursor(struct sim_node *node, sqlite3 *store)
{
    int64_t cursor = check_number(store, "SELECT row FROM cursors WHERE name = 'inproc'");

    SIM_REQUIRE(cursor <= node->rows_seen, "I7: %s: the cursor is after the last row", node->name);
    SIM_REQUIRE(node->rows_gone <= cursor || node->rows_gone == node->rows_gone_before,
                "I7: %s: rows up to %" PRId64 " were removed, the log has acknowledged %" PRId64,
                node->name, node->rows_gone, cursor);
    for (int64_t row = 1; row <= cursor; row++) {
        const struct oracle_order *o = &node->sim->oracle.orders[node->rows[row].order];

        SIM_REQUIRE(o->log_version >= node->rows[row].version,
                    "I7: %s: the cursor has passed row %" PRId64 " (order %s version %" PRId64
                    "), which is not in the log",
                    node->name, row, o->id, node->rows[row].version);
    }
}

static void check_view_order(struct sim_node *node, sqlite3_stmt *stmt)
{
    struct oracle *oracle = &node->sim->oracle;
    int order = oracle_find_order(oracle, check_text(stmt, 0));
    int64_t version = sqlite3_column_int64(stmt, 1);

    if (strncmp(check_text(stmt, 0), UNKNOWN_ORDER_PREFIX, sizeof UNKNOWN_ORDER_PREFIX - 1) == 0)
        return; /* an order from a foreign record */
    SIM_REQUIRE(order != ORACLE_NONE, "I10: %s: the view knows order %s, the store does not",
                node->name, check_text(stmt, 0));
    struct oracle_order *o = &oracle->orders[order];
    SIM_REQUIRE(version <= o->max_version,
                "I10: %s: the view has order %s at %" PRId64 ", the store at %" PRId64, node->name,
                o->id, version, o->max_version);
    SIM_REQUIRE(version >= o->read_version,
                "I5: %s: the view showed order %s at %" PRId64 ", it has %" PRId64, node->name,
                o->id, o->read_version, version);
    sim_cover(COVER_VIEW_SET_BACK, version < o->read_before_power_cut);
    o->read_before_power_cut = 0;
    const struct check_document document = check_document_row(stmt, 2);
    check_document(node, &document, order, version);
}

bool foreign_becomes_dead_letter(enum foreign_kind kind)
{
    return kind != FOREIGN_UNKNOWN_TYPE;
}

static void check_dead_letter(struct sim_node *node, sqlite3_stmt *stmt)
{
    struct check_mark mark = {0};
    struct sim_foreign_record *foreign;
    int64_t at =
        sqlite3_column_int64(stmt, 0) * (INT64_C(1) << 40) + sqlite3_column_int64(stmt, 1) + 1;

    SIM_REQUIRE(check_mark(sqlite3_column_blob(stmt, 3), sqlite3_column_bytes(stmt, 3), &mark) &&
                    mark.foreign && mark.number < node->sim->foreign_count,
                "I9: %s: a dead letter without a cause: %s %s", node->name, check_text(stmt, 2),
                check_text(stmt, 4));
    foreign = &node->sim->foreign[mark.number];
    SIM_REQUIRE(foreign_becomes_dead_letter(foreign->kind),
                "I9: a foreign record of kind %d is a dead letter: %s", (int)foreign->kind,
                check_text(stmt, 4));
    SIM_REQUIRE(foreign->dead_letter_at == 0 || foreign->dead_letter_at == at,
                "I9: foreign record %d has two dead letters", mark.number);
    foreign->dead_letter_at = at;
}

void check_view(struct sim_node *node, sqlite3 *db)
{
    sqlite3_stmt *stmt =
        check_query(db, "SELECT order_id, version," CHECK_DOCUMENT_COLUMNS "FROM orders");

    while (check_row(stmt))
        check_view_order(node, stmt);
    stmt = check_query(db,
                       "SELECT partition, \"offset\", reason, headers, message FROM dead_letters");
    while (check_row(stmt))
        check_dead_letter(node, stmt);
}

#include "store/statements.h"

/* The log never received the events of a parked order, so retention keeps them for an operator. */
#define NOT_PARKED " AND order_id NOT IN (SELECT order_id FROM parked)"
#define CURSOR_ROW "SELECT row FROM cursors WHERE name = :name"
#define ROW_COLUMNS "row, event_id, order_id, type, version, occurred_at, traceparent, payload"
#define ROWS_AFTER " FROM outbox WHERE row > :after ORDER BY row LIMIT :limit"
#define LAST_EPOCH "SELECT epoch, first_row FROM epochs ORDER BY first_row DESC LIMIT 1"

static const char *const sql[TB_STMT_COUNT] = {
    [TB_STMT_SAVEPOINT] = "SAVEPOINT command",
    [TB_STMT_RELEASE] = "RELEASE command",
    [TB_STMT_ROLLBACK_TO] = "ROLLBACK TO command",
    [TB_STMT_READ_META] = "SELECT node, forced_offline, file_id FROM meta",
    [TB_STMT_INSERT_META] = "INSERT INTO meta(one, node, created_at, forced_offline, file_id)"
                            " VALUES(1, :node, :created_at, 0, :file_id)",
    [TB_STMT_SET_FILE_ID] = "UPDATE meta SET file_id = :file_id",
    [TB_STMT_SET_FORCED_OFFLINE] = "UPDATE meta SET forced_offline = :forced",
    [TB_STMT_LAST_EPOCH] = LAST_EPOCH,
    [TB_STMT_DELETE_EPOCH] = "DELETE FROM epochs WHERE first_row = :first_row",
    [TB_STMT_INSERT_EPOCH] = "INSERT INTO epochs(epoch, first_row) VALUES(:epoch, :first_row)",
    [TB_STMT_FIND_ANSWER] = "SELECT fingerprint, status, version, order_id, body FROM idempotency"
                            " WHERE key = :key",
    [TB_STMT_SAVE_ANSWER] =
        "INSERT INTO idempotency(key, fingerprint, status, version, order_id, body, created_at)"
        " VALUES(:key, :fingerprint, :status, :version, :order_id, :body, :created_at)",
    [TB_STMT_FIND_ORDER] = "SELECT number, version, status, kind, currency, total_minor, doc"
                           " FROM orders WHERE order_id = :order_id",
    [TB_STMT_INSERT_ORDER] =
        "INSERT INTO orders(number, order_id, version, status, kind, currency, total_minor,"
        " last_row, doc) VALUES(:number, :order_id, :version, :status, :kind, :currency,"
        " :total_minor, :last_row, :doc)",
    [TB_STMT_UPDATE_ORDER] = "UPDATE orders SET version = :version, status = :status,"
                             " total_minor = :total_minor, last_row = :last_row, doc = :doc"
                             " WHERE number = :number",
    [TB_STMT_INSERT_OUTBOX] =
        "INSERT INTO outbox(row, event_id, order_id, type, version, occurred_at, traceparent,"
        " payload) VALUES(:row, :event_id, :order_id, :type, :version, :occurred_at,"
        " :traceparent, :payload)",
    [TB_STMT_CURSOR] = CURSOR_ROW,
    [TB_STMT_MOVE_CURSOR] =
        "INSERT INTO cursors(name, row, moved_at) VALUES(:name, :row, :at)"
        " ON CONFLICT(name) DO UPDATE SET row = excluded.row, moved_at = excluded.moved_at"
        " WHERE excluded.row > cursors.row",
    [TB_STMT_PARK_ORDER] = "INSERT INTO parked(cursor, order_id, row, reason, parked_at)"
                           " VALUES(:cursor, :order_id, :row, :reason, :at)"
                           " ON CONFLICT DO NOTHING",
    /* Deletes all rows up to the last row of the chunk that is old enough, so that gaps come only
     * from parked orders, whose rows stay. A row is also old if its time is too far in the future:
     * a wrong clock has written it. */
    [TB_STMT_DELETE_OUTBOX] =
        "DELETE FROM outbox WHERE row <= (SELECT max(row) FROM"
        " (SELECT row, occurred_at FROM outbox WHERE row <= :acked" NOT_PARKED
        "  ORDER BY row LIMIT :chunk)"
        " WHERE occurred_at NOT BETWEEN :from AND :to)" NOT_PARKED,
    [TB_STMT_DELETE_ANSWERS] = "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency"
                               " WHERE created_at < :before ORDER BY created_at LIMIT :chunk)",
    [TB_STMT_MAY_EXPIRE] = "SELECT EXISTS(SELECT 1 FROM idempotency) OR"
                           " (SELECT min(row) FROM outbox) < (SELECT max(row) FROM outbox)",

    [TB_STMT_OUTBOX_BEGIN] = "BEGIN",
    [TB_STMT_OUTBOX_COMMIT] = "COMMIT",
    /* The epoch of a row, and where the next epoch begins. */
    [TB_STMT_OUTBOX_EPOCH] =
        "SELECT epoch, first_row, coalesce((SELECT min(n.first_row) FROM epochs n"
        " WHERE n.first_row > e.first_row), 9223372036854775807)"
        " FROM epochs e WHERE first_row <= :row ORDER BY first_row DESC LIMIT 1",
    [TB_STMT_OUTBOX_ROWS] = "SELECT " ROW_COLUMNS ", NULL" ROWS_AFTER,
    /* The customer of an order never changes, so its present document has the right one. */
    [TB_STMT_OUTBOX_ROWS_WITH_CUSTOMER] =
        "SELECT " ROW_COLUMNS ", (SELECT json_extract(doc, '$.customerId')"
        " FROM orders WHERE orders.order_id = outbox.order_id)" ROWS_AFTER,
    [TB_STMT_OUTBOX_CURSOR] = CURSOR_ROW,
    /* One statement, so that all values are of one moment. Pending rows have no gaps, so their
     * number is a difference. */
    [TB_STMT_OUTBOX_STATUS] =
        "WITH"
        " e(epoch, first_row) AS (" LAST_EPOCH "),"
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
    [TB_STMT_OUTBOX_DELIVERED] = "SELECT last_row <= coalesce((" CURSOR_ROW "), 0)"
                                 " AND NOT EXISTS(SELECT 1 FROM parked p"
                                 "  WHERE p.cursor = :name AND p.order_id = orders.order_id)"
                                 " FROM orders WHERE order_id = :order_id",
    [TB_STMT_OUTBOX_PARKED] = "SELECT order_id, row FROM parked WHERE cursor = :name"
                              " ORDER BY order_id LIMIT :max",

    [TB_STMT_SCAN_ORDERS] =
        "SELECT doc, last_row <= coalesce((" CURSOR_ROW "), 0),"
        " (SELECT reason FROM parked p WHERE p.cursor = :name AND p.order_id = orders.order_id)"
        " FROM orders WHERE order_id >= :start ORDER BY order_id LIMIT :limit",
};

enum tb_code tb_statements_prepare(struct tb_stmt stmts[TB_STMT_COUNT], struct tb_db *db,
                                   enum tb_store_stmt first, enum tb_store_stmt end,
                                   struct tb_error *err)
{
    for (int i = (int)first; i < (int)end; i++)
        TB_TRY(tb_stmt_prepare(&stmts[i], db, sql[i], err));
    return TB_OK;
}

void tb_statements_finalize(struct tb_stmt stmts[TB_STMT_COUNT])
{
    for (int i = 0; i < TB_STMT_COUNT; i++)
        tb_stmt_finalize(&stmts[i]);
}

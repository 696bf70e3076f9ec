#include "store/statements.h"
#include "store/outbox.h"

/* The log never received the events of a parked order, so retention keeps them for an operator. */
#define NOT_PARKED " AND order_id NOT IN (SELECT order_id FROM parked)"
#define CURSOR_ROW "SELECT row FROM cursors WHERE name = :name"
/* What the log of each cursor has yet to acknowledge. Rows after a cursor have no gaps, so their
 * number is a difference. */
#define CURSOR_STATUS                                                                             \
    "SELECT name, coalesce(last - first + 1, 0) AS pending,"                                      \
    " coalesce((SELECT occurred_at FROM outbox WHERE row = first), 0), parked,"                   \
    " coalesce((SELECT uptime_ms FROM outbox WHERE row = first), 0) FROM"                         \
    " (SELECT name, (SELECT min(row) FROM outbox WHERE row > c.row) AS first,"                    \
    "  (SELECT max(row) FROM outbox) AS last,"                                                    \
    "  (SELECT count(*) FROM parked WHERE cursor = c.name) AS parked FROM cursors c)"
/* The fifth is the size of what the log refused. */
#define PARKED_COLUMNS                                                                            \
    "order_id, row, snapshot, unpark,"                                                            \
    " coalesce(CASE WHEN snapshot THEN (SELECT length(doc) FROM orders o"                         \
    "  WHERE o.order_id = p.order_id) ELSE (SELECT length(payload) FROM outbox x"                 \
    "  WHERE x.row = p.row) END, 0),"                                                             \
    " coalesce((SELECT number FROM orders o WHERE o.order_id = p.order_id), 0)"
#define ROW_COLUMNS "row, event_id, order_id, type, version, occurred_at, traceparent, payload"
#define ROWS_AFTER " FROM outbox WHERE row > :after ORDER BY row LIMIT :limit"
#define LAST_EPOCH "SELECT epoch, first_row FROM epochs ORDER BY first_row DESC LIMIT 1"

static const char *const sql[TB_STMT_COUNT] = {
    [TB_STMT_READ_META] = "SELECT node, forced_offline, file_id, created_at FROM meta",
    [TB_STMT_INSERT_META] = "INSERT INTO meta(one, node, created_at, forced_offline, file_id)"
                            " VALUES(1, :node, :created_at, 0, :file_id)",
    [TB_STMT_SET_FILE_ID] = "UPDATE meta SET file_id = :file_id",
    [TB_STMT_READ_CONTENT] =
        "SELECT file_id, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)"
        " FROM meta",
    [TB_STMT_LOG_ID] = "SELECT log_id FROM meta",
    [TB_STMT_SET_LOG_ID] = "UPDATE meta SET log_id = :log_id",
    [TB_STMT_RESTART_RESENDS] = "UPDATE resend SET next = -1",
    [TB_STMT_SET_FORCED_OFFLINE] = "UPDATE meta SET forced_offline = :forced",
    [TB_STMT_SET_UPTIME] = "UPDATE meta SET uptime_ms = :uptime",
    [TB_STMT_LAST_EPOCH] = LAST_EPOCH,
    [TB_STMT_DELETE_EPOCH] = "DELETE FROM epochs WHERE first_row = :first_row",
    [TB_STMT_INSERT_EPOCH] = "INSERT INTO epochs(epoch, first_row) VALUES(:epoch, :first_row)",
    [TB_STMT_FIND_ANSWER] = "SELECT fingerprint, status, version, order_id, body FROM idempotency"
                            " WHERE key = :key",
    [TB_STMT_SAVE_ANSWER] =
        "INSERT INTO idempotency(key, fingerprint, status, version, order_id, body, created_at,"
        " uptime_ms) VALUES(:key, :fingerprint, :status, :version, :order_id, :body, :created_at,"
        " :uptime)",
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
        " payload, uptime_ms) VALUES(:row, :event_id, :order_id, :type, :version, :occurred_at,"
        " :traceparent, :payload, :uptime)",
    [TB_STMT_LOWEST_CURSOR] = "SELECT coalesce(min(row), 0) FROM cursors",
    [TB_STMT_FIND_CURSOR] = CURSOR_STATUS " WHERE name = :name",
    [TB_STMT_DELETE_CURSOR] = "DELETE FROM cursors WHERE name = :name",
    [TB_STMT_DELETE_PARKED] = "DELETE FROM parked WHERE cursor = :name",
    [TB_STMT_MOVE_CURSOR] =
        "INSERT INTO cursors(name, row, moved_at) VALUES(:name, :row, :at)"
        " ON CONFLICT(name) DO UPDATE SET row = excluded.row, moved_at = excluded.moved_at"
        " WHERE excluded.row > cursors.row",
    /* An order that is parked stays as it is, unless it was sent again and refused again. */
    [TB_STMT_PARK_ORDER] =
        "INSERT INTO parked(cursor, order_id, row, snapshot, reason, parked_at)"
        " VALUES(:cursor, :order_id, :row, :snapshot, :reason, :at)"
        " ON CONFLICT DO UPDATE SET row = excluded.row, snapshot = excluded.snapshot,"
        " reason = excluded.reason, unpark = max(unpark - :answered, 0) WHERE unpark",
    [TB_STMT_UNPARK_ORDER] = "DELETE FROM parked WHERE cursor = :cursor AND order_id = :order_id",
    [TB_STMT_REQUEST_UNPARK] = "UPDATE parked SET unpark = unpark + 1 WHERE cursor = :cursor"
                               " AND (:order_id = '' OR order_id = :order_id)",
    /* Without an event id the one of the outbox row counts; a row that is gone has no place. */
    [TB_STMT_SAVE_DELIVERED] =
        "INSERT INTO delivered(cursor, partition, checked, offset, event_id, row)"
        " SELECT :cursor, :partition, :checked, :offset, id, :row FROM"
        "  (SELECT CASE :event_id WHEN '' THEN (SELECT event_id FROM outbox WHERE row = "
        ":event_row)"
        "   ELSE :event_id END AS id) WHERE id IS NOT NULL"
        " ON CONFLICT DO UPDATE SET offset = excluded.offset, event_id = excluded.event_id,"
        " row = excluded.row",
    [TB_STMT_FORGET_DELIVERED] = "DELETE FROM delivered WHERE cursor = :cursor"
                                 " AND checked >= :checked",
    /* One that is under way already begins again, with all. */
    [TB_STMT_BEGIN_RESEND] =
        "INSERT INTO resend(cursor, id, reason, requested_at, held, since, after_row, through_row,"
        " next, done_row, sent) VALUES(:cursor, :id, :reason, :at, :held, 0, :after_row,"
        " :through_row, -1, 0, 0)"
        " ON CONFLICT DO UPDATE SET id = excluded.id, reason = excluded.reason,"
        " requested_at = excluded.requested_at, held = excluded.held, since = 0, after_row = 0,"
        " through_row = excluded.through_row, next = -1, done_row = 0, sent = 0",
    [TB_STMT_MOVE_RESEND] = "UPDATE resend SET through_row = :through_row, next = :next,"
                            " done_row = :done_row, sent = :sent"
                            " WHERE cursor = :cursor AND id = :id",
    [TB_STMT_END_RESEND] = "DELETE FROM resend WHERE cursor = :cursor AND id = :id",
    /* What was asked for before, or is lost, is sent too. */
    [TB_STMT_ASK_RESEND] =
        "INSERT INTO resend(cursor, id, reason, requested_at, held, since, after_row, through_row,"
        " next, done_row, sent) VALUES(:cursor, 1, 'requested', :at, 0, :since, 0, -1, -1, 0, 0)"
        " ON CONFLICT DO UPDATE SET id = id + 1, held = 0,"
        " since = CASE WHEN held THEN excluded.since ELSE min(since, excluded.since) END,"
        " after_row = 0, through_row = -1, next = -1, done_row = 0, sent = 0",
    [TB_STMT_REQUEST_ALL_SNAPSHOTS] =
        "INSERT INTO snapshots(cursor, next, last)"
        " SELECT :cursor, 1, max(number) FROM orders HAVING count(*) > 0"
        " ON CONFLICT DO UPDATE SET next = 1, last = max(last, excluded.last)",
    /* Deletes all rows up to the last row of the chunk that is old enough, so that gaps come only
     * from parked orders, whose rows stay. */
    [TB_STMT_DELETE_OUTBOX] = "DELETE FROM outbox WHERE row <= (SELECT max(row) FROM"
                              " (SELECT row, uptime_ms FROM outbox WHERE row <= :acked" NOT_PARKED
                              "  ORDER BY row LIMIT :chunk)"
                              " WHERE uptime_ms <= :expired)" NOT_PARKED,
    [TB_STMT_DELETE_ANSWERS] = "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency"
                               " WHERE uptime_ms <= :expired ORDER BY uptime_ms LIMIT :chunk)",
    [TB_STMT_MAY_EXPIRE] = "SELECT EXISTS(SELECT 1 FROM idempotency) OR"
                           " (SELECT min(row) FROM outbox) < (SELECT max(row) FROM outbox)",
    [TB_STMT_EPOCH_LENGTH] = "SELECT coalesce((SELECT min(n.first_row) FROM epochs n"
                             " WHERE n.first_row > e.first_row), :end) - first_row"
                             " FROM epochs e WHERE epoch = :epoch",
    [TB_STMT_CURSOR_POSITION] = "SELECT epoch, row - first_row + 1 FROM cursors, epochs"
                                " WHERE name = :name AND first_row <= row"
                                " ORDER BY first_row DESC LIMIT 1",
    [TB_STMT_RESET_CURSOR] = "UPDATE cursors SET row = 0 WHERE name = :name",
    /* The outbox has every row from the last gap on (rows of parked orders may stay before it).
     * Orders have numbers in the order of their first rows, so all orders from the first one that
     * was placed behind the gap on have all of their rows. */
    [TB_STMT_LAST_INCOMPLETE_ORDER] =
        "WITH begin(row) AS (SELECT max(row) FROM outbox a"
        "  WHERE NOT EXISTS(SELECT 1 FROM outbox b WHERE b.row = a.row - 1))"
        " SELECT coalesce((SELECT o.number - 1 FROM outbox x JOIN orders o USING(order_id)"
        "  WHERE x.row >= begin.row AND x.version = 1 ORDER BY x.row LIMIT 1),"
        "  (SELECT max(number) FROM orders), 0) FROM begin",
    [TB_STMT_REQUEST_SNAPSHOTS] = "INSERT INTO snapshots(cursor, next, last)"
                                  " VALUES(:name, 1, :last) ON CONFLICT DO UPDATE"
                                  " SET next = 1, last = max(last, excluded.last)",
    [TB_STMT_HAS_SENT_SNAPSHOTS] = "SELECT 1 FROM snapshots WHERE cursor = :name AND next > 1",
    [TB_STMT_MOVE_SNAPSHOTS] = "UPDATE snapshots SET next = :next WHERE cursor = :name",
    [TB_STMT_RAISE_NUMBER] = "UPDATE meta SET number_floor = max(number_floor, :number)",
    [TB_STMT_INSERT_RECOVERY] = "INSERT INTO recoveries(at, file, reason, set_aside)"
                                " VALUES(:at, :file, :reason, :set_aside)",
    [TB_STMT_DELETE_RECOVERIES] = "DELETE FROM recoveries WHERE id <="
                                  " (SELECT max(id) FROM recoveries) - :keep",

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
    [TB_STMT_OUTBOX_CURSORS] = CURSOR_STATUS " ORDER BY pending DESC, name LIMIT :max",
    /* One statement, so that all values are of one moment. Pending rows have no gaps, so their
     * number is a difference. */
    [TB_STMT_OUTBOX_STATUS] =
        "WITH"
        " e(epoch, first_row) AS (" LAST_EPOCH "),"
        " l(last) AS"
        "  (SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)),"
        " c(row, moved_at) AS (SELECT coalesce(max(row), 0), coalesce(max(moved_at), 0)"
        "  FROM cursors WHERE name = :name),"
        " p(row) AS (SELECT min(row) FROM outbox WHERE row > (SELECT row FROM c)),"
        " any_p(row) AS (SELECT min(row) FROM outbox"
        "  WHERE row > (SELECT coalesce(min(row), 0) FROM cursors"
        "   WHERE name = :name OR name <> '" TB_CURSOR_INPROC "'))"
        " SELECT epoch, first_row, last, c.row, moved_at,"
        "  coalesce(last - p.row + 1, 0),"
        "  coalesce((SELECT occurred_at FROM outbox WHERE row = p.row), 0),"
        "  (SELECT forced_offline FROM meta),"
        "  (SELECT count(*) FROM parked WHERE cursor = :name),"
        "  coalesce((SELECT occurred_at FROM outbox ORDER BY row LIMIT 1), 0),"
        "  coalesce((SELECT created_at FROM idempotency ORDER BY uptime_ms LIMIT 1), 0),"
        "  coalesce(last - any_p.row + 1, 0),"
        "  coalesce((SELECT occurred_at FROM outbox WHERE row = any_p.row), 0),"
        "  coalesce((SELECT uptime_ms FROM outbox WHERE row = any_p.row), 0),"
        "  coalesce((SELECT max(row) FROM outbox), 0)"
        " FROM e, l, c, p, any_p",
    [TB_STMT_OUTBOX_DELIVERED] = "SELECT last_row <= coalesce((" CURSOR_ROW "), 0)"
                                 " AND NOT EXISTS(SELECT 1 FROM parked p"
                                 "  WHERE p.cursor = :name AND p.order_id = orders.order_id)"
                                 " FROM orders WHERE order_id = :order_id",
    [TB_STMT_OUTBOX_PARKED] = "SELECT " PARKED_COLUMNS " FROM parked p WHERE cursor = :name"
                              " ORDER BY order_id LIMIT :max",
    [TB_STMT_OUTBOX_NEXT_PARKED] =
        "SELECT " PARKED_COLUMNS
        ", parked_at, reason FROM parked p WHERE cursor = :name AND order_id > :after"
        " ORDER BY order_id LIMIT 1",
    [TB_STMT_OUTBOX_ROWS_OF_ORDER] =
        "SELECT " ROW_COLUMNS ", (SELECT json_extract(doc, '$.customerId') FROM orders"
        " WHERE orders.order_id = outbox.order_id) FROM outbox"
        " WHERE row BETWEEN :first AND :last AND order_id = :order_id ORDER BY row LIMIT 1",
    [TB_STMT_OUTBOX_SNAPSHOTS] = "SELECT next, last FROM snapshots WHERE cursor = :name",
    /* The columns of the rows above. A snapshot is the order's document and the last epochs before
     * the present one, the oldest first (order/event.h). */
    [TB_STMT_OUTBOX_ORDERS] =
        "SELECT number, '', order_id, 'OrderSnapshot.v1', version, 0, NULL,"
        " substr(doc, 1, length(doc) - 1) || (SELECT CASE count(*) WHEN 0 THEN ''"
        "  ELSE ',\"earlierEpochs\":' || json_group_array(epoch) END FROM (SELECT epoch FROM"
        "  (SELECT epoch, first_row FROM epochs ORDER BY first_row DESC LIMIT 8 OFFSET 1)"
        "  ORDER BY first_row)) || '}', json_extract(doc, '$.customerId'),"
        " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)"
        " FROM orders WHERE number BETWEEN :first AND :last ORDER BY number LIMIT :limit",
    [TB_STMT_OUTBOX_DELIVERED_AT] = "SELECT partition, checked, offset, event_id, row"
                                    " FROM delivered WHERE cursor = :name"
                                    " ORDER BY partition, checked LIMIT :max",
    [TB_STMT_OUTBOX_RESEND] = "SELECT id, reason, requested_at, held, since, after_row,"
                              " through_row, next, done_row, sent FROM resend"
                              " WHERE cursor = :name",
    [TB_STMT_OUTBOX_EPOCH_FIRST] = "SELECT first_row FROM epochs WHERE epoch = :epoch",
    [TB_STMT_OUTBOX_RECOVERIES] = "SELECT at, file, reason, set_aside FROM recoveries"
                                  " ORDER BY id DESC LIMIT :max",

    [TB_STMT_SCAN_ORDERS] =
        "SELECT doc, last_row <= coalesce((" CURSOR_ROW "), 0),"
        " (SELECT reason FROM parked p WHERE p.cursor = :name AND p.order_id = orders.order_id)"
        " FROM orders WHERE order_id >= :start ORDER BY order_id LIMIT :limit",
};

void tb_statements_declare(struct tb_stmt stmts[TB_STMT_COUNT], struct tb_db *db,
                           enum tb_store_stmt first, enum tb_store_stmt end)
{
    for (int i = (int)first; i < (int)end; i++)
        tb_stmt_declare(&stmts[i], db, sql[i]);
}

void tb_statements_finalize(struct tb_stmt stmts[TB_STMT_COUNT])
{
    for (int i = 0; i < TB_STMT_COUNT; i++)
        tb_stmt_finalize(&stmts[i]);
}

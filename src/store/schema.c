#include "store/store_priv.h"

/* "tbst": no other program's SQLite file has this id. */
#define STORE_APPLICATION_ID 0x74627374

/* row: AUTOINCREMENT, so that no number is used again after retention has deleted the highest. */
static const char *const steps[] = {
    "CREATE TABLE meta("
    " one INTEGER PRIMARY KEY CHECK(one = 1),"
    " node TEXT NOT NULL CHECK(length(node) BETWEEN 1 AND 32),"
    " created_at INTEGER NOT NULL,"
    " forced_offline INTEGER NOT NULL CHECK(forced_offline IN (0, 1)),"
    " file_id TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE epochs("
    " epoch TEXT PRIMARY KEY CHECK(length(epoch) = 16),"
    " first_row INTEGER NOT NULL UNIQUE CHECK(first_row >= 1)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE orders("
    " number INTEGER PRIMARY KEY CHECK(number >= 1),"
    " order_id TEXT NOT NULL UNIQUE CHECK(length(order_id) = 36),"
    " version INTEGER NOT NULL CHECK(version >= 1),"
    " status TEXT NOT NULL CHECK(status IN ('PLACED', 'SHIPPED', 'CANCELLED')),"
    " kind TEXT NOT NULL CHECK(kind IN ('SALE', 'RETURN')),"
    " currency TEXT NOT NULL CHECK(length(currency) = 3),"
    " total_minor INTEGER NOT NULL"
    "  CHECK(total_minor BETWEEN -9007199254740991 AND 9007199254740991),"
    " last_row INTEGER NOT NULL CHECK(last_row >= 1),"
    " doc TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE outbox("
    " row INTEGER PRIMARY KEY AUTOINCREMENT,"
    " event_id TEXT NOT NULL CHECK(length(event_id) = 36),"
    " order_id TEXT NOT NULL CHECK(length(order_id) = 36),"
    " type TEXT NOT NULL,"
    " version INTEGER NOT NULL CHECK(version >= 1),"
    " occurred_at INTEGER NOT NULL,"
    " traceparent TEXT,"
    " payload TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE cursors("
    " name TEXT PRIMARY KEY,"
    " row INTEGER NOT NULL CHECK(row >= 0),"
    " moved_at INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE idempotency("
    " key TEXT PRIMARY KEY CHECK(length(key) BETWEEN 1 AND 255),"
    " fingerprint BLOB NOT NULL CHECK(length(fingerprint) = 32),"
    " status INTEGER NOT NULL CHECK(status BETWEEN 200 AND 499),"
    " version INTEGER NOT NULL,"
    " order_id TEXT NOT NULL,"
    " body TEXT NOT NULL,"
    " created_at INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX idempotency_created_at ON idempotency(created_at);"
    "CREATE VIEW outbox_debezium(id, aggregatetype, aggregateid, type, payload) AS"
    " SELECT event_id, 'order', order_id, type, payload FROM outbox;",
    /* Orders that a relay skips from a row on, because its log will never accept that row. */
    "CREATE TABLE parked("
    " cursor TEXT NOT NULL,"
    " order_id TEXT NOT NULL CHECK(length(order_id) = 36),"
    " row INTEGER NOT NULL CHECK(row >= 1),"
    " reason TEXT NOT NULL,"
    " parked_at INTEGER NOT NULL,"
    " PRIMARY KEY(cursor, order_id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX parked_order_id ON parked(order_id);",
    /* uptime_ms: the node's uptime when the row was written; retention counts in it. Rows of
     * earlier schemas count as written when the uptime began. */
    "ALTER TABLE meta ADD COLUMN uptime_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE outbox ADD COLUMN uptime_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE idempotency ADD COLUMN uptime_ms INTEGER NOT NULL DEFAULT 0;"
    "DROP INDEX idempotency_created_at;"
    "CREATE INDEX idempotency_uptime ON idempotency(uptime_ms);",
    /* snapshots: the orders with numbers from `next` to `last`, which a relay sends as they are
     * before any further row. recoveries: what recovery.h did. number_floor: the highest order
     * number that was given by a state of this store which is lost. */
    "CREATE TABLE snapshots("
    " cursor TEXT PRIMARY KEY,"
    " next INTEGER NOT NULL CHECK(next >= 1),"
    " last INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE recoveries("
    " id INTEGER PRIMARY KEY,"
    " at INTEGER NOT NULL,"
    " file TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " set_aside TEXT NOT NULL"
    ") STRICT;"
    "ALTER TABLE meta ADD COLUMN number_floor INTEGER NOT NULL DEFAULT 0;",
    /* unpark: so often somebody asked to send the order again. snapshot: the log refused the order
     * as a whole, so that it is not enough to send the rows that were kept. */
    "ALTER TABLE parked ADD COLUMN unpark INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE parked ADD COLUMN snapshot INTEGER NOT NULL DEFAULT 0;",
    /* delivered: of each partition of a log the last record that it has acknowledged, and the last
     * one that was found there later (checked). In the partition all of the outbox's rows up to
     * `row` are at or before the offset. resend: what is sent to a log again (outbox.h). */
    "CREATE TABLE delivered("
    " cursor TEXT NOT NULL,"
    " partition INTEGER NOT NULL,"
    " checked INTEGER NOT NULL,"
    " offset INTEGER NOT NULL,"
    " event_id TEXT NOT NULL,"
    " row INTEGER NOT NULL,"
    " PRIMARY KEY(cursor, partition, checked)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE resend("
    " cursor TEXT PRIMARY KEY,"
    " id INTEGER NOT NULL,"
    " reason TEXT NOT NULL,"
    " requested_at INTEGER NOT NULL,"
    " held INTEGER NOT NULL,"
    " since INTEGER NOT NULL,"
    " after_row INTEGER NOT NULL,"
    " through_row INTEGER NOT NULL,"
    " next INTEGER NOT NULL,"
    " done_row INTEGER NOT NULL,"
    " sent INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;",
    /* log_id: of the log on this node that has what its cursor and its snapshots say. */
    "ALTER TABLE meta ADD COLUMN log_id TEXT NOT NULL DEFAULT '';",
};

enum tb_code tb_store_migrate(struct tb_db *db, struct tb_error *err)
{
    return tb_db_migrate(db, STORE_APPLICATION_ID, steps, (int)(sizeof steps / sizeof *steps),
                         err);
}

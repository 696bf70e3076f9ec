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
};

enum tb_code tb_store_migrate(struct tb_db *db, struct tb_error *err)
{
    return tb_db_migrate(db, STORE_APPLICATION_ID, steps, (int)(sizeof steps / sizeof *steps),
                         err);
}

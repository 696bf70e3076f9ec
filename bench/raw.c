#include "raw.h"
#include "base/values/uuid.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define COLUMNS_MAX 48
#define SCHEMA_MAX 24

/* The value of a column in each new row. */
enum fill { FILL_SAME, FILL_NULL, FILL_COUNTER, FILL_NUMBERED, FILL_ORDER_ID, FILL_UUID };

struct table {
    const char *name;
    int column_count;
    char *columns[COLUMNS_MAX];
    enum fill fills[COLUMNS_MAX];
    sqlite3_value *values[COLUMNS_MAX];
};

struct tb_raw {
    char path[256];
    char *schema[SCHEMA_MAX];
    int schema_count;
    struct table orders, outbox;
    char order_id[TB_UUID_SIZE];
    struct tb_uuid_gen uuids;
    int64_t counter;
};

static void check(sqlite3 *db, int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
        tb_bench_die("raw SQLite: %s", db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;

    check(db, sqlite3_prepare_v2(db, sql, -1, &stmt, NULL));
    return stmt;
}

static void run_once(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = prepare(db, sql);

    check(db, sqlite3_step(stmt));
    sqlite3_finalize(stmt);
}

static char *column_copy(sqlite3_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    char *copy = strdup(text ? (const char *)text : "");

    if (!copy)
        tb_bench_die("out of memory");
    return copy;
}

static void read_schema(struct tb_raw *raw, sqlite3 *db)
{
    sqlite3_stmt *stmt =
        prepare(db, "SELECT sql FROM sqlite_master WHERE tbl_name IN ('orders', 'outbox')"
                    " AND type IN ('table', 'index') AND sql NOT NULL ORDER BY type DESC");

    while (sqlite3_step(stmt) == SQLITE_ROW && raw->schema_count < SCHEMA_MAX)
        raw->schema[raw->schema_count++] = column_copy(stmt, 0);
    sqlite3_finalize(stmt);
}

/* True if the column is in the primary key or a unique index: each row needs a new value. */
static bool is_unique(sqlite3 *db, const char *table, const char *column)
{
    sqlite3_stmt *stmt =
        prepare(db, "SELECT 1 FROM pragma_table_info(:table) WHERE name = :column AND pk > 0"
                    " UNION ALL SELECT 1 FROM pragma_index_list(:table) AS list,"
                    " pragma_index_info(list.name) AS info"
                    " WHERE list.\"unique\" AND info.name = :column");

    sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, column, -1, SQLITE_STATIC);
    bool unique = sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return unique;
}

static enum fill fill_of(const struct tb_raw *raw, sqlite3_stmt *row, int column, bool unique,
                         bool is_rowid)
{
    const char *text = (const char *)sqlite3_column_text(row, column);

    if (sqlite3_column_type(row, column) == SQLITE_TEXT && strcmp(text, raw->order_id) == 0)
        return FILL_ORDER_ID;
    if (!unique)
        return FILL_SAME;
    if (sqlite3_column_type(row, column) == SQLITE_INTEGER)
        return is_rowid ? FILL_NULL : FILL_COUNTER;
    return sqlite3_column_bytes(row, column) == TB_UUID_LEN ? FILL_UUID : FILL_NUMBERED;
}

/* True for an INTEGER PRIMARY KEY. SQLite makes its value if the insert gives NULL. */
static bool is_rowid(sqlite3 *db, const char *table, const char *column)
{
    sqlite3_stmt *stmt = prepare(db, "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2"
                                     " AND pk = 1 AND upper(type) = 'INTEGER'");

    sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, column, -1, SQLITE_STATIC);
    bool rowid = sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return rowid;
}

static void read_row(struct tb_raw *raw, sqlite3 *db, struct table *table, const char *name)
{
    struct tb_buf sql = {0};

    tb_buf_addf(&sql, "SELECT * FROM %s LIMIT 1", name);
    sqlite3_stmt *row = prepare(db, sql.data);
    tb_buf_release(&sql);
    if (sqlite3_step(row) != SQLITE_ROW)
        tb_bench_die("the store has no row in %s", name);
    table->name = name;
    table->column_count = sqlite3_column_count(row);
    if (table->column_count > COLUMNS_MAX)
        tb_bench_die("%s has more than %d columns", name, COLUMNS_MAX);
    for (int i = 0; i < table->column_count; i++) {
        const char *column = sqlite3_column_name(row, i);
        table->columns[i] = strdup(column);
        table->values[i] = sqlite3_value_dup(sqlite3_column_value(row, i));
        table->fills[i] =
            fill_of(raw, row, i, is_unique(db, name, column), is_rowid(db, name, column));
    }
    sqlite3_finalize(row);
}

static void place_one(const struct tb_bench *bench, const char *data, char order_id[TB_UUID_SIZE])
{
    struct tb_bench_server server;
    struct tb_buf body = {0}, answer = {0};

    tb_bench_server_start(&server, bench, data);
    tb_bench_order(&body, 42);
    int status = tb_bench_server_request(&server, "POST", "/orders", tb_buf_str(&body), &answer);
    if (status != 201 || !tb_bench_order_id(tb_buf_str(&answer), order_id))
        tb_bench_die("placing one order: %d %s", status, answer.data ? answer.data : "");
    tb_bench_server_stop(&server);
    tb_buf_release(&body);
    tb_buf_release(&answer);
}

struct tb_raw *tb_raw_new(const struct tb_bench *bench)
{
    struct tb_raw *raw = calloc(1, sizeof *raw);
    sqlite3 *db = NULL;
    char data[240], store[256];

    if (!raw)
        tb_bench_die("out of memory");
    raw->uuids = (struct tb_uuid_gen){.clock = &tb_clock_system, .random = &tb_random_system};
    snprintf(data, sizeof data, "%s/model", bench->dir);
    snprintf(store, sizeof store, "%s/store.db", data);
    snprintf(raw->path, sizeof raw->path, "%s/raw.db", bench->dir);
    place_one(bench, data, raw->order_id);
    check(NULL, sqlite3_open_v2(store, &db, SQLITE_OPEN_READWRITE, NULL));
    read_schema(raw, db);
    read_row(raw, db, &raw->orders, "orders");
    read_row(raw, db, &raw->outbox, "outbox");
    sqlite3_close(db);
    tb_bench_remove(data);
    return raw;
}

static void table_release(struct table *table)
{
    for (int i = 0; i < table->column_count; i++) {
        free(table->columns[i]);
        sqlite3_value_free(table->values[i]);
    }
}

void tb_raw_free(struct tb_raw *raw)
{
    for (int i = 0; i < raw->schema_count; i++)
        free(raw->schema[i]);
    table_release(&raw->orders);
    table_release(&raw->outbox);
    free(raw);
}

static sqlite3_stmt *prepare_insert(sqlite3 *db, const struct table *table)
{
    struct tb_buf sql = {0};

    tb_buf_addf(&sql, "INSERT INTO %s (", table->name);
    for (int i = 0; i < table->column_count; i++)
        tb_buf_addf(&sql, "%s\"%s\"", i ? ", " : "", table->columns[i]);
    tb_buf_adds(&sql, ") VALUES (");
    for (int i = 0; i < table->column_count; i++)
        tb_buf_adds(&sql, i ? ", ?" : "?");
    tb_buf_adds(&sql, ")");
    sqlite3_stmt *stmt = prepare(db, sql.data);
    tb_buf_release(&sql);
    return stmt;
}

static void bind_text(sqlite3_stmt *stmt, int column, const char *text, int len)
{
    sqlite3_bind_text(stmt, column, text, len, SQLITE_TRANSIENT);
}

static void insert(struct tb_raw *raw, sqlite3 *db, const struct table *table, sqlite3_stmt *stmt,
                   const char *order_id)
{
    char text[TB_UUID_SIZE + 64];

    for (int i = 0; i < table->column_count; i++) {
        switch (table->fills[i]) {
        case FILL_NULL:
            sqlite3_bind_null(stmt, i + 1);
            break;
        case FILL_COUNTER:
            sqlite3_bind_int64(stmt, i + 1, raw->counter);
            break;
        case FILL_ORDER_ID:
            bind_text(stmt, i + 1, order_id, TB_UUID_LEN);
            break;
        case FILL_UUID:
            tb_uuid_new(&raw->uuids, text);
            bind_text(stmt, i + 1, text, TB_UUID_LEN);
            break;
        case FILL_NUMBERED:
            bind_text(stmt, i + 1, text,
                      snprintf(text, sizeof text, "bench1-%06lld", (long long)raw->counter));
            break;
        case FILL_SAME:
            sqlite3_bind_value(stmt, i + 1, table->values[i]);
            break;
        }
    }
    check(db, sqlite3_step(stmt));
    sqlite3_reset(stmt);
}

static void remove_file(const struct tb_raw *raw)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    char path[272];

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(path, sizeof path, "%s%s", raw->path, endings[i]);
        remove(path);
    }
}

static sqlite3 *open_new(const struct tb_raw *raw)
{
    sqlite3 *db = NULL;

    remove_file(raw);
    check(NULL,
          sqlite3_open_v2(raw->path, &db,
                          SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
    run_once(db, "PRAGMA journal_mode = WAL");
    run_once(db, "PRAGMA synchronous = FULL");
    for (int i = 0; i < raw->schema_count; i++)
        run_once(db, raw->schema[i]);
    return db;
}

double tb_raw_run(struct tb_raw *raw, int per_commit, double seconds)
{
    sqlite3 *db = open_new(raw);
    sqlite3_stmt *begin = prepare(db, "BEGIN IMMEDIATE"), *commit = prepare(db, "COMMIT");
    sqlite3_stmt *order = prepare_insert(db, &raw->orders);
    sqlite3_stmt *outbox = prepare_insert(db, &raw->outbox);
    char order_id[TB_UUID_SIZE];
    int64_t start_us = tb_bench_now_us(), end_us = start_us, count = 0;

    while ((double)(end_us - start_us) < seconds * 1e6) {
        check(db, sqlite3_step(begin));
        sqlite3_reset(begin);
        for (int i = 0; i < per_commit; i++) {
            raw->counter++;
            tb_uuid_new(&raw->uuids, order_id);
            insert(raw, db, &raw->orders, order, order_id);
            insert(raw, db, &raw->outbox, outbox, order_id);
        }
        check(db, sqlite3_step(commit));
        sqlite3_reset(commit);
        count += per_commit;
        end_us = tb_bench_now_us();
    }
    sqlite3_finalize(begin);
    sqlite3_finalize(commit);
    sqlite3_finalize(order);
    sqlite3_finalize(outbox);
    sqlite3_close(db);
    remove_file(raw);
    return (double)count / ((double)(end_us - start_us) / 1e6);
}

#include "query/rebuild/sqlite/generations.h"
#include "base/sqlite/db.h"
#include <stddef.h>
#include <stdio.h>

/* "tbgn" */
#define APPLICATION_ID 0x7462676e

static const char *const schema[] = {
    "CREATE TABLE views(id INTEGER PRIMARY KEY CHECK(id = 1), served INTEGER NOT NULL,"
    " previous INTEGER NOT NULL, building INTEGER NOT NULL, removing INTEGER NOT NULL,"
    " moved_at INTEGER NOT NULL, accept INTEGER NOT NULL, build TEXT NOT NULL) STRICT;"
    "INSERT INTO views VALUES(1, 1, 0, 0, 0, 0, 0, '')",
    "ALTER TABLE views ADD COLUMN going_back INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE views ADD COLUMN state TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE views ADD COLUMN problem TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE views ADD COLUMN events INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE views ADD COLUMN compared INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE views ADD COLUMN served_orders INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE views ADD COLUMN rebuilt_orders INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE views ADD COLUMN differences INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE views ADD COLUMN moved_uptime INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE views ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0",
};
#define AT(field) offsetof(struct tb_generations, field)
#define TEXT_AT(field) AT(field), sizeof((struct tb_generations *)0)->field
/* The columns in the order of read_sql, each with its field. size: the field's size if it is a
 * text; 0: an integer. */
static const struct column {
    const char *param;
    size_t at, size;
} columns[] = {
    {":served", AT(served), 0},
    {":previous", AT(previous), 0},
    {":building", AT(building), 0},
    {":removing", AT(removing), 0},
    {":moved_at", AT(moved_at_ms), 0},
    {":moved_uptime", AT(moved_uptime_ms), 0},
    {":accept", AT(accept), 0},
    {":going_back", AT(going_back), 0},
    {":cancelled", AT(cancelled), 0},
    {":events", AT(last.events), 0},
    {":compared", AT(last.compared), 0},
    {":served_orders", AT(last.served_orders), 0},
    {":rebuilt_orders", AT(last.rebuilt_orders), 0},
    {":differences", AT(last.differences), 0},
    {":build", TEXT_AT(build)},
    {":state", TEXT_AT(last.state)},
    {":problem", TEXT_AT(last.problem)},
};
#define COLUMN_COUNT (sizeof columns / sizeof *columns)
static const char read_sql[] =
    "SELECT served, previous, building, removing, moved_at, moved_uptime, accept, going_back,"
    " cancelled, events, compared, served_orders, rebuilt_orders, differences, build, state, "
    "problem FROM "
    "views";
static const char write_sql[] =
    "UPDATE views SET served = :served, previous = :previous, building = :building,"
    " removing = :removing, moved_at = :moved_at, moved_uptime = :moved_uptime,"
    " accept = :accept, build = :build, going_back = :going_back, cancelled = :cancelled, state = "
    ":state, problem = "
    ":problem, events = :events,"
    " compared = :compared, served_orders = :served_orders, rebuilt_orders = :rebuilt_orders,"
    " differences = :differences";

void tb_generations_path(const char *folder, int64_t generation, char ret_path[TB_VIEW_PATH_SIZE])
{
    int len = generation == 1 ? snprintf(ret_path, TB_VIEW_PATH_SIZE, "%s/view.db", folder)
                              : snprintf(ret_path, TB_VIEW_PATH_SIZE, "%s/view.%lld.db", folder,
                                         (long long)generation);

    TB_ASSERT(len > 0 && len < TB_VIEW_PATH_SIZE);
}

static enum tb_code open_db(const char *folder, struct tb_db **ret_db, struct tb_error *err)
{
    char path[TB_VIEW_PATH_SIZE];
    struct tb_db *db = NULL;

    snprintf(path, sizeof path, "%s/views.db", folder);
    TB_TRY(tb_db_open(path, TB_DB_DURABLE, 0, &db, err));
    if (tb_db_migrate(db, APPLICATION_ID, schema, sizeof schema / sizeof *schema, err) != TB_OK) {
        tb_db_close(db);
        return tb_error_wrap(err, "%s", path);
    }
    *ret_db = db;
    return TB_OK;
}

static enum tb_code read_row(struct tb_db *db, struct tb_generations *ret_all,
                             struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    bool row = false;

    TB_TRY(tb_stmt_prepare(&stmt, db, read_sql, err));
    TB_TRY(tb_stmt_step(&stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_CORRUPT, "nothing says which view is served");
    *ret_all = (struct tb_generations){0};
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        char *field = (char *)ret_all + columns[i].at;

        if (columns[i].size == 0) {
            *(int64_t *)(void *)field = tb_stmt_int64(&stmt, (int)i);
            continue;
        }
        struct tb_str text = tb_stmt_text(&stmt, (int)i);
        if (text.len > 0 && text.len < columns[i].size) /* a longer one is not from us */
            memcpy(field, text.ptr, text.len);
    }
    if (ret_all->served < 1) /* as SQLite reads a page whose end is missing */
        return tb_error_set(err, TB_CORRUPT, "generation %lld of the view is served",
                            (long long)ret_all->served);
    return TB_OK;
}

static enum tb_code write_row(struct tb_db *db, const struct tb_generations *all,
                              struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};

    TB_TRY(tb_stmt_prepare(&stmt, db, write_sql, err));
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        const char *field = (const char *)all + columns[i].at;

        if (columns[i].size == 0)
            tb_stmt_bind_int64(&stmt, columns[i].param, *(const int64_t *)(const void *)field);
        else
            tb_stmt_bind_text(&stmt, columns[i].param, tb_str_of(field));
    }
    return tb_stmt_run(&stmt, err);
}

static void close_db(struct tb_db **db)
{
    tb_db_close(*db);
}

enum tb_code tb_generations_read(const char *folder, struct tb_generations *ret_all,
                                 struct tb_error *err)
{
    TB_CLEANUP(close_db) struct tb_db *db = NULL;

    TB_TRY(open_db(folder, &db, err));
    return read_row(db, ret_all, err);
}

static enum tb_code write_once(const char *folder, const struct tb_generations *all,
                               struct tb_error *err)
{
    TB_CLEANUP(close_db) struct tb_db *db = NULL; /* first: it is closed after the rollback */
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};

    TB_TRY(open_db(folder, &db, err));
    TB_TRY(tb_txn_begin(&txn, db, err));
    TB_TRY(write_row(db, all, err));
    return tb_txn_commit(&txn, err);
}

static bool is_same(const struct tb_generations *a, const struct tb_generations *b)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        const char *x = (const char *)a + columns[i].at, *y = (const char *)b + columns[i].at;

        if (columns[i].size > 0 ? strcmp(x, y) != 0 : memcmp(x, y, sizeof(int64_t)) != 0)
            return false;
    }
    return true;
}

/* If the outcome of the commit is unknown, reads the row: opening the database makes its content
 * durable, so what is read then is final. */
enum tb_code tb_generations_write(const char *folder, const struct tb_generations *all,
                                  struct tb_error *err)
{
    struct tb_generations found = {0};
    struct tb_error again = {0};

    if (write_once(folder, all, err) != TB_UNKNOWN)
        return err->code;
    if (tb_generations_read(folder, &found, &again) != TB_OK)
        return err->code;
    if (is_same(&found, all)) {
        *err = (struct tb_error){0};
        return TB_OK;
    }
    err->code = TB_UNAVAILABLE; /* the old row is on the disk */
    return err->code;
}

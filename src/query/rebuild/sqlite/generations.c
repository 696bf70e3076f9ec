#include "query/rebuild/sqlite/generations.h"
#include "base/sqlite/db.h"
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
};
static const char read_sql[] =
    "SELECT served, previous, building, removing, moved_at, accept, build, going_back, state,"
    " problem, events, compared, served_orders, rebuilt_orders, differences FROM views";
static const char write_sql[] =
    "UPDATE views SET served = :served, previous = :previous, building = :building,"
    " removing = :removing, moved_at = :moved_at, accept = :accept, build = :build,"
    " going_back = :going_back, state = :state, problem = :problem, events = :events,"
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

/* A text that does not fit was not written by this program, and is read as "". */
static void copy_text(struct tb_stmt *stmt, int column, char *ret_text, size_t size)
{
    struct tb_str text = tb_stmt_text(stmt, column);

    if (text.len > 0 && text.len < size)
        memcpy(ret_text, text.ptr, text.len);
}

static void read_last(struct tb_stmt *stmt, struct tb_generations *all)
{
    copy_text(stmt, 8, all->last.state, sizeof all->last.state);
    copy_text(stmt, 9, all->last.problem, sizeof all->last.problem);
    all->last.events = tb_stmt_int64(stmt, 10);
    all->last.compared = tb_stmt_int64(stmt, 11) != 0;
    all->last.served_orders = tb_stmt_int64(stmt, 12);
    all->last.rebuilt_orders = tb_stmt_int64(stmt, 13);
    all->last.differences = tb_stmt_int64(stmt, 14);
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
    *ret_all = (struct tb_generations){
        .served = tb_stmt_int64(&stmt, 0),
        .previous = tb_stmt_int64(&stmt, 1),
        .building = tb_stmt_int64(&stmt, 2),
        .removing = tb_stmt_int64(&stmt, 3),
        .moved_at_ms = tb_stmt_int64(&stmt, 4),
        .accept = tb_stmt_int64(&stmt, 5) != 0,
        .going_back = tb_stmt_int64(&stmt, 7) != 0,
    };
    copy_text(&stmt, 6, ret_all->build, sizeof ret_all->build);
    read_last(&stmt, ret_all);
    return TB_OK;
}

static enum tb_code write_row(struct tb_db *db, const struct tb_generations *all,
                              struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};

    TB_TRY(tb_stmt_prepare(&stmt, db, write_sql, err));
    tb_stmt_bind_int64(&stmt, ":served", all->served);
    tb_stmt_bind_int64(&stmt, ":previous", all->previous);
    tb_stmt_bind_int64(&stmt, ":building", all->building);
    tb_stmt_bind_int64(&stmt, ":removing", all->removing);
    tb_stmt_bind_int64(&stmt, ":moved_at", all->moved_at_ms);
    tb_stmt_bind_int64(&stmt, ":accept", all->accept);
    tb_stmt_bind_text(&stmt, ":build", tb_str_of(all->build));
    tb_stmt_bind_int64(&stmt, ":going_back", all->going_back);
    tb_stmt_bind_text(&stmt, ":state", tb_str_of(all->last.state));
    tb_stmt_bind_text(&stmt, ":problem", tb_str_of(all->last.problem));
    tb_stmt_bind_int64(&stmt, ":events", all->last.events);
    tb_stmt_bind_int64(&stmt, ":compared", all->last.compared);
    tb_stmt_bind_int64(&stmt, ":served_orders", all->last.served_orders);
    tb_stmt_bind_int64(&stmt, ":rebuilt_orders", all->last.rebuilt_orders);
    tb_stmt_bind_int64(&stmt, ":differences", all->last.differences);
    return tb_stmt_run(&stmt, err);
}

enum tb_code tb_generations_read(const char *folder, struct tb_generations *ret_all,
                                 struct tb_error *err)
{
    struct tb_db *db = NULL;
    enum tb_code code;

    TB_TRY(open_db(folder, &db, err));
    code = read_row(db, ret_all, err);
    tb_db_close(db);
    return code;
}

static enum tb_code write_once(const char *folder, const struct tb_generations *all,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_db *db = NULL;
    enum tb_code code;

    TB_TRY(open_db(folder, &db, err));
    code = tb_txn_begin(&txn, db, err);
    if (code == TB_OK)
        code = write_row(db, all, err);
    if (code == TB_OK)
        code = tb_txn_commit(&txn, err);
    tb_txn_rollback(&txn);
    tb_db_close(db);
    return code;
}

static bool is_same(const struct tb_generations *a, const struct tb_generations *b)
{
    return a->served == b->served && a->previous == b->previous && a->building == b->building &&
           a->removing == b->removing && a->moved_at_ms == b->moved_at_ms &&
           a->accept == b->accept && strcmp(a->build, b->build) == 0 &&
           a->going_back == b->going_back && strcmp(a->last.state, b->last.state) == 0 &&
           strcmp(a->last.problem, b->last.problem) == 0 && a->last.events == b->last.events &&
           a->last.differences == b->last.differences;
}

/* A commit with an unknown outcome is looked up: opening the file makes what it has durable. */
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
    err->code = TB_UNAVAILABLE; /* not done */
    return err->code;
}

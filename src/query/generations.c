#include "query/generations.h"
#include "base/db.h"
#include <stdio.h>

/* "tbgn" */
#define APPLICATION_ID 0x7462676e

static const char *const schema[] = {
    "CREATE TABLE views(id INTEGER PRIMARY KEY CHECK(id = 1), served INTEGER NOT NULL,"
    " previous INTEGER NOT NULL, building INTEGER NOT NULL, removing INTEGER NOT NULL,"
    " moved_at INTEGER NOT NULL, accept INTEGER NOT NULL, build TEXT NOT NULL) STRICT;"
    "INSERT INTO views VALUES(1, 1, 0, 0, 0, 0, 0, '')",
};
static const char read_sql[] =
    "SELECT served, previous, building, removing, moved_at, accept, build FROM views";
static const char write_sql[] =
    "UPDATE views SET served = :served, previous = :previous, building = :building,"
    " removing = :removing, moved_at = :moved_at, accept = :accept, build = :build";

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
    struct tb_str build;
    bool row = false;

    TB_TRY(tb_stmt_prepare(&stmt, db, read_sql, err));
    TB_TRY(tb_stmt_step(&stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_CORRUPT, "nothing says which view is served");
    build = tb_stmt_text(&stmt, 6);
    *ret_all = (struct tb_generations){
        .served = tb_stmt_int64(&stmt, 0),
        .previous = tb_stmt_int64(&stmt, 1),
        .building = tb_stmt_int64(&stmt, 2),
        .removing = tb_stmt_int64(&stmt, 3),
        .moved_at_ms = tb_stmt_int64(&stmt, 4),
        .accept = tb_stmt_int64(&stmt, 5) != 0,
    };
    if (build.len < sizeof ret_all->build && build.len > 0)
        memcpy(ret_all->build, build.ptr, build.len);
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
           a->accept == b->accept && strcmp(a->build, b->build) == 0;
}

/* After a commit that may be done or not, opening the file makes what it shows durable. */
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

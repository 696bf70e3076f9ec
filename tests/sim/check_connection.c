#include "sim/check_priv.h"
#include <stdlib.h>
#include <string.h>

/* The checkers' connections and statements stay open as long as the node runs: to open a file and
 * to prepare the statements costs more than to run them. */

#define STATEMENTS_MAX 128

static struct statement {
    sqlite3 *db;
    char *sql; /* owned */
    sqlite3_stmt *stmt;
    bool used;
} statements[STATEMENTS_MAX];
static size_t statement_count;

static sqlite3 **slot_of(struct sim_node *node, const char *path)
{
    if (strcmp(path, node->store_path) == 0)
        return &node->check_dbs[SIM_STORE];
    return &node->check_dbs[strcmp(path, node->log_path) == 0 ? SIM_LOG : SIM_VIEW];
}

sqlite3 *check_open(struct sim_node *node, const char *path)
{
    sqlite3 **db = slot_of(node, path);

    node->disk.faults_paused = true;
    SIM_REQUIRE(*db || sqlite3_open_v2(path, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                                       NULL) == SQLITE_OK,
                "I11: %s cannot be opened: %s", path, sqlite3_errmsg(*db));
    return *db;
}

void check_close(struct sim_node *node)
{
    node->disk.faults_paused = false;
}

static void finalize_all(const sqlite3 *db)
{
    size_t kept = 0;

    for (size_t i = 0; i < statement_count; i++) {
        if (statements[i].db == db) {
            sqlite3_finalize(statements[i].stmt);
            free(statements[i].sql);
        } else {
            statements[kept++] = statements[i];
        }
    }
    statement_count = kept;
}

void check_disconnect(struct sim_node *node)
{
    for (int file = 0; file < SIM_FILES; file++) {
        if (!node->check_dbs[file])
            continue;
        finalize_all(node->check_dbs[file]);
        SIM_REQUIRE(sqlite3_close(node->check_dbs[file]) == SQLITE_OK,
                    "a checker left a statement open");
        node->check_dbs[file] = NULL;
    }
}

sqlite3_stmt *check_query(sqlite3 *db, const char *sql)
{
    struct statement *statement = statements;

    for (size_t i = 0; i < statement_count; i++, statement++) {
        if (statement->db != db || statement->used || strcmp(statement->sql, sql) != 0)
            continue;
        statement->used = true;
        return statement->stmt;
    }
    TB_ASSERT(statement_count < STATEMENTS_MAX);
    *statement = (struct statement){.db = db, .sql = strdup(sql), .used = true};
    SIM_REQUIRE(sqlite3_prepare_v2(db, sql, -1, &statement->stmt, NULL) == SQLITE_OK,
                "I12: %s: %s", sql, sqlite3_errmsg(db));
    statement_count++;
    return statement->stmt;
}

void check_end(sqlite3_stmt *stmt)
{
    sqlite3_reset(stmt);
    for (size_t i = 0; i < statement_count; i++)
        if (statements[i].stmt == stmt)
            statements[i].used = false;
}

bool check_row(sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW)
        return true;
    SIM_REQUIRE(rc == SQLITE_DONE, "I11: %s: %s", sqlite3_sql(stmt),
                sqlite3_errmsg(sqlite3_db_handle(stmt)));
    check_end(stmt);
    return false;
}

const char *check_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    return text ? text : "";
}

int64_t check_number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = check_query(db, sql);
    int64_t value = 0;

    if (check_row(stmt)) {
        value = sqlite3_column_int64(stmt, 0);
        check_end(stmt);
    }
    return value;
}

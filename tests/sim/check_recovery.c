#include "sim/check_priv.h"
#include <stdio.h>
#include <string.h>

/* After faults of whole files: what the node has made anew, and whether it had to. */

void check_views_forgotten(struct sim_node *node)
{
    struct oracle *oracle = &node->sim->oracle;

    for (int i = 0; i < oracle->order_count; i++)
        if (oracle->orders[i].node == node->index)
            oracle->orders[i].read_version = oracle->orders[i].read_before_power_cut = 0;
    check_foreign_forgotten(node);
}

void check_foreign_forgotten(struct sim_node *node)
{
    for (int i = 0; i < node->sim->foreign_count; i++) {
        struct sim_foreign_record *foreign = &node->sim->foreign[i];

        if (foreign->node != node->index)
            continue;
        foreign->state = FOREIGN_UNSURE;
        foreign->dead_letter_at = 0;
    }
}

/* Numbers. */

static sqlite3 *open_closed(struct sim_node *node, enum sim_file file)
{
    const struct disk_file *found = disk_find(&node->disk, folder_path(node, file));
    sqlite3 *db = NULL;

    if (!found || !found->exists || file_is_damaged(node, file))
        return NULL;
    node->disk.faults_paused = true;
    SIM_REQUIRE(sqlite3_open_v2(found->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                NULL) == SQLITE_OK,
                "I11: %s cannot be opened: %s", found->path, sqlite3_errmsg(db));
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return db;
}

/* The query's only parameter is the beginning of this node's numbers. A file that was never
 * finished lacks the table. */
static int64_t highest(const struct sim_node *node, sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int64_t number = 0;
    char prefix[32];

    snprintf(prefix, sizeof prefix, "%s-", node->name);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return 0;
    sqlite3_bind_text(stmt, 1, prefix, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        number = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return number;
}

int64_t check_last_number(struct sim_node *node, enum sim_file file)
{
    sqlite3 *db = open_closed(node, file);
    int64_t last;

    if (!db)
        return 0;
    if (file == SIM_STORE)
        last = highest(node, db, "SELECT max(number) FROM orders WHERE ?1 <> ''");
    else if (file == SIM_LOG)
        last = highest(node, db,
                       "SELECT max(CAST(substr(number, length(?1) + 1) AS INTEGER)) FROM"
                       " (SELECT json_extract(CAST(value AS TEXT), '$.orderNumber') AS number"
                       "  FROM records WHERE json_valid(CAST(value AS TEXT)))"
                       " WHERE substr(number, 1, length(?1)) = ?1");
    else
        last = highest(node, db,
                       "SELECT max(CAST(substr(json_extract(doc, '$.orderNumber'),"
                       " length(?1) + 1) AS INTEGER)) FROM orders WHERE"
                       " substr(json_extract(doc, '$.orderNumber'), 1, length(?1)) = ?1");
    SIM_REQUIRE(sqlite3_close(db) == SQLITE_OK, "a checker left a statement open");
    node->disk.faults_paused = false;
    return last;
}

void check_numbers_known(struct sim_node *node)
{
    if (!node->numbers_put_back)
        return;
    int64_t log = check_last_number(node, SIM_LOG), view = check_last_number(node, SIM_VIEW);
    int64_t known = node->identity.last_number;

    known = log > known ? log : known;
    node->known_number = view > known ? view : known;
}

/* What was made anew. */

static void check_told(struct sim_node *node, sqlite3 *store)
{
    int64_t told = check_number(store, "SELECT coalesce(max(id), 0) FROM recoveries");
    sqlite3_stmt *stmt = check_query(
        store, "SELECT epoch, (SELECT file || ': ' || reason FROM recoveries ORDER BY id DESC"
               " LIMIT 1) FROM epochs ORDER BY first_row DESC LIMIT 1");

    SIM_REQUIRE(check_row(stmt), "I12: %s has no epoch", node->name);
    SIM_REQUIRE(node->files_changed || told == node->recoveries,
                "I10: nobody has touched the files of %s, but it says: %s", node->name,
                check_text(stmt, 1));
    SIM_REQUIRE(node->files_changed || node->epoch[0] == '\0' ||
                    strcmp(node->epoch, check_text(stmt, 0)) == 0,
                "I10: nobody has touched the files of %s, but it begins a new epoch", node->name);
    SIM_REQUIRE(!node->must_tell || told > node->recoveries,
                "I10: the store of %s was put back, and it does not tell", node->name);
    if (told > node->recoveries)
        sim_trace("%s tells %" PRId64 " recoveries, the last: %s", node->name,
                  told - node->recoveries, check_text(stmt, 1));
    sim_cover(COVER_RECOVERED, (uint64_t)(told > node->recoveries));
    node->recoveries = told;
    snprintf(node->epoch, sizeof node->epoch, "%s", check_text(stmt, 0));
    check_end(stmt);
}

static bool is_new(struct sim_node *node, enum sim_file file)
{
    uint64_t serial = disk_find(&node->disk, folder_path(node, file))->serial;
    bool changed = serial != node->serials[file];

    SIM_REQUIRE(!changed || node->files_changed || node->serials[file] == 0,
                "I10: nobody has touched %s, but it was made anew", folder_path(node, file));
    node->serials[file] = serial;
    return changed;
}

static void begin_log(struct sim_node *node, sqlite3 *log)
{
    int64_t base = check_number(log, "SELECT base FROM origin");

    oracle_put_log_back(&node->sim->oracle, node->index, NULL);
    check_foreign_forgotten(node);
    node->log_seen = node->log_gone = node->audit_next = base;
    node->rows_gone_before = node->rows_gone;
}

void check_recovery(struct sim_node *node, sqlite3 *store, sqlite3 *log)
{
    check_told(node, store);
    if (is_new(node, SIM_LOG))
        begin_log(node, log);
    if (is_new(node, SIM_VIEW))
        check_views_forgotten(node);
    node->numbers_put_back = node->must_tell = false;
    /* Damage may be found later. */
    node->files_changed = file_is_damaged(node, SIM_LOG) || file_is_damaged(node, SIM_VIEW) ||
                          file_is_damaged(node, SIM_VIEWS);
}

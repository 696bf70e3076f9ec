#include "sim/sim.h"
#include <sqlite3.h>

/* A person who looks into a node's files with the sqlite3 shell, in the middle of the day: while a
 * snapshot is open the file's WAL cannot be emptied, and while the write lock is held nobody else
 * writes the file. */

static struct fake_random *random_of(struct sim *sim)
{
    return &sim->operator_random;
}

void operator_leave(struct sim_node *node)
{
    if (node->operator_db)
        sim_trace("%s: the operator leaves", node->name);
    /* Closing rolls back. Only the node checkpoints. */
    if (node->operator_db)
        sqlite3_db_config(node->operator_db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    SIM_REQUIRE(sqlite3_close(node->operator_db) == SQLITE_OK,
                "the operator has a statement open");
    node->operator_db = NULL;
}

static void come(struct sim_node *node)
{
    const char *const paths[] = {node->store_path, node->log_path, node->view_path};
    const char *path = paths[sim_below(random_of(node->sim), 3)];
    bool writes = sim_chance(random_of(node->sim), 30);
    const char *sql = writes ? "BEGIN IMMEDIATE" : "BEGIN; SELECT count(*) FROM sqlite_schema";

    node->disk.faults_paused = true;
    bool held = sqlite3_open_v2(path, &node->operator_db,
                                SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
                sqlite3_exec(node->operator_db, sql, NULL, NULL, NULL) == SQLITE_OK;
    node->disk.faults_paused = false;
    if (!held) {
        operator_leave(node);
        return;
    }
    sim_cover(writes ? COVER_OPERATOR_WRITES : COVER_OPERATOR_READS, 1);
    sim_trace("%s: an operator %s %s", node->name, writes ? "locks" : "reads", path);
}

void operator_draw(struct sim *sim)
{
    sim->has_operator = sim_chance(random_of(sim), 25);
}

void operator_step(struct sim *sim)
{
    if (!sim->has_operator)
        return;
    struct sim_node *node = &sim->nodes[sim_below(random_of(sim), (uint64_t)sim->node_count)];
    if (node->operator_db)
        operator_leave(node);
    else if (node_healthy(node) && !node->disk.power_off)
        come(node);
}

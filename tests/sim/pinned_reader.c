#include "base/sqlite/db_priv.h"
#include "bridge/log/inproc/inproc_priv.h"
#include "sim/sim.h"
#include "store/store_priv.h"
#include <sqlite3.h>

/* Readers that hold a snapshot of a store or a log, so that checkpoints stop at it; then a sync of
 * that file fails, and sometimes the power goes soon after. Their random numbers are their own, so
 * that the other faults are the same with and without them. */

/* So few pages that a run of some dozen orders checkpoints often. */
#define WAL_PAGES 4
/* Steps from the failed sync to the power cut: a checkpoint must have succeeded meanwhile. */
#define CUT_AFTER_MAX 4

static bool believes_backfill;

int __real_tb_db_forget_backfill(struct tb_db *db);
int __wrap_tb_db_forget_backfill(struct tb_db *db);

int __wrap_tb_db_forget_backfill(struct tb_db *db)
{
    if (!believes_backfill)
        return __real_tb_db_forget_backfill(db);
    db->backfill_trusted = true;
    return SQLITE_OK;
}

void pinned_readers_draw(struct sim *sim)
{
    fake_random_init(&sim->pin_random, sim->seed * 71 + 6);
    believes_backfill = sim->mutant == SIM_MUTANT_RETRY_BELIEVES_BACKFILL;
    sim->has_pinned_readers = sim_chance(&sim->pin_random, 25);
}

static void checkpoint_often(struct sim_node *node)
{
    if (node->store->db)
        tb_db_set_checkpoint_pages(node->store->db, WAL_PAGES);
    if (node->log->db)
        tb_db_set_checkpoint_pages(node->log->db, WAL_PAGES);
}

static void pin(struct sim_node *node)
{
    struct sim_pinned_reader *pinned = &node->pinned;
    struct tb_error err = {0};
    int64_t tables;

    pinned->path = sim_chance(&node->sim->pin_random, 50) ? node->store_path : node->log_path;
    if (tb_db_open(pinned->path, TB_DB_READER, 0, &pinned->db, &err) != TB_OK)
        return;
    sim_trace("%s a reader pins %s", node->name, pinned->path);
    sim_cover(COVER_PINNED, 1);
    if (tb_db_exec(pinned->db, "BEGIN", &err) != TB_OK ||
        tb_db_query_int64(pinned->db, "SELECT count(*) FROM sqlite_schema", &tables, &err) !=
            TB_OK)
        pinned_reader_close(node);
}

void pinned_reader_close(struct sim_node *node)
{
    tb_db_close(node->pinned.db);
    node->pinned.db = NULL;
}

static void unpin(struct sim_node *node)
{
    struct sim *sim = node->sim;

    pinned_reader_close(node);
    if (sim_chance(&sim->pin_random, 70))
        node->disk.fail_sync_of = node->pinned.path;
    node->pinned.cut_in =
        sim_chance(&sim->pin_random, 50) ? (int)sim_below(&sim->pin_random, CUT_AFTER_MAX) + 1 : 0;
    sim_trace("%s unpins; the next sync of the file %s", node->name,
              node->disk.fail_sync_of ? "fails" : "is as the others");
}

static void step(struct sim_node *node)
{
    struct sim_pinned_reader *pinned = &node->pinned;

    if (!node->up || node->disk.power_off || !node_healthy(node))
        return;
    checkpoint_often(node);
    if (pinned->cut_in > 0 && --pinned->cut_in == 0) {
        disk_cut_now(&node->disk, DISK_CUT_DROP);
        node_power_lost(node);
    } else if (pinned->db) {
        if (sim_chance(&node->sim->pin_random, 50))
            unpin(node);
    } else if (pinned->cut_in == 0) {
        pin(node);
    }
}

void pinned_readers_step(struct sim *sim)
{
    if (!sim->has_pinned_readers)
        return;
    for (int i = 0; i < sim->node_count; i++)
        step(&sim->nodes[i]);
}

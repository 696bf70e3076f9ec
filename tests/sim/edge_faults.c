#include "sim/sim.h"
#include "store/store_priv.h"
#include <stdio.h>

#define MS INT64_C(1000)
#define HOUR_US INT64_C(3600000000)
#define TEN_YEARS_MS INT64_C(315576000000)
/* A planned fault strikes within this many disk calls: about two commits of all files. */
#define CALLS_AHEAD 40
/* A node that is down most of the time does nothing new. After this many times it stays up,
 * which makes the costliest runs three times shorter. */
#define DOWN_MAX 100
#define DOWN_CLASSES (EDGE_FAULT_KILL | EDGE_FAULT_STOP | EDGE_FAULT_POWER_CUT)

static struct fake_random *random_of(struct sim *sim)
{
    return &sim->fault_random;
}

/* Swarm testing: a run with few classes of faults finds what all classes together hide. */
void edge_faults_draw(struct sim *sim)
{
    unsigned density = (unsigned)sim_below(random_of(sim), 4); /* 0: no faults */

    sim->fault_classes = 0;
    for (unsigned class = 1; class < EDGE_FAULT_ALL; class <<= 1)
        if (sim_below(random_of(sim), 100) < density * 25)
            sim->fault_classes |= class;
    sim->fault_classes_drawn = sim->fault_classes;
    sim->fault_every_us = (int64_t)sim_below(random_of(sim), 600) * MS + 30 * MS;
    sim->fault_due_us = sim->fault_every_us;
}

static void do_kill(struct sim_node *node)
{
    sim_cover(COVER_KILL, 1);
    node_kill(node);
}

static void do_stop(struct sim_node *node)
{
    sim_cover(COVER_STOP, 1);
    node_stop(node);
}

static void plan_power_cut(struct sim_node *node)
{
    struct sim *sim = node->sim;

    node->disk.power_cut_kind = (enum disk_cut)sim_below(random_of(sim), DISK_CUT_COUNT);
    node->disk.power_cut_in = (int64_t)sim_below(random_of(sim), CALLS_AHEAD) + 1;
    sim_cover((enum sim_cover)(COVER_CUT_DROP + (int)node->disk.power_cut_kind), 1);
    sim_trace("%s loses its power at change %" PRId64 " from now, kind %d", node->name,
              node->disk.power_cut_in, (int)node->disk.power_cut_kind);
}

static void cut_power(struct sim_node *node)
{
    plan_power_cut(node);
    if (sim_chance(random_of(node->sim), 60))
        return;
    node->disk.power_cut_in = 0;
    disk_cut_now(&node->disk, node->disk.power_cut_kind);
    node_power_lost(node);
}

static void plan_io_error(struct sim_node *node)
{
    static const unsigned kinds[] = {DISK_READ, DISK_WRITE, DISK_SYNC};
    struct sim *sim = node->sim;

    node->disk.fail_kinds = kinds[sim_below(random_of(sim), 3)];
    node->disk.fail_in = (int64_t)sim_below(random_of(sim), CALLS_AHEAD / 4) + 1;
    sim_trace("%s: call %" PRId64 " from now of kind %u fails", node->name, node->disk.fail_in,
              node->disk.fail_kinds);
}

/* Toggles: full at one step, room again at a later one. */
static void do_full(struct sim_node *node)
{
    node->disk.full = !node->disk.full;
    node->reports_free_space = sim_chance(random_of(node->sim), 50);
    sim_trace("%s disk %s", node->name, node->disk.full ? "is full" : "has room");
}

static void do_clock(struct sim_node *node)
{
    int64_t ms =
        (int64_t)sim_below(random_of(node->sim), 2 * (uint64_t)TEN_YEARS_MS) - TEN_YEARS_MS;

    if (sim_chance(random_of(node->sim), 50))
        ms /= 100000; /* minutes instead of years */
    node->wall_offset_ms = sim_chance(random_of(node->sim), 30) ? 0 : ms;
    sim_cover(COVER_CLOCK_JUMP, 1);
    sim_trace("%s clock is off by %" PRId64 " ms", node->name, node->wall_offset_ms);
}

/* Mutant: removes outbox rows without looking at the cursor. */
static void delete_outbox_mutant(struct sim_node *node)
{
    struct tb_error err = {0};

    if (node->sim->mutant == SIM_MUTANT_RETENTION_IGNORES_CURSOR && node_healthy(node))
        (void)!tb_db_exec(node->store->db,
                          "DELETE FROM outbox WHERE row < (SELECT max(row) FROM outbox)", &err);
}

/* A checker cannot read a broken store. Time must not jump before it has been read again, or
 * retention removes rows that decide an unknown outcome. */
static bool any_broken(const struct sim *sim)
{
    for (int i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].up && !node_healthy(&sim->nodes[i]))
            return true;
    return false;
}

/* A client may repeat what it has sent within the last day: its key is remembered for so long,
 * whatever the node's clock says. */
static void forget_old_ops(struct sim *sim)
{
    for (int op = sim->oracle_first_op; op < sim->oracle.op_count; op++)
        if (sim->op_sent_us[op] <= sim->now_us - SIM_DAY_US)
            sim->oracle_first_op = op + 1;
    for (int i = 0; i < sim->client_count; i++)
        if (sim->clients[i].again_op < sim->oracle_first_op)
            sim->clients[i].again_op = ORACLE_NONE;
}

/* Hours or days pass for all nodes. */
static void do_days(struct sim *sim)
{
    int64_t us = (int64_t)sim_below(random_of(sim), 60) * HOUR_US + HOUR_US;

    if (any_broken(sim))
        return;
    for (int i = 0; i < sim->node_count; i++) {
        if (node_healthy(&sim->nodes[i]))
            check_node(&sim->nodes[i]);
        delete_outbox_mutant(&sim->nodes[i]);
        disk_write_back(&sim->nodes[i].disk);
    }
    sim->now_us += us;
    forget_old_ops(sim);
    sim_cover(COVER_DAYS, (uint64_t)(us / SIM_DAY_US));
    sim_trace("%" PRId64 " hours pass", us / HOUR_US);
}

/* Foreign records in a node's own log. */

/* An order of which the log has version 2 or later; NONE if the random tries found none. */
static int logged_order(struct sim_node *node)
{
    const struct oracle *oracle = &node->sim->oracle;

    for (int tries = 0; tries < 8 && oracle->order_count > 0; tries++) {
        int order = (int)sim_below(random_of(node->sim), (uint64_t)oracle->order_count);

        if (oracle->orders[order].node == node->index && oracle->orders[order].log_version >= 2)
            return order;
    }
    return ORACLE_NONE;
}

static void append_foreign(struct sim_node *node, enum foreign_kind kind, int order)
{
    struct sim *sim = node->sim;
    const char *order_id = order == ORACLE_NONE ? NULL : sim->oracle.orders[order].id;
    struct foreign_record foreign;
    struct tb_error err = {0};

    foreign_record_make(sim, node->index, kind, order_id, &foreign);
    sim_trace("%s foreign record %d of kind %d, order %d", node->name, foreign.number, (int)kind,
              order);
    if (node->faulty_log.real->ops->append(node->faulty_log.real, &foreign.record,
                                           -1 - foreign.number, &err) != TB_OK)
        sim->foreign[foreign.number].state = FOREIGN_UNSURE;
    tb_buf_release(&foreign.value);
    sim_wake(node, SIM_RELAY, 5 * MS); /* its poll makes the log commit the record */
}

static void do_foreign_record(struct sim_node *node)
{
    struct sim *sim = node->sim;
    enum foreign_kind kind = (enum foreign_kind)sim_below(random_of(sim), FOREIGN_KIND_COUNT);
    int order = ORACLE_NONE;

    if (sim->foreign_count == FOREIGN_RECORDS_MAX)
        return;
    if (kind == FOREIGN_GAP_KNOWN_ORDER || kind == FOREIGN_OTHER_EVENT) {
        order = logged_order(node);
        if (order == ORACLE_NONE)
            return;
    }
    append_foreign(node, kind, order);
}

void foreign_record_acked(struct sim *sim, int64_t tag, bool acknowledged)
{
    sim->foreign[-1 - tag].state = acknowledged ? FOREIGN_ACKED : FOREIGN_UNSURE;
}

void foreign_records_lost(struct sim_node *node)
{
    for (int i = 0; i < node->sim->foreign_count; i++) {
        struct sim_foreign_record *foreign = &node->sim->foreign[i];

        if (foreign->node == node->index && foreign->state == FOREIGN_SENT)
            foreign->state = FOREIGN_UNSURE;
    }
}

static void act(struct sim_node *node, enum edge_fault_class class)
{
    switch (class) {
    case EDGE_FAULT_KILL:
        do_kill(node);
        break;
    case EDGE_FAULT_STOP:
        do_stop(node);
        break;
    case EDGE_FAULT_POWER_CUT:
        cut_power(node);
        break;
    case EDGE_FAULT_IO_ERROR:
        plan_io_error(node);
        break;
    case EDGE_FAULT_DISK_FULL:
        do_full(node);
        break;
    case EDGE_FAULT_CLOCK:
        do_clock(node);
        break;
    case EDGE_FAULT_LINK:
        client_link(node, sim_chance(random_of(node->sim), 50));
        break;
    case EDGE_FAULT_DAYS:
        if (sim_chance(random_of(node->sim), 20))
            do_days(node->sim);
        break;
    case EDGE_FAULT_FOREIGN_RECORD:
        do_foreign_record(node);
        break;
    case EDGE_FAULT_ANSWER: /* these act in client.c and faulty_ports.c */
    case EDGE_FAULT_SENT_TWICE:
    case EDGE_FAULT_LOG:
    case EDGE_FAULT_VIEW:
    case EDGE_FAULT_ALL:
        break;
    }
}

static void count_down(struct sim *sim, enum edge_fault_class class)
{
    sim->down_count += (class & DOWN_CLASSES) != 0;
    if (sim->down_count == DOWN_MAX)
        sim->fault_classes &= ~(unsigned)DOWN_CLASSES;
}

void edge_faults_step(struct sim *sim)
{
    struct sim_node *node = &sim->nodes[sim_below(random_of(sim), (uint64_t)sim->node_count)];
    unsigned class = 1U << sim_below(random_of(sim), 13);

    sim->fault_due_us = sim->now_us + sim->fault_every_us / 2 +
                        (int64_t)sim_below(random_of(sim), (uint64_t)sim->fault_every_us);
    pinned_readers_step(sim);
    operator_step(sim);
    file_faults_step(sim);
    while (sim->fault_classes && !(sim->fault_classes & class))
        class = class == 1U << 12 ? 1 : class << 1;
    /* A disk gets room whether its node runs or not. */
    if ((sim->fault_classes & class) && (node->up || class == EDGE_FAULT_DISK_FULL)) {
        act(node, (enum edge_fault_class) class);
        count_down(sim, (enum edge_fault_class) class);
    }
}

void edge_faults_before_start(struct sim_node *node)
{
    struct sim *sim = node->sim;

    if (sim->healed)
        return;
    if ((sim->fault_classes & EDGE_FAULT_CLOCK) && sim_chance(random_of(sim), 20))
        do_clock(node); /* a till without a battery for its clock */
    if ((sim->fault_classes & EDGE_FAULT_POWER_CUT) && sim_chance(random_of(sim), 20))
        plan_power_cut(node);
    else if ((sim->fault_classes & EDGE_FAULT_IO_ERROR) && sim_chance(random_of(sim), 20))
        plan_io_error(node);
}

void edge_faults_heal(struct sim *sim)
{
    sim_trace("the faults are over");
    if (sim->edition == SIM_CONNECTED)
        centre_faults_heal(sim);
    sim->healed = true;
    sim->fault_classes = 0;
    sim->fault_due_us = SIM_NEVER;
    for (int i = 0; i < sim->node_count; i++) {
        operator_leave(&sim->nodes[i]);
        disk_heal(&sim->nodes[i].disk);
        pinned_reader_close(&sim->nodes[i]);
    }
    sim->has_pinned_readers = false;
    file_faults_heal(sim);
}

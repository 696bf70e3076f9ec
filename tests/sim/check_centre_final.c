#include "sim/check_centre_priv.h"
#include <string.h>

/* When faults are over and everything has arrived: compares the centre with the oracle. */

int64_t check_centre_deliverable(const struct sim *sim, const struct centre_order *order)
{
    const struct oracle_order *known = &sim->oracle.orders[order->order];

    return order->parked_from_row > 0 ? order->refused_from - 1 : known->max_version;
}

static void check_orders(const struct sim *sim)
{
    for (int i = 0; i < sim->oracle.order_count; i++) {
        const struct oracle_order *known = &sim->oracle.orders[i];
        int at = sim->centre.by_order[i];
        const struct centre_order *order = at > 0 ? &sim->centre.orders[at - 1] : NULL;

        if (known->max_version == 0)
            continue;
        SIM_REQUIRE(order, "C1: order %s never came to the centre", known->id);
        /* A snapshot from before it was parked may have come, or be lost. */
        if (order->parked_from_row > 0 && order->db_version == order->snapshot_version)
            continue;
        SIM_REQUIRE(order->db_version == check_centre_deliverable(sim, order),
                    "C1: order %s is at version %" PRId64 ", the centre serves %" PRId64,
                    known->id, check_centre_deliverable(sim, order), order->db_version);
    }
}

/* Sales per day. */

struct sums {
    int64_t orders, returns, cancelled, total_minor;
};

static int currency_of(const char *code)
{
    static const char *const currencies[ORACLE_CURRENCIES] = {"EUR", "USD", "JPY"};

    for (int i = 0; i < ORACLE_CURRENCIES; i++)
        if (strcmp(code, currencies[i]) == 0)
            return i;
    sim_violation("C6: a day in currency %s", code);
}

static void add_day(const bson_t *day, struct sums *sums)
{
    bson_iter_t iter;
    struct sums *of;

    SIM_REQUIRE(bson_iter_init_find(&iter, day, "currency"), "C6: a day without a currency");
    of = &sums[currency_of(bson_iter_utf8(&iter, NULL))];
    of->orders += check_int(day, "orders");
    of->returns += check_int(day, "returns");
    of->cancelled += check_int(day, "cancelled");
    of->total_minor += check_int(day, "totalMinor");
}

static void check_sums(struct sim *sim)
{
    const struct mongod_collection *days = mongod_collection(&sim->centre.mongod, "sales_by_day");
    const struct mongod_collection *totals =
        mongod_collection(&sim->centre.mongod, "sales_totals");
    struct sums of_all[ORACLE_CURRENCIES] = {0};
    struct sums stored[ORACLE_CURRENCIES] = {0}, sums[ORACLE_CURRENCIES] = {0};

    for (int i = 0; i < sim->centre.order_count; i++) {
        const struct centre_order *order = &sim->centre.orders[i];
        struct oracle_state state = oracle_state(&sim->oracle, order->order, order->db_version);
        struct sums *sum = &sums[state.currency];

        if (order->db_version == 0)
            continue;
        sum->orders += !state.is_return;
        sum->returns += state.is_return;
        sum->cancelled += state.status == ORACLE_CANCELLED;
        sum->total_minor += state.status == ORACLE_CANCELLED ? 0 : state.total_minor;
    }
    for (size_t i = 0; i < days->count; i++)
        add_day(days->list[i].doc, stored);
    for (size_t i = 0; i < totals->count; i++)
        add_day(totals->list[i].doc, of_all);
    SIM_REQUIRE(memcmp(of_all, stored, sizeof stored) == 0,
                "C6: sales_totals and sales_by_day have other sums");
    for (int c = 0; c < ORACLE_CURRENCIES; c++)
        SIM_REQUIRE(memcmp(&stored[c], &sums[c], sizeof stored[c]) == 0,
                    "C6: currency %d: %" PRId64 " orders, %" PRId64 " returns, %" PRId64
                    " cancelled, %" PRId64 " in all, but the orders say %" PRId64 ", %" PRId64
                    ", %" PRId64 ", %" PRId64,
                    c, stored[c].orders, stored[c].returns, stored[c].cancelled,
                    stored[c].total_minor, sums[c].orders, sums[c].returns, sums[c].cancelled,
                    sums[c].total_minor);
}

/* Nodes. */

static bool any_parked(const struct sim *sim, int node)
{
    for (int i = 0; i < sim->centre.order_count; i++)
        if (sim->centre.orders[i].node == node && sim->centre.orders[i].parked_from_row > 0)
            return true;
    return false;
}

static void check_progress(struct sim *sim, const struct tb_node_report *status)
{
    const struct sim_node *node = &sim->nodes[status->node[4] - '1'];

    /* A late heartbeat is recognised by the node's clock: only a clock that jumps makes a node
     * look forked. */
    SIM_REQUIRE(status->state != TB_NODE_FORKED || (sim->fault_classes_drawn & EDGE_FAULT_CLOCK),
                "C7: %s is reported as forked", node->name);
    SIM_REQUIRE(status->epoch_count <= 1, "C7: %s has %zu epochs", node->name,
                status->epoch_count);
    if (status->epoch_count == 0 || any_parked(sim, node->index))
        return;
    /* Events that neither Kafka nor the till's log has any more stay missing: they are told. */
    if (node->sends_orders)
        return;
    SIM_REQUIRE(status->epochs[0].hole_count == 0 &&
                    status->epochs[0].complete_through == node->rows_seen,
                "C7: %s is complete up to %" PRId64 " of %" PRId64 ", with %zu holes", node->name,
                status->epochs[0].complete_through, node->rows_seen, status->epochs[0].hole_count);
}

static void check_nodes(struct sim *sim)
{
    const struct central *central = &sim->centre.centrals[0];
    struct tb_arena arena = {0};
    struct tb_node_report_list list = {0};
    struct tb_error err = {0};

    sim->now_us += TB_MONGO_DOWN_MS * 1000; /* a retry of what failed is due by then */
    SIM_REQUIRE(tb_mongo_list_nodes(central->mongo, tb_clock_wall_ms(&central->clock), &arena,
                                    &list, &err) == TB_OK,
                "%s: nodes: %s", central->name, err.text);
    for (size_t i = 0; i < list.count; i++)
        check_progress(sim, &list.nodes[i]);
    check_centre_retired(sim, &list);
    SIM_REQUIRE(tb_mongo_detail_nodes(central->mongo, tb_clock_wall_ms(&central->clock), &arena,
                                      list.nodes, list.count, &err) == TB_OK,
                "%s: details of nodes: %s", central->name, err.text);
    for (size_t i = 0; i < list.count; i++)
        check_progress(sim, &list.nodes[i]);
    check_centre_retired(sim, &list);
    SIM_REQUIRE(list.count == (size_t)sim->node_count, "C7: %zu nodes of %d are known", list.count,
                sim->node_count);
    tb_arena_release(&arena);
}

static void check_dead_letters(const struct centre *centre)
{
    if (centre->has_other_past)
        return; /* offsets of several logs */
    for (int p = 0; p < TEST_PARTITIONS; p++)
        for (size_t i = 0; i < centre->broker.topics[BROKER_EVENTS][p].count; i++)
            SIM_REQUIRE(!centre->has_letter_in_db[p][i] || centre->has_letter_in_topic[p][i],
                        "C4: dead letter %d-%zu is not in the topic of dead letters", p, i);
}

void check_centre_final(struct sim *sim)
{
    check_orders(sim);
    check_sums(sim);
    check_centre_days(sim);
    check_nodes(sim);
    check_dead_letters(&sim->centre);
    check_centre_resent(sim);
}

#include "sim/check_centre_priv.h"
#include <stdlib.h>

/* C11: at the end the broker's log has every event that a node has delivered, or its order as it
 * was then or later: what the broker has lost was sent again. */

struct found {
    bool events[ORACLE_VERSIONS_MAX + 1];
    int64_t snapshot; /* the highest version of a snapshot; 0: there is none */
};

static void see_record(struct sim *sim, const struct tb_record *record, struct found *found)
{
    const struct centre_order *order =
        broker_is_marker(record) ? NULL : check_find_order(&sim->centre, record->key);
    struct found *of = order ? &found[order - sim->centre.orders] : NULL;
    int64_t version = check_record_version(record);
    struct check_mark mark = {0};

    if (!of || version < 1 || version > ORACLE_VERSIONS_MAX)
        return;
    if (check_record_is_snapshot(record))
        of->snapshot = version > of->snapshot ? version : of->snapshot;
    else if (check_record_mark(record, &mark) && !mark.foreign)
        of->events[version] = true;
}

static void check_order(const struct sim *sim, int at, const struct found *found)
{
    const struct centre_order *order = &sim->centre.orders[at];

    for (int64_t version = found->snapshot + 1; version <= check_centre_deliverable(sim, order);
         version++)
        SIM_REQUIRE(found->events[version],
                    "C11: the broker has lost version %" PRId64 " of order %s, and %s has not "
                    "sent it again",
                    version, order->id, sim->nodes[order->node].name);
}

void check_centre_resent(struct sim *sim)
{
    struct found *found = calloc(ORACLE_ORDERS_MAX, sizeof *found);

    TB_ASSERT(found);
    for (int p = 0; p < TEST_PARTITIONS; p++)
        for (size_t i = 0; i < sim->centre.broker.topics[BROKER_EVENTS][p].count; i++)
            see_record(sim, &sim->centre.broker.topics[BROKER_EVENTS][p].records[i], found);
    for (int i = 0;
         sim->centre.tills_resend && !sim->centre.has_left_out && i < sim->centre.order_count; i++)
        check_order(sim, i, &found[i]);
    free(found);
}

#include "sim/check_centre_priv.h"
#include "sim/trace.h"
#include <string.h>

/* C9: whose orders are late. Nodes and centrals have days that begin at different moments: in the
 * one zone of the simulation a day start of 10:00 is the day of a zone ten hours to the west. */

#define DAY_MS INT64_C(86400000)

int sim_day_start_minutes(const struct sim *sim, int node)
{
    static const int starts[] = {0, SIM_CENTRE_DAY_START - 1, SIM_CENTRE_DAY_START + 1, 600};

    return starts[(sim->seed / 3 + (uint64_t)node) % (sizeof starts / sizeof *starts)];
}

void check_centre_see_node(struct sim *sim, const bson_t *doc)
{
    const char *name = check_str(doc, "_id");
    int64_t *known_ms;

    if (strncmp(name, "till", 4) != 0 || name[4] < '1' || name[4] >= '1' + sim->node_count)
        return;
    known_ms = &sim->centre.day_known_ms[name[4] - '1'];
    if (*known_ms == 0 && bson_has_field(doc, "dayEnds"))
        *known_ms = SIM_EPOCH_MS + sim->now_us / 1000 + 1;
}

/* What the broker's log says of one node's orders of one date. */
struct day {
    int node;
    const char *date;
    int64_t ends_at_ms;
    int64_t may_be_late;  /* records */
    int64_t must_be_late; /* orders */
};

/* A record before the node's first heartbeat is stored may be judged by the central's day. */
static void count_order(struct sim *sim, const char *id, struct day *day)
{
    int64_t known_ms = sim->centre.day_known_ms[day->node];
    bool all_late = true;

    for (int p = 0; p < TEST_PARTITIONS; p++) {
        const struct broker_partition *part = &sim->centre.broker.topics[BROKER_EVENTS][p];

        for (size_t i = 0; i < part->count; i++) {
            const struct tb_record *record = &part->records[i];
            bool is_late = record->timestamp_ms >= day->ends_at_ms;
            bool is_known = known_ms > 0 && record->timestamp_ms >= known_ms;

            if (broker_is_marker(record) || !tb_str_eq(record->key, tb_str_of(id)))
                continue;
            day->may_be_late += is_late || !is_known;
            all_late = all_late && is_late && is_known;
        }
    }
    day->must_be_late += all_late;
}

static void count_orders(struct sim *sim, struct day *day)
{
    const struct mongod_collection *orders = mongod_collection(&sim->centre.mongod, "orders");

    for (size_t i = 0; i < orders->count; i++) {
        const bson_t *doc = orders->list[i].doc;

        if (strcmp(check_str(doc, "businessDate"), day->date) == 0 &&
            strcmp(check_str(doc, "node"), sim->nodes[day->node].name) == 0)
            count_order(sim, check_str(doc, "_id"), day);
    }
}

/* The documents of the date, one for each currency, from `first` on. */
static void check_day(struct sim *sim, const struct mongod_collection *days, size_t first)
{
    const char *node = check_str(days->list[first].doc, "node");
    struct day day = {.node = node[4] - '1',
                      .date = check_str(days->list[first].doc, "businessDate")};
    int64_t late_orders = 0, late_changes = 0;

    for (size_t i = 0; i < days->count; i++) {
        const bson_t *doc = days->list[i].doc;

        if (strcmp(check_str(doc, "node"), node) != 0 ||
            strcmp(check_str(doc, "businessDate"), day.date) != 0)
            continue;
        if (i < first)
            return; /* was checked */
        late_orders += check_int(doc, "lateOrders");
        late_changes += check_int(doc, "revision") - 1;
    }
    day.ends_at_ms = tb_date_utc_ms(tb_str_of(day.date)) + DAY_MS +
                     sim_day_start_minutes(sim, day.node) * INT64_C(60000);
    count_orders(sim, &day);
    sim_cover(COVER_ORDER_LATE, day.must_be_late > 0);
    SIM_REQUIRE(late_changes <= day.may_be_late,
                "C9: %" PRId64 " changes of %s's day %s are late, but at most %" PRId64
                " came after it",
                late_changes, node, day.date, day.may_be_late);
    SIM_REQUIRE(late_orders >= day.must_be_late,
                "C9: %" PRId64 " orders of %s's day %s are late, but %" PRId64 " came after it",
                late_orders, node, day.date, day.must_be_late);
}

void check_centre_days(struct sim *sim)
{
    const struct mongod_collection *days = mongod_collection(&sim->centre.mongod, "sales_by_day");

    if (sim->centre.has_other_past)
        return; /* what a lost database has judged is judged again, with what is known then */
    for (size_t i = 0; i < days->count; i++)
        check_day(sim, days, i);
}

/* Mutant: an order is late if the central's date has passed the order's. */

static enum tb_code (*sound_commit)(struct tb_view *view, const struct tb_plan *plan,
                                    struct tb_error *err);

static enum tb_code commit_by_centre_zone(struct tb_view *view, const struct tb_plan *plan,
                                          struct tb_error *err)
{
    for (size_t i = 0; i < plan->sales_delta_count; i++) {
        struct tb_plan_sales_delta *delta = &plan->sales_deltas[i];
        char date[TB_DATE_SIZE];

        tb_business_date(delta->timestamp_ms, SIM_CENTRE_DAY_START, date);
        delta->timestamp_ms +=
            strcmp(date, delta->day->business_date) > 0 ? 3 * DAY_MS : -3 * DAY_MS;
    }
    return sound_commit(view, plan, err);
}

void day_mutant_install(struct central *central)
{
    static struct tb_view_ops ops;

    if (central->sim->mutant != SIM_MUTANT_LATE_BY_CENTRE_ZONE)
        return;
    if (central->view->ops != &ops)
        sound_commit = central->view->ops->commit;
    ops = *central->view->ops;
    ops.commit = commit_by_centre_zone;
    central->view->ops = &ops;
}

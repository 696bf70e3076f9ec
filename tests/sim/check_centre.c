#include "sim/check_centre_priv.h"
#include <string.h>

/* Compares what the centre has of a node's orders with the oracle. */

static struct check_document document_of(const bson_t *doc)
{
    bson_iter_t iter, list, line;
    struct check_document d = {.id = check_str(doc, "_id"),
                               .status = check_str(doc, "status"),
                               .kind = check_str(doc, "kind"),
                               .currency = check_str(doc, "currency"),
                               .number = check_str(doc, "orderNumber"),
                               .sku = check_str(doc, "lines.0.sku"),
                               .address = check_str(doc, "shippingAddress.line1"),
                               .customer = check_str(doc, "customerId"),
                               .node = check_str(doc, "node"),
                               .version = check_int(doc, "version"),
                               .total_minor = check_int(doc, "totalMinor")};

    if (bson_iter_init_find(&iter, doc, "lines") && bson_iter_recurse(&iter, &list))
        for (; bson_iter_next(&list); d.line_count++)
            if (d.line_count == 0 && bson_iter_recurse(&list, &line))
                while (bson_iter_next(&line)) {
                    if (strcmp(bson_iter_key(&line), "quantity") == 0)
                        d.quantity = bson_iter_as_int64(&line);
                    if (strcmp(bson_iter_key(&line), "unitPriceMinor") == 0)
                        d.price = bson_iter_as_int64(&line);
                }
    return d;
}

static void check_order(struct sim_node *node, struct centre_order *order)
{
    struct centre *centre = &node->sim->centre;
    const struct oracle *oracle = &node->sim->oracle;
    const struct oracle_order *known;

    if (order->order == ORACLE_NONE)
        order->order = oracle_find_order(oracle, order->id);
    SIM_REQUIRE(order->order != ORACLE_NONE, "C1: the centre's log knows order %s, %s does not",
                order->id, node->name);
    centre->by_order[order->order] = (int)(order - centre->orders) + 1;
    known = &oracle->orders[order->order];
    SIM_REQUIRE(order->log_version <= known->max_version,
                "C1: the centre's log has order %s at %" PRId64 ", %s has it at %" PRId64,
                order->id, order->log_version, node->name, known->max_version);
    for (int64_t version = 1; version <= order->log_version; version++)
        SIM_REQUIRE(order->attempts[version] == ORACLE_NONE ||
                        known->events[version].attempt == order->attempts[version],
                    "C1: version %" PRId64 " of order %s is of another attempt at the centre",
                    version, order->id);
    if (order->db_version == order->checked)
        return;
    order->checked = order->db_version;
    const struct check_document doc =
        document_of(mongod_get(&centre->mongod, "orders", order->id));
    check_document(node, &doc, order->order, order->db_version);
}

void check_centre_node(struct sim_node *node)
{
    struct centre *centre = &node->sim->centre;

    for (int i = 0; i < centre->order_count; i++)
        if (centre->orders[i].node == node->index)
            check_order(node, &centre->orders[i]);
}

/* What the centre knows of the order in an outbox row; NULL: nothing. */
static const struct centre_order *order_of(const struct sim_node *node, int64_t row)
{
    struct centre *centre = &node->sim->centre;
    int order = node->rows[row].order, at = centre->by_order[order];

    return at > 0 ? &centre->orders[at - 1]
                  : check_find_order(centre, tb_str_of(node->sim->oracle.orders[order].id));
}

bool check_centre_is_retained(const struct sim_node *node, int64_t row)
{
    const struct centre_order *order = order_of(node, row);

    return order && order->parked_from_row > 0;
}

bool check_centre_is_parked(const struct sim_node *node, int64_t row)
{
    const struct centre_order *order = order_of(node, row);

    return order && order->parked_from_row > 0 && row >= order->parked_from_row;
}

void check_centre_cursor(struct sim_node *node, int64_t cursor)
{
    SIM_REQUIRE(node->rows_gone <= cursor,
                "I7: %s: rows up to %" PRId64 " were removed, Kafka has acknowledged %" PRId64,
                node->name, node->rows_gone, cursor);
    for (int64_t row = 1; row <= cursor; row++) {
        const struct centre_order *order = order_of(node, row);

        SIM_REQUIRE(order && (order->log_version >= node->rows[row].version ||
                              check_centre_is_parked(node, row)),
                    "I7: %s: Kafka's cursor has passed row %" PRId64 ", which is not in its log",
                    node->name, row);
    }
}

void check_centre_parked(struct sim_node *node, const char *order_id, int64_t row)
{
    struct centre_order *order = check_find_order(&node->sim->centre, tb_str_of(order_id));

    SIM_REQUIRE(order && order->refused_from > 0,
                "I7: %s: order %s is parked, but the broker did not refuse it", node->name,
                order_id);
    order->parked_from_row = row;
    sim_cover(COVER_PARKED, 1);
}

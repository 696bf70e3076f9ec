#include "query/mongo/driver/fields.h"
#include "query/mongo/view/view.h"

#define LINE(member) TB_BSON_AT(struct tb_line, member)
static const struct tb_bson_field line_fields[] = {
    {"sku", TB_BSON_STR, LINE(sku), TB_BSON_STRICT},
    {"name", TB_BSON_STR, LINE(name), TB_BSON_STRICT},
    {"quantity", TB_BSON_INT, LINE(quantity)},
    {"unitPriceMinor", TB_BSON_INT, LINE(unit_price_minor)},
};
static const struct tb_bson_table line_table = TB_BSON_TABLE(struct tb_line, line_fields);

#define ADDRESS(member) TB_BSON_AT(struct tb_address, member)
static const struct tb_bson_field address_fields[] = {
    {"line1", TB_BSON_STR, ADDRESS(line1), TB_BSON_STRICT},
    {"line2", TB_BSON_STR, ADDRESS(line2), TB_BSON_STRICT},
    {"city", TB_BSON_STR, ADDRESS(city), TB_BSON_STRICT},
    {"postalCode", TB_BSON_STR, ADDRESS(postal_code), TB_BSON_STRICT},
    {"country", TB_BSON_STR, ADDRESS(country), TB_BSON_STRICT},
};
static const struct tb_bson_table address_table = TB_BSON_TABLE(struct tb_address, address_fields);

#define ORDER(member) TB_BSON_AT(struct tb_planned_order, order.member)
#define PLANNED(member) TB_BSON_AT(struct tb_planned_order, member)
#define OPTIONAL (TB_BSON_OMIT | TB_BSON_STRICT)
static const struct tb_bson_field order_fields[] = {
    {"_id", TB_BSON_TEXT, ORDER(order_id), TB_BSON_STRICT},
    {"version", TB_BSON_INT, ORDER(version)},
    {"stub", TB_BSON_BOOL, PLANNED(stub),
     TB_BSON_OMIT}, /* the last field of a stub: STUB_FIELDS */
    {"orderNumber", TB_BSON_TEXT, ORDER(order_number), OPTIONAL},
    {"status", TB_BSON_ENUM, ORDER(status), TB_BSON_STRICT, .name_of = tb_order_status_name,
     .max = TB_CANCELLED + 1},
    {"kind", TB_BSON_ENUM, ORDER(kind), TB_BSON_STRICT, .name_of = tb_order_kind_name,
     .max = TB_RETURN + 1},
    {"totalMinor", TB_BSON_INT, ORDER(total_minor)},
    {"currency", TB_BSON_TEXT, ORDER(currency), TB_BSON_STRICT},
    {"placedAt", TB_BSON_TIME, ORDER(placed_at_ms)},
    {"businessDate", TB_BSON_TEXT, ORDER(business_date), TB_BSON_STRICT},
    {"node", TB_BSON_STR, ORDER(node), TB_BSON_STRICT},
    {"source", TB_BSON_STR, ORDER(source), TB_BSON_STRICT},
    {"customerId", TB_BSON_STR, ORDER(customer_id), TB_BSON_STRICT},
    {"lines", TB_BSON_LIST, ORDER(lines), TB_BSON_STRICT,
     offsetof(struct tb_planned_order, order.line_count), TB_LINES_MAX, &line_table},
    {"shippingAddress", TB_BSON_DOCUMENT, ORDER(address), OPTIONAL,
     offsetof(struct tb_planned_order, order.has_address), .element = &address_table},
    {"updatedAt", TB_BSON_TIME, ORDER(updated_at_ms)},
    {"lastEventId", TB_BSON_TEXT, ORDER(last_event_id), OPTIONAL},
    {"epoch", TB_BSON_TEXT, PLANNED(epoch), OPTIONAL}, /* ORIGIN_FIELDS begin */
    {"sequence", TB_BSON_INT, PLANNED(sequence), TB_BSON_OMIT},
    {"replaced", TB_BSON_INT, PLANNED(lineage.replaced), TB_BSON_OMIT},
    {"earlierEpochs", TB_BSON_TEXT, PLANNED(lineage.earlier_epochs), TB_BSON_OMIT},
    {"events", TB_BSON_ARRAY, PLANNED(lineage.events), TB_BSON_OMIT,
     offsetof(struct tb_planned_order, lineage.event_count), TB_LINEAGE_EVENTS_MAX},
    {"receivedAt", TB_BSON_TIME, PLANNED(received_at_ms)},
};
static const struct tb_bson_table order_table =
    TB_BSON_TABLE(struct tb_planned_order, order_fields);
#define STUB_FIELDS 3
/* From epoch to events, which a stub has, too: it may be replaced by a snapshot. */
#define ORIGIN_FIELDS 5
#define FIELDS_BEHIND_ORIGIN 1

enum tb_code tb_mongo_order_encode(const struct tb_planned_order *planned, bson_t *doc,
                                   struct tb_error *err)
{
    size_t origin = order_table.count - FIELDS_BEHIND_ORIGIN - ORIGIN_FIELDS;
    bool failed = false;
    struct tb_bson_writer out = {doc, &failed};

    tb_bson_put_range(out, &order_table, 0, planned->stub ? STUB_FIELDS : order_table.count,
                      planned);
    if (planned->stub)
        tb_bson_put_range(out, &order_table, origin, ORIGIN_FIELDS, planned);
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

enum tb_code tb_mongo_order_decode(const bson_t *doc, struct tb_arena *arena,
                                   struct tb_planned_order *ret_planned, struct tb_error *err)
{
    struct tb_planned_order planned = {.exists = doc != NULL};

    if (doc && (!tb_bson_get_fields(doc, &order_table, arena, &planned) ||
                planned.order.version <= 0 || (!planned.stub && planned.order.line_count == 0)))
        return tb_error_set(err, TB_CORRUPT, "the view's document of order %.*s is not as written",
                            TB_UUID_LEN, planned.order.order_id);
    *ret_planned = planned;
    return TB_OK;
}
